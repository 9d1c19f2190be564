// SPDX-License-Identifier: MIT

#include <muster/core/rate_limiter.hpp>

#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace rate_limiter_tests {

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("a burst is allowed at once, then one an interval") {
    rate_limiter r{100ms, 3};
    instant now{1h};
    for (int i = 0; i < 3; ++i) CHECK(r.allow(now));
    CHECK_FALSE(r.allow(now));
    CHECK_FALSE(r.allow(now + 99ms));
    CHECK(r.allow(now + 100ms));
    CHECK_FALSE(r.allow(now + 100ms));
    CHECK_FALSE(r.is_idle(now + 399ms));
    CHECK(r.is_idle(now + 400ms));
    for (int i = 0; i < 3; ++i) CHECK(r.allow(now + 1h));
    CHECK_FALSE(r.allow(now + 1h));
}

TEST_CASE("a cost counts as so many, whole or not at all") {
    rate_limiter r{1s, 10};
    instant const now{1h};
    CHECK(r.allow(now, 8));
    CHECK_FALSE(r.allow(now, 3));
    CHECK(r.allow(now, 2));
    CHECK_FALSE(r.allow(now, 11));
}

TEST_CASE("what is charged beyond the burst is owed") {
    rate_limiter r{1s, 2};
    instant const now{1h};
    r.charge(now, 5);
    CHECK_FALSE(r.allow(now + 3s));
    CHECK(r.allow(now + 4s));
    CHECK_FALSE(r.allow(now + 4s));
    r.charge(now + 1h, 1);
    CHECK(r.allow(now + 1h));
    CHECK_FALSE(r.allow(now + 1h));
}

TEST_CASE("time that goes back is time that stands still") {
    rate_limiter r{1s, 1};
    CHECK(r.allow(instant{1h}));
    CHECK_FALSE(r.allow(instant{30min}));
    CHECK(r.allow(instant{1h + 1s}));
}

TEST_CASE("in no span are more allowed than the burst and the rate give") {
    splitmix64 random{3};
    for (int round = 0; round < 50; ++round) {
        auto const burst = 1 + uniform(random, 20);
        rate_limiter r{10ms, burst};
        std::vector<instant> allowed;
        instant now{1h};
        for (int i = 0; i < 2000; ++i) {
            now += std::chrono::microseconds{uniform(random, 10'000)};
            if (r.allow(now)) allowed.push_back(now);
        }
        for (std::size_t i = 0; i < allowed.size(); i += 7) {
            for (std::size_t k = i; k < allowed.size(); k += 13) {
                auto const most = burst + static_cast<std::size_t>((allowed[k] - allowed[i]) / 10ms);
                REQUIRE(k - i + 1 <= most + 1);
            }
        }
    }
}

}  // namespace rate_limiter_tests
