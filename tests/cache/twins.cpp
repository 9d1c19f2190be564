// SPDX-License-Identifier: MIT

// The oracle learns from a listener what a cache gives up, and a cache with a listener takes another way: an entry's
// place is given back before it is told of. So each cache here is made twice, with and without one, and both must hold
// the same, in the same order, for the same reasons, after every call.

#include <muster/cache/cache.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cache/combinations.hpp>

#include <support/catch.hpp>

namespace twins_tests {

using namespace muster;
using namespace muster::test;

namespace {

template <class Storage, class Eviction, class Admission = cache::always>
struct policies : cache::defaults {
    using storage = Storage;
    using eviction = Eviction;
    using admission = Admission;
    using stats = cache::counters;
};
template <class Base, class Expiry>
struct with_expiry : Base {
    using expiry = Expiry;
};
template <class Base>
struct heard : Base {
    struct listener {
        void operator()(cache::removal, std::string const&, auto const&) const {}
        void operator()(cache::removal, std::uint64_t, auto const&) const {}
    };
};

struct fifth_source {
    std::uint64_t operator()(std::uint64_t key, std::uint64_t) const { return key % 5; }
    std::uint64_t operator()(std::string const& key, auto const&) const { return key.size() % 5; }
};

void make(std::uint64_t& key, std::uint64_t n) { key = n; }
void make(std::string& key, std::uint64_t n) { key = std::string(20 + n % 7, 'k') + std::to_string(n); }
void make(std::unique_ptr<std::uint64_t>& value, std::uint64_t n) { value = std::make_unique<std::uint64_t>(n); }
std::uint64_t number_in(std::uint64_t value) { return value; }
std::uint64_t number_in(std::unique_ptr<std::uint64_t> const& value) { return *value; }

/// One of the two, with the calls that are compared.
template <class Key, class Value, class Policies>
struct twin {
    using cache_type = cache::cache<Key, Value, Policies>;
    static constexpr bool expires = !std::is_same_v<typename Policies::expiry, cache::no_expiry>;
    static constexpr bool has_deadlines = std::is_same_v<typename Policies::expiry, cache::per_entry_expiry<tick>>;

    explicit twin(std::size_t entries_max) : held{options_for(entries_max)} {}
    static typename cache_type::options options_for(std::size_t entries_max) {
        typename cache_type::options o;
        o.entries_max = entries_max;
        o.hash = cache::multiply_hash{{{1, 2, 3, 4}}};
        if constexpr (expires && !has_deadlines) o.expiry_settings = {time_to_live};
        return o;
    }
    template <class F>
    static auto timed([[maybe_unused]] tick now, F f) {
        if constexpr (expires) {
            return f(now);
        } else {
            return f();
        }
    }

    /// Some call, chosen by @p what, and what it says.
    std::uint64_t call(std::uint64_t what, std::uint64_t n, tick now) {
        Key key{};
        make(key, n);
        if (what == 0) return timed(now, [&](auto... t) { return held.erase(key, t...) ? 1u : 0u; });
        if (what == 1) return timed(now, [&](auto... t) { return held.size(t...); });
        if (what < 5) {
            auto* const value = timed(now, [&](auto... t) { return held.get(key, t...); });
            return value == nullptr ? 0 : number_in(*value);
        }
        Value value{};
        make(value, what);
        if constexpr (has_deadlines) {
            auto const deadline = now + static_cast<tick>(what % 90);
            return static_cast<std::uint64_t>(held.put(std::move(key), std::move(value), deadline, now));
        } else {
            return timed(now, [&](auto... t) {
                return static_cast<std::uint64_t>(held.put(std::move(key), std::move(value), t...));
            });
        }
    }
    std::vector<std::pair<Key, std::uint64_t>> all(tick now) const {
        std::vector<std::pair<Key, std::uint64_t>> out;
        timed(now, [&](auto... t) {
            held.for_each([&](Key const& key, Value const& value) { out.emplace_back(key, number_in(value)); }, t...);
        });
        return out;
    }

    cache_type held;
};

template <class Key, class Value, class Policies>
void compare() {
    for (std::size_t const entries_max : {0u, 1u, 2u, 7u, 33u, 53u}) {
        twin<Key, Value, Policies> silent{entries_max};
        twin<Key, Value, heard<Policies>> told{entries_max};
        splitmix64 random{entries_max};
        tick now = 0;
        for (int i = 0; i < 1500; ++i) {
            now += static_cast<tick>(uniform(random, i % 300 < 200 ? 3 : 20));
            auto const what = uniform(random, 100) < 60 ? 5 + uniform(random, 1000) : uniform(random, 5);
            auto const n = uniform(random, 2 * entries_max + 3);
            REQUIRE(silent.call(what, n, now) == told.call(what, n, now));
            REQUIRE(silent.held.occupied() == told.held.occupied());
            REQUIRE(silent.held.stats() == told.held.stats());
            auto const& s = silent.held.stats();
            REQUIRE(s.insertions == s.evictions + s.expirations + s.erasures + s.withdrawals + silent.held.occupied());
            REQUIRE(silent.all(now) == told.all(now));
        }
    }
}

template <class Base>
void compare_each_expiry() {
    compare<std::uint64_t, std::uint64_t, with_expiry<Base, cache::no_expiry>>();
    compare<std::uint64_t, std::uint64_t, with_expiry<Base, cache::uniform_expiry<tick, cache::since::use>>>();
    compare<std::uint64_t, std::uint64_t, with_expiry<Base, cache::per_entry_expiry<tick>>>();
    compare<std::string, std::unique_ptr<std::uint64_t>, with_expiry<Base, cache::per_entry_expiry<tick>>>();
}

}  // namespace

TEST_CASE("a cache that nobody listens to gives up the same") {
    compare_each_expiry<policies<cache::slab, cache::lru>>();
    compare_each_expiry<policies<cache::slab, cache::clock<2>>>();
    compare_each_expiry<policies<cache::slab, cache::sieve>>();
    compare_each_expiry<policies<cache::slab, cache::adaptive_s3_fifo>>();
    compare_each_expiry<policies<cache::slab, cache::lru, cache::demand>>();
    compare_each_expiry<policies<cache::slab, cache::sieve, cache::quota<fifth_source>>>();
    compare_each_expiry<policies<cache::inline_array<64>, cache::lru>>();
    compare_each_expiry<policies<cache::set_associative<16>, cache::clock<2>>>();
}

}  // namespace twins_tests
