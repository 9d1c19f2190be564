// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a cache could not be saved or loaded.

#include <cstdint>
#include <string_view>

#include <muster/core/error.hpp>

namespace muster::cache {

/// What was wrong.
enum class errc : std::uint8_t {
    io_failed = 1,        ///< The operating system refused; the message says what and why.
    too_large,            ///< A file above the bound that was set for it.
    damaged,              ///< Not what was written: cut short, or changed.
    unsupported_version,  ///< Written by a later format.
    other_codec,          ///< Written with another codec than it is read with.
    cannot_keep_aside,    ///< A file that cannot be read would have to be overwritten.
    not_loaded,           ///< Saving would overwrite what was not loaded yet.
    already_loaded,       ///< Loading again would undo what happened since.
};
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "cache"; }
[[nodiscard]] constexpr std::string_view to_string(errc e) noexcept {
    switch (e) {
        case errc::io_failed: return "io_failed";
        case errc::too_large: return "too_large";
        case errc::damaged: return "damaged";
        case errc::unsupported_version: return "unsupported_version";
        case errc::other_codec: return "other_codec";
        case errc::cannot_keep_aside: return "cannot_keep_aside";
        case errc::not_loaded: return "not_loaded";
        case errc::already_loaded: return "already_loaded";
    }
    return "unknown";
}

}  // namespace muster::cache
