// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Requests to caches: recorded ones from files, and synthetic ones that are the same on every machine.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace muster::bench {

/// Where requests come from.
enum class origin {
    recorded,  ///< From a real system.
    pattern,   ///< Made up, in the same order again and again.
    random,    ///< Made up, by chance.
};

/// The requests of one trace, in order.
struct trace {
    std::string name;
    std::vector<std::uint32_t> ids;
    origin from = origin::recorded;
    std::size_t distinct = 0;  ///< How many ids there are.
};

/// Reads a file: `.xz` is unpacked first; `.txt` has a key a line, anything else big-endian 32-bit ids.
/// @throws std::runtime_error  that names the file and says what is wrong with it.
[[nodiscard]] trace read_trace(std::string const& path);

/// The traces that come with the benchmarks.
[[nodiscard]] std::vector<trace> shipped_traces();

/// Zipf's law with three exponents, with scans, and with a popularity that drifts; a loop, and to and fro.
[[nodiscard]] std::vector<trace> synthetic_traces();

/// @p percent of the distinct ids of @p t, and at least 16.
[[nodiscard]] std::size_t capacity_of(trace const& t, double percent);

}  // namespace muster::bench
