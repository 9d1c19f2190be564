// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a page is not served.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::http {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   bad_address,   ///< No address and port, or an address that others reach.
                   cannot_listen  ///< The port is taken, or the system refuses.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "http"; }

}  // namespace muster::http
