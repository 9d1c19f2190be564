// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// When entries stop being true.
///
/// An entry is expired from its deadline on: at that very moment it is neither returned nor counted any more. Time is
/// any ordered type with a duration, such as `muster::instant` or `muster::timestamp`; a cache has one kind, and kinds
/// do not mix. Deadlines that would lie beyond the end of time are the end of time; a time to live of zero or less is
/// over at once.
///
/// Time that a caller tells may be wrong once, by years, in either direction, and later calls must not suffer from it.
/// Whether an entry has expired is judged by the time that the call tells. Deadlines under one time to live are counted
/// from the latest time that was told, so that entries stand in their order; when two calls in a row are more than a
/// time to live before it, it was wrong, and what was put since counts as put at the first of the two. Wall clocks are
/// set, so wall time that goes back by less is believed at once, and no entry has longer than one that is put then. So
/// a wrong call removes what it finds expired, and does no other harm.
///
/// Expired entries are found without looking at the others: under one time to live, the order of insertion is the
/// order of expiry and a list will do; with a deadline of its own for each entry a four-way heap is kept.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include <muster/cache/detail/array.hpp>
#include <muster/cache/detail/slot_lists.hpp>

namespace muster::cache {

/// Time of caches without expiry.
struct no_time {
    bool operator==(no_time const&) const = default;
};

/// Entries stay until they are evicted or erased.
struct no_expiry {
    using time = no_time;
    struct settings {};
    no_expiry(std::size_t, settings) noexcept {}
};

/// What a cache asks of an expiry policy that is not `no_expiry`.
///
/// Semantics: `schedule(slot, at)` sets the deadline of a new entry, `cancel(slot)` forgets it, `on_hit(slot, now)` is
/// told of a use. `earliest()` is the slot with the earliest deadline, or `no_slot`. O(log n) or better. Where it
/// has `tell(now)`, that is called with the time of each call that may change the cache, before anything else.
template <class E>
concept expiry_policy = requires(E& e, E const& c, slot_number s, typename E::time t) {
    typename E::settings;
    e.schedule(s, t);
    e.cancel(s);
    e.on_hit(s, t);
    { c.earliest() } -> std::same_as<slot_number>;
    { c.deadline(s) } -> std::same_as<typename E::time>;
};

/// The end of time, as far as @p Time goes.
template <class Time>
[[nodiscard]] constexpr Time end_of_time() noexcept {
    if constexpr (requires { Time::max(); }) {
        return Time::max();
    } else {
        return std::numeric_limits<Time>::max();
    }
}

/// The time before all others.
template <class Time>
[[nodiscard]] constexpr Time beginning_of_time() noexcept {
    if constexpr (std::same_as<Time, no_time>) {
        return {};
    } else if constexpr (requires { Time::min(); }) {
        return Time::min();
    } else {
        return std::numeric_limits<Time>::lowest();
    }
}

/// @p at and @p by, or the end of time when that is earlier; @p at itself when @p by is zero or less.
template <class Time, class Duration>
[[nodiscard]] constexpr Time saturating_after(Time at, Duration by) noexcept {
    if (!(Duration{} < by)) return at;
    return at > end_of_time<Time>() - by ? end_of_time<Time>() : at + by;
}

/// Whether clocks of @p Time may be set back: those that say of themselves that they are not steady.
template <class Time>
[[nodiscard]] constexpr bool is_wall_time() noexcept {
    if constexpr (requires { Time::clock::is_steady; }) return !Time::clock::is_steady;
    return false;
}

/// The latest time that was told, unless it turned out to be wrong.
template <class Time>
class latest_time {
public:
    [[nodiscard]] Time get() const noexcept { return latest_; }
    /// Whether the last time that was told lies far before it, and may be the wrong one of the two.
    [[nodiscard]] bool is_doubted() const noexcept { return is_doubted_; }
    /// Takes the time @p now. True when it is the second in a row that lies more than @p tolerance before the latest:
    /// that was wrong then, and @ref get is the first of the two.
    template <class Duration>
    [[nodiscard, gnu::always_inline]] bool tell(Time now, Duration tolerance) noexcept {
        if (now < latest_) [[unlikely]]
            return is_wrong(now, tolerance);
        set(now);
        return false;
    }
    void set(Time now) noexcept {
        latest_ = now;
        is_doubted_ = false;
    }

private:
    template <class Duration>
    [[gnu::noinline]] bool is_wrong(Time now, Duration tolerance) noexcept {
        bool const is_far = saturating_after(now, tolerance) < latest_;
        if (is_far && is_doubted_) {
            set(doubted_at_);
            return true;
        }
        is_doubted_ = is_far;
        doubted_at_ = now;
        return false;
    }

    Time latest_ = beginning_of_time<Time>();
    Time doubted_at_{};
    bool is_doubted_ = false;
};

/// Whether a use gives an entry of the expiry policy @p E a later deadline.
template <class E>
inline constexpr bool renewed_by_use = requires {
    requires E::is_renewed_by_use;
};

/// What a uniform time to live is counted from.
enum class since : std::uint8_t {
    write,  ///< The insertion or replacement.
    use,    ///< That, or the last hit.
};

/// The same time to live for every entry. 16 bytes an entry.
template <class Time, since From = since::write>
class uniform_expiry {
public:
    using time = Time;
    static constexpr bool is_renewed_by_use = From == since::use;
    struct settings {
        decltype(std::declval<Time>() - std::declval<Time>()) time_to_live;  ///< With zero or less nothing gets in.
    };

