// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How long to wait before trying again.
///
/// Idea: everybody who lost the same server must not come back at the same moment, again and again. Each wait is drawn
/// from an interval that grows with the last one.
///
/// Algorithm: decorrelated jitter, `uniform(min, min(max, 3 * last))`. The bound is put on the interval and not on the
/// draw, as it usually is: `min(max, uniform(min, 3 * last))` gives `max` itself two times out of three once it has
/// been reached, and then all wait alike.
///
/// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015; the bound is ours.

#include <chrono>
#include <cstdint>

#include <muster/core/random.hpp>
#include <muster/core/time.hpp>

namespace muster {

/// Waits that grow and differ. Regular; not thread-safe.
class backoff {
public:
    struct options {
        duration min = std::chrono::seconds{1};   ///< Shortest wait; positive.
        duration max = std::chrono::seconds{10};  ///< Longest wait; at least `min`.
    };

    explicit constexpr backoff(options const& o) noexcept : options_{o}, last_{o.min} {}

    /// The next wait, in [min, max]. The first is in [min, 3 * min]. O(1).
    template <random_source Source>
    [[nodiscard]] constexpr duration next(Source& source) {
        auto const longest = last_ > options_.max / 3 ? options_.max : last_ * 3;
        auto const width = static_cast<std::uint64_t>((longest - options_.min).count());
        last_ = options_.min + duration{static_cast<duration::rep>(uniform(source, width + 1))};
        return last_;
    }
    /// It has been away for @p span already: the next wait is in [min, span], or [min, 3 * min] where that is longer.
    constexpr void resume(duration span) noexcept {
        auto const third = span / 3;
        last_ = third < options_.min ? options_.min : third > options_.max ? options_.max : third;
    }
    /// It worked: the next wait is a first one.
    constexpr void reset() noexcept { last_ = options_.min; }

private:
    options options_;
    duration last_;
};

}  // namespace muster
