// SPDX-License-Identifier: MIT

#include <muster/cache/shared_cache.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <muster/cache/admission/demand.hpp>

#include <support/catch.hpp>

namespace shared_cache_tests {

using namespace muster::cache;
using outcome = put_outcome;

namespace {

struct one_lock : defaults {
    using threading = locked<std::mutex>;
    using stats = counters;
};
struct in_shards : defaults {
    using threading = sharded<std::mutex, 16>;
    using stats = counters;
};

}  // namespace

TEMPLATE_TEST_CASE("a shared cache does what a cache does", "", one_lock, in_shards) {
    shared_cache<std::string, int, TestType> c{{.entries_max = 1000}};
    CHECK(c.capacity() == 1000);
    for (int i = 0; i < 5000; ++i) CHECK(c.put(std::to_string(i), i) == outcome::inserted);
    CHECK(c.size() == 1000);
    CHECK(c.occupied() == 1000);
    CHECK(c.weight() == 1000);
    CHECK(c.get("4999") == 4999);
    CHECK(c.peek("4999") == 4999);
    CHECK_FALSE(c.get("0").has_value());
    CHECK(c.put("4999", 7) == outcome::replaced);
    CHECK(c.visit("4999", [](int& v) { ++v; }));
    CHECK(c.peek("4999") == 8);
    std::size_t seen = 0;
    c.for_each([&](std::string const& key, int v) { seen += key == "4999" || key == std::to_string(v) ? 1u : 0u; });
    CHECK(seen == 1000);
    CHECK(c.erase("4999"));
    CHECK_FALSE(c.contains("4999"));
    CHECK(c.stats().insertions == 5000);
    CHECK(c.stats().evictions == 4000);
    CHECK(c.stats().hits == 2);
    CHECK(c.stats().misses == 1);
    c.clear();
    CHECK(c.size() == 0);
}

TEMPLATE_TEST_CASE("many are got from a shared cache, and what is touched counts as used", "", one_lock, in_shards) {
    shared_cache<int, int, TestType> c{{.entries_max = 1000}};
    std::vector<int> keys;
    for (int i = 0; i < 500; ++i) {
        c.put(2 * i, i);
        keys.push_back(3 * i);
    }
    std::size_t calls = 0;
    c.get_many(std::span<int const>{keys}, [&](std::size_t i, int* value) {
        CHECK(i == calls++);
        REQUIRE((value != nullptr) == (keys[i] < 1000 && keys[i] % 2 == 0));
        if (value == nullptr) return;
        CHECK(2 * *value == keys[i]);
        *value = -1;
        CHECK_FALSE(c.contains(keys[i]));  // refused: its shard is locked
        CHECK(c.put(keys[i], 7) == outcome::refused);
    });
    CHECK(calls == 500);
    CHECK(c.peek(6) == -1);
    CHECK(c.peek(8) == 4);
    CHECK(c.stats().hits == 167);
    CHECK(c.stats().misses == 333);

    CHECK(c.touch(0));
    CHECK_FALSE(c.touch(1));
    CHECK(c.stats().hits == 167);
    shared_cache<int, int, TestType> small{{.entries_max = 2}};
    small.put(1, 1);
    small.put(2, 2);
    CHECK(small.touch(1));
    small.put(3, 3);
    CHECK(small.contains(1));
    CHECK_FALSE(small.contains(2));
}

TEST_CASE("many that are got, and what is touched, live as long as the time that is told says") {
    struct brief : in_shards {
        using expiry = uniform_expiry<std::int64_t, since::use>;
    };
    shared_cache<int, int, brief> c{{.entries_max = 100, .expiry_settings = {10}}};
    c.put(1, 1, std::int64_t{0});
    c.put(2, 2, std::int64_t{0});
    c.put(3, 3, std::int64_t{0});
    CHECK(c.touch(1, std::int64_t{9}));
    std::vector<int> const keys{2};
    c.get_many(
        std::span<int const>{keys}, [](std::size_t, int* value) { CHECK(value != nullptr); }, std::int64_t{9});
    CHECK(c.contains(1, std::int64_t{18}));
    CHECK(c.contains(2, std::int64_t{18}));
    CHECK_FALSE(c.touch(3, std::int64_t{10}));
}

TEST_CASE("shards divide the bounds exactly, also when there are fewer entries than shards") {
    struct weighed : in_shards {
        struct weight {
            std::uint64_t operator()(int, int v) const { return static_cast<std::uint64_t>(v); }
        };
    };
    for (std::size_t const n : {0u, 1u, 7u, 16u, 17u, 1000u}) {
        shared_cache<int, int, weighed> c{{.entries_max = n, .weight_max = 3 * n}};
        CHECK(c.capacity() == n);
        for (int i = 0; i < 5000; ++i) {
            c.put(i, i % 4);
            if (c.weight() > 3 * n) FAIL("too heavy");
        }
        CHECK(c.occupied() <= n);
    }
}

namespace {
template <std::uint64_t Weight>
struct each_weighs : in_shards {
    struct weight {
        std::uint64_t operator()(int, int) const { return Weight; }
    };
};
}  // namespace

TEST_CASE("what fits into the whole bound fits, however many shards are allowed") {
    for (std::uint64_t const weight_max : {10u, 15u, 100u, 159u, 1000u}) {
        shared_cache<int, int, each_weighs<10>> c{{.entries_max = 100'000, .weight_max = weight_max}};
        CHECK(c.shards() == 1);  // nobody said how heavy an entry is
        for (int i = 0; i < 1000; ++i) CHECK(c.put(i, i) == outcome::inserted);
        CHECK(c.weight() == weight_max / 10 * 10);
        shared_cache<int, int, each_weighs<10>> told{
            {.entries_max = 100'000, .weight_max = weight_max, .entry_weight_max = 10}};
        CHECK(told.shards() == std::min<std::uint64_t>(weight_max / 10, 16));
        for (int i = 0; i < 1000; ++i) CHECK(told.put(i, i) == outcome::inserted);
        CHECK(told.weight() <= weight_max);
        CHECK(told.weight() >= 10 * told.shards());
    }
    shared_cache<int, int, each_weighs<100>> whole{{.entries_max = 1000, .weight_max = 100}};
    CHECK(whole.put(1, 1) == outcome::inserted);
    CHECK(whole.put(2, 2) == outcome::inserted);
    shared_cache<int, int, each_weighs<101>> none{{.entries_max = 1000, .weight_max = 100}};
    CHECK(none.put(1, 1) == outcome::rejected);
    shared_cache<int, int, each_weighs<10>> unbounded{{.entries_max = 1000}};
    CHECK(unbounded.shards() == 16);
    shared_cache<int, int, each_weighs<0>> weightless{{.entries_max = 1000, .weight_max = 0}};
    CHECK(weightless.put(1, 1) == outcome::inserted);
}

TEST_CASE("what nobody asked for fits into a tenth of a shard, as it does into a tenth of all") {
    struct asked : each_weighs<10> {
        using admission = demand;
    };
    shared_cache<int, int, asked> c{{.entries_max = 1000, .weight_max = 300, .entry_weight_max = 10}};
    CHECK(c.shards() == 3);
    for (int i = 0; i < 100; ++i) CHECK(c.put(i, i) == outcome::inserted);
}

TEST_CASE("values that can only be moved are visited") {
    shared_cache<int, std::unique_ptr<int>, one_lock> c{{.entries_max = 2}};
    c.put(1, std::make_unique<int>(5));
    CHECK(c.visit(1, [](std::unique_ptr<int>& v) { *v += 1; }));
    CHECK(c.visit(1, [](std::unique_ptr<int> const& v) { CHECK(*v == 6); }));
}

TEST_CASE("time is told to a shared cache as to any") {
    struct brief : in_shards {
        using expiry = uniform_expiry<std::int64_t>;
    };
    shared_cache<int, int, brief> c{{.entries_max = 100, .expiry_settings = {10}}};
    for (int i = 0; i < 20; ++i) c.put(i, i, std::int64_t{i});
    CHECK(c.get(15, std::int64_t{19}) == 15);
    CHECK(c.size(std::int64_t{19}) == 10);
    CHECK(c.purge(std::int64_t{25}) == 6);
}

namespace {
struct inquisitive : defaults {
    using threading = sharded<std::mutex, 4>;
    struct listener {
        shared_cache<int, int, inquisitive>** home = nullptr;
        shared_cache<int, int, inquisitive>** other = nullptr;
        void operator()(removal, int, int&) const {
            if (*home == nullptr) return;
            for (int i = 0; i < 20; ++i) {  // any shard, its own among them
                CHECK((*home)->put(i, i) == outcome::refused);
                CHECK_FALSE((*home)->get(i).has_value());
                CHECK_FALSE((*home)->touch(i));
                std::size_t asked = 0;
                (*home)->get_many(std::span<int const>{&i, 1}, [&](std::size_t, int* value) {
                    ++asked;
                    CHECK(value == nullptr);
                });
                CHECK(asked == 1);
                CHECK((*home)->size() == 0);
            }
            if (*other != nullptr) CHECK((*other)->put(1, 1) != outcome::refused);
        }
    };
};
}  // namespace

TEST_CASE("a listener cannot come back in by any shard, nor by way of another cache, and waits for nobody") {
    shared_cache<int, int, inquisitive>* home = nullptr;
    shared_cache<int, int, inquisitive>* other = nullptr;
    shared_cache<int, int, inquisitive>* nobody = nullptr;
    shared_cache<int, int, inquisitive> c{{.entries_max = 8, .on_removal = {&home, &other}}};
    shared_cache<int, int, inquisitive> d{{.entries_max = 1, .on_removal = {&nobody, &other}}};
    home = &c;
    for (int i = 0; i < 100; ++i) c.put(i, i);
    other = &d;
    for (int i = 0; i < 100; ++i) c.put(i, i);
    home = nullptr;
    CHECK(c.size() > 0);
}

}  // namespace shared_cache_tests
