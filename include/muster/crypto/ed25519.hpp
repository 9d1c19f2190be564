// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Ed25519 signatures, verified only (RFC 8032), computed by OpenSSL. Host keys of many libp2p peers are of
/// this kind; ours are not.

#include <memory>

#include <openssl/evp.h>

#include <muster/core/bytes.hpp>
#include <muster/crypto/hash.hpp>

namespace muster::crypto {

struct ed25519_public_tag;
/// An Ed25519 public key, as sent. Being one of these does not make it valid.
using ed25519_public = fixed_bytes<ed25519_public_tag, 32>;

/// Whether @p sig is @p key's signature of @p message. False for a key that is not a point. About 160 us.
[[nodiscard]] inline bool verify_ed25519(ed25519_public const& key, byte_view message, byte_view sig) {
    std::unique_ptr<EVP_PKEY, detail::free_with<EVP_PKEY_free>> const handle{
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size())};
    std::unique_ptr<EVP_MD_CTX, detail::free_with<EVP_MD_CTX_free>> const context{EVP_MD_CTX_new()};
    detail::must(context != nullptr);
    return handle != nullptr && sig.size() == 64 &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, handle.get()) == 1 &&
           EVP_DigestVerify(context.get(), sig.data(), sig.size(), message.data(), message.size()) == 1;
}

}  // namespace muster::crypto
