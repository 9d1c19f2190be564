// SPDX-License-Identifier: MIT

#include <muster/cache/seen_cache.hpp>

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <string>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/random.hpp>
#include <muster/core/time.hpp>

#include <support/catch.hpp>

namespace seen_cache_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

using tick = std::int64_t;
struct id_tag;
using id32 = fixed_bytes<id_tag, 32>;

id32 id_of(std::uint64_t n) {
    id32 id;
    splitmix64 random{n};
    for (auto& octet : id.octets) octet = static_cast<byte>(random());
    return id;
}

template <class Ids, class Window = cache::first_seen>
struct with : cache::seen_defaults<tick> {
    using ids = Ids;
    using window = Window;
};
template <class Policies>
using seen = cache::seen_cache<Policies>;
using all =
    std::tuple<with<cache::hash64>, with<cache::hash128>, with<cache::exact32>, with<cache::hash64, cache::last_seen>,
               with<cache::hash128, cache::last_seen>, with<cache::exact32, cache::last_seen>>;

/// What must be known: the last so many that were not taken back, as long as their time is not over.
class record_book {
public:
    record_book(std::size_t ids_max, tick time_to_live, bool renews)
        : ids_max_{ids_max}, time_to_live_{time_to_live}, renews_{renews} {}

    [[nodiscard]] bool knows(std::uint64_t id, tick now) {
        expire(now);
        return places_.count(id) != 0;
    }
    void record(std::uint64_t id, tick now) {
        if (knows(id, now) && !renews_) return;
        forget(id);
        if (entries_.size() == ids_max_) forget(entries_.front().id);
        places_[id] = entries_.insert(entries_.end(), {id, now});
    }
    void forget(std::uint64_t id) {
        auto const there = places_.find(id);
        if (there == places_.end()) return;
        entries_.erase(there->second);
        places_.erase(there);
    }
    [[nodiscard]] std::size_t size(tick now) {
        expire(now);
        return entries_.size();
    }
    /// Any of those that are known; expects one.
    [[nodiscard]] std::uint64_t some(splitmix64& random) const {
        auto at = places_.lower_bound(uniform(random, places_.rbegin()->first + 1));
        return at == places_.end() ? places_.begin()->first : at->first;
    }

private:
    struct entry {
        std::uint64_t id;
        tick at;
    };
    void expire(tick now) {
        while (!entries_.empty() && now - entries_.front().at >= time_to_live_) forget(entries_.front().id);
    }

