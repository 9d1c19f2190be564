// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The hybrid logical clock: times near the wall's that also follow cause and effect.
///
/// Wall clocks of different machines differ, and jump; so of two writes the later one by the wall may be the earlier
/// one by cause, and is lost where the later time wins. A hybrid time is the wall's millisecond and a counter. Each new
/// one is greater than all that its author had seen, and as near to the wall as that allows, so that "happened after"
/// implies "is greater", and "is greater" mostly means "was later".
///
/// 64 bits: 48 of milliseconds since 1970, which last until the year 10889, and 16 of a counter; where the counter
/// overflows, it carries into the milliseconds. One who is far ahead of the wall would pull everybody along, so what
/// others say is taken up to a bound only.
/// @see Kulkarni, Demirbas, Madappa, Avva, Leone, "Logical Physical Clocks", OPODIS 2014.

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

#include <muster/core/time.hpp>

namespace muster {

/// A hybrid time. Regular, totally ordered.
struct hybrid_time {
    std::uint64_t bits = 0;  ///< Milliseconds since 1970 in the upper 48, the counter in the lower 16.

    /// The first hybrid time of the millisecond @p wall; what is out of range becomes the first or the last.
    [[nodiscard]] static constexpr hybrid_time at(timestamp wall) noexcept {
        auto const millis = std::clamp<std::int64_t>(to_unix_millis(wall), 0, (std::int64_t{1} << 48) - 1);
        return {static_cast<std::uint64_t>(millis) << 16};
    }
    /// The millisecond it is of.
    [[nodiscard]] constexpr timestamp wall() const noexcept {
        return from_unix_millis(static_cast<std::int64_t>(bits >> 16));
    }
    [[nodiscard]] std::string to_text() const {
        return std::to_string(bits >> 16) + "." + std::to_string(bits & 0xffff);
    }

    constexpr auto operator<=>(hybrid_time const&) const = default;
};

/// Gives hybrid times, each greater than all that it has seen. Regular; not thread-safe.
class hybrid_clock {
public:
    /// How far ahead of the wall others may be. Ours: CockroachDB gives up at 0.5 s, and people's machines are not kept
    /// by NTP as data centres are.
    static constexpr std::chrono::milliseconds ahead_max{120'000};

    constexpr hybrid_clock() noexcept = default;
    /// Goes on from the greatest that was given or seen before, as it was written down.
    explicit constexpr hybrid_clock(hybrid_time last) noexcept : last_{last} {}

    /// A new one, for something that happens at @p wall. Expects that fewer than 2^64 were given.
    [[nodiscard]] constexpr hybrid_time next(timestamp wall) noexcept {
        last_ = std::max(hybrid_time::at(wall), hybrid_time{last_.bits + 1});
        return last_;
    }
    /// Whether @p seen is one that others may have at @p wall: a later one is not to be taken now.
    [[nodiscard]] static constexpr bool is_near(hybrid_time seen, timestamp wall) noexcept {
        return saturating_difference(seen.wall(), wall) <= ahead_max;
    }
    /// Takes note of @p seen, so that what happens from here on is greater. What is not near is not followed.
    /// @return whether it was.
    constexpr bool observe(hybrid_time seen, timestamp wall) noexcept {
        if (!is_near(seen, wall)) return false;
        last_ = std::max(last_, seen);
        return true;
    }
    /// The greatest that was given or seen.
    [[nodiscard]] constexpr hybrid_time last() const noexcept { return last_; }

    bool operator==(hybrid_clock const&) const = default;

private:
    hybrid_time last_;
};

}  // namespace muster
