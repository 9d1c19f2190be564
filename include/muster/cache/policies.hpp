// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The small policies of a cache: what a use is, what an entry weighs, where the time comes from, who is told, what is
/// counted. The defaults cost nothing.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <muster/core/enumeration.hpp>

namespace muster::cache {

/// Says by two constants which calls count as a use of an entry that exists.
template <class T>
concept touch_policy = requires {
    requires std::same_as<decltype(T::get), bool const>;
    requires std::same_as<decltype(T::put), bool const>;
};

/// Which calls count as a use of an entry that exists. Inserting one always does. @{
struct touch_on_get {
    static constexpr bool get = true;
    static constexpr bool put = false;
};
struct touch_on_put {
    static constexpr bool get = false;
    static constexpr bool put = true;
};
struct touch_on_both {
    static constexpr bool get = true;
    static constexpr bool put = true;
};
/// @}

/// Every entry is admitted like any other.
struct always {
    template <class Eviction>
    using order = Eviction;
};

/// Every entry weighs the same: only their number is bounded.
struct unit_weight {};

/// Weighs entries for the bound on their sum.
///
/// Semantics: `weigh(key, value)`, an integer, is asked once, when the entry is put, and must not depend on anything
/// else. A negative one is too heavy for any bound. O(1).
template <class W, class Key, class Value>
concept weigher = requires(W const& w, Key const& k, Value const& v) {
    { w(k, v) } -> std::integral;
};

/// @p a and @p b, or the largest number when that is less.
[[nodiscard]] constexpr std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) noexcept {
    return a + b < a ? ~std::uint64_t{0} : a + b;
}

/// Weighs entries by the bytes that @p SizeOf says key and value take beside themselves; what is beyond 2^64 - 1 weighs
/// that, and a negative size as well.
template <class SizeOf>
struct byte_weight {
    [[no_unique_address]] SizeOf size_of = {};

    template <class Key, class Value>
    requires weigher<SizeOf, Key, Value>
    [[nodiscard]] std::uint64_t operator()(Key const& k, Value const& v) const {
        return saturating_sum(sizeof(Key) + sizeof(Value), static_cast<std::uint64_t>(size_of(k, v)));
    }
};

/// The time comes with each call, as its last argument. Nothing is dearer in a cache hit than reading a clock.
struct caller_time {};

/// Asks a clock that is borrowed for the monotonic time.
template <class Clock>
class monotonic_time {
public:
    explicit monotonic_time(Clock const& c) noexcept : clock_{&c} {}
    [[nodiscard]] auto now() const noexcept { return clock_->now(); }

private:
    Clock const* clock_;
};
/// Asks a clock that is borrowed for the wall time.
template <class Clock>
class wall_time {
public:
    explicit wall_time(Clock const& c) noexcept : clock_{&c} {}
    [[nodiscard]] auto now() const noexcept { return clock_->wall_now(); }

private:
    Clock const* clock_;
};

/// Where a cache gets the time from: the caller, or `now()`, which returns the kind of time that the expiry counts in.
template <class S, class Time>
concept time_source_for = std::same_as<S, caller_time> || requires(S const& s) {
    { s.now() } -> std::same_as<Time>;
};

/// Why an entry left, or did not enter.
MUSTER_ENUMERATION(removal, 0,
                   evicted,   ///< It made room.
                   expired,   ///< Its time was over.
                   erased,    ///< By `erase`.
                   replaced,  ///< The value made way for a new one under the same key.
                   cleared,   ///< By `clear`.
                   rejected,  ///< It never entered: too heavy, expired already, or not admitted.
                   withdrawn  ///< A newer value under the same key was rejected, and this one is not true any more.
);

/// Nobody is told.
struct no_listener {};

/// Is told of every entry that leaves.
///
/// Semantics: called as `listener(why, key, value)` when the cache is consistent again and the entry is in it no more;
/// may move from the value. A call of the cache from inside is refused and changes nothing. What it throws reaches the
/// caller of the cache, which stays intact.
template <class L, class Key, class Value>
concept removal_listener = requires(L& l, removal why, Key const& k, Value& v) {
    l(why, k, v);
};

