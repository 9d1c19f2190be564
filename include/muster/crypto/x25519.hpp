// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// X25519 key agreement (RFC 7748), computed by OpenSSL. Noise's `DH`.

#include <cstddef>
#include <memory>
#include <utility>

#include <openssl/evp.h>

#include <muster/core/hex.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/secret.hpp>

namespace muster::crypto {

struct x25519_public_tag;
/// A Curve25519 point, as sent.
using x25519_public = fixed_bytes<x25519_public_tag, 32>;

/// A Curve25519 secret with its public point. Move-only.
class x25519_key {
public:
    /// The key whose secret is @p scalar; every 32 bytes are one.
    [[nodiscard]] static result<x25519_key> from_secret(secret<32> scalar) {
        MUSTER_TRY(scalar.require());
        x25519_key key{std::move(scalar)};
        std::size_t size = 32;
        auto const handle = key.load();
        detail::must(handle != nullptr && EVP_PKEY_get_raw_public_key(handle.get(), key.public_.data(), &size) == 1);
        return key;
    }
    /// A fresh key, or the source's error.
    [[nodiscard]] static result<x25519_key> generate(secret_source auto& source) {
        MUSTER_TRY(auto scalar, secret<32>::generate(source));
        return from_secret(std::move(scalar));
    }

    [[nodiscard]] x25519_public const& public_point() const noexcept { return public_; }

    /// The shared secret with @p other.
    /// @return `invalid_key` when @p other is of low order, so that the result would not depend on us.
    [[nodiscard]] result<secret<32>> agree(x25519_public const& other) const {
        MUSTER_TRY(scalar_.require());
        auto const mine = load();
        pkey const theirs{EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, other.data(), 32)};
        std::unique_ptr<EVP_PKEY_CTX, detail::free_with<EVP_PKEY_CTX_free>> const context{
            EVP_PKEY_CTX_new(mine.get(), nullptr)};
        detail::must(mine != nullptr && theirs != nullptr && context != nullptr);
        MUSTER_TRY(auto shared, secret<32>::make());
        std::size_t size = 32;
        if (EVP_PKEY_derive_init(context.get()) != 1 || EVP_PKEY_derive_set_peer(context.get(), theirs.get()) != 1 ||
            EVP_PKEY_derive(context.get(), shared.span().data(), &size) != 1) {
            return error{errc::invalid_key, text("X25519 refuses the point ", to_hex(other), ": it is of low order")};
        }
        return shared;
    }

private:
    using pkey = std::unique_ptr<EVP_PKEY, detail::free_with<EVP_PKEY_free>>;

    explicit x25519_key(secret<32> scalar) noexcept : scalar_{std::move(scalar)} {}

    [[nodiscard]] pkey load() const {
        return pkey{EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, scalar_.view().data(), 32)};
    }

    secret<32> scalar_;
    x25519_public public_;
};

}  // namespace muster::crypto
