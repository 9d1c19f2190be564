// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One test body for all caches: random calls beside a map that knows what must be there.
///
/// What a cache gives up is its policy's business; the oracle is told by the listener, and checks that it was allowed:
/// no live entry goes while there is room or an expired one, nothing goes twice, nothing comes back, and both bounds
/// hold at every instant. For exact orders it also knows who must go.

#include <algorithm>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <type_traits>
#include <vector>

#include <muster/cache/cache.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace muster::test {

using tick = std::int64_t;

struct expiring_value {
    std::uint64_t number = 0;
    tick expires_at = 0;
    bool operator==(expiring_value const&) const = default;
};
struct value_expires_at {
    tick operator()(expiring_value const& v) const { return v.expires_at; }
};
struct number_weight {
    std::uint64_t operator()(std::uint64_t, expiring_value const& v) const { return 1 + v.number % 5; }
};

/// What must be in the cache, in the order of insertion or use.
struct oracle {
    struct entry {
        std::uint64_t key;
        expiring_value value;
        tick deadline;
        std::uint64_t weight;
    };
    std::list<entry> order;  // the oldest first
    tick now = 0;
    std::size_t entries_max = 0;
    std::uint64_t weight_max = 0;
    std::uint64_t arriving_weight = 0;  // of the entry that room is made for
    bool any_may_go = false;            // room is made within sets, so bounds say nothing about who goes
    bool in_order = false;              // only the oldest may be evicted
    std::vector<std::pair<cache::removal, std::uint64_t>> told;

    [[nodiscard]] auto find(std::uint64_t key) {
        return std::find_if(order.begin(), order.end(), [&](entry const& e) { return e.key == key; });
    }
    [[nodiscard]] std::uint64_t weight() const {
        std::uint64_t sum = 0;
        for (auto const& e : order) sum += e.weight;
        return sum;
    }
    [[nodiscard]] std::size_t alive() const {
        return static_cast<std::size_t>(
            std::count_if(order.begin(), order.end(), [&](entry const& e) { return e.deadline > now; }));
    }
    void on_removal(cache::removal why, std::uint64_t key, expiring_value const& value) {
        told.emplace_back(why, key);
        if (why == cache::removal::rejected || why == cache::removal::replaced) return;
        auto const found = find(key);
        REQUIRE(found != order.end());
        CHECK(found->value == value);
        if (why == cache::removal::expired) CHECK(found->deadline <= now);
        if (why == cache::removal::evicted) {
            CHECK(found->deadline > now);
            if (!any_may_go) {
                CHECK((order.size() >= entries_max || weight() + arriving_weight > weight_max));
                CHECK(alive() == order.size());
            }
            if (in_order) CHECK(found == order.begin());
        }
        order.erase(found);
    }
};

/// The policies under test, with a listener that tells the oracle.
template <class Storage, class Eviction, class Expiry, class Touch, class Weight>
struct watched : cache::defaults {
    using storage = Storage;
    using eviction = Eviction;
    using expiry = Expiry;
    using touch = Touch;
    using weight = Weight;
    using stats = cache::counters;
    struct listener {
        oracle* o = nullptr;
        void operator()(cache::removal why, std::uint64_t key, expiring_value const& value) const {
            o->on_removal(why, key, value);
        }
    };
};

/// Random calls, the cache beside the oracle.
template <class Policies>
class duel {
    using subject = cache::cache<std::uint64_t, expiring_value, Policies>;
    using expiry = typename Policies::expiry;
    static constexpr bool expires = !std::is_same_v<expiry, cache::no_expiry>;
    static constexpr bool is_uniform = std::is_same_v<expiry, cache::uniform_expiry<tick>> ||
                                       std::is_same_v<expiry, cache::uniform_expiry<tick, cache::since::use>>;
    static constexpr bool slides = std::is_same_v<expiry, cache::uniform_expiry<tick, cache::since::use>>;
    static constexpr bool weighs = !std::is_same_v<typename Policies::weight, cache::unit_weight>;
    static constexpr bool is_lru = std::is_same_v<typename Policies::eviction, cache::lru>;
    static constexpr bool is_fifo = std::is_same_v<typename Policies::eviction, cache::fifo>;
    static constexpr tick time_to_live = 50;

public:
    duel(std::size_t entries_max, std::uint64_t seed) : random_{seed}, cache_{options_for(entries_max)} {
        oracle_.entries_max = cache_.capacity();
        oracle_.weight_max = cache_.weight_max();
        oracle_.any_may_go = !Policies::storage::global;
        oracle_.in_order = Policies::storage::global && (is_lru || is_fifo);
        keys_ = 2 * std::max<std::uint64_t>(cache_.capacity(), 2) + 1;
    }

    void run(std::size_t steps) {
        for (std::size_t i = 0; i < steps; ++i) {
            step();
            REQUIRE(cache_.occupied() == oracle_.order.size());
            REQUIRE(cache_.occupied() <= oracle_.entries_max);
            if constexpr (weighs) {
                REQUIRE(cache_.weight() == oracle_.weight());
                REQUIRE(cache_.weight() <= oracle_.weight_max);
            }
        }
        check_contents();
        cache_.clear();
        CHECK(oracle_.order.empty());
    }

private:
    typename subject::options options_for(std::size_t entries_max) {
        typename subject::options o;
        o.entries_max = entries_max;
        if constexpr (weighs) o.weight_max = 2 * entries_max;
        if constexpr (is_uniform) o.expiry_settings = {time_to_live};
        o.hash = cache::multiply_hash{{{1, 2, 3, 4}}};
        o.on_removal.o = &oracle_;
        return o;
    }

