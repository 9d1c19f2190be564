// SPDX-License-Identifier: MIT

#include <muster/signing/broadcast.hpp>

#include <numeric>

#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace broadcast_tests {

using namespace muster;
using namespace muster::signing;

TEST_CASE("the turn passes down the list to its end, and stays there") {
    broadcast_turns turns{{2, 0, 1}};
    CHECK(turns.elected() == 2);
    for (view_number view = 0; view < 3; ++view) {
        slot const whose = turns.order()[view];
        CHECK(turns.holder() == whose);
        CHECK(turns.view() == view);
        CHECK_FALSE(turns.is_exhausted());
        CHECK_FALSE(turns.pass_on());
        CHECK(turns.vote(whose, view + 1));  // withdraws
        CHECK(turns.pass_on());
    }
    CHECK(turns.is_exhausted());
    CHECK_FALSE(turns.pass_on());
    CHECK(turns.holder() == 1);
    CHECK(turns.elected() == 2);
}

TEST_CASE("a majority of the others passes by a signer, fewer do not") {
    for (std::size_t n = 2; n <= 9; ++n) {
        std::vector<slot> order(n);
        std::iota(order.begin(), order.end(), slot{0});
        broadcast_turns turns{order};
        std::size_t const others = n - 1;
        CHECK(2 * turns.quorum() > others);
        CHECK(2 * (turns.quorum() - 1) <= others);
        for (slot s = 1; s < turns.quorum(); ++s) {
            CHECK(turns.vote(s, 1));
            CHECK_FALSE(turns.pass_on());
        }
        CHECK(turns.vote(static_cast<slot>(turns.quorum()), 1));
        CHECK(turns.pass_on());
        CHECK_FALSE(turns.pass_on());
    }
}

TEST_CASE("votes only rise, and not beyond the end") {
    broadcast_turns turns{{0, 1, 2}};
    CHECK(turns.vote(1, 2));
    CHECK_FALSE(turns.vote(1, 2));
    CHECK_FALSE(turns.vote(1, 1));
    CHECK(turns.vote_of(1) == 2);
    CHECK(turns.vote(2, 4'000'000'000));
    CHECK(turns.vote_of(2) == 3);
    CHECK(turns.pass_on());  // both others
    CHECK(turns.pass_on());  // 1 withdrew: it had asked for view 2
    CHECK(turns.pass_on());  // 2 withdrew in advance
    CHECK(turns.is_exhausted());
}

TEST_CASE("the same votes lead to the same view, in whatever order they come") {
    splitmix64 random{1};
    for (int round = 0; round < 500; ++round) {
        auto const n = static_cast<std::size_t>(2 + uniform(random, 7));
        std::vector<slot> order(n);
        std::iota(order.begin(), order.end(), slot{0});
        std::vector<std::pair<slot, view_number>> votes;
        for (std::size_t i = uniform(random, 3 * n); i != 0; --i) {
            votes.emplace_back(static_cast<slot>(uniform(random, n)), static_cast<view_number>(uniform(random, n + 2)));
        }
        std::optional<view_number> view;
        for (int repetition = 0; repetition < 4; ++repetition) {
            for (std::size_t i = votes.size(); i > 1; --i) std::swap(votes[i - 1], votes[uniform(random, i)]);
            broadcast_turns turns{order};
            std::size_t passed = 0;
            for (auto const& [who, v] : votes) {
                turns.vote(who, v);
                while (uniform(random, 2) == 0 && turns.pass_on()) REQUIRE(++passed <= n);
            }
            while (turns.pass_on()) REQUIRE(++passed <= n);
            if (!view) view = turns.view();
            CHECK(turns.view() == *view);
        }
    }
}

TEST_CASE("a claim to have broadcast counts from the claimant's turn on") {
    broadcast_turns turns{{2, 0, 1}};
    turns.claim(0);
    CHECK_FALSE(turns.credible_claim());
    turns.vote(2, 1);
    REQUIRE(turns.pass_on());
    CHECK(turns.credible_claim() == 0);
    turns.claim(2);  // late, and still credible: it had its turn before
    CHECK(turns.credible_claim() == 2);
    CHECK_FALSE(turns.confirmed_by());
    turns.confirm(2);
    CHECK(turns.confirmed_by() == 2);
}

}  // namespace broadcast_tests
