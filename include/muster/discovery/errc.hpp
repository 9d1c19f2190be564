// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why something that was advertised is not taken.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::discovery {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   invalid_binding,  ///< The signer key did not say that this machine speaks for it.
                   own               ///< It is of this signer.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "discovery"; }

}  // namespace muster::discovery
