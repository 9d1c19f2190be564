// SPDX-License-Identifier: MIT

#include <muster/node/attempts.hpp>

#include <vector>

#include <support/catch.hpp>

namespace attempts_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct rig {
    /// From one deadline to the next, for @p span.
    void pass(duration span) {
        auto const until = clock.now() + span;
        for (auto next = timers.armed(); next && *next <= until; next = timers.armed()) {
            clock.advance(*next - clock.now());
            REQUIRE(timers.fire_due(clock.now()));
        }
        clock.advance(until - clock.now());
    }

    manual_timers timers;
    manual_clock clock{instant{1h}, {}};
    bool succeeds = false;
    std::vector<duration> tried, waits;  ///< When, and what was told.
    node::attempts<manual_timers, manual_clock> it{timers, clock, [this](duration wait) {
                                                       tried.push_back(clock.now() - instant{1h});
                                                       waits.push_back(wait);
                                                       return succeeds;
                                                   }};
};

}  // namespace

TEST_CASE("document 000: a port that is taken is tried again after 1 s, doubling to 60 s, and never given up") {
    rig r;
    CHECK_FALSE(r.timers.armed());
    r.it.start();
    r.pass(250s);
    CHECK(r.tried == std::vector<duration>{0s, 1s, 3s, 7s, 15s, 31s, 63s, 123s, 183s, 243s});
    CHECK(r.waits == std::vector<duration>{1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s, 60s});
    r.pass(24h);
    CHECK(r.timers.armed());
    r.succeeds = true;
    r.pass(60s);
    CHECK_FALSE(r.timers.armed());
    auto const before = r.tried.size();
    r.pass(1h);
    CHECK(r.tried.size() == before);
    r.succeeds = false;
    r.it.start();  // begins with the shortest wait
    CHECK(r.waits.back() == 1s);
}

TEST_CASE("attempts that are woken early or twice make no more of them, and end when they are stopped") {
    rig r;
    r.it.wake();
    CHECK(r.tried.empty());
    r.it.start();
    r.it.wake();
    r.it.wake();
    CHECK(r.tried.size() == 1);
    CHECK(r.timers.armed() == instant{1h + 1s});
    r.it.stop();
    r.it.stop();
    CHECK_FALSE(r.timers.armed());
    r.it.wake();
    r.pass(1h);
    CHECK(r.tried.size() == 1);
}

TEST_CASE("an attempt may stop the attempts") {
    manual_timers timers;
    manual_clock clock{instant{1h}, {}};
    int tried = 0;
    node::attempts<manual_timers, manual_clock>* self = nullptr;
    node::attempts<manual_timers, manual_clock> it{timers, clock, [&](duration) {
                                                       ++tried;
                                                       self->stop();
                                                       return false;
                                                   }};
    self = &it;
    it.start();
    CHECK(tried == 1);
    CHECK_FALSE(timers.armed());
}

}  // namespace attempts_tests
