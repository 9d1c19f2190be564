// SPDX-License-Identifier: MIT

// Groups of feeds. Their faults are their own.

#include <cstdint>

#include <muster/sim/feed/run.hpp>

#include <simulation/settings.hpp>

namespace muster::simulation {

sim::outcome run_feed(std::uint64_t seed, settings const& s) {
    return run_traced(sim::feed::group_run{seed, sim::feed::group_options::from_seed(seed)}, s);
}

}  // namespace muster::simulation