/// Is told of each look-up, insertion and departure, and adds up what several caches were told. Nothing throws.
template <class S>
concept stats_policy = std::default_initializable<S> && requires(S& s, S const& other, removal why) {
    s.hit();
    s.miss();
    s.insertion();
    s.left(why);
    s += other;
};

/// Nothing is counted.
struct no_stats {
    void hit() noexcept {}
    void miss() noexcept {}
    void insertion() noexcept {}
    void left(removal) noexcept {}
    no_stats& operator+=(no_stats const&) noexcept { return *this; }
};

/// Counts since the cache was made. Not thread-safe.
struct counters {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t insertions = 0;  ///< New keys.
    std::uint64_t evictions = 0;
    std::uint64_t expirations = 0;
    std::uint64_t erasures = 0;  ///< By `erase` and `clear`.
    std::uint64_t replacements = 0;
    std::uint64_t rejections = 0;
    std::uint64_t withdrawals = 0;  ///< Entries that went because a newer value was rejected.

    void hit() noexcept { ++hits; }
    void miss() noexcept { ++misses; }
    void insertion() noexcept { ++insertions; }
    void left(removal why) noexcept {
        switch (why) {
            case removal::evicted: ++evictions; break;
            case removal::expired: ++expirations; break;
            case removal::erased:
            case removal::cleared: ++erasures; break;
            case removal::replaced: ++replacements; break;
            case removal::rejected: ++rejections; break;
            case removal::withdrawn: ++withdrawals; break;
        }
    }
    counters& operator+=(counters const& other) noexcept {
        hits += other.hits;
        misses += other.misses;
        insertions += other.insertions;
        evictions += other.evictions;
        expirations += other.expirations;
        erasures += other.erasures;
        replacements += other.replacements;
        rejections += other.rejections;
        withdrawals += other.withdrawals;
        return *this;
    }
    bool operator==(counters const&) const = default;
};

/// A cache dies with its process.
struct no_persistence {};

/// A cache belongs to one thread at a time.
struct one_thread {};

/// Keeps threads apart, as `std::mutex` does: the BasicLockable of the standard library.
///
/// Semantics: `lock()` waits until no other thread has it, `unlock()` gives it back and lets the next one see all that
/// was written meanwhile. It is made without arguments, one for each shard. Nobody locks one twice.
template <class L>
concept basic_lockable = std::default_initializable<L> && requires(L& l) {
    l.lock();
    l.unlock();
};

/// One lock for all of a `shared_cache`.
template <basic_lockable Lock>
struct locked {
    using lock = Lock;
    static constexpr std::size_t shards = 1;
};

/// Shards of a `shared_cache`, each with a lock and a part of the entries: two threads wait for one another when they
/// come to the same shard at once.
template <basic_lockable Lock, std::size_t Shards = 16>
struct sharded {
    static_assert(Shards >= 1, "sharded<Lock, 0> has no shard to keep an entry in: name at least one");
    using lock = Lock;
    static constexpr std::size_t shards = Shards;
};

/// Says by a lock and a number how threads are kept apart in a `shared_cache`.
template <class T>
concept threading_policy = basic_lockable<typename T::lock> && requires {
    { T::shards } -> std::convertible_to<std::size_t>;
    requires T::shards >= 1;
};

/// Compares a stored key with what is looked up; with @p Key itself at least.
template <class E, class Key>
concept key_equality = std::default_initializable<E> && std::predicate<E const&, Key const&, Key const&>;

/// Compares keys of any types that `==` compares; integers by their values.
struct equal_keys {
private:
    template <class T>
    static constexpr bool is_number =
        std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
        !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

public:
    template <class A, class B>
    [[nodiscard]] bool operator()(A const& a, B const& b) const {
        if constexpr (is_number<A> && is_number<B>) {
            return std::cmp_equal(a, b);
        } else {
            return a == b;
        }
    }
};

}  // namespace muster::cache
