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
/// Source: one struct of policies is CacheLib's way (its cache traits). The index, the orders and the sets name theirs.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <muster/cache/concepts.hpp>
#include <muster/cache/detail/policy_check.hpp>
#include <muster/cache/detail/unless_done.hpp>
#include <muster/cache/eviction/lru.hpp>
#include <muster/cache/expiry.hpp>
#include <muster/cache/hasher.hpp>
#include <muster/cache/policies.hpp>
#include <muster/cache/storage/slab.hpp>

namespace muster::cache {

/// The policies of a cache. Derive, and override what you need; the order does not matter.
struct defaults {
    using storage = slab;                ///< slab, set_associative<Ways>, inline_array<N>.
    using eviction = lru;                ///< lru, lazy_lru<P>, fifo, clock<Bits>, sieve, s3_fifo, adaptive_s3_fifo.
    using admission = always;            ///< always, demand, quota<SourceOf>.
    using touch = touch_on_get;          ///< touch_on_get, touch_on_put, touch_on_both.
    using expiry = no_expiry;            ///< no_expiry, uniform_expiry<T>, per_entry_expiry<T>, value_expiry<T, F>.
    using time_source = caller_time;     ///< caller_time, monotonic_time<Clock>, wall_time<Clock>. Only with an expiry.
    using weight = unit_weight;          ///< unit_weight, byte_weight<F>, or a function of key and value.
    using hash = multiply_hash;          ///< multiply_hash, sip_hash, or a function of a key.
    using equal = equal_keys;            ///< Compares a stored key with whatever is looked up.
    using listener = no_listener;        ///< no_listener, or a function of removal, key and value.
    using stats = no_stats;              ///< no_stats, counters.
    using persistence = no_persistence;  ///< no_persistence; for persistent_cache: debounced<Store, Timers, Clock>.
    using threading = one_thread;        ///< one_thread; for shared_cache: locked<Lock>, sharded<Lock, Shards>.
};

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
    using eviction = typename Policies::eviction;
    using admission = typename Policies::admission;
    using order = typename admission::template order<eviction>;
    using touching = typename Policies::touch;
    using weight_policy = typename Policies::weight;
    using listener = typename Policies::listener;
    using time_source = typename Policies::time_source;
    using hash_policy = typename Policies::hash;

    static constexpr bool expires = !std::same_as<expiry, no_expiry>;
    static constexpr bool weighs = !std::same_as<weight_policy, unit_weight>;
    static constexpr bool listens = !std::same_as<listener, no_listener>;
    static constexpr bool judges = requires(order & o, Key const& k, Value const& v) { o.on_arrival(k, v); };
    // Whether a removal can run user code (of keys, values or a listener) that re-enters.
    template <class T>
    static constexpr bool is_quiet = std::is_trivially_move_constructible_v<T>&& std::is_trivially_destructible_v<T>;
    static constexpr bool calls_out = listens || !is_quiet<Key> || !is_quiet<Value>;
    // Whether the new entry can take the evicted one's place directly: no listener is told, and no weights are summed.
    static constexpr bool hands_over = !listens && !weighs;
    static constexpr bool foresees = requires(order & o, typename storage::template store<Key, Value> const& s) {
        o.scout();
        s.is_far();
    };
    static constexpr bool is_told_time = std::same_as<time_source, caller_time>;

    static_assert(std::is_nothrow_move_constructible_v<Key> && std::is_nothrow_move_constructible_v<Value>,
                  "keys and values must move without throwing, or an eviction could lose two entries");
    static_assert(storage::global || set_eviction_policy<eviction>,
                  "this storage evicts within a set, and this eviction cannot: use clock");
    static_assert(storage::global || std::same_as<admission, always>,
                  "this storage evicts within a set, and this admission needs another's place: use slab");
    static_assert(storage::global || !weighs, "this storage cannot evict by weight: use slab");

public:
    using key_type = Key;
    using value_type = Value;
    using time = typename expiry::time;

