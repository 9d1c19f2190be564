// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Many deadlines over one model of timers.
///
/// A composition has one model of timers and several owners of deadlines: the coordinator, a cache that saves itself,
/// the manager of connections. Each has a line of the alarm; the timers are armed with the earliest of them, and only
/// when that changes. (POSIX has a function of the same name: where both are in view, say `muster::alarm`.) A line is
/// itself a model of timers, so that whatever takes timers takes a line.

#include <cstddef>
#include <utility>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/core/timers.hpp>

namespace muster {

/// Shares timers among lines. Not thread-safe; outlives its lines, and its timers outlive it.
template <timers Timers>
class alarm {
public:
    /// One owner's deadline. Models `timers`.
    class line {
    public:
        explicit line(alarm& of) : alarm_{of} { alarm_.lines_.push_back(this); }
        line(line const&) = delete;
        line& operator=(line const&) = delete;
        ~line() {
            disarm();
            for (auto*& l : alarm_.lines_) {
                if (l == this) l = nullptr;
            }
            if (!alarm_.is_ringing_) std::erase(alarm_.lines_, nullptr);
        }

        /// Whom to wake.
        void attach(wake_function wake) noexcept { wake_ = wake; }
        /// Wakes at @p at instead of when it was to. Nothing is done where that is the same. O(lines).
        void set(deadline at) {
            if (std::exchange(at_, at) != at) alarm_.rearm();
        }
        void arm(instant at) { set(at); }
        void disarm() { set({}); }
        /// Wakes at @p at or before: for a deadline that moves back often, and where an early wake-up costs less than
        /// arming.
        void wake_by(deadline at) {
            if (!at || !at_ || *at < *at_) set(at);
        }
        /// When it is to wake.
        [[nodiscard]] deadline armed() const noexcept { return at_; }

    private:
        friend alarm;
        alarm& alarm_;
        wake_function wake_;
        deadline at_;
    };

    explicit alarm(Timers& over) : timers_{over} { timers_.attach(wake_function::of<&alarm::ring>(*this)); }
    alarm(alarm const&) = delete;
    alarm& operator=(alarm const&) = delete;
    ~alarm() { stop(); }

    /// Leaves the timers to somebody else; no line is woken any more. Harmless when repeated.
    void stop() {
        if (std::exchange(is_stopped_, true)) return;
        timers_.disarm();
        timers_.attach({});
    }

private:
    // Wakes every line that was due when the timers fired. If they fire without having been armed, every line with a
    // deadline is woken; an early wake-up is harmless.
    void ring() {
        auto const due = std::exchange(armed_, {});
        ringing const until_the_end{*this};
        for (std::size_t i = 0; i < lines_.size(); ++i) {  // one that is woken may add lines and take some away
            auto* const l = lines_[i];
            if (l == nullptr || !l->at_ || (due && *due < *l->at_)) continue;
            l->at_.reset();
            if (l->wake_) l->wake_();
        }
    }
    /// Also when somebody who is woken throws: then those behind it are still due, and woken soon.
    struct ringing {
        explicit ringing(alarm& a) noexcept : alarm_{a} { alarm_.is_ringing_ = true; }
        ringing(ringing const&) = delete;
        ringing& operator=(ringing const&) = delete;
        ~ringing() {
            alarm_.is_ringing_ = false;
            std::erase(alarm_.lines_, nullptr);
            auto const next = alarm_.earliest();
            if (next && next == alarm_.armed_) return;  // a line that was woken has armed it
            alarm_.armed_ = next;
            alarm_.set_timers();  // also where nothing is armed any more: an early call has not used the timers up
        }
        alarm& alarm_;
    };
    void rearm() {
        auto const next = earliest();
        if (std::exchange(armed_, next) != next) set_timers();
    }
    [[nodiscard]] deadline earliest() const noexcept {
        deadline out;
        for (auto const* const l : lines_) {
            if (l != nullptr) out = earlier(out, l->at_);
        }
        return out;
    }
    void set_timers() {
        if (is_stopped_) return;
        if (armed_) {
            timers_.arm(*armed_);
        } else {
            timers_.disarm();
        }
    }

    Timers& timers_;
    std::vector<line*> lines_;  ///< Null where one has gone while the alarm rang.
    deadline armed_;
    bool is_ringing_ = false;
    bool is_stopped_ = false;
};
static_assert(timers<alarm<manual_timers>::line>);

}  // namespace muster
