// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why something that is replicated was refused.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::sync {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   malformed,       ///< Not the one encoding of anything.
                   too_large,       ///< More bytes or entries than there may be.
                   full,            ///< As much is kept as may be.
                   not_found,       ///< There is no such entry.
                   out_of_sequence  ///< Not the next one of its chain.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "sync"; }

}  // namespace muster::sync