    /// Bounds, and the policies that have state.
    struct options {
        std::size_t entries_max = 0;  ///< At most 2^32 - 16. With 0 nothing is ever kept.
        std::uint64_t weight_max = std::numeric_limits<std::uint64_t>::max();  ///< Of all entries together.
        typename expiry::settings expiry_settings = {};
        time_source clock = time_source{};
        hash_policy hash = hash_policy{};
        weight_policy weight = {};
        admission admit = {};
        listener on_removal = {};
        /// When a value is rejected, the older one under its key stays, and may be found long after it is outdated.
        bool keep_on_reject = false;
        /// What is heavier is rejected. A @ref shared_cache with a bound on weight has as many shards as keep such an
        /// entry.
        std::uint64_t entry_weight_max = std::numeric_limits<std::uint64_t>::max();
    };

    /// Takes all memory that the cache will ever use.
    explicit cache(options o)
        : options_{std::move(o)},
          store_{options_.entries_max < slots_max ? options_.entries_max : slots_max},
          order_{make_order(store_.slots(), options_.admit)},
          expiry_{store_.slots(), options_.expiry_settings},
          weights_{weighs ? store_.slots() : 0} {
        if (options_.weight_max < options_.entry_weight_max) options_.entry_weight_max = options_.weight_max;
    }
    cache(cache const&) = delete;
    cache& operator=(cache const&) = delete;
    ~cache() {
        busy_guard const guard{busy_};  // destructors may re-enter
        drop_all();
    }

    /// The value under @p key, or nullptr. A use, if the touch policy says so. O(1).
    template <class K, class... Now>
    [[nodiscard]] Value* get(K const& key, Now... now) {
        auto const t = tell_time(now...);
        if (is_busy()) return nullptr;
        auto const hash = options_.hash(key);
        return found(find_alive(hash, key, t), hash, t);
    }

    /// Uses what is under @p key, whatever the touch policy; false when there is nothing. Not counted as a look-up.
    template <class K, class... Now>
    bool touch(K const& key, Now... now) {
        auto const t = tell_time(now...);
        if (is_busy()) return false;
        auto const hash = options_.hash(key);
        auto const s = find_alive(hash, key, t);
        if (s != no_slot) use(s, hash, t);
        return s != no_slot;
    }

