// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Two kinds of time that do not convert, the clock concepts that give them, and a clock to move by hand.
///
/// `instant` is monotonic and only means something inside one process: deadlines. `timestamp` is wall
/// time in Unix milliseconds: what is written to disk or sent to others. The tags have no `now()`, so
/// machines cannot read a clock even by accident; they are handed the time.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>

#include <muster/core/version.hpp>

namespace muster {

/// A span of time, in nanoseconds.
using duration = std::chrono::nanoseconds;

namespace detail {
/// Clock tag without `now()`, like `std::chrono::local_t`.
template <class Tag, class Duration>
struct clock_tag {
    using duration = Duration;
    using rep = typename Duration::rep;
    using period = typename Duration::period;
    using time_point = std::chrono::time_point<clock_tag, Duration>;
    static constexpr bool is_steady = Tag::is_steady;
};
struct monotonic_tag {
    static constexpr bool is_steady = true;
};
struct unix_tag {
    static constexpr bool is_steady = false;
};
}  // namespace detail

/// A point of monotonic time; its epoch is arbitrary and private to the process.
using instant = std::chrono::time_point<detail::clock_tag<detail::monotonic_tag, duration>>;
/// A point of wall time: milliseconds since 1970-01-01 UTC, leap seconds not counted.
using timestamp = std::chrono::time_point<detail::clock_tag<detail::unix_tag, std::chrono::milliseconds>>;
/// When a machine next wants to be woken; `nullopt` when it waits for events only.
using deadline = std::optional<instant>;

/// The number that stands for @p t on disk and on the wire.
[[nodiscard]] constexpr std::int64_t to_unix_millis(timestamp t) noexcept { return t.time_since_epoch().count(); }
/// The timestamp @p millis milliseconds after the Unix epoch.
[[nodiscard]] constexpr timestamp from_unix_millis(std::int64_t millis) noexcept {
    return timestamp{std::chrono::milliseconds{millis}};
}

/// `at + by`, or the end of time when that would overflow. Expects `by >= 0`.
[[nodiscard]] constexpr instant saturating_add(instant at, duration by) noexcept {
    return by > instant::max() - at ? instant::max() : at + by;
}

/// `later - earlier`, or the longest or shortest span where that would overflow: either may have come from outside.
[[nodiscard]] constexpr std::chrono::milliseconds saturating_difference(timestamp later, timestamp earlier) noexcept {
    using span = std::chrono::milliseconds;
    auto const a = to_unix_millis(later), b = to_unix_millis(earlier);
    if (b < 0 && a > span::max().count() + b) return span::max();
    if (b > 0 && a < span::min().count() + b) return span::min();
    return span{a - b};
}
/// `at + by`, or the end of time when that would overflow. Expects `by >= 0`.
[[nodiscard]] constexpr timestamp saturating_add(timestamp at, std::chrono::milliseconds by) noexcept {
    return at > timestamp::max() - by ? timestamp::max() : at + by;
}

/// The earlier of two deadlines, where no deadline means never.
[[nodiscard]] constexpr deadline earlier(deadline a, deadline b) noexcept {
    if (!a) return b;
    if (!b) return a;
    return *a < *b ? a : b;
}

/// Gives monotonic time. Semantics: successive values never decrease. O(1).
template <class C>
concept monotonic_clock = requires(C const& clock) {
    { clock.now() }
    noexcept->std::same_as<instant>;
};

/// Gives wall time. Semantics: may jump in either direction; nothing may be ordered by it. O(1).
template <class C>
concept wall_clock = requires(C const& clock) {
    { clock.wall_now() }
    noexcept->std::same_as<timestamp>;
};

/// Both kinds of time, for compositions that have deadlines and also talk to other machines.
template <class C>
concept clock = monotonic_clock<C> && wall_clock<C>;

/// A clock that moves only when it is told to. The two kinds of time move apart at will.
/// Not thread-safe.
class manual_clock {
public:
    /// Starts at the given times; the defaults are one hour of monotonic time and 2025-01-01.
    explicit constexpr manual_clock(instant now = instant{std::chrono::hours{1}},
                                    timestamp wall = from_unix_millis(1'735'689'600'000)) noexcept
        : now_{now}, wall_{wall} {}

    [[nodiscard]] constexpr instant now() const noexcept { return now_; }
    [[nodiscard]] constexpr timestamp wall_now() const noexcept { return wall_; }

    /// Moves both kinds of time forward. Expects `by >= 0`.
    constexpr void advance(duration by) noexcept {
        now_ = saturating_add(now_, by);
        wall_ += std::chrono::duration_cast<std::chrono::milliseconds>(by);
    }
    /// Sets wall time alone, as an operator or NTP would.
    constexpr void set_wall(timestamp wall) noexcept { wall_ = wall; }

private:
    instant now_;
    timestamp wall_;
};
static_assert(clock<manual_clock>);

}  // namespace muster
