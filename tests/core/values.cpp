// SPDX-License-Identifier: MIT

#include <muster/core/bounded.hpp>
#include <muster/core/bytes.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/hex.hpp>
#include <muster/core/random.hpp>
#include <muster/core/time.hpp>

#include <limits>
#include <string>

#include <support/catch.hpp>

namespace values_tests {

using namespace muster;

TEST_CASE("fixed bytes of different meaning do not mix") {
    struct a_tag;
    struct b_tag;
    using a = fixed_bytes<a_tag, 2>;
    using b = fixed_bytes<b_tag, 2>;
    STATIC_REQUIRE_FALSE(std::is_convertible_v<a, b>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<bytes, a>);
    STATIC_REQUIRE(std::is_trivially_copyable_v<a>);
    CHECK(a{{1, 2}} < a{{1, 3}});
    CHECK(a{}.is_zero());
    CHECK_FALSE(a{{0, 1}}.is_zero());
}

TEST_CASE("views compare by content, the shorter first") {
    CHECK((compare(bytes{1, 2}, bytes{1, 2, 0}) < 0));
    CHECK((compare(bytes{2}, bytes{1, 2, 0}) > 0));
    CHECK((compare(bytes{0x80}, bytes{0x7f}) > 0));
    CHECK((compare({}, {}) == 0));
    CHECK(equal(bytes{1}, bytes{1}));
    CHECK_FALSE(equal(bytes{1}, bytes{1, 0}));
}

TEST_CASE("the two kinds of time do not convert") {
    STATIC_REQUIRE_FALSE(std::is_convertible_v<instant, timestamp>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<timestamp, instant>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<instant, timestamp>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<instant, std::chrono::steady_clock::time_point>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<timestamp, std::chrono::system_clock::time_point>);
}

TEST_CASE("clocks are told apart by what they give") {
    struct monotonic_only {
        [[nodiscard]] instant now() const noexcept { return {}; }
    };
    struct wrong_kind {
        [[nodiscard]] timestamp now() const noexcept { return {}; }
    };
    STATIC_REQUIRE(monotonic_clock<monotonic_only>);
    STATIC_REQUIRE_FALSE(muster::clock<monotonic_only>);
    STATIC_REQUIRE_FALSE(monotonic_clock<wrong_kind>);
    STATIC_REQUIRE(muster::clock<manual_clock>);
}

TEST_CASE("a manual clock moves when told, wall time on its own") {
    manual_clock clock;
    auto const start = clock.now();
    auto const wall = clock.wall_now();
    clock.advance(std::chrono::milliseconds{1500});
    CHECK(clock.now() - start == std::chrono::milliseconds{1500});
    CHECK(clock.wall_now() - wall == std::chrono::milliseconds{1500});
    clock.set_wall(from_unix_millis(7));
    CHECK(to_unix_millis(clock.wall_now()) == 7);
    CHECK(clock.now() - start == std::chrono::milliseconds{1500});
}

TEST_CASE("deadlines saturate and the earlier one wins") {
    CHECK(saturating_add(instant::max() - duration{1}, duration{2}) == instant::max());
    instant const a{duration{1}}, b{duration{2}};
    CHECK(earlier(a, b) == a);
    CHECK(earlier(b, a) == a);
    CHECK(earlier(std::nullopt, b) == b);
    CHECK(earlier(a, std::nullopt) == a);
    CHECK_FALSE(earlier(std::nullopt, std::nullopt));
}

TEST_CASE("a bounded queue refuses what does not fit and keeps its order") {
    bounded_queue<int> queue{2};
    CHECK(queue.try_push(1));
    CHECK(queue.try_push(2));
    CHECK_FALSE(queue.try_push(3));
    CHECK(queue.pop() == 1);
    CHECK(queue.try_push(4));
    CHECK(queue.pop() == 2);
    CHECK(queue.pop() == 4);
    CHECK(queue.empty());
    CHECK_FALSE(bounded_queue<int>{0}.try_push(1));
}

TEST_CASE("a bounded map finds what it holds, also when full") {
    bounded_map<int, std::string> map{2};
    REQUIRE(map.try_emplace(1, "one") != nullptr);
    REQUIRE(map.try_emplace(2, "two") != nullptr);
    CHECK(map.try_emplace(3, "three") == nullptr);
    CHECK(*map.try_emplace(1, "other") == "one");
    CHECK(map.erase(1));
    CHECK_FALSE(map.erase(1));
    CHECK(map.try_emplace(3, "three") != nullptr);
    CHECK(map.find(1) == nullptr);
    CHECK(map.size() == 2);
}

TEST_CASE("an effect_list keeps effects in order until they are taken") {
    effect_list<int> out;
    out.push(1);
    out.push(2);
    CHECK(out.take() == std::vector{1, 2});
    CHECK(out.empty());
}

TEST_CASE("seeded randomness is specified bit for bit") {
    // First outputs of the reference splitmix64.c for the seed 1234567.
    splitmix64 words{1234567};
    CHECK(words() == 6457827717110365317u);
    CHECK(words() == 3203168211198807973u);
    CHECK(words() == 9817491932198370423u);
    splitmix64 draws{9};
    std::array<int, 5> counts{};
    for (int i = 0; i < 5000; ++i) ++counts[uniform(draws, 5)];
    for (int count : counts) CHECK((count > 850 && count < 1150));
    CHECK(uniform(draws, 1) == 0);
}

TEST_CASE("an error says which room refused, why, with which value") {
    error const e{hex_errc::odd_length, text("got ", 3, " digits"), 7};
    CHECK(e == hex_errc::odd_length);
    CHECK_FALSE(e == hex_errc::bad_digit);
    CHECK(e.category() == "hex");
    CHECK(e.name() == "odd_length");
    CHECK(e.to_text() == "hex.odd_length: got 3 digits");
    CHECK(e.index() == 7u);
}

}  // namespace values_tests
