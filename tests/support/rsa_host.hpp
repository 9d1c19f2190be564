// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A host with an RSA key, such as the library meets but does not make, and DER by hand.

#include <memory>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <muster/crypto/hash.hpp>
#include <muster/peer/host_key.hpp>

namespace muster::test {

/// One DER element.
[[nodiscard]] inline bytes der(byte tag, bytes const& content) {
    bytes out{tag};
    if (content.size() >= 0x100) {
        append(out, bytes{0x82, static_cast<byte>(content.size() >> 8), static_cast<byte>(content.size() & 0xff)});
    } else if (content.size() >= 0x80) {
        append(out, bytes{0x81, static_cast<byte>(content.size())});
    } else {
        out.push_back(static_cast<byte>(content.size()));
    }
    append(out, content);
    return out;
}
/// A positive number whose first byte is below 0x80, or behind a zero.
[[nodiscard]] inline bytes der_number(bytes digits) {
    if (digits[0] >= 0x80) digits.insert(digits.begin(), 0);
    return der(0x02, digits);
}
[[nodiscard]] inline bytes joined(std::initializer_list<bytes> parts) {
    bytes out;
    for (auto const& p : parts) append(out, p);
    return out;
}
/// A SubjectPublicKeyInfo of @p modulus and @p exponent, of the algorithm rsaEncryption unless said otherwise.
[[nodiscard]] inline bytes spki_of(bytes const& modulus, bytes const& exponent = {1, 0, 1},
                                   bytes const& oid = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}) {
    auto const key = der(0x30, joined({der_number(modulus), der_number(exponent)}));
    return der(0x30,
               joined({der(0x30, joined({der(0x06, oid), bytes{0x05, 0x00}})), der(0x03, joined({{0x00}, key}))}));
}
/// An odd number of @p bits bits.
[[nodiscard]] inline bytes modulus_of(std::size_t bits) {
    bytes out((bits + 7) / 8, 0xa5);
    out[0] = static_cast<byte>(1u << ((bits - 1) % 8));
    return out;
}

class rsa_host {
public:
    explicit rsa_host(unsigned bits = 2048) : key_{EVP_RSA_gen(bits)} {}

    [[nodiscard]] bytes spki() const {
        bytes out(static_cast<std::size_t>(i2d_PUBKEY(key_.get(), nullptr)));
        auto* at = out.data();
        i2d_PUBKEY(key_.get(), &at);
        return out;
    }
    [[nodiscard]] bytes public_key_message() const { return peer::encode(peer::public_key_message{0, spki()}); }
    [[nodiscard]] bytes sign(byte_view message) const {
        std::unique_ptr<EVP_MD_CTX, crypto::detail::free_with<EVP_MD_CTX_free>> const context{EVP_MD_CTX_new()};
        std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()));
        bytes out(size);
        EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get());
        EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size());
        return out;
    }

private:
    std::unique_ptr<EVP_PKEY, crypto::detail::free_with<EVP_PKEY_free>> key_;
};

}  // namespace muster::test
