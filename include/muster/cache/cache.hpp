// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A bounded cache, put together from policies.
///
/// Idea: a cache is a store of numbered places, an order in which they are given up, and a few questions asked on the
/// way. Each is a policy, named in one struct; what is not named costs nothing, neither time nor memory:
///
///     struct mine : cache::defaults { using eviction = cache::sieve; };
///     cache::cache<key, advertisement, mine> found{{.entries_max = 100}};
///
/// Algorithm of `put`: hash once; judge weight and expiry before anything changes; find; make room, the expired first;
/// insert. All memory is taken in the constructor. Bounds hold at every instant, also while a listener runs.
///
/// Here is what the calls mean and what a `put` is judged by; the entries themselves are kept by detail/entries.hpp.
///
/// Source: one struct of policies is CacheLib's way (its cache traits). The index, the orders and the sets name theirs.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <muster/cache/concepts.hpp>
#include <muster/cache/defaults.hpp>
#include <muster/cache/detail/entries.hpp>
#include <muster/cache/detail/policy_check.hpp>
#include <muster/cache/expiry.hpp>
#include <muster/cache/policies.hpp>

namespace muster::cache {

/// What became of a `put`. A `put` says that the older value is outdated, so when the new one is rejected, the older
/// one leaves as well.
enum class put_outcome : std::uint8_t {
    inserted,
    replaced,   ///< There was an entry under that key; it has the new value now.
    rejected,   ///< Too heavy, expired already, not admitted, or no room at all. Nothing was removed.
    withdrawn,  ///< As `rejected`, and the older value that was there has left.
    outdated,   ///< What is there is newer, and stays. Only from caches that order values: `discovery_cache`.
    refused,    ///< Called from inside a listener. Nothing has changed.
};

/// A bounded map from keys to values that forgets by policy.
///
/// @tparam Key, Value  move without throwing. Keys are compared and hashed, also with types that `hash` and `equal`
/// accept.
/// @tparam Policies    see @ref defaults.
///
/// Not thread-safe. Pointers to values are valid until the next call that is not const. With an expiry and
/// `caller_time` every call takes the time as its last argument; expiry.hpp says what happens when that goes back, or
/// was wrong once. When a hash, comparison, weight or listener throws, the cache has lost only the entries that it had
/// evicted to make room; an entry that was about to be replaced may count as newly inserted.
template <class Key, class Value, class Policies = defaults>
class cache {
    static_assert(detail::check_policies<Key, Value, Policies, defaults>());
    static_assert(std::same_as<typename Policies::persistence, no_persistence>,
                  "a cache has no_persistence: use persistent_cache with these policies");
    static_assert(std::same_as<typename Policies::threading, one_thread>,
                  "a cache is used by one_thread at a time: use shared_cache with these policies");

    using storage = typename Policies::storage;
    using expiry = typename Policies::expiry;
    using admission = typename Policies::admission;

    static_assert(std::is_nothrow_move_constructible_v<Key> && std::is_nothrow_move_constructible_v<Value>,
                  "keys and values must move without throwing, or an eviction could lose two entries");
    static_assert(storage::global || set_eviction_policy<typename Policies::eviction>,
                  "this storage evicts within a set, and this eviction cannot: use clock");
    static_assert(storage::global || std::same_as<admission, always>,
                  "this storage evicts within a set, and this admission needs another's place: use slab");
    static_assert(storage::global || std::same_as<typename Policies::weight, unit_weight>,
                  "this storage cannot evict by weight: use slab");

    using entries = detail::entries<Key, Value, Policies>;
    using order = typename entries::order;
    static constexpr bool expires = entries::expires;
    static constexpr bool weighs = entries::weighs;
    static constexpr bool judges = entries::judges;

public:
    using key_type = Key;
    using value_type = Value;
    using time = typename expiry::time;

    /// Bounds, and the policies that have state.
    using options = cache_options<Policies>;

    /// Takes all memory that the cache will ever use.
    explicit cache(options o) : entries_{std::move(o)} {}
    cache(cache const&) = delete;
    cache& operator=(cache const&) = delete;

