// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What can be measured, and how a case is named.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <muster/core/error.hpp>
#include <support/report.hpp>

namespace muster::bench {

/// What the command line says beside the area.
struct settings {
    std::vector<std::string> traces;  ///< Files with requests of the user's own.
};

/// Each registers the cases of one area with Google Benchmark. @{
void register_cache(settings const&);
void register_discovery();
void register_feed();
void register_gossip();
void register_gossip_router();
void register_identity();
void register_musig2();
void register_net();
void register_net_memory();
void register_signing();
void register_signing_memory();
void register_sim();
void register_sync();
/// @}

/// What the area `cache` computes without Google Benchmark, and what follows from the figures that it measured.
[[nodiscard]] std::vector<row> conclude_cache(settings const&, std::vector<row> const& measured);

/// What the area `discovery` computes without Google Benchmark.
[[nodiscard]] std::vector<row> conclude_discovery(settings const&, std::vector<row> const& measured);

/// What the area `feed` computes without Google Benchmark.
[[nodiscard]] std::vector<row> conclude_feed(settings const&, std::vector<row> const& measured);

/// js-libp2p with itself beside what was measured, where it can be had. @{
[[nodiscard]] std::vector<row> conclude_net(std::vector<row> const& measured);
[[nodiscard]] std::vector<row> conclude_gossip(std::vector<row> const& measured);
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

/// Reports the time of a call as `ns`, when each iteration makes @p calls.
inline void report_ns(benchmark::State& state, std::size_t calls) {
    using benchmark::Counter;
    state.counters["ns"] =
        Counter(static_cast<double>(calls) * 1e-9, Counter::kIsIterationInvariantRate | Counter::kInvert);
}

}  // namespace muster::bench
