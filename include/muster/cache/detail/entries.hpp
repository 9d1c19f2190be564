// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The entries of a cache: where they are, the order in which they are given up, when they expire and what they weigh
/// together.
///
/// Idea: the store, the order of eviction, the deadlines and the weights all number entries by the same slots. Whoever
/// takes an entry in or out must tell all of them; here is the only place that does, so that they agree at every
/// instant at which user code runs. What a `put` means and whether it may be done is the cache's to judge.
///
/// Algorithm: an entry that comes in takes the place of the first one that has expired, or else of the order's victim;
/// where nobody has to be told, straight from one to the other. A value that stays in its place is exchanged there; one
/// that has grown is taken out and put in like a new one, and put back when there was an exception.
///
/// Source: ours.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include <muster/cache/concepts.hpp>
#include <muster/cache/defaults.hpp>
#include <muster/cache/detail/array.hpp>
#include <muster/cache/detail/unless_done.hpp>
#include <muster/cache/expiry.hpp>
#include <muster/cache/policies.hpp>

namespace muster::cache::detail {

/// What a @ref cache holds, by slots. Times are the caller's; a deadline that is reached has passed. While a listener
/// or a destructor of an entry runs it @ref is_busy, and only what is const may be called. Not thread-safe. O(1) each,
/// unless something else is said.
template <class Key, class Value, class Policies>
class entries {
public:
    using storage = typename Policies::storage;
    using expiry = typename Policies::expiry;
    using admission = typename Policies::admission;
    using order = typename admission::template order<typename Policies::eviction>;
    using touching = typename Policies::touch;
    using time = typename expiry::time;
    using options = cache_options<Policies>;
    using store = typename storage::template store<Key, Value>;

    /// Which policies there are to ask, and to tell. @{
    static constexpr bool expires = !std::same_as<expiry, no_expiry>;
    static constexpr bool weighs = !std::same_as<typename Policies::weight, unit_weight>;
    static constexpr bool listens = !std::same_as<typename Policies::listener, no_listener>;
    static constexpr bool judges = requires(order & o, Key const& k, Value const& v) { o.on_arrival(k, v); };
    /// @}

    /// Takes all memory that the entries will ever use.
    explicit entries(options o)
        : options_{std::move(o)},
          store_{options_.entries_max < slots_max ? options_.entries_max : slots_max},
          order_{make_order(store_.slots(), options_.admit)},
          expiry_{store_.slots(), options_.expiry_settings},
          weights_{weighs ? store_.slots() : 0} {
        if (options_.weight_max < options_.entry_weight_max) options_.entry_weight_max = options_.weight_max;
    }
    entries(entries const&) = delete;
    entries& operator=(entries const&) = delete;
    ~entries() {
        busy_guard const guard{busy_};  // destructors may re-enter
        drop_all();
    }

    // ---- what is here -----------------------------------------------------------------------------------

    /// What it was made with.
    [[nodiscard]] options const& settings() const noexcept { return options_; }
    /// Entries that take up room, the expired among them.
    [[nodiscard]] std::size_t count() const noexcept { return size_; }
    /// What they weigh together; their number, with `unit_weight`.
    [[nodiscard]] std::uint64_t weight() const noexcept { return weighs ? weight_ : size_; }
    /// What the entry at @p s weighs.
    [[nodiscard]] std::uint64_t weight_of([[maybe_unused]] slot_number s) const noexcept {
        return weighs ? weights_[s] : 1;
    }
    /// Storage, order of eviction and deadlines, to be asked what only they know; of entries they are told here. @{
    [[nodiscard]] store const& places() const noexcept { return store_; }
    [[nodiscard]] order& ranks() noexcept { return order_; }
    [[nodiscard]] order const& ranks() const noexcept { return order_; }
    [[nodiscard]] expiry& deadlines() noexcept { return expiry_; }
    [[nodiscard]] expiry const& deadlines() const noexcept { return expiry_; }
    [[nodiscard]] typename Policies::stats& stats() noexcept { return stats_; }
    [[nodiscard]] typename Policies::stats const& stats() const noexcept { return stats_; }
    /// @}
    /// Whether user code is being run, which must not change anything.
    [[nodiscard]] bool is_busy() const noexcept { return calls_out && busy_; }
    /// Whether the deadline of the entry at @p s has passed.
    [[nodiscard]] bool is_expired([[maybe_unused]] slot_number s, [[maybe_unused]] time t) const noexcept {
        if constexpr (expires) return expiry_.deadline(s) <= t;
        return false;
    }

    // ---- looking ----------------------------------------------------------------------------------------