    /// The value under @p key, or nullptr. A use, if the touch policy says so. O(1).
    template <class K, class... Now>
    [[nodiscard]] Value* get(K const& key, Now... now) {
        auto const t = tell_time(now...);
        if (entries_.is_busy()) return nullptr;
        auto const hash = entries_.hash_of(key);
        return entries_.found(entries_.find_alive(hash, key, t), hash, t);
    }

    /// Uses what is under @p key, whatever the touch policy; false when there is nothing. Not counted as a look-up.
    template <class K, class... Now>
    bool touch(K const& key, Now... now) {
        auto const t = tell_time(now...);
        if (entries_.is_busy()) return false;
        auto const hash = entries_.hash_of(key);
        auto const s = entries_.find_alive(hash, key, t);
        if (s != no_slot) entries_.use(s, hash, t);
        return s != no_slot;
    }

    /// As @ref get, without counting as anything.
    template <class K, class... Now>
    [[nodiscard]] Value const* peek(K const& key, Now... now) const {
        auto const t = time_of(now...);
        auto const s = entries_.find(entries_.hash_of(key), key);
        return s == no_slot || entries_.is_expired(s, t) ? nullptr : &entries_.places().value(s);
    }
    /// Whether @ref peek would find something.
    template <class K, class... Now>
    [[nodiscard]] bool contains(K const& key, Now... now) const {
        return peek(key, now...) != nullptr;
    }

    /// Gets many at once: @p f(i, value or nullptr) for each of @p keys, in order. Memory is prefetched, which halves
    /// the time when the cache does not fit into the processor's caches. The pointer is valid inside @p f only. As with
    /// @ref get nothing is found from inside a listener.
    template <class K, class F, class... Now>
    void get_many(std::span<K const> keys, F f, Now... now) {
        auto const t = tell_time(now...);
        constexpr std::size_t stride = 16;
        std::uint64_t hashes[stride];
        if (entries_.is_busy()) {
            for (std::size_t i = 0; i < keys.size(); ++i) f(i, static_cast<Value*>(nullptr));
            return;
        }
        for (std::size_t begin = 0; begin < keys.size(); begin += stride) {
            auto const part = keys.subspan(begin, keys.size() - begin < stride ? keys.size() - begin : stride);
            for (std::size_t i = 0; i < part.size(); ++i)
                entries_.places().prefetch(hashes[i] = entries_.hash_of(part[i]));
            for (std::size_t i = 0; i < part.size(); ++i) entries_.places().prefetch_entry(hashes[i]);
            for (std::size_t i = 0; i < part.size(); ++i) {
                f(begin + i, entries_.found(entries_.find_alive(hashes[i], part[i], t), hashes[i], t));
            }
        }
    }

    /// Keeps @p value under @p key; when it is rejected, the older value there goes, unless `keep_on_reject`. O(1)
    /// amortised, and O(log n) where entries have deadlines of their own. With
    /// `per_entry_expiry` the deadline comes after the value.
    template <class... Rest>
    put_outcome put(Key key, Value value, Rest... rest) {
        if constexpr (requires(expiry const& e) { e.deadline_of(value); }) {
            auto const t = tell_time(rest...);
            auto const deadline = entries_.deadlines().deadline_of(value);
            return put_at(std::move(key), std::move(value), t, deadline);
        } else if constexpr (requires(expiry const& e, time t) { e.deadline_after(t); }) {
            auto const t = tell_time(rest...);
            return put_at(std::move(key), std::move(value), t, entries_.deadlines().deadline_after(t));
        } else if constexpr (expires) {
            return put_with_deadline(std::move(key), std::move(value), rest...);
        } else {
            return put_at(std::move(key), std::move(value), tell_time(rest...), time{});
        }
    }

    /// As @ref put, with the deadline that the entry had before the restart, or the one it would get now if that is
    /// earlier; when it has passed, nothing is left under @p key. After the last one call @ref restored.
    template <class... Now>
    put_outcome restore(Key key, Value value, time deadline, Now... now) {
        auto const t = tell_time(now...);
        if constexpr (requires(expiry const& e) { e.deadline_of(value); }) {
            deadline = entries_.deadlines().deadline_of(value);
        } else if constexpr (requires(expiry const& e) { e.deadline_after(t); }) {
            auto const latest = entries_.deadlines().deadline_after(t);
            if (latest < deadline) deadline = latest;
        }
        return put_at<true>(std::move(key), std::move(value), t, deadline);
    }
    /// Entries were restored in the order of their use; this brings their deadlines in order. O(n log n).
    void restored() noexcept {
        if constexpr (requires(expiry & e) { e.sort(); }) entries_.deadlines().sort();
    }

