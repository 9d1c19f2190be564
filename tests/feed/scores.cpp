// SPDX-License-Identifier: MIT

// What peers earn, and what it costs them.

#include <feed/bench.hpp>

namespace feed_scores_tests {

using namespace muster;
using namespace muster::test;
using fd::outcome;

TEST_CASE("feed: failure_cap_limits_negative_delta_per_window, failure_cap_resets_after_window, scores_clamp") {
    fd::peer_scores s;
    instant now{1h};
    auto const who = feed_peer(1);
    for (int i = 0; i < 10; ++i) s.penalise(who, 20, now);
    CHECK(s.score(who, now) == -80);  // the specification's -4
    CHECK_FALSE(s.is_banned(who, now));
    now += 11s;
    for (int i = 0; i < 10; ++i) s.penalise(who, 20, now);
    CHECK(s.score(who, now) < -140);  // its -7
    for (int i = 0; i < 20; ++i) {
        now += 10s;
        for (int k = 0; k < 10; ++k) s.penalise(who, 20, now);
        CHECK(s.score(who, now) >= -200);
        CHECK_FALSE(s.is_banned(who, now));  // nobody has called wake
    }
    for (int i = 0; i < 500; ++i) s.reward(feed_peer(2), 1, now);
    CHECK(s.score(feed_peer(2), now) == 200);
}

TEST_CASE("feed: ban_requires_sustained_breach, ban_timer_resets_when_score_heals, decay_heals_greylist") {
    fd::peer_scores s;
    instant now{1h};
    auto const who = feed_peer(1);
    auto const fail = [&] {
        for (int i = 0; i < 4; ++i) s.penalise(who, 20, now);
    };
    fail();
    now += 10s;
    fail();
    CHECK(s.score(who, now) <= -100);
    CHECK(s.is_grey(who, now));
    REQUIRE(s.next_deadline());
    CHECK(s.wake(now + 20s).banned.empty());
    for (int i = 0; i < 80; ++i) s.reward(who, 1, now);  // it heals: the time begins anew
    CHECK(s.wake(now + 31s).banned.empty());
    now += 31s;
    auto const began = now;
    fail();
    now += 10s;
    fail();
    // Sustained by more failures, and evaluated by time alone: T15.
    now += 15s;
    fail();
    CHECK(s.wake(began + 30s).banned.empty());
    CHECK(s.wake(began + 31s).banned == std::vector{who});
    now = began + 31s;
    CHECK(s.is_banned(who, now));
    s.reward(who, 100, now);
    CHECK(s.is_banned(who, now));
    CHECK(s.wake(now + 1h).lifted == std::vector{who});
    now += 1h;
    CHECK_FALSE(s.is_banned(who, now));
    CHECK_FALSE(s.is_grey(who, now + 10min));
    CHECK_FALSE(s.next_deadline());
}

TEST_CASE("feed: who is banned is cut, not heard and not answered, until the ban is lifted") {
    feed_bench<log_kit> b;
    b.up(1);
    auto bad = log_kit::next(nullptr);
    for (std::uint64_t i = 0; i < 40; ++i) {
        auto copy = log_kit::next(nullptr, i).content();
        copy.back() ^= 1;
        (void)b.hear(1, copy);
        b.pass(3s);
    }
    bool is_cut = false;
    for (auto const& e : b.take()) is_cut = is_cut || e == fd::effect{fd::ban{feed_peer(1)}};
    REQUIRE(is_cut);
    CHECK(b.heard_only<fd::peer_banned>().size() == 1);
    CHECK(b.hear(1, bad) == outcome::ignore);
    CHECK(b.hear(2, bad) == outcome::accept);  // it was not used up
    CHECK_FALSE(b.ask(1, fd::question::head, {}));
    b.up(1);  // it comes back, and is cut again
    CHECK(b.take_only<fd::ban>().size() == 1);
    CHECK(b.it.peers(b.now).empty());
    b.pass(1h);
    CHECK(b.heard_only<fd::ban_lifted>().size() == 1);
    b.up(1);
    CHECK(b.it.peers(b.now).size() == 1);
    CHECK(b.ask(1, fd::question::head, {}));
}

TEST_CASE("feed: reputation_mirrors_into_app_score: each change is told to gossip") {
    feed_bench<log_kit> b;
    auto const first = log_kit::next(nullptr);
    (void)b.hear(1, first);
    (void)b.hear(2, log_kit::with_bad_signature(log_kit::next(&first)));
    CHECK(b.take_only<fd::rate>() == std::vector{fd::rate{feed_peer(1), 1}, fd::rate{feed_peer(2), -20}});
}

}  // namespace feed_scores_tests
