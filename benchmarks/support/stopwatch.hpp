// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Time of calls, for what is measured in rounds of its own instead of by Google Benchmark.

#include <chrono>
#include <cstddef>

namespace muster::bench {

/// How often such a thing is measured; the median counts.
inline constexpr int rounds = 5;

/// Nanoseconds of wall time that one of @p calls takes, when @p f makes them all.
template <class F>
[[nodiscard]] double nanoseconds(std::size_t calls, F f) {
    using clock = std::chrono::steady_clock;
    auto const began = clock::now();
    f();
    return std::chrono::duration<double, std::nano>(clock::now() - began).count() / static_cast<double>(calls);
}

}  // namespace muster::bench
