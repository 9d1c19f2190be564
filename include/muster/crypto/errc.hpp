// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a cryptographic operation was refused.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::crypto {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   no_entropy,         ///< The system's random source failed or returned zeros.
                   no_locked_memory,   ///< Memory that stays out of swap and core dumps could not be had.
                   secret_gone,        ///< The secret was moved away, or this process is a fork of its owner.
                   invalid_secret,     ///< A secret key that is zero or not below the group order.
                   invalid_key,        ///< A public key that is not a point of the curve, or not of its kind.
                   invalid_signature,  ///< A signature that does not verify.
                   not_authentic,      ///< A ciphertext that was not made with this key, nonce and associated data.
                   no_memory           ///< As much memory as a key derivation asks for could not be had.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "crypto"; }

}  // namespace muster::crypto
