// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How often a test repeats itself: less in each build than when somebody asks for the whole figure (`./dev goals`).

#include <cstddef>
#include <cstdlib>

namespace muster::test {

/// @p full when MUSTER_TEST_FULL is set, and @p usual otherwise.
[[nodiscard]] inline std::size_t effort(std::size_t full, std::size_t usual) {
    static bool const is_full = std::getenv("MUSTER_TEST_FULL") != nullptr;
    return is_full ? full : usual;
}

}  // namespace muster::test
