// SPDX-License-Identifier: MIT

// Groups of nodes of the whole libp2p stack.

#include <cstdint>

#include <muster/sim/stack/run.hpp>

#include <simulation/settings.hpp>

namespace muster::simulation {

sim::outcome run_stack(std::uint64_t seed, settings const& s) {
    return run_traced(sim::stack::group_run{seed, without_faults(sim::stack::group_options::from_seed(seed), s)}, s);
}

}  // namespace muster::simulation
