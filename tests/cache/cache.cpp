// SPDX-License-Identifier: MIT

#include <muster/cache/cache.hpp>

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/storage/inline_array.hpp>
#include <muster/cache/storage/set_associative.hpp>
#include <muster/core/random.hpp>
#include <muster/core/time.hpp>

#include <support/catch.hpp>

namespace cache_tests {

using namespace muster::cache;
using muster::duration;
using muster::from_unix_millis;
using muster::instant;
using muster::manual_clock;
using muster::timestamp;
using outcome = put_outcome;

TEST_CASE("the least recently used entry goes first, and looking without using does not help it") {
    cache<int, int> c{{.entries_max = 3}};
    CHECK(c.put(1, 10) == outcome::inserted);
    CHECK(c.put(2, 20) == outcome::inserted);
    CHECK(c.put(3, 30) == outcome::inserted);
    CHECK(*c.get(1) == 10);
    CHECK(*c.peek(2) == 20);
    CHECK(c.contains(2));
    CHECK(c.put(4, 40) == outcome::inserted);
    CHECK(c.get(2) == nullptr);
    CHECK(c.put(1, 11) == outcome::replaced);  // with touch_on_get no use
    CHECK(c.size() == 3);
    std::vector<int> keys;
    c.for_each([&](int k, int) { keys.push_back(k); });
    CHECK(keys == std::vector{3, 1, 4});
    CHECK(c.erase(3));
    CHECK_FALSE(c.erase(3));
    c.clear();
    CHECK(c.size() == 0);
    CHECK(c.put(5, 50) == outcome::inserted);
}

TEST_CASE("text is looked up as text of any type") {
    cache<std::string, int> c{{.entries_max = 10}};
    c.put("a key that is too long to fit into the string itself", 1);
    CHECK(*c.get(std::string_view{"a key that is too long to fit into the string itself"}) == 1);
    CHECK(*c.get("a key that is too long to fit into the string itself") == 1);
    CHECK(c.get(std::string_view{"another"}) == nullptr);
}

TEST_CASE("keys and values that can only be moved") {
    cache<int, std::unique_ptr<std::string>> c{{.entries_max = 2}};
    for (int i = 0; i < 5; ++i) c.put(i, std::make_unique<std::string>(100, 'x'));
    CHECK(c.size() == 2);
    CHECK(c.get(4)->get()->size() == 100);
    auto const taken = std::move(*c.get(4));
    CHECK(taken->size() == 100);
}

namespace {

struct touchy_hash {
    bool* armed = nullptr;
    std::uint64_t operator()(int key) const {
        if (armed != nullptr && *armed) throw std::runtime_error{"no hash today"};
        return static_cast<std::uint64_t>(key) * 0x9e37'79b9'7f4a'7c15u;
    }
};
struct with_touchy_hash : defaults {
    using hash = touchy_hash;
};

}  // namespace

TEST_CASE("a hash that throws changes nothing") {
    bool armed = false;
    cache<int, int, with_touchy_hash> c{{.entries_max = 3, .hash = {&armed}}};
    for (int i = 0; i < 3; ++i) c.put(i, i);
    armed = true;
    CHECK_THROWS_AS(c.put(9, 9), std::runtime_error);
    CHECK_THROWS_AS(c.get(1), std::runtime_error);
    CHECK_THROWS_AS(c.erase(1), std::runtime_error);
    armed = false;
    for (int i = 0; i < 3; ++i) CHECK(*c.get(i) == i);
    CHECK(c.size() == 3);
}

namespace {

/// Copies throw, moves do not.
struct costly {
    explicit costly(int n) : number{n} {}
    costly(costly const&) { throw std::runtime_error{"no copies"}; }
    costly(costly&&) noexcept = default;
    costly& operator=(costly&&) noexcept = default;
    int number;
};

}  // namespace

TEST_CASE("a copy that throws on its way in changes nothing") {
    cache<int, costly> c{{.entries_max = 2}};
    c.put(1, costly{1});
    c.put(2, costly{2});
    costly const value{3};
    CHECK_THROWS_AS(c.put(1, value), std::runtime_error);
    CHECK_THROWS_AS(c.put(3, value), std::runtime_error);
    CHECK(c.size() == 2);
    CHECK(c.peek(1)->number == 1);
    CHECK(c.peek(2)->number == 2);
}

namespace {

struct curious {
    using subject = cache<int, int, struct listened>;
    struct listener {
        std::vector<std::pair<removal, int>>* told = nullptr;
        subject** owner = nullptr;
        void operator()(removal why, int key, int& value) const;
    };
};
struct listened : defaults {
    using listener = curious::listener;
};
void curious::listener::operator()(removal why, int key, int& value) const {
    told->emplace_back(why, key);
    if (owner == nullptr || *owner == nullptr) return;
    auto& c = **owner;
    CHECK(c.put(77, 7) == outcome::refused);
    CHECK(c.get(key) == nullptr);
    CHECK_FALSE(c.erase(key));
    c.clear();
    if (value == 13) throw std::runtime_error{"unlucky"};
}

}  // namespace

TEST_CASE("a listener is told every reason, may not come back in, and may throw") {
    std::vector<std::pair<removal, int>> told;
    curious::subject* owner = nullptr;
    curious::subject c{{.entries_max = 2, .on_removal = {&told, &owner}}};
    owner = &c;
    c.put(1, 1);
    c.put(1, 2);
    c.put(2, 2);
    c.put(3, 3);
    c.erase(2);
    CHECK(told ==
          std::vector<std::pair<removal, int>>{{removal::replaced, 1}, {removal::evicted, 1}, {removal::erased, 2}});
    CHECK(c.size() == 1);

    c.put(4, 13);
    c.put(5, 5);  // evicts 3
    CHECK_THROWS_AS(c.put(6, 6), std::runtime_error);
    CHECK(c.size() == 1);  // 4 is gone, 6 did not get in, 5 is untouched
    CHECK(*c.get(5) == 5);
    told.clear();
    c.clear();
    CHECK(told == std::vector<std::pair<removal, int>>{{removal::cleared, 5}});
    cache<int, int, listened> none{{.entries_max = 0, .on_removal = {&told, nullptr}}};
    CHECK(none.put(1, 1) == outcome::rejected);
    CHECK(told.back() == std::pair{removal::rejected, 1});
}

namespace {

struct until_then : defaults {
    using expiry = per_entry_expiry<timestamp>;
    using stats = counters;
};
struct for_a_while : defaults {
    using expiry = uniform_expiry<instant>;
    using time_source = monotonic_time<manual_clock>;
};

}  // namespace

TEST_CASE("at its deadline an entry is gone") {
    cache<int, int, until_then> c{{.entries_max = 4}};
    auto const at = [](std::int64_t t) { return from_unix_millis(t); };
    CHECK(c.put(1, 1, at(100), at(0)) == outcome::inserted);
    CHECK(c.put(2, 2, at(50), at(0)) == outcome::inserted);
    CHECK(c.put(3, 3, at(50), at(50)) == outcome::rejected);
    CHECK(*c.get(1, at(99)) == 1);
    CHECK(c.deadline_of(1) == at(100));
    CHECK(c.size(at(99)) == 1);
    CHECK(c.peek(1, at(100)) == nullptr);
    CHECK(c.get(1, at(100)) == nullptr);
    CHECK(c.put(4, 4, at(101), at(10)) == outcome::inserted);  // each call counts with the time that it tells
    CHECK(c.get(4, at(5)) != nullptr);
    CHECK(c.put(5, 5, timestamp::max(), at(100)) == outcome::inserted);
    CHECK(c.get(5, at(1'000'000'000)) != nullptr);
    CHECK(c.stats().expirations == 2);
    CHECK(c.stats().rejections == 1);
}

TEST_CASE("what has expired makes room before what was used longest ago") {
    cache<int, int, until_then> c{{.entries_max = 3}};
    auto const at = [](std::int64_t t) { return from_unix_millis(t); };
    c.put(1, 1, at(100), at(0));
    c.put(2, 2, at(100), at(0));
    c.put(3, 3, at(10), at(0));
    CHECK(c.put(4, 4, at(100), at(10)) == outcome::inserted);
    CHECK(c.contains(1, at(10)));
    CHECK_FALSE(c.contains(3, at(10)));
    CHECK(c.stats().evictions == 0);
    CHECK(c.stats().expirations == 1);
}

TEST_CASE("a time to live beyond the end of time lasts until then") {
    manual_clock clock;
    cache<int, int, for_a_while> c{
        {.entries_max = 4, .expiry_settings = {duration::max()}, .clock = monotonic_time{clock}}};
    c.put(1, 1);
    CHECK(c.deadline_of(1) == instant::max());
    clock.advance(std::chrono::hours{24 * 365 * 100});
    CHECK(c.contains(1));
}

TEST_CASE("entries are restored in the order of use, and expire in the order of their deadlines") {
    struct brief : defaults {
        using expiry = uniform_expiry<timestamp>;
        using stats = counters;
    };
    auto const at = [](std::int64_t t) { return from_unix_millis(t); };
    cache<int, int, brief> c{{.entries_max = 10, .expiry_settings = {std::chrono::milliseconds{100}}}};
    for (int i = 0; i < 10; ++i) c.restore(i, i, at(110 + (i * 7) % 10), at(100));
    c.restored();
    CHECK(c.restore(3, 4, at(100), at(100)) == outcome::withdrawn);  // and it takes the older one with it
    CHECK_FALSE(c.contains(3, at(100)));
    CHECK(c.restore(3, 5, at(1'000'000), at(100)) == outcome::inserted);
    CHECK(c.deadline_of(3) == at(200));  // not later than a new one
    // 3 had 111; the others have each of 110 to 119 once.
    auto const expired_by = [](int t) {
        std::size_t n = 0;
        for (int d = 110; d <= t; ++d) n += d == 111 ? 0u : 1u;
        return n;
    };
    for (int t = 109; t < 120; ++t) CHECK(c.size(at(t)) == 10 - expired_by(t));
}

TEST_CASE("wall time that was wrong is set right") {
    struct brief : defaults {
        using expiry = uniform_expiry<timestamp>;
    };
    auto const at = [](std::int64_t t) { return from_unix_millis(t); };
    cache<int, int, brief> c{{.entries_max = 10, .expiry_settings = {std::chrono::milliseconds{100}}}};
    c.put(1, 1, at(1'000'000));  // somebody's clock was far ahead
    c.put(2, 2, at(500));
    CHECK(c.contains(2, at(550)));
    CHECK(c.contains(1, at(550)));  // but no longer than a new one
    CHECK(c.size(at(600)) == 0);
    struct dated : defaults {
        using expiry = per_entry_expiry<timestamp>;
    };
    cache<int, int, dated> d{{.entries_max = 10}};
    d.put(1, 1, at(700), at(500));
    (void)d.get(2, at(600));
    CHECK(d.contains(1, at(600)));
    CHECK(d.put(3, 3, at(550), at(500)) == outcome::inserted);
}

TEST_CASE("many are got at once, and it counts as getting them") {
    cache<int, int> c{{.entries_max = 100}};
    for (int i = 0; i < 100; ++i) c.put(i, -i);
    std::vector<int> keys;
    for (int i = 0; i < 50; ++i) keys.push_back(3 * i);
    std::size_t calls = 0;
    c.get_many(std::span<int const>{keys}, [&](std::size_t i, int* value) {
        CHECK(i == calls++);
        REQUIRE((value != nullptr) == (keys[i] < 100));
        if (value != nullptr) CHECK(*value == -keys[i]);
    });
    CHECK(calls == 50);
    c.put(1000, 0);
    CHECK_FALSE(c.contains(1));  // the oldest that nobody got
    CHECK(c.contains(0));
}

TEST_CASE("a cache of nothing finds nothing, in any storage") {
    struct sets : defaults {
        using storage = set_associative<16>;
        using eviction = muster::cache::clock<2>;
    };
    cache<int, int, sets> c{{.entries_max = 0}};
    std::vector<int> const keys{1, 2, 3};
    std::size_t misses = 0;
    c.get_many(std::span<int const>{keys}, [&](std::size_t, int* v) { misses += v == nullptr ? 1u : 0u; });
    CHECK(misses == 3);
    CHECK(c.put(1, 1) == outcome::rejected);
}

TEST_CASE("time may be negative, and a refused call does not move it") {
    struct brief : defaults {
        using expiry = uniform_expiry<std::int64_t>;
        struct listener {
            cache<int, int, brief>** owner = nullptr;
            void operator()(removal, int, int&) const {
                if (*owner != nullptr) CHECK((*owner)->get(1, std::int64_t{1'000'000}) == nullptr);
            }
        };
    };
    cache<int, int, brief>* owner = nullptr;
    cache<int, int, brief> c{{.entries_max = 2, .expiry_settings = {10}, .on_removal = {&owner}}};
    owner = &c;
    c.put(1, 1, std::int64_t{-1000});
    CHECK(c.get(1, std::int64_t{-991}) != nullptr);
    CHECK(c.get(1, std::int64_t{-990}) == nullptr);
    for (int i = 2; i < 6; ++i) c.put(i, i, std::int64_t{-980});
    CHECK(c.size(std::int64_t{-979}) == 2);
}

namespace {
/// Calls the cache that it is in when it is destroyed.
/// As a key or as a value: looks at its cache when it is destroyed, and tries to change it.
template <class Cache>
struct talkative {
    int number = 0;
    Cache** home = nullptr;
    talkative(int n, Cache** h) : number{n}, home{h} {}
    talkative(talkative&& other) noexcept : number{other.number}, home{std::exchange(other.home, nullptr)} {}
    talkative& operator=(talkative&&) = delete;
    ~talkative() {
        if (home == nullptr || *home == nullptr) return;
        std::size_t listed = 0;
        (*home)->for_each([&](auto const&, auto const&) { ++listed; });
        CHECK((*home)->occupied() == listed);
        (*home)->clear();
        CHECK((*home)->occupied() == listed);
    }
    bool operator==(talkative const& other) const { return number == other.number; }
};
struct number_hash {
    std::uint64_t operator()(auto const& t) const { return 0x9e37'79b9'7f4a'7c15u * static_cast<unsigned>(t.number); }
};
struct with_talkative_keys : defaults {
    using hash = number_hash;
};
struct silent_key {
    int number = 0;
    bool operator==(silent_key const&) const = default;
};
template <class Storage, class Eviction>
struct talkative_in : with_talkative_keys {
    using storage = Storage;
    using eviction = Eviction;
};
using each_storage = std::tuple<talkative_in<slab, lru>, talkative_in<inline_array<2>, lru>,
                                talkative_in<set_associative<2>, muster::cache::clock<2>>>;
template <class Policies>
struct with_talkative_key : cache<talkative<with_talkative_key<Policies>>, int, Policies> {
    using cache<talkative<with_talkative_key>, int, Policies>::cache;
};
template <class Policies>
struct with_talkative_value : cache<silent_key, talkative<with_talkative_value<Policies>>, Policies> {
    using cache<silent_key, talkative<with_talkative_value>, Policies>::cache;
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("what is destroyed while it is removed sees one entry less and cannot come back in", "",
                        each_storage) {
    with_talkative_key<TestType>* keys_home = nullptr;
    with_talkative_key<TestType> keys{{.entries_max = 2}};
    keys_home = &keys;
    for (int i = 0; i < 5; ++i) keys.put({i, &keys_home}, 0);
    CHECK(keys.size() == 2);
    keys_home = nullptr;

    with_talkative_value<TestType>* values_home = nullptr;
    with_talkative_value<TestType> values{{.entries_max = 2}};
    values_home = &values;
    for (int i = 0; i < 5; ++i) values.put({i}, {i, &values_home});
    CHECK(values.put({4}, {5, &values_home}) == outcome::replaced);
    CHECK(values.erase(silent_key{4}));
    CHECK(values.size() == 1);
    values_home = nullptr;
}

TEST_CASE("memory is taken once: what does not fit evicts, it does not allocate") {
    cache<int, int> c{{.entries_max = 1000}};
    c.put(0, 0);
    auto const* const first = c.peek(0);
    for (int i = 1; i < 1000; ++i) c.put(i, i);
    CHECK(c.peek(0) == first);
}

TEST_CASE("counters count") {
    struct counting : defaults {
        using stats = counters;
    };
    cache<int, int, counting> c{{.entries_max = 2}};
    c.put(1, 1);
    c.put(2, 2);
    c.put(2, 3);
    c.put(3, 3);
    (void)c.get(3);
    (void)c.get(1);
    c.erase(3);
    c.clear();
    CHECK(c.stats() ==
          counters{.hits = 1, .misses = 1, .insertions = 3, .evictions = 1, .erasures = 2, .replacements = 1});
}

// What must not compile, as concepts.
template <class Policies>
concept makes_a_cache = requires {
    typename std::enable_if_t<storage_policy<typename Policies::storage, int, int>>;
}
&&(Policies::storage::global || set_eviction_policy<typename Policies::eviction>);
namespace {
struct sets_with_lru : defaults {
    using storage = set_associative<16>;
};
struct sets_with_clock : sets_with_lru {
    using eviction = muster::cache::clock<2>;
};
struct no_victim {
    explicit no_victim(std::size_t) {}
    void on_insert(slot_number, std::uint64_t) {}
    void on_hit(slot_number) {}
    void on_erase(slot_number) {}
    void on_evict(slot_number, std::uint64_t) {}
    template <class F>
    void for_each(F) const {}
};
/// The least that an eviction must be.
struct least_eviction : no_victim {
    using no_victim::no_victim;
    slot_number victim() { return 0; }
};
}  // namespace
static_assert(makes_a_cache<defaults>);
static_assert(!makes_a_cache<sets_with_lru>);
static_assert(makes_a_cache<sets_with_clock>);
static_assert(eviction_policy<least_eviction>);
static_assert(!eviction_policy<no_victim>);
static_assert(hasher<multiply_hash, std::string>);
static_assert(hasher<sip_hash, int>);
static_assert(!hasher<touchy_hash, std::string>);

TEST_CASE("keys of one character, and true and false") {
    cache<char, int> letters{{.entries_max = 2}};
    letters.put('a', 1);
    letters.put('b', 2);
    CHECK(*letters.get('a') == 1);
    letters.put('c', 3);
    CHECK_FALSE(letters.contains('b'));
    cache<bool, int> answers{{.entries_max = 2}};
    answers.put(true, 1);
    CHECK(answers.contains(true));
    CHECK_FALSE(answers.contains(false));
    cache<char16_t, int> wide{{.entries_max = 2}};
    wide.put(u'x', 1);
    CHECK(wide.contains(u'x'));
}

TEST_CASE("many that are got from inside a listener are all answered, with nothing") {
    struct asking {
        std::function<void()>* ask = nullptr;
        void operator()(muster::cache::removal, int, int&) const { (*ask)(); }
    };
    struct mine : muster::cache::defaults {
        using listener = asking;
    };
    std::function<void()> ask;
    cache<int, int, mine> c{{.entries_max = 20, .on_removal = {&ask}}};
    std::vector<int> keys;
    for (int i = 0; i < 20; ++i) {
        c.put(i, i);
        keys.push_back(i);
    }
    std::size_t asked = 0;
    ask = [&] {
        c.get_many(std::span<int const>{keys}, [&](std::size_t i, int* value) {
            CHECK(i == asked++);
            CHECK(value == nullptr);
        });
    };
    c.erase(3);
    CHECK(asked == keys.size());
}

TEST_CASE("what is destroyed with the cache cannot come back in") {
    struct calling {
        std::function<void()> at_end;
        explicit calling(std::function<void()> f) : at_end{std::move(f)} {}
        calling(calling&& other) noexcept : at_end{std::exchange(other.at_end, nullptr)} {}
        ~calling() {
            if (at_end) at_end();
        }
    };
    int calls = 0;
    {
        cache<int, calling> c{{.entries_max = 10}};
        for (int i = 0; i < 10; ++i) {
            c.put(i, calling{[&c, &calls, i] {
                      ++calls;
                      CHECK_FALSE(c.erase((i + 1) % 10));
                      CHECK(c.put(99, calling{nullptr}) == muster::cache::put_outcome::refused);
                  }});
        }
    }
    CHECK(calls == 10);
}

TEST_CASE("bytes as weight, SipHash, and the wall clock, all in one cache") {
    struct text_size {
        std::size_t operator()(std::string const& key, std::string const& value) const {
            return key.size() + value.size();
        }
    };
    struct mine : muster::cache::defaults {
        using weight = byte_weight<text_size>;
        using hash = sip_hash;
        using expiry = uniform_expiry<timestamp>;
        using time_source = wall_time<manual_clock>;
    };
    manual_clock clock;
    constexpr std::uint64_t each = 2 * sizeof(std::string) + 3 + 10;
    cache<std::string, std::string, mine> c{{.entries_max = 100,
                                             .weight_max = 3 * each,
                                             .expiry_settings = {std::chrono::seconds{10}},
                                             .clock = wall_time<manual_clock>{clock}}};
    for (auto const* key : {"one", "two", "six", "ten"}) c.put(key, std::string(10, 'x'));
    CHECK(c.weight() == 3 * each);
    CHECK_FALSE(c.contains("one"));
    CHECK(c.put("all", std::string(3 * each, 'x')) == outcome::rejected);
    CHECK(c.contains("ten"));
    clock.advance(std::chrono::seconds{10});
    CHECK(c.size() == 0);
    CHECK(c.weight() == 0);
}

}  // namespace cache_tests
