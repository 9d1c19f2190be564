// SPDX-License-Identifier: MIT

#include <muster/cache/persistence/save_schedule.hpp>

#include <support/catch.hpp>

namespace save_schedule_tests {

using namespace muster;
using namespace std::chrono_literals;
using cache::save_schedule;

namespace {
instant at(duration d) { return instant{1h} + d; }

/// A schedule that is told by calls.
struct told : save_schedule {
    using save_schedule::save_schedule;
    effect_list<save> asked;

    void changed(instant now) { handle(save_schedule::changed{}, now, asked); }
    void reordered(instant now) { handle(save_schedule::reordered{}, now, asked); }
    void saved() { handle(save_schedule::saved{}, instant{}, asked); }
    void failed(instant now) { handle(save_schedule::failed{}, now, asked); }
    std::size_t asks(instant now) {
        wake(now, asked);
        return asked.take().size();
    }
};
}  // namespace

TEST_CASE("half a second after the last change, and five after the first at most") {
    told s{{}};
    CHECK_FALSE(s.is_dirty());
    CHECK_FALSE(s.next_deadline().has_value());
    s.changed(at(0s));
    CHECK(s.is_dirty());
    CHECK(s.next_deadline() == at(500ms));
    for (int i = 1; i <= 100; ++i) s.changed(at(i * 400ms));  // for ever too early for a debounce alone
    CHECK(s.next_deadline() == at(5s));
    s.saved();
    CHECK_FALSE(s.next_deadline().has_value());
    s.changed(at(50s));
    CHECK(s.next_deadline() == at(50s + 500ms));
}

TEST_CASE("a new order is no hurry, and a change hurries it") {
    told s{{}};
    s.reordered(at(0s));
    s.reordered(at(1s));
    CHECK(s.is_dirty());
    CHECK(s.next_deadline() == at(5s));
    s.changed(at(2s));
    CHECK(s.next_deadline() == at(2s + 500ms));
    s.changed(at(4s + 900ms));
    CHECK(s.next_deadline() == at(5s));
}

TEST_CASE("what failed is tried again, ever more seldom, and changes do not hurry it") {
    told s{{.retry_min = 1s, .retry_max = 4s}};
    s.changed(at(0s));
    s.failed(at(1s));
    CHECK(s.next_deadline() == at(2s));
    s.changed(at(1s + 1ms));
    CHECK(s.next_deadline() == at(2s));
    s.failed(at(2s));
    CHECK(s.next_deadline() == at(4s));
    s.failed(at(4s));
    CHECK(s.next_deadline() == at(8s));
    s.failed(at(8s));
    CHECK(s.next_deadline() == at(12s));
    s.saved();
    CHECK_FALSE(s.is_dirty());
    s.changed(at(20s));
    CHECK(s.next_deadline() == at(20s + 500ms));
}

TEST_CASE("a save is asked for when it is due, and again when nobody says how it went") {
    told s{{}};
    CHECK(s.asks(at(1h)) == 0);
    s.changed(at(0s));
    CHECK(s.asks(at(499ms)) == 0);
    CHECK(s.asks(at(500ms)) == 1);
    CHECK(s.asks(at(500ms)) == 0);
    CHECK(s.stats() == save_schedule::statistics{at(0s), 0});
    CHECK(s.asks(at(1500ms)) == 1);
    s.failed(at(1500ms));
    CHECK(s.stats().failures == 1);
    s.saved();
    CHECK(s.stats() == save_schedule::statistics{});
    CHECK(s.asks(at(1h)) == 0);
}

TEST_CASE("at the end of time") {
    told s{{}};
    s.changed(instant::max());
    CHECK(s.next_deadline() == instant::max());
    s.failed(instant::max());
    CHECK(s.next_deadline() == instant::max());
}

}  // namespace save_schedule_tests
