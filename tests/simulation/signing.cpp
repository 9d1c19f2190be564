// SPDX-License-Identifier: MIT

// Groups of co-signers: even seeds as a mesh, odd ones around an aggregator.

#include <cstdint>

#include <muster/sim/signing/run.hpp>

#include <simulation/settings.hpp>
#include <support/backend.hpp>

namespace muster::simulation {

namespace {

struct mesh : sim::signing::co_signer_policies {
    using backend = test::backend;
};
struct star : mesh {
    using topology = signing::aggregator;
};

}  // namespace

sim::outcome run_signing(std::uint64_t seed, settings const& s) {
    auto const options = without_faults(sim::signing::group_options::from_seed(seed), s);
    return seed % 2 == 0 ? run_traced(sim::signing::group_run<mesh>{seed, options}, s)
                         : run_traced(sim::signing::group_run<star>{seed, options}, s);
}

}  // namespace muster::simulation
