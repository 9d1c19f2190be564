// SPDX-License-Identifier: MIT

#include <muster/sim/sync/run.hpp>

#include <support/catch.hpp>
#include <support/effort.hpp>

namespace sync_run_tests {

using namespace muster;
using namespace muster::sim::sync;

TEST_CASE("sync: three days of cuts, wrong clocks and crashes, and all are equal") {
    for (std::uint64_t seed = 1; seed <= test::effort(1000, 2); ++seed) {
        auto const f = sync_run{seed, {}}.run();
        INFO("seed " << seed << ": lost " << f.lost << ", twice " << f.twice << ", unordered " << f.unordered
                     << ", replaced " << f.replaced_shown << ", undercounted " << f.undercounted << ", dead "
                     << f.dead_letters);
        CHECK(f.is_good());
        CHECK(f.conflicts > 0);
    }
}

TEST_CASE("sync: the same seed gives the same figures") {
    sync_options o;
    o.cuts = 100;
    o.writes = 100;
    CHECK(sync_run{7, o}.run() == sync_run{7, o}.run());
    CHECK(sync_run{7, o}.run().bytes_sent != sync_run{8, o}.run().bytes_sent);
}

}  // namespace sync_run_tests
