// SPDX-License-Identifier: MIT

// A value that does not get in takes the older one with it, since that is not true any more.

#include <muster/cache/cache.hpp>

#include <mutex>
#include <utility>
#include <vector>

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/admission/quota.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/cache/shared_cache.hpp>
#include <muster/cache/storage/inline_array.hpp>
#include <muster/cache/storage/set_associative.hpp>
#include <muster/core/time.hpp>

#include <support/catch.hpp>

namespace rejected_tests {

using namespace muster;
using cache::removal;
using outcome = cache::put_outcome;

namespace {

using tick = std::int64_t;
struct telling {
    removal why;
    int key;
    int value;
    bool operator==(telling const&) const = default;
};
struct teller {
    std::vector<telling>* told = nullptr;
    void operator()(removal why, int key, int& value) const { told->push_back({why, key, value}); }
};
struct value_is_weight {
    int operator()(int, int value) const { return value; }
};
struct value_expires {
    tick operator()(int value) const { return value; }
};

template <class Storage, class Eviction>
struct stored : cache::defaults {
    using storage = Storage;
    using eviction = Eviction;
    using expiry = cache::value_expiry<tick, value_expires>;
    using listener = teller;
    using stats = cache::counters;
};
using each_storage = std::tuple<stored<cache::slab, cache::lru>, stored<cache::inline_array<8>, cache::s3_fifo>,
                                stored<cache::set_associative<4>, cache::clock<2>>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("a value whose time is over removes the one before, and all is told", "", each_storage) {
    std::vector<telling> told;
    cache::cache<int, int, TestType> c{{.entries_max = 8, .on_removal = {&told}}};
    CHECK(c.put(1, 100, tick{0}) == outcome::inserted);
    CHECK(c.put(2, 100, tick{0}) == outcome::inserted);
    CHECK(c.put(1, 50, tick{60}) == outcome::withdrawn);
    CHECK(told == std::vector<telling>{{removal::withdrawn, 1, 100}, {removal::rejected, 1, 50}});
    CHECK(c.get(1, tick{60}) == nullptr);
    CHECK(c.contains(2, tick{60}));
    CHECK(c.put(1, 50, tick{60}) == outcome::rejected);  // there is nothing any more
    CHECK(c.put(1, 200, tick{60}) == outcome::inserted);
    CHECK(c.stats().withdrawals == 1);
    CHECK(c.stats().rejections == 2);
    CHECK(c.stats().insertions == 3);
    told.clear();
    CHECK(c.put(2, 50, tick{100}) == outcome::rejected);  // it had expired by itself
    CHECK(told == std::vector<telling>{{removal::expired, 2, 100}, {removal::rejected, 2, 50}});
}

TEMPLATE_LIST_TEST_CASE("who wants to keep the old value says so", "", each_storage) {
    std::vector<telling> told;
    cache::cache<int, int, TestType> c{{.entries_max = 8, .on_removal = {&told}, .keep_on_reject = true}};
    c.put(1, 100, tick{0});
    CHECK(c.put(1, 50, tick{60}) == outcome::rejected);
    CHECK(told == std::vector<telling>{{removal::rejected, 1, 50}});
    CHECK(*c.get(1, tick{60}) == 100);
}

TEST_CASE("a value that is too heavy removes the one before, in place or not") {
    struct heavy : cache::defaults {
        using weight = value_is_weight;
        using listener = teller;
    };
    std::vector<telling> told;
    cache::cache<int, int, heavy> c{{.entries_max = 8, .weight_max = 10, .on_removal = {&told}}};
    c.put(1, 4);
    c.put(2, 4);
    CHECK(c.put(1, 11) == outcome::withdrawn);
    CHECK_FALSE(c.contains(1));
    CHECK(c.weight() == 4);
    CHECK(c.put(2, -1) == outcome::withdrawn);  // a negative weight is above any bound
    CHECK(c.occupied() == 0);
    CHECK(told == std::vector<telling>{{removal::withdrawn, 1, 4},
                                       {removal::rejected, 1, 11},
                                       {removal::withdrawn, 2, 4},
                                       {removal::rejected, 2, -1}});

    cache::cache<int, int, heavy> small{
        {.entries_max = 8, .weight_max = 10, .on_removal = {&told}, .entry_weight_max = 3}};
    CHECK(small.put(1, 3) == outcome::inserted);
    CHECK(small.put(1, 4) == outcome::withdrawn);
    CHECK(small.weight() == 0);
}

TEST_CASE("what an admission does not let in removes the one before") {
    struct asked : cache::defaults {
        using admission = cache::demand;
        using weight = value_is_weight;
    };
    cache::cache<int, int, asked> c{{.entries_max = 100, .weight_max = 100}};
    CHECK(c.put(1, 10) == outcome::inserted);
    CHECK(c.put(1, 11) == outcome::withdrawn);  // nobody asked for it, and it is more than a tenth
    CHECK_FALSE(c.contains(1));
    (void)c.get(2);
    CHECK(c.put(2, 50) == outcome::inserted);
    CHECK(c.put(2, 101) == outcome::withdrawn);
    CHECK(c.occupied() == 0);

    struct source {
        int operator()(int key, int) const { return key % 2; }
    };
    struct rationed : cache::defaults {
        using admission = cache::quota<source>;
        using weight = value_is_weight;
    };
    cache::cache<int, int, rationed> q{{.entries_max = 8, .weight_max = 10, .admit = {{}, 2}}};
    for (int i = 0; i < 4; ++i) q.put(i, 2);
    CHECK(q.put(2, 11) == outcome::withdrawn);
    CHECK(q.occupied() == 3);
    CHECK(q.put(4, 2) == outcome::inserted);  // the quota has room again
    CHECK(q.contains(0));
}

TEST_CASE("a deadline that has passed removes the one before, whoever tells the time") {
    struct dated : cache::defaults {
        using expiry = cache::per_entry_expiry<instant>;
        using time_source = cache::monotonic_time<manual_clock>;
    };
    manual_clock clock;
    cache::cache<int, int, dated> c{{.entries_max = 8, .clock = cache::monotonic_time{clock}}};
    c.put(1, 1, clock.now() + std::chrono::seconds{9});
    CHECK(c.put(1, 2, clock.now()) == outcome::withdrawn);
    CHECK_FALSE(c.contains(1));
}

TEST_CASE("a rejected value removes the one before from a shared cache as well") {
    struct shared : cache::defaults {
        using weight = value_is_weight;
        using threading = cache::sharded<std::mutex, 4>;
        using listener = teller;
        using stats = cache::counters;
    };
    std::vector<telling> told;
    cache::shared_cache<int, int, shared> c{
        {.entries_max = 100, .weight_max = 100, .on_removal = {&told}, .entry_weight_max = 10}};
    CHECK(c.shards() == 4);
    c.put(1, 5);
    CHECK(c.put(1, 11) == outcome::withdrawn);
    CHECK_FALSE(c.contains(1));
    CHECK(told == std::vector<telling>{{removal::withdrawn, 1, 5}, {removal::rejected, 1, 11}});
    CHECK(c.stats().withdrawals == 1);
    cache::shared_cache<int, int, shared> keeping{
        {.entries_max = 100, .weight_max = 100, .on_removal = {&told}, .keep_on_reject = true}};
    keeping.put(1, 5);
    CHECK(keeping.put(1, 101) == outcome::rejected);
    CHECK(keeping.get(1) == 5);
}

TEST_CASE("weights add up to the largest number and no further") {
    struct huge {
        std::uint64_t operator()(int, int) const { return ~std::uint64_t{0} - 3; }
    };
    struct by_bytes : cache::defaults {
        using weight = cache::byte_weight<huge>;
    };
    cache::cache<int, int, by_bytes> bounded{{.entries_max = 9, .weight_max = 100}};
    CHECK(bounded.put(1, 1) == outcome::rejected);
    cache::cache<int, int, by_bytes> unbounded{{.entries_max = 9}};
    CHECK(unbounded.put(1, 1) == outcome::inserted);
    CHECK(unbounded.put(2, 2) == outcome::inserted);
    CHECK(unbounded.occupied() == 1);  // one alone weighs all that there may be
    CHECK(unbounded.weight() == ~std::uint64_t{0});
    struct shared : by_bytes {
        using threading = cache::sharded<std::mutex, 4>;
    };
    cache::shared_cache<int, int, shared> several{{.entries_max = 400}};
    for (int i = 0; i < 100; ++i) several.put(i, i);
    CHECK(several.occupied() == 4);
    CHECK(several.weight() == ~std::uint64_t{0});
}

}  // namespace rejected_tests
