// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// SHA-256, BIP-340 tagged hashes, HMAC and HKDF, computed by OpenSSL.
///
/// A tagged hash is SHA256(SHA256(tag) || SHA256(tag) || message): the tag keeps the hashes of one purpose
/// apart from those of every other. None of these can fail on any input; OpenSSL reports failure only when
/// memory is exhausted or its own installation is broken, and then the process ends.
/// @see BIP-340 "Tagged Hashes"; RFC 2104; RFC 5869.

#include <cstddef>
#include <exception>
#include <memory>
#include <string_view>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <muster/core/bytes.hpp>
#include <muster/crypto/secret.hpp>

namespace muster::crypto {

struct digest32_tag;
/// The output of SHA-256, and the message of most signatures.
using digest32 = fixed_bytes<digest32_tag, 32>;
struct digest64_tag;
/// The output of HMAC-SHA512.
using digest64 = fixed_bytes<digest64_tag, 64>;

namespace detail {
/// OpenSSL failed where only exhausted memory or a broken installation can make it fail.
inline void must(bool succeeded) noexcept {
    if (!succeeded) std::terminate();
}
/// A `unique_ptr` deleter from a C function.
template <auto Free>
struct free_with {
    template <class T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
[[nodiscard]] inline EVP_MD const* sha256_method() noexcept {
    static EVP_MD const* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    must(method != nullptr);
    return method;
}
}  // namespace detail

/// SHA-256 over parts given one after another. What it has seen is wiped when it is destroyed.
class sha256_hasher {
public:
    sha256_hasher() : context_{EVP_MD_CTX_new()} {
        detail::must(context_ != nullptr && EVP_DigestInit_ex2(context_.get(), detail::sha256_method(), nullptr) == 1);
    }

    sha256_hasher& update(byte_view part) {
        detail::must(EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1);
        return *this;
    }
    /// The digest of all parts. Call once.
    [[nodiscard]] digest32 finish() {
        digest32 digest;
        finish_into(digest.octets);
        return digest;
    }
    /// @copydoc finish
    void finish_into(byte_span out) { detail::must(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1); }

private:
    std::unique_ptr<EVP_MD_CTX, detail::free_with<EVP_MD_CTX_free>> context_;
};

/// SHA-256 of @p message.
[[nodiscard]] inline digest32 sha256(byte_view message) { return sha256_hasher{}.update(message).finish(); }

/// The hashed name of a purpose. Make one per purpose, as a function-local static.
class hash_tag {
public:
    explicit hash_tag(std::string_view name) : digest_{sha256(as_bytes(name))} {}
    [[nodiscard]] digest32 const& digest() const noexcept { return digest_; }

private:
    digest32 digest_;
};

/// A hasher that is already past the two copies of @p tag.
[[nodiscard]] inline sha256_hasher tagged_hasher(hash_tag const& tag) {
    sha256_hasher hasher;
    hasher.update(tag.digest().view()).update(tag.digest().view());
    return hasher;
}

/// The tagged hash of the concatenation of @p parts. Give variable-length parts a length of their own.
template <class... Parts>
[[nodiscard]] digest32 tagged_hash(hash_tag const& tag, Parts const&... parts) {
    auto hasher = tagged_hasher(tag);
    (hasher.update(parts), ...);
    return hasher.finish();
}

/// HMAC-SHA256 of @p message under @p key.
[[nodiscard]] inline digest32 hmac_sha256(byte_view key, byte_view message) {
    digest32 out;
    detail::must(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
                      out.data(), nullptr) != nullptr);
    return out;
}

/// HMAC-SHA512 of @p message under @p key.
[[nodiscard]] inline digest64 hmac_sha512(byte_view key, byte_view message) {
    digest64 out;
    detail::must(HMAC(EVP_sha512(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
                      out.data(), nullptr) != nullptr);
    return out;
}

/// HKDF-SHA256: extracts from @p input under @p salt and expands for @p info into @p out.
/// Expects `out.size() <= 255 * 32`. Intermediate keys are wiped.
inline void hkdf_sha256(byte_view salt, byte_view input, byte_view info, byte_span out) {
    auto prk = hmac_sha256(salt, input);
    wipe_on_exit const wipe_prk{prk.octets};
    bytes block;  // T(i-1) || info || i, RFC 5869 section 2.3
    block.reserve(32 + info.size() + 1);
    digest32 t;
    wipe_on_exit const wipe_t{t.octets};
    byte counter = 0;
    for (std::size_t done = 0; done < out.size();) {
        append(block, info);
        block.push_back(++counter);
        t = hmac_sha256(prk.view(), block);
        wipe(block);
        block.assign(t.octets.begin(), t.octets.end());
        for (std::size_t i = 0; i < 32 && done < out.size(); ++i) out[done++] = t.octets[i];
    }
    wipe(block);
}

}  // namespace muster::crypto
