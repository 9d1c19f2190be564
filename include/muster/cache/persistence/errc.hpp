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
    damaged = 1,          ///< Not what was written: cut short, or changed.
    unsupported_version,  ///< Written by a later format.
    other_codec,          ///< Written with another codec than it is read with.
    not_loaded,           ///< Saving would overwrite what was not loaded yet.
    already_loaded,       ///< Loading again would undo what happened since.
    threw,                ///< An exception of a codec, or of another part of the user's own.
};
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "cache"; }
[[nodiscard]] constexpr std::string_view to_string(errc e) noexcept {
    switch (e) {
        case errc::damaged: return "damaged";
        case errc::unsupported_version: return "unsupported_version";
        case errc::other_codec: return "other_codec";
        case errc::not_loaded: return "not_loaded";
        case errc::already_loaded: return "already_loaded";
        case errc::threw: return "threw";
    }
    return "unknown";
}

}  // namespace muster::cache
