// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why octets could not be decoded.

#include <cstdint>
#include <string_view>

#include <muster/core/error.hpp>

namespace muster::wire {

/// What was wrong with an encoding.
enum class errc : std::uint8_t {
    truncated = 1,  ///< Fewer octets than the encoding promises.
    trailing,       ///< Octets after the end of the value.
    too_large,      ///< A length or count above the reader's limit.
    not_canonical,  ///< A second spelling of a value; only one is accepted.
    bad_value,      ///< A number outside its enumeration.
};
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "wire"; }
[[nodiscard]] constexpr std::string_view to_string(errc e) noexcept {
    switch (e) {
        case errc::truncated: return "truncated";
        case errc::trailing: return "trailing";
        case errc::too_large: return "too_large";
        case errc::not_canonical: return "not_canonical";
        case errc::bad_value: return "bad_value";
    }
    return "unknown";
}

}  // namespace muster::wire
