// SPDX-License-Identifier: MIT

// A month of guardians, for each seed.

#include <cstddef>

#include <muster/sim/identity/guardian_run.hpp>

#include <simulation/each_seed.hpp>
#include <simulation/settings.hpp>

namespace muster::simulation {

/// A month of guardians for each seed: 999 of 1,000 get everything back.
int measure_guardians(settings const& s) {
    auto const all = each_seed(s, [](std::uint64_t seed) { return sim::identity::guardian_run{seed, {}}.run(); });
    std::size_t recovered = 0, early = 0, reissued = 0, vanished = 0;
    for (auto const& f : all) {
        recovered += f.is_same ? 1u : 0u;
        early += f.released_early;
        reissued += f.reissued;
        vanished += f.vanished;
    }
    return conclude(
        s, recovered * 1000 >= all.size() * 999 && early == 0,
        text(recovered, " of ", all.size(), " owners recover everything after 30 days, 4 of 12 guardians, half of a ",
             "circle of 24 gone (", vanished, " in all), asked each week; ", reissued, " epochs issued again, ", early,
             " shares released before 72 h"));
}

}  // namespace muster::simulation
