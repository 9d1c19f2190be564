// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Allows a steady rate, and bursts.
///
/// Idea: a token bucket without a bucket. One instant says when everything that was allowed would have been done at the
/// steady rate; what comes is allowed as long as that is not more than a burst ahead.
///
/// Source: the generic cell rate algorithm, ITU-T I.371, in its virtual-scheduling form.

#include <algorithm>
#include <chrono>
#include <cstddef>

#include <muster/core/time.hpp>

namespace muster {

/// A rate, and what is left of its burst. Three words of state. Not thread-safe.
class rate_limiter {
public:
    /// @param interval  between two at the steady rate; positive.
    /// @param burst     how many may come at once; at least 1.
    constexpr rate_limiter(duration interval, std::size_t burst) noexcept
        : interval_{interval}, tolerance_{interval * static_cast<duration::rep>(burst)} {}

    /// So many per second, and bursts of @p burst; of each at least one and at most 1,000,000,000.
    [[nodiscard]] static constexpr rate_limiter per_second(std::size_t rate, std::size_t burst) noexcept {
        constexpr std::size_t most = 1'000'000'000;
        auto const each = static_cast<duration::rep>(std::clamp<std::size_t>(rate, 1, most));
        return {duration{std::chrono::seconds{1}} / each, std::clamp<std::size_t>(burst, 1, most)};
    }
    /// The same with bursts of @p rate.
    [[nodiscard]] static constexpr rate_limiter per_second(std::size_t rate) noexcept { return per_second(rate, rate); }

    /// Takes @p cost of what is allowed; false, and nothing is taken, when that is too much. Time that goes back counts
    /// as standing still. O(1).
    [[nodiscard]] constexpr bool allow(instant now, std::size_t cost = 1) noexcept {
        auto const done = saturating_add(std::max(done_, now), interval_ * static_cast<duration::rep>(cost));
        if (done - now > tolerance_) return false;
        done_ = done;
        return true;
    }
    /// Takes @p cost whether it is allowed or not: what was done on somebody's account and is known only afterwards.
    /// What is not there is owed, and the next ones are allowed later by as much. O(1).
    constexpr void charge(instant now, std::size_t cost) noexcept {
        done_ = saturating_add(std::max(done_, now), interval_ * static_cast<duration::rep>(cost));
    }
    /// Whether all of the burst is there: forgetting this limiter then changes nothing.
    [[nodiscard]] constexpr bool is_idle(instant now) const noexcept { return done_ <= now; }

private:
    duration interval_;
    duration tolerance_;
    instant done_ = instant::min();
};

}  // namespace muster
