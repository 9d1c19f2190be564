// SPDX-License-Identifier: MIT

// Orders that are known step by step, and what the adaptive order learns.

#include <muster/cache/cache.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/cache/storage/set_associative.hpp>

#include <set>
#include <vector>

#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace eviction_tests {

using namespace muster;

namespace {

template <class Eviction>
struct by : cache::defaults {
    using eviction = Eviction;
    using stats = cache::counters;
};
template <class Eviction>
using cache_by = cache::cache<std::uint64_t, int, by<Eviction>>;

/// The keys that are left after @p puts into a cache of @p n, in order.
template <class Eviction>
std::set<std::uint64_t> left(cache_by<Eviction>& c) {
    std::set<std::uint64_t> keys;
    c.for_each([&](std::uint64_t k, int) { keys.insert(k); });
    return keys;
}

/// What part of @p requests is found, when misses are put.
template <class Eviction>
double hit_ratio(std::size_t entries_max, std::vector<std::uint64_t> const& requests) {
    cache_by<Eviction> c{{.entries_max = entries_max, .hash = cache::multiply_hash{{{1, 2, 3, 4}}}}};
    for (auto const k : requests) {
        if (c.get(k) == nullptr) c.put(k, 0);
    }
    return static_cast<double>(c.stats().hits) / static_cast<double>(requests.size());
}

/// Requests of which small numbers are asked for often.
std::vector<std::uint64_t> skewed(std::size_t count, std::uint64_t ids) {
    splitmix64 random{3};
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i < count; ++i) {
        auto const bound = 1 + uniform(random, ids);
        out.push_back(uniform(random, bound) * uniform(random, bound) / ids);
    }
    return out;
}

}  // namespace

TEST_CASE("fifo forgets in the order of insertion, whatever is used") {
    cache_by<cache::fifo> c{{.entries_max = 3}};
    for (std::uint64_t k = 1; k <= 3; ++k) c.put(k, 0);
    (void)c.get(1);
    c.put(4, 0);
    CHECK(left(c) == std::set<std::uint64_t>{2, 3, 4});
}

TEST_CASE("clock gives what was used another round for each use, up to its bits") {
    cache_by<cache::clock<2>> c{{.entries_max = 3}};
    for (std::uint64_t k = 1; k <= 3; ++k) c.put(k, 0);
    for (int i = 0; i < 9; ++i) (void)c.get(1);
    for (std::uint64_t k = 4; k <= 8; ++k) c.put(k, 0);
    CHECK(left(c).count(1) == 1);
    for (std::uint64_t k = 9; k <= 14; ++k) c.put(k, 0);
    CHECK(left(c).count(1) == 0);
}

TEST_CASE("sieve keeps what was visited and takes the newcomer behind its hand") {
    cache_by<cache::sieve> c{{.entries_max = 4}};
    for (std::uint64_t k = 1; k <= 4; ++k) c.put(k, 0);
    (void)c.get(1);
    (void)c.get(3);
    c.put(5, 0);  // passes 1, takes 2; the hand is at 3
    CHECK(left(c) == std::set<std::uint64_t>{1, 3, 4, 5});
    c.put(6, 0);  // passes 3, takes 4
    CHECK(left(c) == std::set<std::uint64_t>{1, 3, 5, 6});
    c.put(7, 0);  // takes 5, which nobody has asked for since
    CHECK(left(c) == std::set<std::uint64_t>{1, 3, 6, 7});
}

TEST_CASE("lazy lru promotes what has become old, and leaves alone what is still new") {
    cache_by<cache::lazy_lru<50>> c{{.entries_max = 4}};
    for (std::uint64_t k = 1; k <= 4; ++k) c.put(k, 0);
    (void)c.get(4);
    (void)c.get(1);  // three insertions ago: more than half of the capacity
    c.put(5, 0);
    c.put(6, 0);
    c.put(7, 0);
    CHECK(left(c) == std::set<std::uint64_t>{1, 5, 6, 7});
}

