// SPDX-License-Identifier: MIT

#include <muster/core/hybrid_time.hpp>

#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace hybrid_time_tests {

using namespace muster;

namespace {
constexpr timestamp at(std::int64_t millis) { return from_unix_millis(millis); }
}  // namespace

TEST_CASE("hybrid time: a millisecond and a counter") {
    CHECK(hybrid_time::at(at(1000)).to_text() == "1000.0");
    CHECK(hybrid_time::at(at(1000)).wall() == at(1000));
    CHECK(hybrid_time::at(at(-1)).bits == 0);
    CHECK(hybrid_time::at(timestamp::max()).bits >> 16 == (std::uint64_t{1} << 48) - 1);
    CHECK(hybrid_time::at(at(1001)) > hybrid_time{(std::uint64_t{1000} << 16) + 65535});
}

TEST_CASE("hybrid clock: each is greater than the last, and follows the wall where that goes on") {
    hybrid_clock clock;
    CHECK(clock.next(at(1000)).to_text() == "1000.0");
    CHECK(clock.next(at(1000)).to_text() == "1000.1");
    CHECK(clock.next(at(400)).to_text() == "1000.2");
    CHECK(clock.next(at(1005)).to_text() == "1005.0");
}

TEST_CASE("hybrid clock: what was seen is exceeded, unless it is too far ahead") {
    hybrid_clock clock;
    CHECK(clock.observe(hybrid_time::at(at(60'000)), at(1000)));
    CHECK(clock.next(at(1000)).to_text() == "60000.1");
    CHECK(clock.observe(hybrid_time::at(at(121'000)), at(1000)));
    CHECK_FALSE(clock.observe(hybrid_time::at(at(121'001)), at(1000)));
    CHECK(clock.last().to_text() == "121000.0");
    CHECK(clock.observe(hybrid_time::at(at(3)), at(1000)));  // old news
    CHECK(clock.last().to_text() == "121000.0");
}

TEST_CASE("hybrid clock: a full counter carries into the milliseconds") {
    hybrid_clock clock{hybrid_time{(std::uint64_t{7} << 16) + 65535}};
    CHECK(clock.next(at(7)).to_text() == "8.0");
}

TEST_CASE("hybrid clock: what follows from something is greater, however wrong the clocks are") {
    splitmix64 random{1};
    std::vector<hybrid_clock> clocks(5);
    std::vector<std::int64_t> skew;
    for (int i = 0; i < 5; ++i) skew.push_back(static_cast<std::int64_t>(uniform(random, 120'000)) - 60'000);
    std::int64_t now = 10'000'000;
    hybrid_time last;
    std::size_t at_node = 0;
    for (int i = 0; i < 2000; ++i) {
        now += static_cast<std::int64_t>(uniform(random, 30));
        auto const to = static_cast<std::size_t>(uniform(random, 5));
        if (to != at_node) REQUIRE(clocks[to].observe(last, at(now + skew[to])));
        auto const next = clocks[to].next(at(now + skew[to]));
        REQUIRE(next > last);
        last = next;
        at_node = to;
    }
    CHECK(saturating_difference(last.wall(), at(now)) <= std::chrono::milliseconds{60'000});
}

}  // namespace hybrid_time_tests