    [[nodiscard]] std::uint64_t draw(std::uint64_t bound) { return uniform(random_, bound); }

    // The cache hears what time it is with every call that is not const; going back counts as standing still.
    void tell_time() { oracle_.now = std::max(oracle_.now, now_); }

    // The cache's call, with the time where it takes one.
    template <class F>
    auto with_time(F f) {
        if constexpr (expires) {
            return f(now_);
        } else {
            return f();
        }
    }

    void step() {
        move_time();
        auto const key = draw(keys_);
        switch (draw(16)) {
            case 0: return erase(key);
            case 1: return check_size();
            case 2: return check_peek(key);
            case 3:
                if (draw(64) == 0) check_contents();
                if (draw(512) == 0) cache_.clear();
                return;
            case 4:
            case 5:
            case 6:
            case 7:
            case 8: return get(key);
            default: return put(key);
        }
    }

    void move_time() {
        if constexpr (!expires) return;
        now_ += static_cast<tick>(draw(4));
        if (draw(32) == 0) now_ += static_cast<tick>(draw(200));
        if (draw(32) == 0) now_ -= static_cast<tick>(draw(30));
    }

    void get(std::uint64_t key) {
        tell_time();
        auto* const got = with_time([&](auto... t) { return cache_.get(key, t...); });
        auto const expected = oracle_.find(key);  // an expired one is gone by now
        REQUIRE((got != nullptr) == (expected != oracle_.order.end()));
        if (got == nullptr) return;
        CHECK(*got == expected->value);
        CHECK(expected->deadline > oracle_.now);
        if (Policies::touch::get) use(expected);
    }

    void put(std::uint64_t key) {
        tell_time();
        expiring_value const value{draw(1000), deadline()};
        std::uint64_t weight = 1;
        if constexpr (weighs) weight = number_weight{}(key, value);
        tick const until = !expires     ? cache::end_of_time<tick>()
                           : is_uniform ? oracle_.now + time_to_live
                                        : value.expires_at;
        auto const before = oracle_.find(key);
        bool const there = before != oracle_.order.end() && before->deadline > oracle_.now;
        bool const possible = oracle_.entries_max != 0 && weight <= oracle_.weight_max && until > oracle_.now;
        oracle_.arriving_weight = weight;
        // A heavier value than there is room for is put like a new one.
        bool const in_place = there && oracle_.weight() - before->weight + weight <= oracle_.weight_max;
        if (possible && there && !in_place) oracle_.order.erase(before);
        cache::put_outcome outcome;
        if constexpr (std::is_same_v<expiry, cache::per_entry_expiry<tick>>) {
            outcome = cache_.put(key, value, until, now_);
        } else {
            outcome = with_time([&](auto... t) { return cache_.put(key, value, t...); });
        }
        if (!possible) {
            CHECK(outcome == cache::put_outcome::rejected);
            CHECK(oracle_.told.back() == std::pair{cache::removal::rejected, key});
            return;
        }
        CHECK(outcome == (there ? cache::put_outcome::replaced : cache::put_outcome::inserted));
        if (in_place) {
            auto const at = oracle_.find(key);
            *at = {key, value, until, weight};
            if (Policies::touch::put) use(at);
        } else {
            oracle_.order.push_back({key, value, until, weight});
        }
    }

    [[nodiscard]] tick deadline() { return oracle_.now + static_cast<tick>(draw(120)) - 5; }

    void use(std::list<oracle::entry>::iterator e) {
        if constexpr (slides) {
            // A put sets the deadline anyway; only a hit has to move it.
            e->deadline = oracle_.now + time_to_live;
        }
        if (is_lru) oracle_.order.splice(oracle_.order.end(), oracle_.order, e);
    }

    void erase(std::uint64_t key) {
        tell_time();
        auto const before = oracle_.find(key);
        bool const there = before != oracle_.order.end() && before->deadline > oracle_.now;
        CHECK(with_time([&](auto... t) { return cache_.erase(key, t...); }) == there);
        CHECK(oracle_.find(key) == oracle_.order.end());
    }

    void check_size() {
        tell_time();
        auto const alive = oracle_.alive();
        CHECK(with_time([&](auto... t) { return cache_.size(t...); }) == alive);
        CHECK(oracle_.order.size() == alive);
    }

    void check_peek(std::uint64_t key) {
        auto const expected = oracle_.find(key);
        bool const there = expected != oracle_.order.end() && expected->deadline > std::max(oracle_.now, now_);
        auto const* const got = with_time([&](auto... t) { return std::as_const(cache_).peek(key, t...); });
        REQUIRE((got != nullptr) == there);
        if (there) CHECK(*got == expected->value);
    }

    // for_each shows every live entry once, for exact orders from the oldest on.
    void check_contents() {
        std::vector<std::uint64_t> shown;
        with_time([&](auto... t) {
            cache_.for_each([&](std::uint64_t key, expiring_value const&) { shown.push_back(key); }, t...);
        });
        std::vector<std::uint64_t> expected;
        for (auto const& e : oracle_.order) {
            if (e.deadline > std::max(oracle_.now, now_)) expected.push_back(e.key);
        }
        if (!oracle_.in_order) {
            std::sort(shown.begin(), shown.end());
            std::sort(expected.begin(), expected.end());
        }
        CHECK(shown == expected);
    }

    splitmix64 random_;
    oracle oracle_;
    subject cache_;
    std::uint64_t keys_ = 0;
    tick now_ = 0;
};

}  // namespace muster::test
