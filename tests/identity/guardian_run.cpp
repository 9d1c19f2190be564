// SPDX-License-Identifier: MIT

#include <muster/sim/identity/guardian_run.hpp>

#include <support/catch.hpp>
#include <support/effort.hpp>

namespace guardian_run_tests {

using namespace muster;
using namespace muster::sim::identity;

TEST_CASE("guardians: half of a circle goes within a month, and everything is recovered (goal A2)") {
    // 4 of 12, asked each week: 999 of 1,000, and in each build all of a few.
    auto const rounds = test::effort(1000, 30);
    std::size_t recovered = 0, reissued = 0;
    for (std::uint64_t seed = 1; seed <= rounds; ++seed) {
        auto const f = guardian_run{seed, {}}.run();
        CHECK(f.is_same == f.is_recovered);
        CHECK(f.released_early == 0);
        recovered += f.is_recovered ? 1u : 0u;
        reissued += f.reissued;
    }
    CHECK(recovered * 1000 >= rounds * 999);
    CHECK(reissued > 0);
}

TEST_CASE("guardians: what reissuing is for, and the same seed gives the same figures") {
    guardian_options o;
    o.vanish_percent = 75;
    o.how = {5, 12};
    o.circle = 30;
    CHECK(guardian_run{3, o}.run() == guardian_run{3, o}.run());
    std::size_t with = 0, without = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        o.reissues = true;
        with += guardian_run{seed, o}.run().is_recovered ? 1u : 0u;
        o.reissues = false;
        without += guardian_run{seed, o}.run().is_recovered ? 1u : 0u;
    }
    CHECK(with >= 6);
    CHECK(without <= 4);
}

}  // namespace guardian_run_tests
