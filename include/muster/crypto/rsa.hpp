// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// RSA signatures, verified only (RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017 section 8.2), computed by OpenSSL. Host keys
/// of old libp2p peers are of this kind; ours are not.
///
/// A key is one encoding: what is accepted is what OpenSSL would write, byte for byte, so that one key has one name.
/// The modulus and the exponent are bounded, and with them the time that a stranger's signature takes.
/// @see RFC 5280, section 4.1 (SubjectPublicKeyInfo); RFC 8017, appendix A.1.

#include <cstddef>
#include <memory>
#include <utility>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/errc.hpp>
#include <muster/crypto/hash.hpp>

namespace muster::crypto {

namespace detail {
/// What OpenSSL complains of inside a scope is not left behind for others to find.
class forget_errors {
public:
    forget_errors() noexcept { ERR_set_mark(); }
    forget_errors(forget_errors const&) = delete;
    forget_errors& operator=(forget_errors const&) = delete;
    ~forget_errors() { ERR_pop_to_mark(); }
};
}  // namespace detail

/// An RSA public key. A value; copies share what OpenSSL made of it.
class rsa_public {
public:
    static constexpr int modulus_bits_min = 2048;           ///< As go-libp2p has it.
    static constexpr int modulus_bits_max = 8192;           ///< As go-libp2p and js-libp2p have it.
    static constexpr int exponent_bits_max = 31;            ///< As Go's crypto/rsa has it. 65537 has 17.
    static constexpr std::size_t encoded_size_max = 1'100;  ///< Bytes; 8192 bits of modulus need 1,062.

    /// Reads a SubjectPublicKeyInfo in DER. About 20 us.
    /// @return `invalid_key` for another encoding, another kind of key, or a size out of bounds.
    [[nodiscard]] static result<rsa_public> from_spki(byte_view der) {
        detail::forget_errors const scope;
        if (der.size() > encoded_size_max) return refuse(text("an encoding of ", der.size(), " bytes is too long"));
        auto const* at = der.data();
        std::shared_ptr<EVP_PKEY> key{d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())), EVP_PKEY_free};
        if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
            return refuse(text("these ", der.size(), " bytes are no RSA key in DER, as SubjectPublicKeyInfo"));
        }
        auto const bits = EVP_PKEY_get_bits(key.get());
        if (bits < modulus_bits_min || bits > modulus_bits_max) {
            return refuse(
                text("a modulus of ", bits, " bits; ", modulus_bits_min, " to ", modulus_bits_max, " are supported"));
        }
        if (!has_good_exponent(*key)) return refuse("the exponent is even, 1, or of more than 31 bits");
        unsigned char* again = nullptr;
        auto const size = i2d_PUBKEY(key.get(), &again);
        std::unique_ptr<unsigned char, free_bytes> const owner{again};
        if (size <= 0 || !equal(der, {again, static_cast<std::size_t>(size)})) {
            return refuse("the encoding is not the one that DER wants");
        }
        return rsa_public{to_bytes(der), std::move(key)};
    }

    /// The SubjectPublicKeyInfo.
    [[nodiscard]] byte_view spki() const noexcept { return der_; }

    /// Whether @p sig is this key's signature of @p message. At most 0.5 ms.
    [[nodiscard]] bool verify(byte_view message, byte_view sig) const {
        detail::forget_errors const scope;
        std::unique_ptr<EVP_MD_CTX, detail::free_with<EVP_MD_CTX_free>> const context{EVP_MD_CTX_new()};
        detail::must(context != nullptr);
        return sig.size() == static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())) &&
               EVP_DigestVerifyInit(context.get(), nullptr, detail::sha256_method(), nullptr, key_.get()) == 1 &&
               EVP_DigestVerify(context.get(), sig.data(), sig.size(), message.data(), message.size()) == 1;
    }

    friend bool operator==(rsa_public const& a, rsa_public const& b) noexcept { return a.der_ == b.der_; }

private:
    struct free_bytes {
        void operator()(unsigned char* p) const noexcept { OPENSSL_free(p); }
    };

    rsa_public(bytes der, std::shared_ptr<EVP_PKEY> key) noexcept : der_{std::move(der)}, key_{std::move(key)} {}

    [[nodiscard]] static error refuse(std::string why) { return error{errc::invalid_key, text("RSA: ", why)}; }

    [[nodiscard]] static bool has_good_exponent(EVP_PKEY const& key) {
        BIGNUM* raw = nullptr;
        if (EVP_PKEY_get_bn_param(&key, OSSL_PKEY_PARAM_RSA_E, &raw) != 1) return false;
        std::unique_ptr<BIGNUM, detail::free_with<BN_free>> const exponent{raw};
        return BN_is_odd(raw) && !BN_is_one(raw) && BN_num_bits(raw) <= exponent_bits_max;
    }

    bytes der_;
    std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace muster::crypto
