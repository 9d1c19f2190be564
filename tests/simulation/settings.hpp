// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What is asked of the program, and the areas that answer. Each has a file of its own, because a simulated stack of
/// nodes is dear to compile.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <muster/sim/faults.hpp>
#include <muster/sim/host.hpp>
#include <muster/sim/outcome.hpp>

namespace muster::simulation {

/// The command line.
struct settings {
    std::string area = "signing";
    std::uint64_t seeds = 100;
    std::uint64_t from = 1;
    bool trace = false;
    unsigned threads = std::thread::hardware_concurrency();
    std::vector<std::string> without;
    std::string attack = "none";
    sim::host_id nodes = 100;  ///< That gossip.
    std::string verdict;
};

/// Each runs one seed. @{
[[nodiscard]] sim::outcome run_signing(std::uint64_t seed, settings const& s);
[[nodiscard]] sim::outcome run_stack(std::uint64_t seed, settings const& s);
[[nodiscard]] sim::outcome run_gossip(std::uint64_t seed, settings const& s);
[[nodiscard]] sim::outcome run_feed(std::uint64_t seed, settings const& s);
/// @}

/// Each runs all seeds, prints the goals and how far they are reached, and gives the exit code. @{
[[nodiscard]] int measure_connections(settings const& s);
[[nodiscard]] int measure_guardians(settings const& s);
[[nodiscard]] int measure_sync(settings const& s);
/// @}

/// What attackers of a gossiping network can do.
[[nodiscard]] std::vector<std::string> attacks();

/// @p r, and with a trace each line of it on standard output.
template <class Run>
[[nodiscard]] sim::outcome run_traced(Run r, settings const& s) {
    if (s.trace)
        r.listen([](std::string_view line) { std::printf("%.*s\n", static_cast<int>(line.size()), line.data()); });
    return r.run();
}

/// @p options without the faults that were switched off.
template <class Options>
[[nodiscard]] Options without_faults(Options options, settings const& s) {
    for (auto const& [name, what] : sim::fault_options::all) {
        for (auto const& off : s.without) {
            if (off == name) (options.faults.*what).of = 0;
        }
    }
    return options;
}

}  // namespace muster::simulation
