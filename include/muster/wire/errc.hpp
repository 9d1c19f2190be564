// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why octets could not be decoded.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::wire {

/// What was wrong with an encoding.
MUSTER_ENUMERATION(errc, 1,
                   truncated,      ///< Fewer octets than the encoding promises.
                   trailing,       ///< Octets after the end of the value.
                   too_large,      ///< A length or count above the reader's limit.
                   not_canonical,  ///< A second spelling of a value; only one is accepted.
                   bad_value,      ///< A number outside its enumeration.
                   malformed       ///< Not a message of its format.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "wire"; }

}  // namespace muster::wire
