// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What is tried until it succeeds, such as to listen on a port that another program has for a while.
///
/// Idea: at once, then after a wait that doubles from one attempt to the next up to a bound. Nobody else waits for the
/// same, so no lots are drawn; where many do, see core/backoff.hpp.

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include <muster/core/time.hpp>
#include <muster/core/timers.hpp>

namespace muster::node {

/// The waits between attempts.
struct attempts_options {
    duration wait_min = std::chrono::seconds{1};  ///< Before the second attempt; positive. Ours.
    duration wait_max = std::chrono::minutes{1};  ///< At most. Ours.
};

/// One thing that is tried until it succeeds. Timers and clock are borrowed and outlive it. Not thread-safe; neither
/// copyable nor movable.
template <timers Timers, clock Clock>
class attempts {
public:
    /// Tries once. @return whether it has succeeded; if not, it is tried again after the wait that it is given.
    using attempt = std::function<bool(duration wait)>;

    attempts(Timers& by, Clock const& time, attempt tries, attempts_options const& o = {})
        : timers_{by}, time_{time}, tries_{std::move(tries)}, options_{o}, wait_{o.wait_min} {
        timers_.attach(wake_function::of<&attempts::wake>(*this));
    }
    attempts(attempts const&) = delete;
    attempts& operator=(attempts const&) = delete;
    ~attempts() {
        stop();
        timers_.attach({});
    }

    /// Tries at once, and again until it has succeeded or @ref stop.
    void start() {
        wait_ = options_.wait_min;
        next_ = time_.now();
        wake();
    }
    /// Tries no more; harmless when repeated.
    void stop() {
        next_.reset();
        timers_.disarm();
    }
    /// The next attempt may be due. Timers call it; early, late or twice is harmless.
    void wake() {
        auto const now = time_.now();
        if (!next_) return;
        if (now < *next_) return timers_.arm(*next_);
        auto const wait = wait_;
        next_ = saturating_add(now, wait);  // before the attempt, which may stop it
        if (tries_(wait)) return stop();
        wait_ = wait > options_.wait_max / 2 ? options_.wait_max : wait * 2;
        if (next_) timers_.arm(*next_);
    }
    /// When the next attempt is due; none where it has succeeded, or was stopped.
    [[nodiscard]] deadline next_deadline() const noexcept { return next_; }

private:
    Timers& timers_;
    Clock const& time_;
    attempt tries_;
    attempts_options options_;
    duration wait_;
    deadline next_;
};

}  // namespace muster::node