    /// Removes what is under @p key; false when nothing was.
    template <class K, class... Now>
    bool erase(K const& key, Now... now) {
        auto const t = tell_time(now...);
        if (entries_.is_busy()) return false;
        auto const hash = entries_.hash_of(key);
        auto const s = entries_.find_alive(hash, key, t);
        if (s == no_slot) return false;
        entries_.remove(s, hash, removal::erased);
        return true;
    }
    /// Removes everything.
    void clear() {
        if (!entries_.is_busy()) entries_.clear();
    }
    /// Removes what has expired; says how many entries that were. The other calls do so as far as they must.
    template <class... Now>
    std::size_t purge(Now... now) {
        return entries_.is_busy() ? 0 : entries_.purge_at(tell_time(now...));
    }

    /// Entries that are alive. Removes those that are not.
    template <class... Now>
    [[nodiscard]] std::size_t size(Now... now) {
        if (!entries_.is_busy()) entries_.purge_at(tell_time(now...));
        return entries_.count();
    }
    /// Entries that take up room, the expired among them.
    [[nodiscard]] std::size_t occupied() const noexcept { return entries_.count(); }
    /// What the entries that take up room weigh together; their number, with `unit_weight`.
    [[nodiscard]] std::uint64_t weight() const noexcept { return entries_.weight(); }
    /// The most entries it can hold: what was asked for, or a little less where the storage has sets.
    [[nodiscard]] std::size_t capacity() const noexcept { return entries_.places().capacity(); }
    /// The most that they may weigh together.
    [[nodiscard]] std::uint64_t weight_max() const noexcept { return entries_.settings().weight_max; }

    /// Calls @p f(key, value) for every live entry, roughly from the next victim to the last; exactly so with `lru` and
    /// `fifo`. Counts as no use. @p f must not change the cache.
    template <class F, class... Now>
    void for_each(F f, Now... now) const {
        auto const t = time_of(now...);
        entries_.ranks().for_each([&](slot_number s) {
            if (!entries_.is_expired(s, t)) f(entries_.places().key(s), entries_.places().value(s));
        });
    }
    /// The deadline of the entry under @p key, which may have passed; none without such an entry.
    template <class K>
    [[nodiscard]] std::optional<time> deadline_of(K const& key) const requires expires {
        auto const s = entries_.find(entries_.hash_of(key), key);
        return s == no_slot ? std::nullopt : std::optional{entries_.deadlines().deadline(s)};
    }

    /// Whether admission has let the entry under @p key into the main part; false without such an entry.
    template <class K>
    [[nodiscard]] bool is_promoted(K const& key) const requires requires(order const& o, slot_number s) {
        o.is_promoted(s);
    }
    {
        auto const s = entries_.find(entries_.hash_of(key), key);
        return s != no_slot && entries_.ranks().is_promoted(s);
    }

    [[nodiscard]] typename Policies::stats const& stats() const noexcept { return entries_.stats(); }

private:
    // ---- time -------------------------------------------------------------------------------------------

    template <class... Now>
    [[nodiscard]] time time_of(Now... now) const {
        if constexpr (!expires) {
            static_assert(sizeof...(Now) == 0, "this cache has no expiry, so it takes no time");
            return {};
        } else if constexpr (std::same_as<typename Policies::time_source, caller_time>) {
            static_assert(sizeof...(Now) == 1 && (std::same_as<Now, time> && ...),
                          "this cache takes the time, of its own kind, as the last argument");
            return (now, ...);
        } else {
            static_assert(sizeof...(Now) == 0, "this cache reads its own clock");
            return entries_.settings().clock.now();
        }
    }
    template <class... Now>
    [[nodiscard]] time tell_time(Now... now) {
        auto const t = time_of(now...);
        if (entries_.is_busy()) return t;  // a refused call changes nothing
        if constexpr (requires { entries_.deadlines().tell(t); }) entries_.deadlines().tell(t);
        return t;
    }

    // ---- putting ----------------------------------------------------------------------------------------