    uniform_expiry(std::size_t slots, settings const& s) : settings_{s}, lists_{slots, 1}, deadlines_{slots} {}

    [[nodiscard]] Time deadline_after(Time now) const noexcept {
        return saturating_after(now < latest_.get() ? latest_.get() : now, settings_.time_to_live);
    }
    void schedule(slot_number s, Time at) noexcept {
        deadlines_[s] = at;
        lists_.push(0, s);
    }
    void cancel(slot_number s) noexcept { lists_.unlink(s); }
    void on_hit(slot_number s, Time now) noexcept {
        if constexpr (From == since::use) {
            deadlines_[s] = deadline_after(now);
            lists_.move(0, s);
        }
    }
    [[nodiscard]] slot_number earliest() const noexcept { return lists_.back(0); }
    [[nodiscard]] Time deadline(slot_number s) const noexcept { return deadlines_[s]; }
    /// Takes the time of a call. O(1), and O(n) when it was set back.
    void tell(Time now) noexcept {
        bool was_set_back = latest_.tell(now, settings_.time_to_live);
        if (is_wall_time<Time>() && now < latest_.get() && !latest_.is_doubted()) {
            latest_.set(now);
            was_set_back = true;
        }
        if (!was_set_back) [[likely]]
            return;
        cut_deadlines();
        (void)latest_.tell(now, settings_.time_to_live);
    }
    /// After deadlines were scheduled in any order: brings them in order.
    void sort() noexcept {
        lists_.sort(0, [this](slot_number a, slot_number b) { return deadlines_[a] < deadlines_[b]; });
    }

private:
    // The time has gone back: nothing has longer than what is put now. O(n).
    [[gnu::noinline]] void cut_deadlines() noexcept {
        auto const last = deadline_after(latest_.get());
        lists_.for_each(0, [&](slot_number s) {
            if (last < deadlines_[s]) deadlines_[s] = last;
        });
    }

    settings settings_;
    latest_time<Time> latest_;
    detail::slot_lists lists_;
    detail::array<Time> deadlines_;
};

/// A deadline for each entry, given with it. 16 bytes an entry for times of 8.
template <class Time>
class per_entry_expiry {
public:
    using time = Time;
    struct settings {};

    per_entry_expiry(std::size_t slots, settings) : heap_{slots}, places_{slots}, deadlines_{slots} {}

    void schedule(slot_number s, Time at) noexcept {
        deadlines_[s] = at;
        rise(size_++, s);
    }
    void cancel(slot_number s) noexcept {
        auto const place = places_[s];
        auto const last = heap_[--size_];
        if (last == s) return;
        if (place > 0 && deadlines_[last] < deadlines_[heap_[(place - 1) / arity]]) {
            rise(place, last);
        } else {
            sink(place, last);
        }
    }
    void on_hit(slot_number, Time) noexcept {}
    [[nodiscard]] slot_number earliest() const noexcept { return size_ == 0 ? no_slot : heap_[0]; }
    [[nodiscard]] Time deadline(slot_number s) const noexcept { return deadlines_[s]; }

private:
    static constexpr std::size_t arity = 4;

    void put(std::size_t place, slot_number s) noexcept {
        heap_[place] = s;
        places_[s] = static_cast<slot_number>(place);
    }
    void rise(std::size_t place, slot_number s) noexcept {
        while (place > 0) {
            auto const parent = (place - 1) / arity;
            if (!(deadlines_[s] < deadlines_[heap_[parent]])) break;
            put(place, heap_[parent]);
            place = parent;
        }
        put(place, s);
    }
    void sink(std::size_t place, slot_number s) noexcept {
        for (;;) {
            auto const first = place * arity + 1;
            auto least = first;
            for (auto c = first + 1; c < first + arity && c < size_; ++c) {
                if (deadlines_[heap_[c]] < deadlines_[heap_[least]]) least = c;
            }
            if (first >= size_ || !(deadlines_[heap_[least]] < deadlines_[s])) break;
            put(place, heap_[least]);
            place = least;
        }
        put(place, s);
    }

    detail::array<slot_number> heap_;    // by deadline
    detail::array<slot_number> places_;  // in the heap, per slot
    detail::array<Time> deadlines_;      // per slot
    std::size_t size_ = 0;
};

/// A deadline that the value itself tells: @p ExpiresAt is called with it and returns the time. Otherwise as
/// @ref per_entry_expiry.
template <class Time, class ExpiresAt>
class value_expiry : public per_entry_expiry<Time> {
public:
    struct settings {
        [[no_unique_address]] ExpiresAt expires_at = {};
    };

    value_expiry(std::size_t slots, settings s) : per_entry_expiry<Time>{slots, {}}, settings_{std::move(s)} {}

    template <class Value>
    [[nodiscard]] Time deadline_of(Value const& v) const {
        static_assert(std::is_invocable_r_v<Time, ExpiresAt const&, Value const&>,
                      "value_expiry<Time, F> does not tell the deadline of such values: name a const function of a "
                      "value that returns that kind of time");
        return settings_.expires_at(v);
    }

private:
    [[no_unique_address]] settings settings_;
};

}  // namespace muster::cache
