// SPDX-License-Identifier: MIT

#include <muster/signing/broadcast.hpp>

#include <support/catch.hpp>

using namespace muster::signing;

TEST_CASE("the turn passes down the list to its end, and stays there") {
    broadcast_turns turns{{2, 0, 1}};
    CHECK(turns.elected() == 2);
    CHECK(turns.holder() == 2);
    CHECK(turns.pass_on());
    CHECK(turns.holder() == 0);
    CHECK(turns.pass_on());
    CHECK(turns.holder() == 1);
    CHECK_FALSE(turns.is_exhausted());
    for (int i = 0; i < 2; ++i) {
        CHECK_FALSE(turns.pass_on());
        CHECK(turns.is_exhausted());
        CHECK(turns.holder() == 1);
        CHECK(turns.elected() == 2);
    }
}

TEST_CASE("a claim to have broadcast counts from the claimant's turn on") {
    broadcast_turns turns{{2, 0, 1}};
    turns.claim(0);
    CHECK_FALSE(turns.credible_claim());
    REQUIRE(turns.pass_on());
    CHECK(turns.credible_claim() == 0);
    turns.claim(2);  // late, and still credible: it had its turn before
    CHECK(turns.credible_claim() == 2);
    CHECK_FALSE(turns.confirmed_by());
    turns.confirm(2);
    CHECK(turns.confirmed_by() == 2);
}
