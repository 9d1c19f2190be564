// SPDX-License-Identifier: MIT

// A thousand simulated nodes that gossip, with signatures that cost nothing: simulated events a second.

#include <chrono>
#include <ctime>
#include <vector>

#include <muster/sim/gossip/run.hpp>

#include <gossip/parts.hpp>

namespace muster::bench {

namespace {

[[nodiscard]] double cpu_seconds() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

}  // namespace

std::vector<row> gossip_simulation() {
    constexpr std::size_t nodes = 1000;
    auto options = sim::gossip::group_options::from_seed(2);  // messages of 256 bytes
    options.nodes = nodes;
    options.chaos = std::chrono::seconds{5};
    auto const began = cpu_seconds();
    sim::gossip::group_run<> it{2, options};
    auto const what = it.run();
    auto const took = cpu_seconds() - began;
    return {figure("gossip/simulation", nodes, "muster", "events_per_s", static_cast<double>(what.events) / took)};
}

}  // namespace muster::bench
