// SPDX-License-Identifier: MIT

// The listener of a shared cache: who calls it, when, and what it may do.

#include <muster/cache/shared_cache.hpp>

#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/catch.hpp>

namespace shared_listener_tests {

using namespace muster;
using cache::removal;
using outcome = cache::put_outcome;

namespace {

/// A lock that knows how many of its kind the thread holds.
struct counted_lock {
    static inline thread_local int held = 0;
    void lock() {
        mutex.lock();
        ++held;
    }
    void unlock() {
        --held;
        mutex.unlock();
    }
    std::mutex mutex;
};

struct telling {
    removal why;
    std::string key;
    int value;
    std::thread::id by;
    bool operator==(telling const&) const = default;
};
struct teller {
    std::vector<telling>* told = nullptr;
    int throws_at = 0;  // a value
    void operator()(removal why, std::string const& key, int& value) const {
        CHECK(counted_lock::held == 0);
        told->push_back({why, key, value, std::this_thread::get_id()});
        if (value == throws_at) throw std::runtime_error{"told " + key};
    }
};
struct picky_weight {
    std::uint64_t operator()(std::string const& key, int value) const {
        if (key == "unweighable") throw std::runtime_error{"no weight"};
        return static_cast<std::uint64_t>(value);
    }
};
template <class Threading>
struct told_outside : cache::defaults {
    using threading = Threading;
    using expiry = cache::uniform_expiry<std::int64_t>;
    using weight = picky_weight;
    using listener = teller;
    using stats = cache::counters;
};
using one_lock = told_outside<cache::locked<counted_lock>>;
using in_shards = told_outside<cache::sharded<counted_lock, 8>>;

}  // namespace

TEMPLATE_TEST_CASE("it is told when no lock is held, in order, by the thread that removed", "", one_lock, in_shards) {
    using tick = std::int64_t;
    std::vector<telling> told;
    auto const self = std::this_thread::get_id();
    cache::shared_cache<std::string, int, TestType> c{
        {.entries_max = 100, .weight_max = 10, .expiry_settings = {10}, .on_removal = {&told}}};
    c.put("a", 4, tick{0});
    c.put("a", 5, tick{0});
    c.put("b", 5, tick{5});
    c.put("c", 9, tick{6});  // which two make room for
    CHECK(told == std::vector<telling>{{removal::replaced, "a", 4, self},
                                       {removal::evicted, "a", 5, self},
                                       {removal::evicted, "b", 5, self}});
    told.clear();
    std::thread other{[&] {
        (void)c.get("c", tick{20});
        c.put("d", 1, tick{20});
        c.erase("d", tick{20});
        told.clear();
        c.put("e", 1, tick{20});
        c.clear();
    }};
    auto const by = other.get_id();
    other.join();
    CHECK(told == std::vector<telling>{{removal::cleared, "e", 1, by}});
    CHECK(c.stats().expirations == 1);
    CHECK(c.stats().erasures == 2);
}

TEMPLATE_TEST_CASE("what it throws arrives when all is told and the call is done", "", one_lock, in_shards) {
    using tick = std::int64_t;
    std::vector<telling> told;
    cache::shared_cache<std::string, int, TestType> c{
        {.entries_max = 100, .weight_max = 9, .expiry_settings = {10}, .on_removal = {&told, 3}}};
    for (auto const* key : {"a", "b", "c"}) c.put(key, 3, tick{0});
    CHECK_THROWS_WITH(c.put("d", 9, tick{0}), "told a");
    CHECK(told.size() == 3);
    CHECK(c.get("d", tick{0}) == 9);
    CHECK(c.put("d", 2, tick{0}) == outcome::replaced);
    told.clear();
    // The call throws itself, after it has removed something: that is told as well.
    c.put("unweighable-to-be", 3, tick{0});
    CHECK_THROWS_WITH(c.visit(
                          "d", [](int&) { throw std::logic_error{"visited"}; }, tick{0}),
                      "visited");
    CHECK(told.empty());
    CHECK_THROWS_WITH(c.put("unweighable", 1, tick{0}), "no weight");
    CHECK(c.occupied() == 2);
}

namespace {
struct cascading : cache::defaults {
    using threading = cache::sharded<counted_lock, 4>;
    struct listener {
        cache::shared_cache<int, int, cascading>** other = nullptr;
        int* calls = nullptr;
        void operator()(removal, int key, int value) const {
            CHECK(counted_lock::held == 0);
            ++*calls;
            if (*other != nullptr) (void)(*other)->put(key + 1000, value);
        }
    };
};
}  // namespace

TEST_CASE("two caches whose listeners put into each other end, in one thread") {
    cache::shared_cache<int, int, cascading>* second = nullptr;
    cache::shared_cache<int, int, cascading>* first = nullptr;
    int calls = 0;
    cache::shared_cache<int, int, cascading> a{{.entries_max = 2, .on_removal = {&second, &calls}}};
    cache::shared_cache<int, int, cascading> b{{.entries_max = 1, .on_removal = {&first, &calls}}};
    first = &a;
    second = &b;
    for (int i = 0; i < 10; ++i) CHECK(a.put(i, i) == outcome::inserted);
    // Eight left the first; each pushed one out of the second but the first of them, whose put into the first is
    // refused.
    CHECK(calls == 8 + 7);
    CHECK(a.occupied() == 2);
    CHECK(b.occupied() == 1);
    CHECK(b.contains(1007));
}

}  // namespace shared_listener_tests