    template <class... Now>
    put_outcome put_with_deadline(Key&& key, Value&& value, time deadline, Now... now) {
        return put_at(std::move(key), std::move(value), tell_time(now...), deadline);
    }

    // What is restored was admitted once, so it is not asked whether there is room that it has no claim to; and it is
    // newer than what is there in any case.
    template <bool Restored = false>
    put_outcome put_at(Key&& key, Value&& value, time t, time deadline) {
        if (entries_.is_busy()) return put_outcome::refused;
        std::uint64_t weight = 1;
        if constexpr (weighs)
            weight = static_cast<std::uint64_t>(entries_.settings().weight(std::as_const(key), std::as_const(value)));
        bool possible =
            entries_.places().capacity() != 0 && (!weighs || weight <= entries_.settings().entry_weight_max);
        if constexpr (expires) possible = possible && t < deadline;
        auto const hash = entries_.hash_of(std::as_const(key));
        if (!possible)
            return reject(entries_.find_alive(hash, key, t), hash, key, value,
                          !Restored && entries_.settings().keep_on_reject);
        if constexpr (judges) entries_.ranks().on_arrival(std::as_const(key), std::as_const(value));
        auto const there = entries_.find_alive(hash, key, t);
        if constexpr (requires { entries_.ranks().is_wanted(there, hash); }) {
            bool const needs_claim =
                is_more_than_a_tenth(weight) || (!Restored && needs_room_of_wanted(there, weight, t));
            if (needs_claim && !entries_.ranks().is_wanted(there, hash)) {
                return reject(there, hash, key, value, !Restored && entries_.settings().keep_on_reject);
            }
        }
        if (there != no_slot) {
            if (may_replace(there) && entries_.replace_in_place(there, hash, weight, value, t, deadline))
                return put_outcome::replaced;
            if constexpr (storage::global && (weighs || judges)) {
                entries_.replace_elsewhere(there, hash, weight, key, value, t, deadline);
                return put_outcome::replaced;
            }
        }
        (void)entries_.insert(hash, weight, key, value, t, deadline);
        entries_.stats().insertion();
        return put_outcome::inserted;
    }

    // The old value goes first: a listener that is told of the rejection finds nothing.
    [[gnu::noinline, gnu::cold]] put_outcome reject(slot_number there, std::uint64_t hash, Key& key, Value& value,
                                                    bool keeps_old) {
        bool const withdraws = there != no_slot && !keeps_old;
        if (withdraws) entries_.remove(there, hash, removal::withdrawn);
        entries_.report(removal::rejected, key, value);
        return withdraws ? put_outcome::withdrawn : put_outcome::rejected;
    }

    [[nodiscard]] bool is_more_than_a_tenth([[maybe_unused]] std::uint64_t weight) const noexcept {
        if constexpr (weighs)
            return weight > (entries_.settings().weight_max < 10 ? 1 : entries_.settings().weight_max / 10);
        return false;
    }
    // Where a tenth of the cache holds no entry, nothing is reserved for entries that were not asked for: they take
    // free places, or each other's. O(1), and O(n) in caches of little weight.
    [[nodiscard]] bool needs_room_of_wanted(slot_number there, [[maybe_unused]] std::uint64_t weight, time t) {
        if (entries_.places().capacity() >= 10 && (!weighs || entries_.settings().weight_max >= 10)) [[likely]]
            return false;
        std::size_t others = there != no_slot ? 1 : 0;  // what may go
        std::uint64_t weight_of_others = weighs && there != no_slot ? entries_.weight_of(there) : 0;
        auto const fits = [&] {
            return entries_.count() - others < entries_.places().capacity() &&
                   (!weighs || entries_.weight() - weight_of_others <= entries_.settings().weight_max - weight);
        };
        if (fits()) return false;
        entries_.purge_at(t);
        entries_.ranks().for_each([&](slot_number s) {
            if (s == there || entries_.ranks().is_promoted(s)) return;
            ++others;
            if constexpr (weighs) weight_of_others += entries_.weight_of(s);
        });
        return !fits();
    }

    // Whether a new value may take the place of the one at @p s.
    [[nodiscard]] bool may_replace([[maybe_unused]] slot_number s) const noexcept {
        if constexpr (judges) return entries_.ranks().may_replace(s);
        return true;
    }

    entries entries_;
};

}  // namespace muster::cache
