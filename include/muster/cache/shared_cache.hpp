// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A cache for several threads: the one of cache.hpp behind a lock, or in shards with a lock each.
///
/// A lock that nobody else wants costs about as much as the hit behind it, and one that everybody wants many times
/// that; with sixteen shards threads seldom meet. The price is that bounds are divided among the shards: an entry may
/// be evicted when its shard is full though others have room, and orders are exact within a shard only.
///
/// How many shards are used, of those that the policy allows: each has room for sixteen entries, and for one that
/// weighs `entry_weight_max` (where an admission gives a tenth to the unasked, for ten). So whatever a cache with one
/// lock takes is taken here as well. Who bounds the weight of all and not of one entry gets a single shard.
///
/// Values are copied out, or visited while the lock is held, since a pointer to one would not outlive the lock.
///
/// A listener may take other locks, those of another cache among them, so it is called when no lock is held any more:
/// what it is to be told is kept until then.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include <muster/cache/cache.hpp>
#include <muster/cache/detail/news.hpp>
#include <muster/cache/detail/unless_done.hpp>

namespace muster::cache {

/// A @ref cache for several threads, by the policy `threading` of @p Policies: @ref locked or @ref sharded.
///
/// Every member may be called by any thread at any time, except construction and destruction. Policies with state
/// (hash, weight, clock) are copied into each shard and are called by several threads at once. They run while a shard
/// is locked, and so do destructors of keys and values that no listener is told of: neither may wait for another cache.
///
/// The listener is called by the thread whose call removed something, at the end of that call, when nothing is locked:
/// once for each entry, in the order in which they left. It may use any other cache, also one whose listener uses this
/// one; a call of this cache from inside is refused, whatever the shard. Several threads may be in it at once, also
/// with one lock; what two of them have to tell of one key may come in either order. What it throws reaches the caller
/// when all has been told, the first of it; the call itself is done then. Keys must be copyable, and what is to be told
/// takes memory meanwhile.
template <class Key, class Value, class Policies>
class shared_cache {
    using threading = typename Policies::threading;
    static_assert(!std::same_as<threading, one_thread>,
                  "the policy `threading` is one_thread, which needs no lock: use cache, or name locked<Lock> or "
                  "sharded<Lock, Shards>; is the name of the policy misspelt?");
    static_assert(threading_policy<threading>,
                  "the policy `threading` keeps no threads apart: name locked<Lock>, sharded<Lock, Shards> or a model "
                  "of threading_policy");
    static_assert(std::same_as<typename Policies::persistence, no_persistence>,
                  "a shared_cache has no_persistence: lock around a persistent_cache instead");
    static constexpr std::size_t shard_count = threading::shards;
    using listener = typename Policies::listener;
    static constexpr bool listens = !std::same_as<listener, no_listener>;
    static_assert(!listens || std::copy_constructible<Key>,
                  "the listener of a shared_cache is told of keys that stay in the cache, which takes copies of them");

    struct unlocked : Policies, detail::adapted {
        using threading = one_thread;
    };
    // Listens for the user.
    struct noted : unlocked {
        using listener = detail::note_taker<Key, Value>;
    };
    using part = cache<Key, Value, std::conditional_t<listens, noted, unlocked>>;
    using news = detail::news<Key, Value>;

public:
    using key_type = Key;
    using value_type = Value;
    using time = typename part::time;
    using options = typename cache<Key, Value, unlocked>::options;  ///< Bounds are those of all shards together.

    /// Takes all memory that entries will ever use.
    explicit shared_cache(options const& o) : shared_cache{o, std::make_index_sequence<shard_count>{}} {}
    shared_cache(shared_cache const&) = delete;
    shared_cache& operator=(shared_cache const&) = delete;

