// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A cache for several threads: the one of cache.hpp behind a lock, or in shards with a lock each.
///
/// A lock that nobody else wants costs about as much as the hit behind it, and one that everybody wants many times
/// that; with sixteen shards threads seldom meet. The price is that bounds are divided among the shards: an entry may
/// be evicted when its shard is full though others have room, what weighs more than a shard's part is rejected, and
/// orders are exact within a shard only.
///
/// Values are copied out, or visited while the lock is held, since a pointer to one would not outlive the lock.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include <muster/cache/cache.hpp>

namespace muster::cache {

/// A @ref cache for several threads, by the policy `threading` of @p Policies: @ref locked or @ref sharded.
///
/// Every member may be called by any thread at any time, except construction and destruction. Policies with state
/// (hash, weight, listener, clock) are copied into each shard and are called by several threads at once. A listener
/// runs while its shard is locked; a call of this cache from inside one is refused, whatever the shard.
template <class Key, class Value, class Policies>
class shared_cache {
    using threading = typename Policies::threading;
    static_assert(!std::same_as<threading, one_thread>, "one thread needs no lock: use cache");
    static constexpr std::size_t shard_count = threading::shards;

    struct unlocked : Policies {
        using threading = one_thread;
    };
    using part = cache<Key, Value, unlocked>;

public:
    using key_type = Key;
    using value_type = Value;
    using time = typename part::time;
    using options = typename part::options;  ///< Bounds are those of all shards together.

    /// Takes all memory that the cache will ever use.
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
        return sum(shards_, [](part const& p) { return p.weight(); });
    }
    /// The most entries it can hold.
    [[nodiscard]] std::size_t capacity() const {
        return sum(shards_, [](part const& p) { return p.capacity(); });
    }
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
        explicit shard(options const& o) : entries{o} {}
        mutable typename threading::lock lock;
        part entries;
    };

    template <std::size_t... I>
    shared_cache(options const& o, std::index_sequence<I...>)
        : hash_{o.hash}, used_{shards_for(o.entries_max)}, shards_{shard(share(o, used_, I))...} {}

    // A shard of very few entries would evict much too early, so a small cache uses fewer shards.
    [[nodiscard]] static std::size_t shards_for(std::size_t entries_max) noexcept {
        constexpr std::size_t entries_min = 16;
        auto const worthwhile = entries_max / entries_min;
        return worthwhile == 0 ? 1 : worthwhile < shard_count ? worthwhile : shard_count;
    }
    // What does not divide evenly goes to the first shards, so that the sum is exact.
    [[nodiscard]] static options share(options o, std::size_t used, std::size_t i) {
        o.entries_max = i < used ? o.entries_max / used + (i < o.entries_max % used ? 1 : 0) : 0;
        if (o.weight_max != std::numeric_limits<std::uint64_t>::max()) {
            o.weight_max = o.weight_max / used + (i < o.weight_max % used ? 1 : 0);
        }
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

    // A listener that came back in would wait for itself, or for a thread that waits for it.
    template <class Shard, class R, class F>
    R in(Shard& s, R refused, F f) const {
        for (auto const* v = visit_record::innermost; v != nullptr; v = v->outer) {
            if (v->inside == this) return refused;
        }
        visit_record const record{*this};
        lock_guard const guard{s.lock};
        return f(s.entries);
    }

    [[no_unique_address]] typename Policies::hash hash_;
    std::size_t used_;  // shards
    std::array<shard, shard_count> shards_;
};

}  // namespace muster::cache
