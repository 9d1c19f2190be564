// SPDX-License-Identifier: MIT

// Scenarios of connections, of which each seed is a sample.

#include <string>

#include <muster/sim/connection/figures.hpp>

#include <simulation/each_seed.hpp>
#include <simulation/settings.hpp>

namespace muster::simulation {

/// Prints the goals of connections, and how far the seeds have reached them.
int measure_connections(settings const& s) {
    auto const samples = each_seed(s, sim::connection::sample_of);
    bool all_hold = true;
    std::string verdict;
    for (auto const& f : sim::connection::figures_of(samples)) {
        all_hold = all_hold && f.holds;
        verdict += text(f.holds ? "holds: " : "MISSED: ", f.what, "\n");
    }
    std::fputs(verdict.c_str(), stdout);
    if (!s.verdict.empty()) std::ofstream{s.verdict} << verdict;
    return all_hold ? 0 : 1;
}

}  // namespace muster::simulation