    /// A copy of the value under @p key. A use, if the touch policy says so.
    template <class K, class... Now>
    [[nodiscard]] std::optional<Value> get(K const& key, Now... now) requires std::copy_constructible<Value> {
        std::optional<Value> copy;
        visit(
            key, [&](Value const& v) { copy.emplace(v); }, now...);
        return copy;
    }
    /// Calls @p f with the value under @p key, which it may change, while its shard is locked; false when there is
    /// none. A use, if the touch policy says so.
    template <class K, class F, class... Now>
    bool visit(K const& key, F f, Now... now) {
        return in_shard_of(key, false, [&](part& p) {
            auto* const value = p.get(key, now...);
            if (value != nullptr) f(*value);
            return value != nullptr;
        });
    }
    /// Gets many, one after another: @p f(i, value or nullptr) for each of @p keys, in order, each while the shard of
    /// its key is locked. The pointer is valid inside @p f only. It is no snapshot: others may change the cache between
    /// two keys. From inside a listener nothing is found.
    template <class K, class F, class... Now>
    void get_many(std::span<K const> keys, F f, Now... now) {
        for (std::size_t i = 0; i < keys.size(); ++i) {
            bool const asked = in_shard_of(keys[i], false, [&](part& p) {
                f(i, p.get(keys[i], now...));
                return true;
            });
            if (!asked) f(i, static_cast<Value*>(nullptr));
        }
    }
    /// @see cache::touch
    template <class K, class... Now>
    bool touch(K const& key, Now... now) {
        return in_shard_of(key, false, [&](part& p) { return p.touch(key, now...); });
    }
    /// A copy of the value under @p key, without counting as anything.
    template <class K, class... Now>
    [[nodiscard]] std::optional<Value> peek(K const& key, Now... now) const requires std::copy_constructible<Value> {
        return in_shard_of(key, std::optional<Value>{}, [&](part const& p) {
            auto const* const value = p.peek(key, now...);
            return value == nullptr ? std::nullopt : std::optional<Value>{*value};
        });
    }
    /// Whether there is something under @p key.
    template <class K, class... Now>
    [[nodiscard]] bool contains(K const& key, Now... now) const {
        return in_shard_of(key, false, [&](part const& p) { return p.contains(key, now...); });
    }
    /// @see cache::put
    template <class... Rest>
    put_outcome put(Key key, Value value, Rest... rest) {
        auto& s = shard_of(key);
        return in(s, put_outcome::refused, [&](part& p) { return p.put(std::move(key), std::move(value), rest...); });
    }
    /// @see cache::erase
    template <class K, class... Now>
    bool erase(K const& key, Now... now) {
        return in_shard_of(key, false, [&](part& p) { return p.erase(key, now...); });
    }

    /// Removes everything, one shard after another: what is put meanwhile may stay.
    void clear() {
        for (auto& s : shards_) {
            in(s, 0, [](part& p) {
                p.clear();
                return 0;
            });
        }
    }
    /// Removes what has expired; says how many entries that were.
    template <class... Now>
    std::size_t purge(Now... now) {
        return sum(shards_, [&](part& p) { return p.purge(now...); });
    }
    /// Entries that are alive, each shard counted at its own moment.
    template <class... Now>
    [[nodiscard]] std::size_t size(Now... now) {
        return sum(shards_, [&](part& p) { return p.size(now...); });
    }
    /// Entries that take up room.
    [[nodiscard]] std::size_t occupied() const {
        return sum(shards_, [](part const& p) { return p.occupied(); });
    }
    /// What the entries that take up room weigh together.
    [[nodiscard]] std::uint64_t weight() const {
        std::uint64_t total = 0;
        for (auto& s : shards_) {
            total = saturating_sum(total, in(s, std::uint64_t{0}, [](part const& p) { return p.weight(); }));
        }
        return total;
    }
    /// The most entries it can hold.
    [[nodiscard]] std::size_t capacity() const {
        return sum(shards_, [](part const& p) { return p.capacity(); });
    }
    /// Shards that are used.
    [[nodiscard]] std::size_t shards() const noexcept { return used_; }
    /// Calls @p f(key, value) for every live entry, one shard after another, each locked meanwhile.
    template <class F, class... Now>
    void for_each(F f, Now... now) const {
        for (auto& s : shards_) {
            in(s, 0, [&](part const& p) {
                p.for_each([&](Key const& key, Value const& value) { f(key, value); }, now...);
                return 0;
            });
        }
    }
    /// The sum over the shards.
    [[nodiscard]] typename Policies::stats stats() const {
        typename Policies::stats all{};
        for (auto& s : shards_) {
            in(s, 0, [&](part const& p) {
                all += p.stats();
                return 0;
            });
        }
        return all;
    }

private:
    // A line of its own, or threads in different shards would wait for one another all the same.
    struct alignas(detail::line_size) shard {
        explicit shard(options o) : entries{part_options(std::move(o), untold)} {}
        mutable typename threading::lock lock;
        [[no_unique_address]] std::conditional_t<listens, news, no_listener> untold;  // by the call that has the lock
        part entries;
    };
    template <class Untold>
    [[nodiscard]] static typename part::options part_options(options o, [[maybe_unused]] Untold& untold) {
        if constexpr (!listens) {
            return o;
        } else {
            return {.entries_max = o.entries_max,
                    .weight_max = o.weight_max,
                    .expiry_settings = std::move(o.expiry_settings),
                    .clock = std::move(o.clock),
                    .hash = std::move(o.hash),
                    .weight = std::move(o.weight),
                    .admit = std::move(o.admit),
                    .on_removal = {&untold},
                    .keep_on_reject = o.keep_on_reject,
                    .entry_weight_max = o.entry_weight_max};
        }
    }

