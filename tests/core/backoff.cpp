// SPDX-License-Identifier: MIT

#include <muster/core/backoff.hpp>

#include <set>

#include <support/catch.hpp>

namespace backoff_tests {

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("waits stay in their bounds, grow at most threefold, and differ also when they have reached the longest") {
    splitmix64 draw{7};
    backoff waits{{1s, 10s}};
    duration last = 1s;
    std::set<duration> seen;
    std::size_t longest = 0;
    for (int i = 0; i < 10'000; ++i) {
        auto const w = waits.next(draw);
        CHECK((w >= 1s && w <= 10s && w <= 3 * last));
        last = w;
        seen.insert(w);
        if (w == 10s) ++longest;
    }
    CHECK(seen.size() > 9'900);
    CHECK(longest < 10);
    for (int i = 0; i < 1'000; ++i) {
        waits.reset();
        CHECK(waits.next(draw) <= 3s);
        for (int more = 0; more < 5; ++more) (void)waits.next(draw);
    }
    backoff constant{{2s, 2s}};
    CHECK(constant.next(draw) == 2s);
    backoff huge{{1s, duration::max()}};
    for (int i = 0; i < 200; ++i) CHECK(huge.next(draw) >= 1s);
}

TEST_CASE("what has been away for long is tried after up to as long") {
    splitmix64 draw{3};
    duration longest{};
    for (int i = 0; i < 1'000; ++i) {
        backoff waits{{1s, 300s}};
        waits.resume(45s);
        auto const w = waits.next(draw);
        CHECK((w >= 1s && w <= 45s));
        longest = std::max(longest, w);
    }
    CHECK(longest > 40s);
    backoff waits{{1s, 300s}};
    waits.resume(1ms);
    CHECK(waits.next(draw) <= 3s);
    waits.resume(std::chrono::hours{10});
    CHECK(waits.next(draw) <= 300s);
}

}  // namespace backoff_tests
