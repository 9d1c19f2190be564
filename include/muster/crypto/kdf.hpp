// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keys from passphrases: scrypt and PBKDF2-HMAC-SHA256, computed by OpenSSL.
///
/// A passphrase has little to guess, so each guess is made dear: PBKDF2 by the number of hashes, scrypt also by the
/// memory that each guess keeps busy. What they cost is the caller's choice, and the caller bounds it: a cost that
/// comes from a file may be anything.
/// @see RFC 7914; RFC 8018. OpenSSL has Argon2 from 3.2 on only.

#include <cstddef>
#include <cstdint>

#include <openssl/evp.h>

#include <muster/core/result.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/secret.hpp>

namespace muster::crypto {

/// scrypt's costs: 128 * r * n bytes of memory, and time in proportion to n * r * p.
struct scrypt_cost {
    std::uint64_t n = 0;  ///< A power of two above 1.
    std::uint64_t r = 8;  ///< RFC 7914, section 2: fits caches of today.
    std::uint64_t p = 1;
};

/// Fills @p out with scrypt of @p passphrase. The memory it used is wiped. Expects costs that RFC 7914 allows.
/// @return `no_memory` when there is not as much as @p cost wants.
[[nodiscard]] inline result<void> scrypt(byte_view passphrase, byte_view salt, scrypt_cost const& cost, byte_span out) {
    auto const memory = 128 * cost.r * (cost.n + cost.p + 2);  // OpenSSL's own count of what it takes, and its bound
    if (EVP_PBE_scrypt(reinterpret_cast<char const*>(passphrase.data()), passphrase.size(), salt.data(), salt.size(),
                       cost.n, cost.r, cost.p, memory, out.data(), out.size()) == 1) {
        return ok();
    }
    return error{errc::no_memory, text("scrypt with N = ", cost.n, " and r = ", cost.r, " needs ", memory >> 20,
                                       " MiB of memory, which could not be had")};
}

/// Fills @p out with PBKDF2-HMAC-SHA256 of @p passphrase. Expects `0 < iterations < 2^31`.
inline void pbkdf2_sha256(byte_view passphrase, byte_view salt, std::uint32_t iterations, byte_span out) {
    detail::must(PKCS5_PBKDF2_HMAC(reinterpret_cast<char const*>(passphrase.data()),
                                   static_cast<int>(passphrase.size()), salt.data(), static_cast<int>(salt.size()),
                                   static_cast<int>(iterations), EVP_sha256(), static_cast<int>(out.size()),
                                   out.data()) == 1);
}

}  // namespace muster::crypto