TEST_CASE("lazy lru goes on as before when its count has wrapped") {
    constexpr std::size_t slots = 40;
    cache::lazy_lru<25> young{slots};
    cache::lazy_lru<25> old{slots, 0xffff'ffff - 500};
    splitmix64 random{4};
    auto const both = [&](auto f) {
        f(young);
        f(old);
    };
    for (cache::slot_number s = 0; s < slots; ++s) both([&](auto& o) { o.on_insert(s, 0); });
    for (int i = 0; i < 3000; ++i) {
        REQUIRE(young.victim() == old.victim());
        auto const s = static_cast<cache::slot_number>(uniform(random, slots));
        if (uniform(random, 4) != 0) {
            both([&](auto& o) { o.on_hit(s); });
        } else {
            auto const victim = young.victim();
            both([&](auto& o) { o.on_evict(victim, 0); });
            both([&](auto& o) { o.on_insert(victim, 0); });
        }
    }
    std::vector<cache::slot_number> order_of_young, order_of_old;
    young.for_each([&](cache::slot_number s) { order_of_young.push_back(s); });
    old.for_each([&](cache::slot_number s) { order_of_old.push_back(s); });
    CHECK(order_of_young == order_of_old);
}

TEST_CASE("s3-fifo: one scan of strangers does not wash out what was asked for twice") {
    cache_by<cache::s3_fifo> c{{.entries_max = 100}};
    for (std::uint64_t k = 0; k < 50; ++k) c.put(k, 0);
    for (int i = 0; i < 2; ++i) {
        for (std::uint64_t k = 0; k < 50; ++k) (void)c.get(k);
    }
    for (std::uint64_t k = 1000; k < 3000; ++k) c.put(k, 0);
    for (std::uint64_t k = 0; k < 50; ++k) CHECK(c.contains(k));

    cache_by<cache::lru> l{{.entries_max = 100}};
    for (std::uint64_t k = 0; k < 50; ++k) l.put(k, 0);
    for (std::uint64_t k = 1000; k < 3000; ++k) l.put(k, 0);
    CHECK(left(l).count(0) == 0);
}

TEST_CASE("s3-fifo: what comes back soon after it was evicted goes to the main queue") {
    cache_by<cache::s3_fifo> c{{.entries_max = 20, .hash = cache::multiply_hash{{{1, 2, 3, 4}}}}};
    for (std::uint64_t k = 0; k < 25; ++k) c.put(k, 0);
    REQUIRE_FALSE(c.contains(std::uint64_t{0}));
    c.put(0, 0);
    for (std::uint64_t k = 100; k < 140; ++k) c.put(k, 0);
    CHECK(c.contains(std::uint64_t{0}));
}

TEST_CASE("the adaptive order beats LRU on skewed requests and is not hurt by bursts") {
    auto const requests = skewed(60'000, 4000);
    CHECK(hit_ratio<cache::adaptive_s3_fifo>(200, requests) > hit_ratio<cache::lru>(200, requests));

    // After a time with favourites, everything is asked for again once it has left a small probation, and never later.
    std::vector<std::uint64_t> bursts;
    for (std::uint64_t i = 0; i < 400; ++i) bursts.push_back(1'000'000 + i % 90);
    for (std::uint64_t i = 0; i < 60'000; ++i) {
        bursts.push_back(i);
        if (i >= 40) bursts.push_back(i - 40);
    }
    auto const lru = hit_ratio<cache::lru>(100, bursts);
    auto const fixed = hit_ratio<cache::s3_fifo>(100, bursts);
    auto const steered = hit_ratio<cache::adaptive_s3_fifo>(100, bursts);
    CHECK(fixed < lru * 0.7);
    CHECK(steered > lru * 0.95);
}

TEST_CASE("the widest clock goes through its entries once, and lets go of them") {
    struct wide : cache::defaults {
        using eviction = cache::clock<7>;
    };
    cache::cache<std::uint64_t, std::vector<int>, wide> c{{.entries_max = 5}};
    c.put(1, {1, 2, 3});
    std::size_t shown = 0;
    c.for_each([&](std::uint64_t, std::vector<int> const&) { ++shown; });
    CHECK(shown == 1);
}

TEST_CASE("in a set, what was hit often and is not any more goes as well") {
    struct sets : cache::defaults {
        using storage = cache::set_associative<16>;
        using eviction = cache::clock<2>;
    };
    cache::cache<int, int, sets> c{{.entries_max = 16}};
    for (int i = 0; i < 16; ++i) c.put(i, i);
    for (int round = 0; round < 5; ++round) {
        for (int i = 0; i < 16; ++i) (void)c.get(i);
    }
    for (int i = 100; i < 150; ++i) {
        c.put(i, i);
        (void)c.get(0);
    }
    CHECK(c.contains(0));
    for (int i = 1; i < 16; ++i) CHECK_FALSE(c.contains(i));
}

}  // namespace eviction_tests
