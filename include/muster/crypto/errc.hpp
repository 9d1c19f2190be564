// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a cryptographic operation was refused.

#include <cstdint>
#include <string_view>

#include <muster/core/error.hpp>

namespace muster::crypto {

/// What was wrong.
enum class errc : std::uint8_t {
    no_entropy = 1,     ///< The system's random source failed or returned zeros.
    no_locked_memory,   ///< Memory that stays out of swap and core dumps could not be had.
    secret_gone,        ///< The secret was moved away, or this process is a fork of its owner.
    invalid_secret,     ///< A secret key that is zero or not below the group order.
    invalid_key,        ///< A public key that is not a point of the curve, or not of its kind.
    invalid_signature,  ///< A signature that does not verify.
    not_authentic,      ///< A ciphertext that was not made with this key, nonce and associated data.
};
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "crypto"; }
[[nodiscard]] constexpr std::string_view to_string(errc e) noexcept {
    switch (e) {
        case errc::no_entropy: return "no_entropy";
        case errc::no_locked_memory: return "no_locked_memory";
        case errc::secret_gone: return "secret_gone";
        case errc::invalid_secret: return "invalid_secret";
        case errc::invalid_key: return "invalid_key";
        case errc::invalid_signature: return "invalid_signature";
        case errc::not_authentic: return "not_authentic";
    }
    return "unknown";
}

}  // namespace muster::crypto
