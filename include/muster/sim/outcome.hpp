// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How a run ended.

#include <cstdint>
#include <optional>
#include <string>

#include <muster/core/version.hpp>

namespace muster::sim {

/// The end of one run.
struct outcome {
    std::optional<std::string> failure;  ///< What was violated, or why it did not come to an end; none when it passed.
    std::uint64_t trace = 0;             ///< Covers everything that happened; see @ref sim::trace.
    std::uint64_t events = 0;            ///< Actions that ran.
    std::string options;                 ///< What was drawn from the seed, for people.
    std::string summary;                 ///< What came of it, for people.
};

}  // namespace muster::sim