    template <std::size_t... I>
    shared_cache(options const& o, std::index_sequence<I...>)
        : hash_{o.hash}, told_{o.on_removal}, used_{shards_for(o)}, shards_{shard(share(o, used_, I))...} {}

    static constexpr std::uint64_t no_bound = std::numeric_limits<std::uint64_t>::max();
    static constexpr bool gives_a_tenth =
        requires(typename Policies::admission::template order<typename Policies::eviction> & o, slot_number s) {
        o.is_wanted(s, std::uint64_t{});
    };
    // A shard of very few entries would evict much too early, and one of little weight would take nothing.
    [[nodiscard]] static std::size_t shards_for(options const& o) noexcept {
        constexpr std::size_t entries_min = 16;
        std::uint64_t most = o.entries_max / entries_min;
        if (!std::same_as<typename Policies::weight, unit_weight> && o.weight_max != no_bound) {
            auto const heaviest = o.entry_weight_max == 0 ? 1 : o.entry_weight_max;
            auto const fitting = o.weight_max / heaviest / (gives_a_tenth ? 10 : 1);
            most = most < fitting ? most : fitting;
        }
        return most == 0 ? 1 : most < shard_count ? static_cast<std::size_t>(most) : shard_count;
    }
    // What does not divide evenly goes to the first shards, so that the sum is exact.
    [[nodiscard]] static options share(options o, std::size_t used, std::size_t i) {
        o.entries_max = i < used ? o.entries_max / used + (i < o.entries_max % used ? 1 : 0) : 0;
        if (o.weight_max != no_bound) o.weight_max = o.weight_max / used + (i < o.weight_max % used ? 1 : 0);
        return o;
    }

    // The shard is chosen by other bits than the place within it, or each shard would use a part of its index only.
    template <class K>
    [[nodiscard]] std::size_t place_of(K const& key) const {
        if constexpr (shard_count == 1) return 0;
        return static_cast<std::size_t>(detail::scale(detail::scramble(hash_(key)), used_));
    }
    template <class K>
    [[nodiscard]] shard& shard_of(K const& key) {
        return shards_[place_of(key)];
    }
    template <class K, class R, class F>
    R in_shard_of(K const& key, R refused, F f) {
        return in(shard_of(key), std::move(refused), f);
    }
    template <class K, class R, class F>
    R in_shard_of(K const& key, R refused, F f) const {
        return in(shards_[place_of(key)], std::move(refused), f);
    }
    template <class Shards, class F>
    [[nodiscard]] auto sum(Shards& shards, F f) const {
        auto total = decltype(f(shards[0].entries)){};
        for (auto& s : shards) total += in(s, decltype(total){}, f);
        return total;
    }

    // The caches of this type that the thread is inside of, innermost first.
    struct visit_record {
        explicit visit_record(shared_cache const& c) noexcept : inside{&c}, outer{std::exchange(innermost, this)} {}
        visit_record(visit_record const&) = delete;
        visit_record& operator=(visit_record const&) = delete;
        ~visit_record() { innermost = outer; }
        shared_cache const* inside;
        visit_record const* outer;
        static inline thread_local visit_record const* innermost = nullptr;
    };
    struct lock_guard {
        explicit lock_guard(typename threading::lock& l) : held{l} { held.lock(); }
        lock_guard(lock_guard const&) = delete;
        lock_guard& operator=(lock_guard const&) = delete;
        ~lock_guard() { held.unlock(); }
        typename threading::lock& held;
    };

    // What a visit came back in for would wait for itself, or for a thread that waits for it; what a listener came back
    // in for would have something to tell it, without end.
    template <class Shard, class R, class F>
    R in(Shard& s, R refused, F f) const {
        for (auto const* v = visit_record::innermost; v != nullptr; v = v->outer) {
            if (v->inside == this) return refused;
        }
        visit_record const record{*this};
        if constexpr (listens) {
            news untold;
            detail::unless_done tell_yet{[&]() noexcept { untold.tell_quietly(told_); }};
            auto outcome = locked_in(s, untold, f);
            tell_yet.is_done();
            untold.tell(told_);
            return outcome;
        } else {
            lock_guard const guard{s.lock};
            return f(s.entries);
        }
    }
    // Takes what is to be told out of the shard, whether @p f throws or not.
    template <class Shard, class F>
    static auto locked_in(Shard& s, news& untold, F& f) {
        lock_guard const guard{s.lock};
        if constexpr (std::is_const_v<Shard>) {
            return f(s.entries);  // which removes nothing
        } else {
            detail::unless_done const take{[&]() noexcept { untold.swap(s.untold); }};
            return f(s.entries);
        }
    }

    [[no_unique_address]] typename Policies::hash hash_;
    [[no_unique_address]] mutable listener told_;
    std::size_t used_;  // shards
    std::array<shard, shard_count> shards_;
};

}  // namespace muster::cache
