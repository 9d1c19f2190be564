// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What can be measured, and how a case is named.

#include <cstddef>
#include <string_view>
#include <utility>

#include <benchmark/benchmark.h>

#include <muster/core/error.hpp>

namespace muster::bench {

/// Each registers the cases of one area with Google Benchmark. @{
void register_cache();
void register_seen_cache();  ///< Part of the area `cache`.
void register_musig2();
void register_net();
void register_signing();
/// @}

/// How often a case is measured; the median counts. Odd, so that it is one of the measurements.
inline constexpr int repetitions = 7;

/// Registers @p body as `name/n/subject`; report.cpp takes that apart again. Time is the CPU time of the thread.
template <class Body>
benchmark::internal::Benchmark* add_case(std::string_view name, std::size_t n, std::string_view subject, Body body) {
    return benchmark::RegisterBenchmark(text(name, "/", n, "/", subject).c_str(), std::move(body))
        ->Repetitions(repetitions)
        ->MinTime(0.02)
        ->Unit(benchmark::kMicrosecond);
}

}  // namespace muster::bench