    /// As @ref get, without counting as anything.
    template <class K, class... Now>
    [[nodiscard]] Value const* peek(K const& key, Now... now) const {
        auto const t = time_of(now...);
        auto const s = store_.find(options_.hash(key), key, typename Policies::equal{});
        return s == no_slot || is_expired(s, t) ? nullptr : &store_.value(s);
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
        if (is_busy()) {
            for (std::size_t i = 0; i < keys.size(); ++i) f(i, static_cast<Value*>(nullptr));
            return;
        }
        for (std::size_t begin = 0; begin < keys.size(); begin += stride) {
            auto const part = keys.subspan(begin, keys.size() - begin < stride ? keys.size() - begin : stride);
            for (std::size_t i = 0; i < part.size(); ++i) store_.prefetch(hashes[i] = options_.hash(part[i]));
            for (std::size_t i = 0; i < part.size(); ++i) store_.prefetch_entry(hashes[i]);
            for (std::size_t i = 0; i < part.size(); ++i) {
                f(begin + i, found(find_alive(hashes[i], part[i], t), hashes[i], t));
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
            auto const deadline = expiry_.deadline_of(value);
            return put_at(std::move(key), std::move(value), t, deadline);
        } else if constexpr (requires(expiry const& e, time t) { e.deadline_after(t); }) {
            auto const t = tell_time(rest...);
            return put_at(std::move(key), std::move(value), t, expiry_.deadline_after(t));
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
            deadline = expiry_.deadline_of(value);
        } else if constexpr (requires(expiry const& e) { e.deadline_after(t); }) {
            auto const latest = expiry_.deadline_after(t);
            if (latest < deadline) deadline = latest;
        }
        return put_at<true>(std::move(key), std::move(value), t, deadline);
    }
    /// Entries were restored in the order of their use; this brings their deadlines in order. O(n log n).
    void restored() noexcept {
        if constexpr (requires(expiry & e) { e.sort(); }) expiry_.sort();
    }

    /// Removes what is under @p key; false when nothing was.
    template <class K, class... Now>
    bool erase(K const& key, Now... now) {
        auto const t = tell_time(now...);
        if (is_busy()) return false;
        auto const hash = options_.hash(key);
        auto const s = find_alive(hash, key, t);
        if (s == no_slot) return false;
        remove(s, hash, removal::erased);
        return true;
    }
    /// Removes everything.
    void clear() {
        if (is_busy()) return;
        for (auto s = any(); s != no_slot; s = any()) remove(s, options_.hash(store_.key(s)), removal::cleared);
    }
    /// Removes what has expired; says how many entries that were. The other calls do so as far as they must.
    template <class... Now>
    std::size_t purge(Now... now) {
        return is_busy() ? 0 : purge_at(tell_time(now...));
    }

    /// Entries that are alive. Removes those that are not.
    template <class... Now>
    [[nodiscard]] std::size_t size(Now... now) {
        if (!is_busy()) purge_at(tell_time(now...));
        return size_;
    }
    /// Entries that take up room, the expired among them.
    [[nodiscard]] std::size_t occupied() const noexcept { return size_; }
    /// What the entries that take up room weigh together; their number, with `unit_weight`.
    [[nodiscard]] std::uint64_t weight() const noexcept {
        if constexpr (weighs) return weight_;
        return size_;
    }
    /// The most entries it can hold: what was asked for, or a little less where the storage has sets.
    [[nodiscard]] std::size_t capacity() const noexcept { return store_.capacity(); }
    /// The most that they may weigh together.
    [[nodiscard]] std::uint64_t weight_max() const noexcept { return options_.weight_max; }

    /// Calls @p f(key, value) for every live entry, roughly from the next victim to the last; exactly so with `lru` and
    /// `fifo`. Counts as no use. @p f must not change the cache.
    template <class F, class... Now>
    void for_each(F f, Now... now) const {
        auto const t = time_of(now...);
        order_.for_each([&](slot_number s) {
            if (!is_expired(s, t)) f(store_.key(s), store_.value(s));
        });
    }
    /// The deadline of the entry under @p key, which may have passed; none without such an entry.
    template <class K>
    [[nodiscard]] std::optional<time> deadline_of(K const& key) const requires expires {
        auto const s = store_.find(options_.hash(key), key, typename Policies::equal{});
        return s == no_slot ? std::nullopt : std::optional{expiry_.deadline(s)};
    }

    /// Whether admission has let the entry under @p key into the main part; false without such an entry.
    template <class K>
    [[nodiscard]] bool is_promoted(K const& key) const requires requires(order const& o, slot_number s) {
        o.is_promoted(s);
    }
    {
        auto const s = store_.find(options_.hash(key), key, typename Policies::equal{});
        return s != no_slot && order_.is_promoted(s);
    }

    [[nodiscard]] typename Policies::stats const& stats() const noexcept { return stats_; }

private:
    // ---- time -------------------------------------------------------------------------------------------

    template <class... Now>
    [[nodiscard]] time time_of(Now... now) const {
        if constexpr (!expires) {
            static_assert(sizeof...(Now) == 0, "this cache has no expiry, so it takes no time");
            return {};
        } else if constexpr (is_told_time) {
            static_assert(sizeof...(Now) == 1 && (std::same_as<Now, time> && ...),
                          "this cache takes the time, of its own kind, as the last argument");
            return (now, ...);
        } else {
            static_assert(sizeof...(Now) == 0, "this cache reads its own clock");
            return options_.clock.now();
        }
    }
    template <class... Now>
    [[nodiscard]] time tell_time(Now... now) {
        auto const t = time_of(now...);
        if (is_busy()) return t;  // a refused call changes nothing
        if constexpr (requires { expiry_.tell(t); }) expiry_.tell(t);
        return t;
    }
    [[nodiscard]] bool is_expired([[maybe_unused]] slot_number s, [[maybe_unused]] time t) const noexcept {
        if constexpr (expires) return expiry_.deadline(s) <= t;
        return false;
    }

    // ---- looking ----------------------------------------------------------------------------------------

    // What is found and expired is removed on the way.
    template <class K>
    [[nodiscard, gnu::always_inline]] slot_number find_alive(std::uint64_t hash, K const& key, time t) {
        auto const s = store_.find(hash, key, typename Policies::equal{});
        if (s == no_slot || !is_expired(s, t)) [[likely]]
            return s;
        remove_expired(s, hash);
        return no_slot;
    }
    // Not inlined: inlined, it makes a hit 2 ns slower.
    [[gnu::noinline, gnu::cold]] void remove_expired(slot_number s, std::uint64_t hash) {
        remove(s, hash, removal::expired);
    }
    [[nodiscard, gnu::always_inline]] Value* found(slot_number s, [[maybe_unused]] std::uint64_t hash,
                                                   [[maybe_unused]] time t) {
        if (s == no_slot) {
            stats_.miss();
            if constexpr (requires { order_.on_miss(hash); }) order_.on_miss(hash);
            return nullptr;
        }
        stats_.hit();
        if constexpr (touching::get) use(s, hash, t);
        return &store_.value(s);
    }
    void use(slot_number s, std::uint64_t hash, [[maybe_unused]] time t) noexcept {
        detail::tell_hit(order_, s, hash);
        if constexpr (expires) expiry_.on_hit(s, t);
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
        if (is_busy()) return put_outcome::refused;
        std::uint64_t weight = 1;
        if constexpr (weighs)
            weight = static_cast<std::uint64_t>(options_.weight(std::as_const(key), std::as_const(value)));
        bool possible = store_.capacity() != 0 && (!weighs || weight <= options_.entry_weight_max);
        if constexpr (expires) possible = possible && t < deadline;
        auto const hash = options_.hash(std::as_const(key));
        if (!possible) return reject(find_alive(hash, key, t), hash, key, value, !Restored && options_.keep_on_reject);
        if constexpr (judges) order_.on_arrival(std::as_const(key), std::as_const(value));
        auto const there = find_alive(hash, key, t);
        if constexpr (requires { order_.is_wanted(there, hash); }) {
            bool const needs_claim =
                is_more_than_a_tenth(weight) || (!Restored && needs_room_of_wanted(there, weight, t));
            if (needs_claim && !order_.is_wanted(there, hash)) {
                return reject(there, hash, key, value, !Restored && options_.keep_on_reject);
            }
        }
        if (there != no_slot) {
            if (may_stay(there) && replace_in_place(there, hash, weight, value, t, deadline))
                return put_outcome::replaced;
            if constexpr (storage::global && (weighs || judges)) {
                replace_elsewhere(there, hash, weight, key, value, t, deadline);
                return put_outcome::replaced;
            }
        }
        (void)insert(hash, weight, key, value, t, deadline);
        stats_.insertion();
        return put_outcome::inserted;
    }

    // The old value goes first: a listener that is told of the rejection finds nothing.
    [[gnu::noinline, gnu::cold]] put_outcome reject(slot_number there, std::uint64_t hash, Key& key, Value& value,
                                                    bool keeps_old) {
        bool const withdraws = there != no_slot && !keeps_old;
        if (withdraws) remove(there, hash, removal::withdrawn);
        report(removal::rejected, key, value);
        return withdraws ? put_outcome::withdrawn : put_outcome::rejected;
    }

    [[nodiscard]] bool is_more_than_a_tenth([[maybe_unused]] std::uint64_t weight) const noexcept {
        if constexpr (weighs) return weight > (options_.weight_max < 10 ? 1 : options_.weight_max / 10);
        return false;
    }
    // Where a tenth of the cache holds no entry, nothing is reserved for entries that were not asked for: they take
    // free places, or each other's. O(1), and O(n) in caches of little weight.
    [[nodiscard]] bool needs_room_of_wanted(slot_number there, [[maybe_unused]] std::uint64_t weight, time t) {
        if (store_.capacity() >= 10 && (!weighs || options_.weight_max >= 10)) [[likely]]
            return false;
        std::size_t others = there != no_slot ? 1 : 0;  // what may go
        std::uint64_t weight_of_others = weighs && there != no_slot ? weights_[there] : 0;
        auto const fits = [&] {
            return size_ - others < store_.capacity() &&
                   (!weighs || weight_ - weight_of_others <= options_.weight_max - weight);
        };
        if (fits()) return false;
        purge_at(t);
        order_.for_each([&](slot_number s) {
            if (s == there || order_.is_promoted(s)) return;
            ++others;
            if constexpr (weighs) weight_of_others += weights_[s];
        });
        return !fits();
    }

    [[gnu::always_inline]] slot_number insert(std::uint64_t hash, std::uint64_t weight, Key& key, Value& value, time t,
                                              time deadline) {
        slot_number s = 0;
        if constexpr (storage::global) {
            s = claim_place(weight, t);
            store_.insert_at(s, hash, std::move(key), std::move(value));
            order_.on_insert(s, hash);
        } else {
            s = claim_place_for(hash, t);
            store_.insert_at(s, hash, std::move(key), std::move(value));
            order_.on_insert_among(s);
        }
        account(s, weight, deadline);
        return s;
    }

    // A value that is heavier than there is room for, or charged to another source, is put like a new entry. The old
    // one is taken out meanwhile; its listener is told when the new one is in. When the new one is rejected the old one
    // is put back, which cannot fail, since its place is still free. Not inlined, to keep other puts fast.
    [[gnu::noinline]] void replace_elsewhere(slot_number there, std::uint64_t hash, std::uint64_t weight, Key& key,
                                             Value& value, time t, time deadline) {
        busy_guard const guard{busy_};
        auto const standing = standing_of(there);
        auto const old_weight = weighs ? weights_[there] : 1;
        auto const old_deadline = deadline_at(there);
        [[maybe_unused]] bool const was_promoted = is_promoted_at(there);
        take_off(there, hash, removal::replaced);
        --size_;
        Key old_key(std::move(const_cast<Key&>(store_.key(there))));
        Value old_value(std::move(store_.value(there)));
        empty(there, hash);
        detail::unless_done undo{[&]() noexcept {
            ++size_;
            auto const s = store_.take();
            store_.insert_at(s, hash, std::move(old_key), std::move(old_value));
            if constexpr (requires { order_.on_return(s, hash, standing); }) {
                order_.on_return(s, hash, standing);
            } else {
                order_.on_insert(s, hash);
            }
            account(s, old_weight, old_deadline);
        }};
        [[maybe_unused]] auto const s = insert(hash, weight, key, value, t, deadline);
        undo.is_done();
        if constexpr (requires { order_.is_promoted(s); }) {
            if (was_promoted) use(s, hash, t);  // somebody here has asked for it, whatever it weighs now
        }
        report(removal::replaced, old_key, old_value);
    }
    // What the admission has to know of an entry to take it back as it was.
    [[nodiscard]] std::uint64_t standing_of([[maybe_unused]] slot_number s) const noexcept {
        if constexpr (requires { order_.standing(s); }) return order_.standing(s);
        return 0;
    }
    [[nodiscard]] bool is_promoted_at([[maybe_unused]] slot_number s) const noexcept {
        if constexpr (requires { order_.is_promoted(s); }) return order_.is_promoted(s);
        return false;
    }
    [[nodiscard]] time deadline_at([[maybe_unused]] slot_number s) const noexcept {
        if constexpr (expires) {
            return expiry_.deadline(s);
        } else {
            return {};
        }
    }
    // Of an entry that has got its place.
    void account([[maybe_unused]] slot_number s, [[maybe_unused]] std::uint64_t weight,
                 [[maybe_unused]] time deadline) noexcept {
        if constexpr (weighs) weight_ += weights_[s] = weight;
        if constexpr (expires) expiry_.schedule(s, deadline);
    }

    // A cache larger than the processor's first-level cache spends its time waiting for cache lines. The entries that
    // the next few puts will evict are known, so their memory is prefetched.
    void look_ahead() noexcept {
        if constexpr (foresees) {
            if (!store_.is_far()) return;
            auto const s = order_.scout();
            if (s != no_slot) store_.prefetch_slot(s);
        }
    }

    [[nodiscard]] bool replace_in_place(slot_number s, [[maybe_unused]] std::uint64_t hash,
                                        [[maybe_unused]] std::uint64_t weight, Value& value, [[maybe_unused]] time t,
                                        [[maybe_unused]] time deadline) {
        if constexpr (weighs) {
            if (weight_ - weights_[s] > options_.weight_max - weight) return false;
            weight_ += weight - weights_[s];
            weights_[s] = weight;
        }
        if constexpr (expires) {
            expiry_.cancel(s);
            expiry_.schedule(s, deadline);
        }
        if constexpr (touching::put) {
            if constexpr (requires { order_.on_replace(s, hash); }) {
                order_.on_replace(s, hash);
            } else {
                detail::tell_hit(order_, s, hash);
            }
        }
        busy_guard const guard{busy_};
        auto& held = store_.value(s);
        auto old = std::move(held);
        held.~Value();
        ::new (static_cast<void*>(&held)) Value(std::move(value));
        stats_.left(removal::replaced);
        if constexpr (listens) options_.on_removal(removal::replaced, store_.key(s), old);
        return true;
    }

    [[nodiscard]] bool may_stay([[maybe_unused]] slot_number s) const noexcept {
        if constexpr (judges) return order_.may_replace(s);
        return true;
    }

    // A place for an entry of @p weight, which counts as one already.
    [[nodiscard]] slot_number claim_place(std::uint64_t weight, time t) {
        if constexpr (judges) {
            if (order_.forfeit() != no_slot) purge_at(t);
            for (auto s = order_.forfeit(); s != no_slot; s = order_.forfeit()) {
                evict(s, t, options_.hash(store_.key(s)));
            }
        }
        while (size_ == store_.capacity() || (weighs && weight_ > options_.weight_max - weight)) {
            auto const s = next_victim(t);
            auto const hash = options_.hash(store_.key(s));
            look_ahead();
            if constexpr (hands_over) return vacate(s, t, hash);
            evict(s, t, hash);
        }
        ++size_;
        return store_.take();
    }
    // The same, in the set of @p hash.
    [[nodiscard]] slot_number claim_place_for(std::uint64_t hash, time t) {
        auto const set = store_.candidates_for(hash);
        auto s = set.free;
        if (s == no_slot) {
            if constexpr (expires) {
                for (auto i = set.first; i < set.first + set.count && s == no_slot; ++i) {
                    if (is_expired(i, t)) s = i;
                }
            }
            if (s == no_slot) s = order_.victim_among(set.first, set.count);
            if constexpr (hands_over) return vacate(s, t, hash);
            evict(s, t, hash);
        }
        ++size_;
        return s;
    }
    // The entry that expires first, if its time is over.
    [[nodiscard]] slot_number next_victim(time t) {
        if constexpr (expires) {
            if (auto const s = expiry_.earliest(); s != no_slot && is_expired(s, t)) return s;
        }
        return order_.victim();
    }
    void evict(slot_number s, time t, std::uint64_t hash) { remove(s, hash, why_it_goes(s, t)); }
    [[nodiscard]] removal why_it_goes(slot_number s, time t) const noexcept {
        return is_expired(s, t) ? removal::expired : removal::evicted;
    }

    // ---- removing ---------------------------------------------------------------------------------------

    // Neither a listener nor a destructor of a removed entry may re-enter meanwhile.
    void remove(slot_number s, std::uint64_t hash, removal why) {
        busy_guard const guard{busy_};
        take_off(s, hash, why);
        --size_;
        if constexpr (listens) {
            Key key(std::move(const_cast<Key&>(store_.key(s))));
            Value value(std::move(store_.value(s)));
            empty(s, hash);
            report(why, key, value);
        } else {
            empty(s, hash);
            stats_.left(why);
        }
    }
    void empty(slot_number s, std::uint64_t hash) noexcept {
        store_.erase(hash, s);
        if constexpr (storage::global) store_.give_back(s);
    }
    // As @ref evict, for an entry whose place goes to the next one at once: a tenth faster than giving it back and
    // taking it. Says which place.
    [[nodiscard, gnu::always_inline]] slot_number vacate(slot_number s, time t, std::uint64_t hash) {
        busy_guard const guard{busy_};
        auto const why = why_it_goes(s, t);
        take_off(s, hash, why);
        if constexpr (calls_out) --size_;  // a destructor may look
        store_.erase(hash, s);
        if constexpr (calls_out) ++size_;
        stats_.left(why);
        return s;
    }
    void take_off(slot_number s, [[maybe_unused]] std::uint64_t hash, removal why) noexcept {
        if (why == removal::evicted) {
            order_.on_evict(s, hash);
        } else {
            order_.on_erase(s);
        }
        if constexpr (expires) expiry_.cancel(s);
        if constexpr (weighs) weight_ -= weights_[s];
    }

    void report(removal why, [[maybe_unused]] Key const& key, [[maybe_unused]] Value& value) {
        stats_.left(why);
        if constexpr (listens) {
            busy_guard const guard{busy_};
            options_.on_removal(why, key, value);
        }
    }

    std::size_t purge_at([[maybe_unused]] time t) {
        std::size_t count = 0;
        if constexpr (expires) {
            for (auto s = expiry_.earliest(); s != no_slot && is_expired(s, t); s = expiry_.earliest()) {
                evict(s, t, options_.hash(store_.key(s)));
                ++count;
            }
        }
        return count;
    }

    [[nodiscard]] slot_number any() { return size_ == 0 ? no_slot : order_.victim(); }
    void drop_all() noexcept {
        if constexpr (!std::is_trivially_destructible_v<Key> || !std::is_trivially_destructible_v<Value>) {
            order_.for_each([&](slot_number s) {
                const_cast<Key&>(store_.key(s)).~Key();
                store_.value(s).~Value();
            });
        }
    }

    [[nodiscard]] static order make_order(std::size_t slots, admission const& a) {
        if constexpr (std::constructible_from<order, std::size_t, admission const&>) {
            return order(slots, a);
        } else {
            return order(slots);
        }
    }

    [[nodiscard]] bool is_busy() const noexcept { return calls_out && busy_; }
    struct busy_guard {
        explicit busy_guard(bool& flag) noexcept : flag_{flag} {
            if constexpr (calls_out) before_ = std::exchange(flag, true);
        }
        busy_guard(busy_guard const&) = delete;
        busy_guard& operator=(busy_guard const&) = delete;
        ~busy_guard() {
            if constexpr (calls_out) flag_ = before_;
        }
        bool& flag_;
        bool before_ = false;
    };

    [[no_unique_address]] options options_;
    typename storage::template store<Key, Value> store_;
    order order_;
    [[no_unique_address]] expiry expiry_;
    detail::array<std::uint64_t> weights_;  // per slot; none with unit_weight
    std::uint64_t weight_ = 0;
    std::size_t size_ = 0;
    bool busy_ = false;  // a listener is running, or a destructor
    [[no_unique_address]] typename Policies::stats stats_{};
};

}  // namespace muster::cache