    std::size_t ids_max_;
    tick time_to_live_;
    bool renews_;
    std::list<entry> entries_;  // the oldest first
    std::map<std::uint64_t, std::list<entry>::iterator> places_;
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("once is new, twice is not, and at the end of its time it is new again", "", all) {
    seen<TestType> s{{.ids_max = 100, .time_to_live = 50}};
    auto const a = id_of(1), b = id_of(2);
    CHECK(s.record(a, 0));
    CHECK_FALSE(s.record(a, 0));
    CHECK(s.contains(a, 49));
    CHECK_FALSE(s.contains(b, 49));
    CHECK(s.size(49) == 1);
    CHECK_FALSE(s.contains(a, 50));
    CHECK(s.size(50) == 0);
    CHECK(s.record(a, 50));
    CHECK(s.contains(a, 10));  // time does not go back
    CHECK(s.contains(a, 99));
    CHECK_FALSE(s.contains(a, 100));
}

TEST_CASE("first seen is not renewed by repetition, last seen is") {
    seen<with<cache::hash64>> first{{.ids_max = 10, .time_to_live = 50}};
    seen<with<cache::hash64, cache::last_seen>> last{{.ids_max = 10, .time_to_live = 50}};
    auto const a = id_of(1);
    for (tick const t : {0, 30}) {
        first.record(a, t);
        last.record(a, t);
    }
    CHECK(last.contains(a, 60));  // looking renews neither
    CHECK_FALSE(first.contains(a, 60));
    CHECK_FALSE(last.contains(a, 80));
}

TEMPLATE_LIST_TEST_CASE("the last so many are known, and no more", "", all) {
    for (std::size_t const n : {1u, 2u, 7u, 64u, 1000u}) {
        seen<TestType> s{{.ids_max = n, .time_to_live = 1'000'000}};
        for (std::uint64_t i = 0; i < 5 * n; ++i) {
            REQUIRE(s.record(id_of(i), 1));
            for (std::uint64_t back : {std::uint64_t{0}, std::uint64_t{n / 2}, std::uint64_t{n - 1}}) {
                if (back <= i) REQUIRE(s.contains(id_of(i - back), 1));
            }
            if (i >= n) REQUIRE_FALSE(s.contains(id_of(i - n), 1));
            REQUIRE(s.size(1) == std::min<std::uint64_t>(i + 1, n));
        }
    }
    seen<TestType> none{{.ids_max = 0, .time_to_live = 10}};
    CHECK(none.record(id_of(1), 0));
    CHECK(none.record(id_of(1), 0));
    CHECK_FALSE(none.contains(id_of(1), 0));
}

TEMPLATE_LIST_TEST_CASE("what is taken back in between costs no other id its place", "", all) {
    for (std::uint64_t const n : {3u, 100u, 5000u}) {
        for (std::uint64_t const taken_back : {std::uint64_t{1}, n / 3, n - 2}) {
            seen<TestType> s{{.ids_max = n, .time_to_live = 1'000'000}};
            for (std::uint64_t i = 0; i < n; ++i) s.record(id_of(i), 1);
            for (std::uint64_t i = 1; i <= taken_back; ++i) REQUIRE(s.forget(id_of(i), 1));  // 0 and n - 1 stay
            for (std::uint64_t i = 0; i < taken_back; ++i) REQUIRE(s.record(id_of(n + i), 1));
            REQUIRE(s.size(1) == n);
            for (std::uint64_t i = 0; i < n + taken_back; ++i)
                REQUIRE(s.contains(id_of(i), 1) == (i == 0 || i > taken_back));
            REQUIRE(s.record(id_of(1'000'000), 1));  // and now the oldest goes
            REQUIRE_FALSE(s.contains(id_of(0), 1));
            REQUIRE(s.contains(id_of(n - 1), 1));
        }
    }
}

namespace {

/// Random calls beside a record book, across 2^32 recordings. Up to `exact_ids_max` ids both must say the same; above,
/// an id may be known for a grain longer.
template <class Policies>
void compare_with_book(std::size_t n, tick time_to_live, int steps) {
    constexpr bool renews = std::is_same_v<typename Policies::window, cache::last_seen>;
    bool const exact = renews || n <= cache::first_seen::exact_ids_max;
    auto const grain = exact ? 0 : time_to_live / static_cast<tick>(cache::first_seen::resolution(n)) + 1;
    auto const already = (std::uint64_t{1} << 32) - static_cast<std::uint64_t>(steps) / 4;
    seen<Policies> s{{.ids_max = n, .time_to_live = time_to_live, .already_recorded = already}};
    record_book book{n, time_to_live, renews};
    record_book late{2 * n + 1000, time_to_live + grain, renews};
    splitmix64 random{n};
    tick now = 0;
    std::uint64_t next = 0;
    for (int i = 0; i < steps; ++i) {
        now += i % 2000 < 1500 ? (uniform(random, 4) == 0 ? 1 : 0) : static_cast<tick>(uniform(random, 7));
        auto const what = uniform(random, 8);
        // New ones, known ones, and those of some time ago.
        bool const is_new = what >= 3 && uniform(random, 4) != 0;
        auto const number = is_new                                           ? next++
                            : uniform(random, 2) == 0 && book.size(now) != 0 ? book.some(random)
                                                                             : uniform(random, next + 1);
        bool const must = book.knows(number, now), may = late.knows(number, now);
        bool known = false;
        switch (what) {
            case 0:
            case 1: known = s.forget(id_of(number), now); break;
            case 2: known = s.contains(id_of(number), now); break;
            default: known = !s.record(id_of(number), now);
        }
        if (must) REQUIRE(known);
        if (!may) REQUIRE_FALSE(known);
        if (exact) REQUIRE(known == must);
        if (what < 2) {
            book.forget(number);
            late.forget(number);
        } else if (what > 2 && (!known || must)) {
            if (!known) late.forget(number);
            book.record(number, now);
            late.record(number, now);
        }
        REQUIRE(s.size(now) <= n);
        if (exact) REQUIRE(s.size(now) == book.size(now));
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("random calls beside a record book", "", all) {
    for (std::size_t const n : {1u, 2u, 3u, 7u, 64u, 211u}) {
        for (tick const time_to_live : {1, 40, 1'000'000}) compare_with_book<TestType>(n, time_to_live, 4000);
    }
    compare_with_book<TestType>(1024, 2000, 15'000);
    compare_with_book<TestType>(1025, 2000, 15'000);
    compare_with_book<TestType>(1025, 1'000'000, 15'000);
    compare_with_book<TestType>(5000, 1'000'000, 30'000);
    compare_with_book<TestType>(5000, 10'000, 30'000);
}

TEMPLATE_LIST_TEST_CASE("an id under one topic says nothing about another", "", all) {
    seen<TestType> s{{.ids_max = 10, .time_to_live = 50}};
    std::string const blocks = "blocks", transactions = "transactions";
    CHECK(s.record(blocks, id_of(1), 0));
    CHECK(s.record(transactions, id_of(1), 0));
    CHECK(s.record(id_of(1), 0));
    CHECK_FALSE(s.record(blocks, id_of(1), 0));
    CHECK(s.contains(std::string_view{"transactions"}, id_of(1), 0));
    CHECK(s.forget(blocks, id_of(1), 0));
    CHECK_FALSE(s.contains(blocks, id_of(1), 0));
    CHECK(s.contains(transactions, id_of(1), 0));
}

TEST_CASE("what turned out invalid is taken back, and may be recorded again") {
    seen<with<cache::hash64>> s{{.ids_max = 3, .time_to_live = 50}};
    CHECK(s.record(id_of(1), 0));
    CHECK(s.forget(id_of(1), 1));
    CHECK_FALSE(s.forget(id_of(1), 1));
    CHECK(s.size(1) == 0);
    CHECK(s.record(id_of(1), 2));
    for (std::uint64_t i = 2; i < 10; ++i) {
        CHECK(s.record(id_of(i), 2));
        CHECK(s.forget(id_of(i), 2));
    }
    CHECK(s.size(2) == 1);  // places at the end are given again
    CHECK(s.contains(id_of(1), 2));
}

TEMPLATE_LIST_TEST_CASE("messages that turn out invalid at once cost no other id its place", "", all) {
    seen<TestType> s{{.ids_max = 3, .time_to_live = 50}};
    for (int round = 0; round < 3; ++round) {
        CHECK(s.record(id_of(1), 60 * round));
        for (std::uint64_t i = 2; i < 10; ++i) {
            CHECK(s.record(id_of(i), 60 * round + static_cast<tick>(i)));
            CHECK(s.forget(id_of(i), 60 * round + static_cast<tick>(i)));
        }
        CHECK(s.record(id_of(10), 60 * round + 10));
        CHECK(s.record(id_of(11), 60 * round + 10));
        CHECK(s.size(60 * round + 10) == 3);
        CHECK(s.contains(id_of(1), 60 * round + 49));
        CHECK_FALSE(s.contains(id_of(1), 60 * round + 50));
        CHECK(s.contains(id_of(10), 60 * round + 59));
    }
}

// The oldest is dropped from the middle of a run of one time, and the rest of that run is taken back.
TEST_CASE("ids that were taken back leave no time behind") {
    seen<with<cache::hash64>> s{{.ids_max = 5, .time_to_live = 1000}};
    for (std::uint64_t i = 100; i <= 105; ++i) CHECK(s.record(id_of(i), 0));
    for (std::uint64_t i = 101; i <= 105; ++i) CHECK(s.forget(id_of(i), 0));
    for (std::uint64_t i = 1; i <= 5; ++i) CHECK(s.record(id_of(i), static_cast<tick>(10 * i)));
    for (std::uint64_t i = 2; i <= 5; ++i) {
        CHECK(s.forget(id_of(i), 50));
        CHECK(s.record(id_of(4 + i), i == 5 ? 999 : static_cast<tick>(40 + 10 * i)));
    }
    CHECK(s.contains(id_of(8), 1079));
    CHECK_FALSE(s.contains(id_of(8), 1080));
    CHECK(s.contains(id_of(9), 1998));
    CHECK_FALSE(s.contains(id_of(9), 1999));
}

TEST_CASE("a few ids of a large cache leave in time, those in between taken back or not") {
    seen<with<cache::hash64>> s{{.ids_max = 1'000'000, .time_to_live = 1'000'000}};
    for (std::uint64_t i = 0; i < 500; ++i) {
        auto const t = static_cast<tick>(100 * i);
        CHECK(s.record(id_of(i), t));
        CHECK(s.record(id_of(1'000'000 + i), t + 50));
        CHECK(s.forget(id_of(1'000'000 + i), t + 50));
    }
    for (std::uint64_t i = 0; i < 500; ++i) {
        auto const t = static_cast<tick>(100 * i) + 1'000'000;
        CHECK(s.contains(id_of(i), t - 1));
        CHECK_FALSE(s.contains(id_of(i), t));
    }
}

TEST_CASE("taking back again and again keeps no id longer than a grain") {
    constexpr std::size_t n = 2000;
    constexpr auto grain = tick{1000};
    constexpr auto time_to_live = grain * static_cast<tick>(cache::first_seen::resolution(n));
    seen<with<cache::hash64>> s{{.ids_max = n, .time_to_live = time_to_live}};
    tick now = 0;
    for (std::uint64_t i = 0; i < 1900; ++i) {  // until runs are of a grain
        now += 10;
        s.record(id_of(i), now);
    }
    auto const last = now;
    s.record(id_of(5000), last);
    for (std::uint64_t i = 0; i < 90; ++i) {
        now += 7 * grain / 8;
        s.record(id_of(10'000 + i), now);
        s.record(id_of(20'000 + i), now + grain / 8);
        s.forget(id_of(20'000 + i), now + grain / 8);
        if (now < last + time_to_live) CHECK(s.contains(id_of(5000), now + grain / 8));
        if (now >= last + time_to_live + grain) CHECK_FALSE(s.contains(id_of(5000), now + grain / 8));
    }
}

TEMPLATE_LIST_TEST_CASE("many are asked for at once, the answers are the same", "", all) {
    seen<TestType> s{{.ids_max = 1000, .time_to_live = 50}};
    std::vector<id32> ids;
    for (std::uint64_t i = 0; i < 500; ++i) {
        ids.push_back(id_of(i));
        if (i % 3 == 0) s.record(ids.back(), 0);
    }
    std::size_t asked = 0;
    s.contains_many(
        std::span<id32 const>{ids},
        [&](std::size_t i, bool known) {
            CHECK(i == asked++);
            CHECK(known == (i % 3 == 0));
        },
        tick{1});
    CHECK(asked == 500);
    for (std::uint64_t i = 1; i < 500; i += 3) s.record("topic", ids[i], 1);
    std::size_t known_there = 0;
    s.contains_many(
        "topic", std::span<id32 const>{ids},
        [&](std::size_t i, bool known) {
            CHECK(known == (i % 3 == 1));
            known_there += known ? 1u : 0u;
        },
        tick{1});
    CHECK(known_there == 167);
    // It renews nothing, and what is as old as its time to live is not known.
    std::size_t known_late = 0;
    s.contains_many(
        "topic", std::span<id32 const>{ids}, [&](std::size_t, bool known) { known_late += known ? 1u : 0u; }, tick{51});
    CHECK(known_late == 0);
    s.contains_many(
        std::span<id32 const>{}, [&](std::size_t, bool) { ++known_late; }, tick{51});
    CHECK(known_late == 0);
}

TEST_CASE("text and numbers are ids too, and time may be an instant") {
    cache::seen_cache<cache::seen_defaults<instant>> s{{.ids_max = 10, .time_to_live = 2min}};
    instant const start{1h};
    CHECK(s.record(std::string{"one"}, start));
    CHECK_FALSE(s.record(std::string_view{"one"}, start + 119s));
    CHECK(s.record(std::string_view{"one"}, start + 120s));
    CHECK(s.record(17, start));
}

TEST_CASE("ids leave in time, whatever the grain of the clock") {
    for (auto const& [time_to_live, n] :
         {std::pair<tick, std::size_t>{3000, 100'000}, {120, 1000}, {1, 10}, {7, 5000}}) {
        seen<with<cache::hash64>> s{{.ids_max = n, .time_to_live = time_to_live}};
        auto const late = time_to_live + time_to_live / static_cast<tick>(cache::first_seen::resolution(n)) + 1;
        for (tick now = 0; now < 3 * time_to_live + 10; ++now) {
            s.record(id_of(static_cast<std::uint64_t>(now)), now);
            if (now >= late) REQUIRE_FALSE(s.contains(id_of(static_cast<std::uint64_t>(now - late)), now));
            auto const young = std::min<tick>({now, time_to_live - 1, static_cast<tick>(n) - 1});
            REQUIRE(s.contains(id_of(static_cast<std::uint64_t>(now - young)), now));
        }
    }
}

TEST_CASE("as many runs as there can be leave in time") {
    constexpr std::size_t n = 40'000;
    constexpr auto time_to_live = 10 * static_cast<tick>(cache::first_seen::resolution(n));
    seen<with<cache::hash64>> s{{.ids_max = n, .time_to_live = time_to_live}};
    for (tick now = 0; now < 3 * time_to_live; ++now) {
        s.record(id_of(static_cast<std::uint64_t>(now)), now);
        if (now >= time_to_live + 10)
            REQUIRE_FALSE(s.contains(id_of(static_cast<std::uint64_t>(now - time_to_live - 10)), now));
    }
}

TEST_CASE("time may be a number with a fraction") {
    cache::seen_cache<cache::seen_defaults<double>> s{{.ids_max = 2276, .time_to_live = 0.25}};
    for (std::uint64_t i = 0; i < 200; ++i) s.record(id_of(i), static_cast<double>(i) / 200);
    CHECK_FALSE(s.contains(id_of(0), 0.3));
    CHECK_FALSE(s.contains(id_of(140), 0.995));
    CHECK(s.contains(id_of(155), 0.995));
}

TEST_CASE("a time to live without end") {
    seen<with<cache::hash64>> s{{.ids_max = 10, .time_to_live = std::numeric_limits<tick>::max()}};
    CHECK(s.record(id_of(1), 5));
    CHECK(s.contains(id_of(1), std::numeric_limits<tick>::max() - 1));
}

}  // namespace seen_cache_tests