    /// What @p key is found by.
    template <class K>
    [[nodiscard, gnu::always_inline]] std::uint64_t hash_of(K const& key) const {
        return options_.hash(key);
    }
    /// The slot of @p key, which may have expired, or `no_slot`.
    template <class K>
    [[nodiscard, gnu::always_inline]] slot_number find(std::uint64_t hash, K const& key) const {
        return store_.find(hash, key, typename Policies::equal{});
    }
    /// The slot of @p key, or `no_slot`, also where it has expired: that entry is removed on the way.
    template <class K>
    [[nodiscard, gnu::always_inline]] slot_number find_alive(std::uint64_t hash, K const& key, time t) {
        auto const s = find(hash, key);
        if (s == no_slot || !is_expired(s, t)) [[likely]]
            return s;
        remove_expired(s, hash);
        return no_slot;
    }
    /// The value at @p s for a look-up, which is counted; nullptr for `no_slot`.
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
    /// Tells of a use.
    void use(slot_number s, std::uint64_t hash, [[maybe_unused]] time t) noexcept {
        tell_hit(order_, s, hash);
        if constexpr (expires) expiry_.on_hit(s, t);
    }

    // ---- coming in --------------------------------------------------------------------------------------

    /// Takes a new entry in, and makes room for it. @p key and @p value are moved from. Expects that it may be there.
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

    /// Exchanges the value at @p s; false, and nothing has changed, when the new one is too heavy to stay there.
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
                tell_hit(order_, s, hash);
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

    /// A value that is heavier than there is room for, or charged to another source, is put like a new entry. The old
    /// one is taken out meanwhile; its listener is told when the new one is in. When the new one is rejected the old
    /// one is put back, which cannot fail, since its place is still free. Not inlined, to keep other puts fast.
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
        unless_done undo{[&]() noexcept {
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

    // ---- leaving ----------------------------------------------------------------------------------------

    /// Removes the entry at @p s. Neither a listener nor its destructor may re-enter meanwhile.
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
    /// Tells of an entry that has left, or never came in.
    void report(removal why, [[maybe_unused]] Key const& key, [[maybe_unused]] Value& value) {
        stats_.left(why);
        if constexpr (listens) {
            busy_guard const guard{busy_};
            options_.on_removal(why, key, value);
        }
    }

    /// Removes what has expired; says how many entries that were. O(that many).
    std::size_t purge_at([[maybe_unused]] time t) {
        std::size_t count = 0;
        if constexpr (expires) {
            for (auto s = expiry_.earliest(); s != no_slot && is_expired(s, t); s = expiry_.earliest()) {
                evict(s, t, hash_of(store_.key(s)));
                ++count;
            }
        }
        return count;
    }

    /// Removes everything.
    void clear() {
        while (size_ != 0) {
            auto const s = order_.victim();
            remove(s, hash_of(store_.key(s)), removal::cleared);
        }
    }

private:
    // Whether a removal can run user code (of keys, values or a listener) that re-enters.
    template <class T>
    static constexpr bool is_quiet = std::is_trivially_move_constructible_v<T>&& std::is_trivially_destructible_v<T>;
    static constexpr bool calls_out = listens || !is_quiet<Key> || !is_quiet<Value>;
    // Whether the new entry can take the evicted one's place directly: no listener is told, and no weights are summed.
    static constexpr bool hands_over = !listens && !weighs;
    static constexpr bool foresees = requires(order & o, store const& s) {
        o.scout();
        s.is_far();
    };

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

    // Not inlined: inlined, it makes a hit 2 ns slower.
    [[gnu::noinline, gnu::cold]] void remove_expired(slot_number s, std::uint64_t hash) {
        remove(s, hash, removal::expired);
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

    // A place for an entry of @p weight, which counts as one already.
    [[nodiscard]] slot_number claim_place(std::uint64_t weight, time t) {
        if constexpr (judges) {
            if (order_.forfeit() != no_slot) purge_at(t);
            for (auto s = order_.forfeit(); s != no_slot; s = order_.forfeit()) {
                evict(s, t, hash_of(store_.key(s)));
            }
        }
        while (size_ == store_.capacity() || (weighs && weight_ > options_.weight_max - weight)) {
            auto const s = next_victim(t);
            auto const hash = hash_of(store_.key(s));
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

    [[no_unique_address]] options options_;
    store store_;
    order order_;
    [[no_unique_address]] expiry expiry_;
    array<std::uint64_t> weights_;  // per slot; none with unit_weight
    std::uint64_t weight_ = 0;
    std::size_t size_ = 0;
    bool busy_ = false;  // a listener is running, or a destructor
    [[no_unique_address]] typename Policies::stats stats_{};
};

}  // namespace muster::cache::detail
