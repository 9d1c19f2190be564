// SPDX-License-Identifier: MIT

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/admission/quota.hpp>
#include <muster/cache/cache.hpp>

#include <muster/core/random.hpp>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <vector>

#include <support/catch.hpp>

namespace admission_tests {

using namespace muster;
using outcome = cache::put_outcome;
using tick = std::int64_t;

TEST_CASE("a flood does not push out what is asked for here") {
    struct wanted_only : cache::defaults {
        using admission = cache::demand;
    };
    cache::cache<int, int, wanted_only> c{{.entries_max = 100}};
    for (int i = 0; i < 60; ++i) CHECK(c.get(i) == nullptr);  // asked for before it is there
    for (int i = 0; i < 60; ++i) c.put(i, i);
    for (int i = 60; i < 90; ++i) {
        c.put(i, i);
        CHECK(c.get(i) != nullptr);  // asked for while on probation
    }
    for (int i = 1000; i < 100'000; ++i) c.put(i, i);
    for (int i = 0; i < 90; ++i) CHECK(c.contains(i));
    CHECK(c.size() == 100);
    for (int i = 99'990; i < 100'000; ++i) CHECK(c.contains(i));  // probation: a tenth, the newest

    // Replacing does not help: it is not a use here.
    for (int round = 0; round < 10; ++round) {
        for (int i = 99'990; i < 100'000; ++i) CHECK(c.put(i, round) == outcome::replaced);
    }
    for (int i = 200'000; i < 200'010; ++i) c.put(i, i);
    CHECK_FALSE(c.contains(99'990));
}

namespace {

struct advert {
    int from;
};
struct sender {
    int operator()(int, advert const& a) const {
        if (a.from < 0) throw std::runtime_error{"nobody"};
        return a.from;
    }
};
struct from_many : cache::defaults {
    using admission = cache::quota<sender>;
};
using rationed_cache = cache::cache<int, advert, from_many>;

std::size_t held_by(rationed_cache const& c, int source) {
    std::size_t count = 0;
    c.for_each([&](int, advert const& a) { count += a.from == source ? 1u : 0u; });
    return count;
}

}  // namespace

TEST_CASE("a source that holds as much as it may pays with its own, though there be room") {
    rationed_cache c{{.entries_max = 100, .admit = {{}, 13}}};
    for (int i = 0; i < 1000; ++i) c.put(i, {7});
    CHECK(c.size() == 13);
    CHECK(c.contains(999));
    CHECK(c.contains(987));
    for (int i = 1000; i < 1060; ++i) c.put(i, {i});
    for (int i = 2000; i < 3000; ++i) c.put(i, {7 + i % 3});  // three sources now: 39 and 60 are 99
    for (int i = 1000; i < 1060; ++i) CHECK(c.contains(i));
    for (int i = 3000; i < 4000; ++i) c.put(i, {7 + i % 8});  // eight, and it is full: the largest holders pay
    for (int i = 1000; i < 1060; ++i) CHECK(c.contains(i));
    CHECK(c.size() == 100);
    for (int source = 7; source < 15; ++source) CHECK(held_by(c, source) == 5);
}

TEST_CASE("among the entries of a source the one used longest ago goes") {
    rationed_cache c{{.entries_max = 10, .admit = {{}, 3}}};
    for (int i = 0; i < 3; ++i) c.put(i, {1});
    (void)c.get(0);
    c.put(3, {1});
    CHECK(c.contains(0));
    CHECK_FALSE(c.contains(1));
}

TEST_CASE("an entry is charged to who sent it last") {
    rationed_cache c{{.entries_max = 10, .admit = {{}, 3}}};
    for (int i = 0; i < 3; ++i) c.put(i, {1});  // 0 is relayed by 1
    CHECK(c.put(0, {2}) == outcome::replaced);  // and sent by its owner
    for (int i = 10; i < 20; ++i) c.put(i, {1});
    CHECK(c.contains(0));
    CHECK(held_by(c, 1) == 3);
    CHECK(c.put(0, {1}) == outcome::replaced);
    CHECK(held_by(c, 1) == 3);
    CHECK(held_by(c, 2) == 0);
    c.clear();
    CHECK(held_by(c, 1) == 0);
    for (int i = 0; i < 5; ++i) c.put(i, {1});
    CHECK(held_by(c, 1) == 3);
}

TEST_CASE("an entry that was not replaced after all is charged to who sent it") {
    struct refusing : from_many {
        struct weight {
            std::uint64_t operator()(int, advert const&) const { return 1; }
        };
        struct listener {
            bool const* armed = nullptr;
            void operator()(cache::removal, int, advert const&) const {
                if (*armed) throw std::runtime_error{"no"};
            }
        };
    };
    bool armed = false;
    cache::cache<int, advert, refusing> c{{.entries_max = 10, .admit = {{}, 2}, .on_removal = {&armed}}};
    for (int i = 0; i < 4; ++i) c.put(i, {1 + i / 2});
    armed = true;
    CHECK_THROWS_AS(c.put(0, {2}), std::runtime_error);  // 2 holds two, and giving up one of them fails
    armed = false;
    CHECK(c.peek(0)->from == 1);
    c.put(4, {1});
    c.put(5, {1});
    std::vector<int> sources;
    c.for_each([&](int, advert const& a) { sources.push_back(a.from); });
    CHECK(sources == std::vector{2, 1, 1});
}

TEST_CASE("what was asked for stays in the main part when it becomes heavier than there was room for") {
    struct weighed : cache::defaults {
        using admission = cache::demand;
        struct weight {
            std::uint64_t operator()(int, int v) const { return static_cast<std::uint64_t>(v); }
        };
    };
    cache::cache<int, int, weighed> c{{.entries_max = 100, .weight_max = 100}};
    for (int i = 0; i < 10; ++i) {
        (void)c.get(i);
        c.put(i, 10);
    }
    CHECK(c.put(9, 20) == outcome::replaced);
    CHECK(c.is_promoted(9));
    CHECK(*c.peek(9) == 20);
    CHECK(c.weight() == 100);
}

TEST_CASE("a source that cannot be told changes nothing") {
    rationed_cache c{{.entries_max = 2}};
    c.put(1, {1});
    c.put(2, {2});
    CHECK_THROWS_AS(c.put(1, {-1}), std::runtime_error);
    CHECK_THROWS_AS(c.put(3, {-1}), std::runtime_error);
    CHECK(c.size() == 2);
    CHECK(c.peek(1)->from == 1);
}

// The least and a near miss.
namespace {
struct least_admission {
    template <class Eviction>
    struct order {
        explicit order(std::size_t slots) : policy{slots} {}
        void on_insert(cache::slot_number s, std::uint64_t h) { policy.on_insert(s, h); }
        void on_hit(cache::slot_number) {}
        void on_erase(cache::slot_number s) { policy.on_erase(s); }
        void on_evict(cache::slot_number s, std::uint64_t h) { policy.on_evict(s, h); }
        cache::slot_number victim() { return policy.victim(); }
        template <class F>
        void for_each(F f) const {
            policy.for_each(f);
        }
        Eviction policy;
    };
};
struct no_order {
    template <class Eviction>
    struct order {};
};
struct admits_least : cache::defaults {
    using admission = least_admission;
};
}  // namespace
static_assert(cache::admission_policy<least_admission, cache::lru>);
static_assert(!cache::admission_policy<no_order, cache::lru>);

TEST_CASE("an admission of the user's own") {
    cache::cache<int, int, admits_least> c{{.entries_max = 2}};
    for (int i = 0; i < 5; ++i) c.put(i, i);
    CHECK(*c.get(4) == 4);
    CHECK(c.size() == 2);
}

TEST_CASE("a flood of heavy entries does not push out what is asked for either") {
    struct weighed : cache::defaults {
        using admission = cache::demand;
        struct weight {
            std::uint64_t operator()(int, int v) const { return static_cast<std::uint64_t>(v); }
        };
    };
    cache::cache<int, int, weighed> c{{.entries_max = 1000, .weight_max = 1000}};
    for (int i = 0; i < 90; ++i) {
        (void)c.get(i);
        c.put(i, 10);
    }
    for (int i = 1000; i < 1100; ++i) CHECK(c.put(i, 200) == outcome::rejected);
    for (int i = 2000; i < 2100; ++i) CHECK(c.put(i, 100) == outcome::inserted);
    for (int i = 0; i < 90; ++i) CHECK(c.contains(i));
    CHECK(c.put(2099, 101) == outcome::withdrawn);
    CHECK(c.peek(2099) == nullptr);
    (void)c.get(3000);
    CHECK(c.put(3000, 200) == outcome::inserted);  // asked for
}

namespace {
struct demanded : cache::defaults {
    using admission = cache::demand;
    using expiry = cache::per_entry_expiry<tick>;
    struct weight {
        std::uint64_t operator()(int, int v) const { return static_cast<std::uint64_t>(v); }
    };
};
}  // namespace

TEST_CASE("what nobody asked for takes no place of what was asked for in a cache of a few entries") {
    for (std::size_t n = 1; n < 10; ++n) {
        cache::cache<int, int, demanded> c{{.entries_max = n}};
        auto const count = static_cast<int>(n);
        for (int i = 0; i < count; ++i) {
            (void)c.get(i, tick{0});
            c.put(i, 1, 100 + i, tick{0});
        }
        for (int i = 1000; i < 1050; ++i) CHECK(c.put(i, 1, 100, tick{0}) == outcome::rejected);
        for (int i = 0; i < count; ++i) CHECK(c.contains(i, tick{0}));
        CHECK(c.put(0, 7, 100, tick{0}) == outcome::replaced);
        // Where there is room they come in, and push out one another.
        c.erase(0, tick{0});
        for (int i = 1000; i < 1050; ++i) CHECK(c.put(i, 1, 1000, tick{0}) == outcome::inserted);
        CHECK(c.contains(1049, tick{0}));
        for (int i = 1; i < count; ++i) CHECK(c.contains(i, tick{0}));
        // What is asked for comes in, and pushes out those that were asked for longest ago.
        CHECK(c.get(1049, tick{0}) != nullptr);
        (void)c.get(500, tick{0});
        CHECK(c.put(500, 1, 1000, tick{0}) == outcome::inserted);
        CHECK(c.is_promoted(500));
        CHECK(c.contains(1049, tick{0}) == (n > 1));
        CHECK_FALSE(c.contains(1, tick{0}));
        // What has expired makes room for anybody.
        CHECK(c.put(2000, 1, 9999, tick{1000}) == outcome::inserted);
        CHECK(c.size(tick{1000}) == 1);
    }
}

TEST_CASE("nor in a cache of a few entries or of little weight, where it is the weight that would have to go") {
    cache::cache<int, int, demanded> few{{.entries_max = 5, .weight_max = 100}};
    (void)few.get(1, tick{0});
    few.put(1, 95, 100, tick{0});
    CHECK(few.put(2, 5, 100, tick{0}) == outcome::inserted);
    CHECK(few.put(3, 5, 100, tick{0}) == outcome::inserted);
    CHECK(few.put(4, 6, 100, tick{0}) == outcome::rejected);
    CHECK(few.put(3, 6, 100, tick{0}) == outcome::withdrawn);
    CHECK(few.peek(3, tick{0}) == nullptr);
    CHECK(few.contains(1, tick{0}));
    CHECK(few.put(1, 100, 100, tick{0}) == outcome::replaced);

    for (int weight_max = 1; weight_max < 10; ++weight_max) {
        cache::cache<int, int, demanded> light{
            {.entries_max = 100, .weight_max = static_cast<std::uint64_t>(weight_max)}};
        (void)light.get(1, tick{0});
        light.put(1, weight_max, 100, tick{0});
        for (int i = 10; i < 20; ++i) CHECK(light.put(i, 1, 100, tick{0}) == outcome::rejected);
        CHECK(light.contains(1, tick{0}));
        light.put(1, weight_max - 1, 100, tick{0});
        for (int i = 10; i < 20; ++i) CHECK(light.put(i, 1, 100, tick{0}) == outcome::inserted);
        CHECK(light.contains(1, tick{0}));
        CHECK(light.contains(19, tick{0}));
    }
}

TEST_CASE("what is restored to a small cache was admitted once") {
    cache::cache<int, int, demanded> c{{.entries_max = 2}};
    for (int i = 0; i < 5; ++i) {
        CHECK(c.restore(i, 1, tick{100}, tick{0}) == outcome::inserted);
        CHECK(c.touch(i, tick{0}));  // as persistent_cache does for what was in the main part
    }
    CHECK(c.contains(4, tick{0}));
    CHECK(c.contains(3, tick{0}));
}

TEST_CASE("replacing is no way out of probation, even where it counts as a use") {
    struct both : cache::defaults {
        using admission = cache::demand;
        using touch = cache::touch_on_both;
    };
    cache::cache<int, int, both> c{{.entries_max = 20}};
    for (int i = 0; i < 18; ++i) {
        (void)c.get(i);
        c.put(i, 0);
    }
    for (int i = 100; i < 150; ++i) {
        c.put(i, 0);
        c.put(i, 1);
    }
    for (int i = 0; i < 18; ++i) CHECK(c.contains(i));
}

TEST_CASE("sources come and go") {
    rationed_cache c{{.entries_max = 10, .admit = {{}, 2}}};
    for (int i = 0; i < 1000; ++i) c.put(i, {i / 2});  // each sends two, and is never heard of again
    CHECK(c.size() == 10);
    for (int i = 0; i < 1000; ++i) c.erase(i);
    CHECK(c.size() == 0);
    for (int i = 0; i < 10; ++i) c.put(i, {i});
    CHECK(c.size() == 10);
}

namespace {

struct wanted_or_rationed : cache::defaults {
    using admission = cache::demand_and_quota<sender>;
};
using guarded_cache = cache::cache<int, advert, wanted_or_rationed>;

}  // namespace

TEST_CASE("a flood reaches neither what is asked for nor what others have sent") {
    guarded_cache c{{.entries_max = 100, .admit = {{}, 13}}};
    for (int i = 0; i < 40; ++i) {
        c.put(i, {7});  // of one source, all of them asked for
        CHECK(c.get(i) != nullptr);
    }
    for (int i = 100; i < 120; ++i) c.put(i, {i});  // of many, not asked for yet
    for (int i = 1000; i < 2000; ++i) c.put(i, {7});
    for (int i = 2000; i < 3000; ++i) c.put(i, {8});
    for (int i = 0; i < 40; ++i) CHECK(c.contains(i));
    for (int i = 100; i < 120; ++i) CHECK(c.contains(i));
    CHECK(c.size() == 40 + 20 + 2 * 13);
    for (int i = 3000; i < 4000; ++i) c.put(i, {9 + i % 4});  // full: the largest on probation pay
    for (int i = 0; i < 40; ++i) CHECK(c.contains(i));
    for (int i = 100; i < 120; ++i) CHECK(c.contains(i));
    CHECK(c.size() == 100);
}

TEST_CASE("what was asked for before it came is charged to nobody, and may be replaced by anybody") {
    guarded_cache c{{.entries_max = 100, .admit = {{}, 3}}};
    for (int i = 0; i < 10; ++i) CHECK(c.get(i) == nullptr);
    for (int i = 0; i < 10; ++i) c.put(i, {7});
    CHECK(c.size() == 10);
    CHECK(c.put(5, {8}) == outcome::replaced);
    CHECK(c.get(5)->from == 8);
    for (int i = 20; i < 30; ++i) c.put(i, {8});
    CHECK(c.size() == 13);
    for (int i = 0; i < 10; ++i) CHECK(c.contains(i));
    // On probation a new sender takes the charge with the value.
    CHECK(c.put(29, {9}) == outcome::replaced);
    c.put(40, {8});
    CHECK(c.size() == 14);
    for (int i = 0; i < 10; ++i) CHECK(c.erase(i));
    for (int i = 27; i < 30; ++i) CHECK(c.erase(i));
    CHECK(c.size() == 1);
}

TEST_CASE("the bounds hold whatever is put, got and erased, by whomever") {
    guarded_cache c{{.entries_max = 40, .admit = {{}, 5}}};
    splitmix64 draw{7};
    for (int step = 0; step < 200'000; ++step) {
        auto const key = static_cast<int>(uniform(draw, 90));
        switch (uniform(draw, 8)) {
            case 0: (void)c.erase(key); break;
            case 1: (void)c.get(key); break;
            default: (void)c.put(key, {static_cast<int>(uniform(draw, 6))});
        }
        std::map<int, std::size_t> held;
        std::size_t listed = 0;
        if (step % 64 != 0) continue;
        c.for_each([&](int k, advert const& a) {
            ++listed;
            held[a.from] += c.is_promoted(k) ? 0u : 1u;
        });
        REQUIRE(listed == c.size());
        REQUIRE(c.size() <= 40);
        for (auto const& [source, count] : held) REQUIRE(count <= 5);
    }
}

}  // namespace admission_tests
