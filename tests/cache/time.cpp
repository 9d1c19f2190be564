// SPDX-License-Identifier: MIT

// Time that was wrong once does no harm to later calls; a time to live of nothing is over at once.

#include <muster/cache/cache.hpp>

#include <chrono>
#include <limits>
#include <string>

#include <muster/cache/seen_cache.hpp>
#include <muster/core/time.hpp>

#include <support/catch.hpp>

namespace time_tests {

using namespace muster;
using namespace std::chrono_literals;
using outcome = cache::put_outcome;

namespace {

template <class Time, cache::since From = cache::since::write>
struct uniform : cache::defaults {
    using expiry = cache::uniform_expiry<Time, From>;
};
template <class Time>
struct dated : cache::defaults {
    using expiry = cache::per_entry_expiry<Time>;
};
template <class Time>
struct value_is_deadline {
    Time operator()(Time const& v) const { return v; }
};
template <class Time>
struct valued : cache::defaults {
    using expiry = cache::value_expiry<Time, value_is_deadline<Time>>;
};

template <class Time>
constexpr auto minutes(int n) {
    if constexpr (std::integral<Time>) {
        return static_cast<Time>(60 * n);
    } else {
        return std::chrono::duration_cast<typename Time::duration>(std::chrono::minutes{n});
    }
}
template <class Time>
constexpr Time at(int minute) {
    return Time{} + minutes<Time>(minute);
}

template <class Time, class Window>
struct seen_in : cache::seen_defaults<Time> {
    using window = Window;
};

/// A clock that is set by hand, both ways.
struct wayward_clock {
    instant monotonic{1h};
    timestamp wall{1h};
    instant now() const noexcept { return monotonic; }
    timestamp wall_now() const noexcept { return wall; }
};

}  // namespace

TEMPLATE_TEST_CASE("one call with a time far ahead: what is put afterwards lives as long as it should", "", instant,
                   timestamp, std::int64_t) {
    using time = TestType;
    for (auto const far : {at<time>(60 * 24 * 365), cache::end_of_time<time>()}) {
        cache::cache<int, int, uniform<time>> c{{.entries_max = 8, .expiry_settings = {minutes<time>(10)}}};
        c.put(1, 1, at<time>(100));
        (void)c.get(99, far);
        CHECK(c.contains(1, at<time>(105)));
        CHECK(c.put(2, 2, at<time>(105)) == outcome::inserted);
        CHECK(c.contains(1, at<time>(109)));
        CHECK_FALSE(c.contains(1, at<time>(110)));
        CHECK(c.contains(2, at<time>(114)));
        CHECK(c.size(at<time>(114)) == 1);
        CHECK_FALSE(c.contains(2, at<time>(115)));
        (void)c.put(3, 3, far);
        CHECK(c.put(4, 4, at<time>(120)) == outcome::inserted);
        CHECK(c.size(at<time>(130)) == 0);  // nor does what was put then live for ever
        CHECK(c.put(5, 5, at<time>(131)) == outcome::inserted);
        (void)c.get(99, time{});  // once far back does nothing
        CHECK(c.contains(5, at<time>(140)));
        CHECK(c.size(at<time>(141)) == 0);

        cache::cache<int, int, uniform<time, cache::since::use>> used{
            {.entries_max = 8, .expiry_settings = {minutes<time>(10)}}};
        used.put(1, 1, at<time>(100));
        (void)used.touch(99, far);
        CHECK(used.get(1, at<time>(105)) != nullptr);
        CHECK(used.contains(1, at<time>(114)));
        CHECK(used.size(at<time>(115)) == 0);

        cache::cache<int, int, dated<time>> d{{.entries_max = 8}};
        d.put(1, 1, at<time>(110), at<time>(100));
        (void)d.get(99, far);
        CHECK(d.contains(1, at<time>(109)));
        CHECK(d.put(2, 2, at<time>(120), at<time>(110)) == outcome::inserted);
        CHECK(d.get(2, at<time>(119)) != nullptr);
        CHECK(d.size(at<time>(120)) == 0);

        cache::cache<int, time, valued<time>> v{{.entries_max = 8}};
        v.put(1, at<time>(110), at<time>(100));
        (void)v.erase(99, far);
        CHECK(v.contains(1, at<time>(109)));
        CHECK(v.put(2, at<time>(120), at<time>(110)) == outcome::inserted);
        CHECK(v.size(at<time>(120)) == 0);
    }
}

TEST_CASE("time that goes back a little stands still, where entries stand in its order") {
    cache::cache<int, int, uniform<std::int64_t>> c{{.entries_max = 8, .expiry_settings = {10}}};
    c.put(1, 1, std::int64_t{100});
    c.put(2, 2, std::int64_t{105});
    c.put(3, 3, std::int64_t{95});  // it is 105
    CHECK(c.deadline_of(3) == 115);
    CHECK(c.size(std::int64_t{110}) == 2);
    CHECK(c.contains(3, std::int64_t{100}));
    CHECK(c.size(std::int64_t{115}) == 0);
}

TEST_CASE("wall time that is set back by little is believed at once") {
    cache::cache<int, int, uniform<timestamp>> c{{.entries_max = 8, .expiry_settings = {10min}}};
    c.put(1, 1, at<timestamp>(100));
    c.put(2, 2, at<timestamp>(95));
    CHECK(c.deadline_of(1) == at<timestamp>(105));  // no longer than a new one
    CHECK(c.deadline_of(2) == at<timestamp>(105));
    CHECK(c.size(at<timestamp>(105)) == 0);
}

TEST_CASE("a clock that the cache reads itself may be wrong once") {
    struct steady : uniform<instant> {
        using time_source = cache::monotonic_time<wayward_clock>;
    };
    struct wall : dated<timestamp> {
        using time_source = cache::wall_time<wayward_clock>;
    };
    wayward_clock clock;
    cache::cache<int, int, steady> s{
        {.entries_max = 8, .expiry_settings = {10min}, .clock = cache::monotonic_time{clock}}};
    cache::cache<int, int, wall> w{{.entries_max = 8, .clock = cache::wall_time{clock}}};
    w.put(1, 1, clock.wall + 10min);
    clock.monotonic += std::chrono::hours{100'000};
    clock.wall += std::chrono::hours{100'000};
    s.put(1, 1);
    (void)w.get(99);
    clock = {};
    CHECK(s.put(2, 2) == outcome::inserted);
    CHECK(w.put(2, 2, clock.wall + 10min) == outcome::inserted);
    CHECK(w.contains(1));
    clock.monotonic += 10min;
    clock.wall += 10min;
    CHECK(s.size() == 0);
    CHECK(w.size() == 0);
}

TEMPLATE_TEST_CASE("one call with a time far ahead: ids are known as long as they should be", "",
                   (std::pair<instant, cache::first_seen>), (std::pair<instant, cache::last_seen>),
                   (std::pair<timestamp, cache::first_seen>), (std::pair<timestamp, cache::last_seen>),
                   (std::pair<std::int64_t, cache::first_seen>), (std::pair<std::int64_t, cache::last_seen>)) {
    using time = typename TestType::first_type;
    for (std::size_t const ids_max : {100u, 100'000u}) {
        for (auto const far : {at<time>(60 * 24 * 365), cache::end_of_time<time>()}) {
            cache::seen_cache<seen_in<time, typename TestType::second_type>> s{
                {.ids_max = ids_max, .time_to_live = minutes<time>(10)}};
            s.record(1, at<time>(100));
            CHECK(s.record(2, far));
            CHECK(s.record(3, at<time>(101)));
            CHECK_FALSE(s.record(3, at<time>(102)));
            CHECK(s.contains(2, at<time>(110)) == (far != cache::end_of_time<time>()));  // where all is over
            CHECK(s.contains(3, at<time>(110)));
            CHECK(s.size(at<time>(123)) == 0);
            CHECK(s.record(3, at<time>(123)));
            (void)s.contains(9, far);
            CHECK(s.record(4, at<time>(124)));
            CHECK(s.forget(4, at<time>(124)));
            CHECK(s.size(at<time>(124)) == 0);  // the call forgot what was known, and no more
            CHECK(s.record(5, at<time>(125)));
            (void)s.contains(9, time{});
            CHECK_FALSE(s.record(5, at<time>(134)));  // once far back does nothing
            CHECK(s.size(at<time>(145)) == 0);
        }
    }
}

TEMPLATE_TEST_CASE("a time to live of zero or less is over at once", "", cache::first_seen, cache::last_seen) {
    for (auto const time_to_live : {duration{0}, duration{-5s}, duration::min()}) {
        for (auto const now : {instant{1s}, instant{-1s}, instant::min() + 1s}) {
            cache::cache<int, int, uniform<instant>> c{{.entries_max = 4, .expiry_settings = {time_to_live}}};
            CHECK(c.put(1, 1, now) == outcome::rejected);
            CHECK(c.size(now) == 0);
            cache::cache<int, int, uniform<instant, cache::since::use>> used{
                {.entries_max = 4, .expiry_settings = {time_to_live}}};
            CHECK(used.put(1, 1, now) == outcome::rejected);
            CHECK(used.restore(1, 1, instant::max(), now) == outcome::rejected);
            for (std::size_t const ids_max : {9u, 5000u}) {
                cache::seen_cache<seen_in<instant, TestType>> s{{.ids_max = ids_max, .time_to_live = time_to_live}};
                for (int i = 0; i < 20; ++i) CHECK(s.record(i % 3, now));
                CHECK_FALSE(s.contains(1, now));
                CHECK(s.size(now) == 0);
                CHECK(s.record(1, now + 1h));
                CHECK_FALSE(s.contains(1, now + 1h));
            }
        }
    }
    cache::cache<int, int, dated<instant>> d{{.entries_max = 4}};
    CHECK(d.put(1, 1, instant::min(), instant{1s}) == outcome::rejected);
    CHECK(d.put(1, 1, instant::min(), instant::min()) == outcome::rejected);
}

}  // namespace time_tests
