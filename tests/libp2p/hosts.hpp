// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Hosts and keys that tests of this folder share. Nothing here is secret.

#include <memory>

#include <openssl/evp.h>

#include <muster/crypto/x25519.hpp>
#include <muster/libp2p/protobuf.hpp>
#include <muster/peer/identity.hpp>

#include <support/keys.hpp>

namespace muster::test {

/// A host whose key follows from @p seed.
[[nodiscard]] inline peer::node_key host(std::uint64_t seed) {
    return peer::node_key{std::move(make_keys(1, seed)[0])};
}

/// An X25519 key from hexadecimal digits.
[[nodiscard]] inline crypto::x25519_key x25519(std::string_view digits) {
    return crypto::x25519_key::from_secret(crypto::secret<32>::copy_of(from_hex(digits).value()).value()).value();
}

/// An X25519 key that follows from @p seed.
[[nodiscard]] inline crypto::x25519_key x25519(std::uint64_t seed) {
    predictable source{seed};
    return crypto::x25519_key::generate(source).value();
}

/// A host with an Ed25519 key, such as the library meets but does not make.
class ed25519_host {
public:
    explicit ed25519_host(byte_view secret)
        : key_{EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size())} {}

    [[nodiscard]] bytes public_key() const {
        bytes out(32);
        std::size_t size = out.size();
        EVP_PKEY_get_raw_public_key(key_.get(), out.data(), &size);
        return out;
    }
    [[nodiscard]] bytes sign(byte_view message) const {
        std::unique_ptr<EVP_MD_CTX, crypto::detail::free_with<EVP_MD_CTX_free>> const context{EVP_MD_CTX_new()};
        bytes out(64);
        std::size_t size = out.size();
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get());
        EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size());
        return out;
    }

private:
    std::unique_ptr<EVP_PKEY, crypto::detail::free_with<EVP_PKEY_free>> key_;
};

/// Bytes that follow from @p seed.
[[nodiscard]] inline bytes noise_of(std::size_t size, std::uint64_t seed) {
    splitmix64 random{seed};
    bytes out(size);
    for (auto& octet : out) octet = static_cast<byte>(random());
    return out;
}

}  // namespace muster::test
