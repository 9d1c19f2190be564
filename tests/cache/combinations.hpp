// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The policies that a cache can be put together from, and a duel for each combination that compiles.

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/admission/quota.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/cache/storage/inline_array.hpp>
#include <muster/cache/storage/set_associative.hpp>

#include <cache/oracle.hpp>

namespace muster::test {

template <class... T>
struct types {};

/// One of so many sources for @ref cache::quota.
struct some_source {
    std::uint64_t count = 5;
    std::uint64_t operator()(std::uint64_t key, expiring_value const&) const { return key % count; }
};

using evictions = types<cache::lru, cache::lazy_lru<25>, cache::fifo, cache::clock<1>, cache::clock<2>, cache::sieve,
                        cache::s3_fifo, cache::adaptive_s3_fifo>;
using set_evictions = types<cache::clock<1>, cache::clock<2>>;
using expiries = types<cache::no_expiry, cache::uniform_expiry<tick>, cache::uniform_expiry<tick, cache::since::use>,
                       cache::per_entry_expiry<tick>, cache::value_expiry<tick, value_expires_at>>;
using touches = types<cache::touch_on_get, cache::touch_on_put, cache::touch_on_both>;
using weights = types<cache::unit_weight, number_weight>;

/// The policies under test, with a listener that tells the oracle.
template <class Storage, class Admission, class Eviction, class Expiry, class Touch, class Weight>
struct watched : cache::defaults {
    using storage = Storage;
    using admission = Admission;
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

    static constexpr traits facts() {
        constexpr bool lru = std::is_same_v<Eviction, cache::lru>;
        constexpr bool plain = Storage::global && std::is_same_v<Admission, cache::always>;
        traits t;
        t.expires = !std::is_same_v<Expiry, cache::no_expiry>;
        t.slides = std::is_same_v<Expiry, cache::uniform_expiry<tick, cache::since::use>>;
        t.is_uniform = t.slides || std::is_same_v<Expiry, cache::uniform_expiry<tick>>;
        t.value_tells = std::is_same_v<Expiry, cache::value_expiry<tick, value_expires_at>>;
        t.weighs = !std::is_same_v<Weight, cache::unit_weight>;
        t.touched_by_get = Touch::get;
        t.touched_by_put = Touch::put;
        t.uses_reorder = lru;
        t.in_order = plain && (lru || std::is_same_v<Eviction, cache::fifo>);
        t.may_reject = std::is_same_v<Admission, cache::demand>;
        t.any_may_go = !Storage::global || std::is_same_v<Admission, cache::quota<some_source>>;
        return t;
    }
};

template <class Policies>
class subject_of final : public subject {
    using expiry = typename Policies::expiry;
    using cache_type = cache::cache<std::uint64_t, expiring_value, Policies>;
    static constexpr traits facts = Policies::facts();

public:
    subject_of(std::size_t entries_max, oracle& o) : cache_{options_for(entries_max, o)} {
        o.keeps_old = keeps_old(entries_max);
    }

