// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The programs that the documentation shows: extract registers them, main.cpp runs them.

#include <utility>
#include <vector>

namespace programs {

using program = int (*)();

[[nodiscard]] inline std::vector<std::pair<char const*, program>>& all() {
    static std::vector<std::pair<char const*, program>> list;
    return list;
}
inline bool add(char const* page, program p) {
    all().emplace_back(page, p);
    return true;
}

}  // namespace programs
