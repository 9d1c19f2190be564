// SPDX-License-Identifier: MIT

#include <muster/cache/persistence/save_schedule.hpp>

#include <support/catch.hpp>

using namespace muster;
using namespace std::chrono_literals;
using cache::save_schedule;

namespace {
instant at(duration d) { return instant{1h} + d; }
}  // namespace

TEST_CASE("half a second after the last change, and five after the first at most") {
    save_schedule s{{}};
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
    save_schedule s{{}};
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
    save_schedule s{{.retry_min = 1s, .retry_max = 4s}};
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

TEST_CASE("at the end of time") {
    save_schedule s{{}};
    s.changed(instant::max());
    CHECK(s.next_deadline() == instant::max());
    s.failed(instant::max());
    CHECK(s.next_deadline() == instant::max());
}