    expiring_value* get(std::uint64_t key, tick now) override {
        return timed(now, [&](auto... t) { return cache_.get(key, t...); });
    }
    expiring_value const* peek(std::uint64_t key, tick now) const override {
        return timed(now, [&](auto... t) { return cache_.peek(key, t...); });
    }
    cache::put_outcome put(std::uint64_t key, expiring_value const& value, tick now) override {
        if constexpr (std::is_same_v<expiry, cache::per_entry_expiry<tick>>) {
            return cache_.put(key, value, value.expires_at, now);
        } else {
            return timed(now, [&](auto... t) { return cache_.put(key, value, t...); });
        }
    }
    void get_many(std::span<std::uint64_t const> keys, std::function<void(std::size_t, expiring_value*)> const& f,
                  tick now) override {
        timed(now, [&](auto... t) { cache_.get_many(keys, f, t...); });
    }
    bool touch(std::uint64_t key, tick now) override {
        return timed(now, [&](auto... t) { return cache_.touch(key, t...); });
    }
    cache::put_outcome restore(std::uint64_t key, expiring_value const& value, tick deadline, tick now) override {
        if constexpr (facts.expires) {
            auto const outcome = cache_.restore(key, value, deadline, now);
            cache_.restored();
            return outcome;
        } else {
            return cache_.restore(key, value, {});
        }
    }
    std::size_t purge(tick now) override {
        return timed(now, [&](auto... t) { return cache_.purge(t...); });
    }
    std::optional<tick> deadline_of(std::uint64_t key) const override {
        if constexpr (facts.expires) {
            return cache_.deadline_of(key);
        } else {
            return std::nullopt;
        }
    }
    bool erase(std::uint64_t key, tick now) override {
        return timed(now, [&](auto... t) { return cache_.erase(key, t...); });
    }
    std::size_t size(tick now) override {
        return timed(now, [&](auto... t) { return cache_.size(t...); });
    }
    void for_each(std::function<void(std::uint64_t)> const& f, tick now) const override {
        timed(now,
              [&](auto... t) { cache_.for_each([&](std::uint64_t key, expiring_value const&) { f(key); }, t...); });
    }
    void clear() override { cache_.clear(); }
    std::size_t occupied() const override { return cache_.occupied(); }
    std::uint64_t weight() const override { return cache_.weight(); }
    std::uint64_t weight_max() const override { return cache_.weight_max(); }
    std::size_t capacity() const override { return cache_.capacity(); }

private:
    static typename cache_type::options options_for(std::size_t entries_max, oracle& o) {
        typename cache_type::options out;
        out.entries_max = entries_max;
        if constexpr (facts.weighs) out.weight_max = 2 * entries_max;
        if constexpr (facts.is_uniform) out.expiry_settings = {time_to_live};
        if constexpr (std::is_same_v<typename Policies::admission, cache::quota<some_source>>) {
            if (entries_max > 1000) out.admit.source_of.count = entries_max / 10;  // enough to fill it
        }
        out.hash = cache::multiply_hash{{{1, 2, 3, 4}}};
        out.on_removal.o = &o;
        out.keep_on_reject = keeps_old(entries_max);
        return out;
    }
    // Of all capacities that are tried, two.
    static bool keeps_old(std::size_t entries_max) { return entries_max == 3 || entries_max == 211; }
    // The cache's call, with the time where it takes one.
    template <class F>
    static auto timed([[maybe_unused]] tick now, F f) {
        if constexpr (facts.expires) {
            return f(now);
        } else {
            return f();
        }
    }

    cache_type cache_;
};

template <class Policies>
make_subject maker_of() {
    return [](std::size_t entries_max, oracle& o) { return std::make_unique<subject_of<Policies>>(entries_max, o); };
}

namespace detail {
template <class Storage, class Admission, class Eviction, class Expiry, class Touch, class... Weight>
void each_weight(types<Weight...>) {
    (duel_all(watched<Storage, Admission, Eviction, Expiry, Touch, Weight>::facts(),
              maker_of<watched<Storage, Admission, Eviction, Expiry, Touch, Weight>>()),
     ...);
}
template <class Storage, class Admission, class Eviction, class Expiry, class... Touch, class Weights>
void each_touch(types<Touch...>, Weights w) {
    (each_weight<Storage, Admission, Eviction, Expiry, Touch>(w), ...);
}
template <class Storage, class Admission, class Eviction, class... Expiry, class Touches, class Weights>
void each_expiry(types<Expiry...>, Touches t, Weights w) {
    (each_touch<Storage, Admission, Eviction, Expiry>(t, w), ...);
}
}  // namespace detail

/// A duel for each eviction of the list with every expiry, and the touches and weights that are listed.
template <class Storage, class Admission, class... Eviction, class Touches, class Weights>
void duel_combinations(types<Eviction...>, Touches t, Weights w) {
    (detail::each_expiry<Storage, Admission, Eviction>(expiries{}, t, w), ...);
}

}  // namespace muster::test
