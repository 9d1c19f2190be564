// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Encryption that also proves who encrypted, computed by OpenSSL: ChaCha20-Poly1305 (RFC 8439), and AES-256-GCM (NIST
/// SP 800-38D). Neither commits to its key: a ciphertext can be made that opens under two of them. Where a key comes
/// from a passphrase, that has to be ruled out beside it (Len, Grubbs, Ristenpart, "Partitioning Oracle Attacks",
/// 2021).

#include <array>
#include <cstddef>
#include <memory>

#include <openssl/evp.h>

#include <muster/core/result.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/secret.hpp>

namespace muster::crypto {

/// Names of ciphers, as OpenSSL has them. Both take keys of 32 bytes and nonces of 12, and make tags of 16.
/// @{
struct chacha20_poly1305 {
    static constexpr char const* name = "ChaCha20-Poly1305";
};
struct aes_256 {
    static constexpr char const* name = "AES-256-GCM";
};
/// @}

/// One key of @p Cipher in one direction. Movable; one thread at a time.
///
/// The key schedule lives in OpenSSL's heap and is wiped with the object; use it for keys that live as long
/// as a connection, not for what must never leave guarded memory.
template <class Cipher>
class basic_aead {
public:
    static constexpr std::size_t key_size = 32;
    static constexpr std::size_t nonce_size = 12;
    static constexpr std::size_t tag_size = 16;  ///< Bytes by which a ciphertext exceeds its plaintext.
    using nonce = std::array<byte, nonce_size>;

    /// Expects `key.size() == key_size`.
    explicit basic_aead(byte_view key) : context_{EVP_CIPHER_CTX_new()} {
        detail::must(context_ != nullptr && key.size() == key_size &&
                     EVP_CipherInit_ex2(context_.get(), method(), key.data(), nullptr, 1, nullptr) == 1);
    }

    /// Appends the ciphertext of @p plain and its tag to @p out. Never use a nonce twice with one key.
    void seal(nonce const& n, byte_view associated, byte_view plain, bytes& out) {
        begin(n, associated, 1);
        auto const at = out.size();
        out.resize(at + plain.size() + tag_size);
        int written = 0;
        detail::must(
            EVP_CipherUpdate(context_.get(), out.data() + at, &written, plain.data(), static_cast<int>(plain.size())) ==
                1 &&
            EVP_CipherFinal_ex(context_.get(), out.data() + at + written, &written) == 1 &&
            EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, tag_size, out.data() + at + plain.size()) == 1);
    }

    /// Appends the plaintext of @p sealed to @p out, or returns `not_authentic` and leaves @p out as it was.
    [[nodiscard]] result<void> open(nonce const& n, byte_view associated, byte_view sealed, bytes& out) {
        if (sealed.size() < tag_size) {
            return error{errc::not_authentic, text("ciphertext of ", sealed.size(), " bytes has no tag")};
        }
        auto const body = sealed.first(sealed.size() - tag_size);
        std::array<byte, tag_size> tag{};
        for (std::size_t i = 0; i < tag_size; ++i) tag[i] = sealed[body.size() + i];

        begin(n, associated, 0);
        auto const at = out.size();
        out.resize(at + body.size());
        int written = 0;
        bool const authentic = EVP_CipherUpdate(context_.get(), out.data() + at, &written, body.data(),
                                                static_cast<int>(body.size())) == 1 &&
                               EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1 &&
                               EVP_CipherFinal_ex(context_.get(), out.data() + at + written, &written) == 1;
        if (authentic) return ok();
        wipe(byte_span{out}.subspan(at));
        out.resize(at);
        return error{errc::not_authentic,
                     text("ciphertext of ", sealed.size(), " bytes does not authenticate under this key and nonce")};
    }

private:
    [[nodiscard]] static EVP_CIPHER const* method() noexcept {
        static EVP_CIPHER const* const cipher = EVP_CIPHER_fetch(nullptr, Cipher::name, nullptr);
        detail::must(cipher != nullptr);
        return cipher;
    }

    void begin(nonce const& n, byte_view associated, int encrypt) {
        int ignored = 0;
        detail::must(EVP_CipherInit_ex2(context_.get(), nullptr, nullptr, n.data(), encrypt, nullptr) == 1);
        if (!associated.empty()) {
            detail::must(EVP_CipherUpdate(context_.get(), nullptr, &ignored, associated.data(),
                                          static_cast<int>(associated.size())) == 1);
        }
    }

    std::unique_ptr<EVP_CIPHER_CTX, detail::free_with<EVP_CIPHER_CTX_free>> context_;
};
/// What the network is spoken with.
using aead = basic_aead<chacha20_poly1305>;
/// What lies on disk is encrypted with.
using aes_256_gcm = basic_aead<aes_256>;

}  // namespace muster::crypto
