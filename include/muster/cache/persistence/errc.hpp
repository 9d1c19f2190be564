// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a cache could not be saved or loaded.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::cache {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   damaged,              ///< Not what was written: cut short, or changed.
                   unsupported_version,  ///< Written by a later format.
                   other_codec,          ///< Written with another codec than it is read with.
                   not_loaded,           ///< Saving would overwrite what was not loaded yet.
                   already_loaded,       ///< Loading again would undo what happened since.
                   threw                 ///< An exception of a codec, or of another part of the user's own.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "cache"; }

}  // namespace muster::cache
