// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The clock and the timer of a host, both of which are wrong in the ways that real ones are.
///
/// Monotonic time begins anywhere at each boot and runs a little too fast or too slow. Wall time has an offset besides,
/// and can be set by somebody, forwards or backwards. The timer goes by the host's own clock.

#include <cstdint>

#include <muster/core/timers.hpp>
#include <muster/sim/world.hpp>

namespace muster::sim {

/// How wrong the clock of a host is.
struct skew {
    duration wall_offset{};      ///< Wall time minus true time; of either sign.
    std::int64_t drift_ppm = 0;  ///< Millionths too fast; of either sign, its size below a million.
    bool operator==(skew const&) const = default;
};

/// A host's clock; models muster::clock. Borrows the world. Not thread-safe.
class host_clock {
public:
    /// True wall time when the world began: 2025-01-01.
    static constexpr timestamp wall_beginning = from_unix_millis(1'735'689'600'000);

    /// @param started  what the monotonic clock shows now.
    host_clock(world const& w, skew wrong, instant started = instant{std::chrono::hours{1}})
        : world_{&w}, wrong_{wrong}, since_{w.now()}, shown_{started} {}

    [[nodiscard]] instant now() const noexcept { return shown_ + drifted(world_->now() - since_); }
    [[nodiscard]] timestamp wall_now() const noexcept {
        auto const since_beginning = drifted(world_->now().time_since_epoch()) + wrong_.wall_offset;
        return wall_beginning + std::chrono::duration_cast<std::chrono::milliseconds>(since_beginning);
    }
    /// How long it takes at least until this clock shows @p at; nothing when it does.
    [[nodiscard]] duration until(instant at) const noexcept {
        auto const left = at - now();
        if (left <= duration{0}) return duration{0};
        return std::max(left - drifted(left) + left,
                        duration{1});  // exact when it is slow, short of it when it is fast
    }
    /// Sets wall time @p by forwards or backwards, as an operator would.
    void step_wall(duration by) noexcept { wrong_.wall_offset += by; }

private:
    [[nodiscard]] duration drifted(duration d) const noexcept {
        constexpr std::int64_t million = 1'000'000;
        auto const n = d.count();
        return duration{n + n / million * wrong_.drift_ppm + n % million * wrong_.drift_ppm / million};
    }

    world const* world_;
    skew wrong_;
    instant since_;  // on the world's clock
    instant shown_;  // on ours, then
};
static_assert(clock<host_clock>);

/// A host's timer; models muster::timers. It ends with the process that it was made for. Borrows world and clock, which
/// must outlive it. Neither copyable nor movable: the world refers to it.
class host_timers {
public:
    host_timers(world& w, host_id on, host_clock const& time) : world_{&w}, on_{on}, time_{&time} {}
    host_timers(host_timers const&) = delete;
    host_timers& operator=(host_timers const&) = delete;

    void attach(wake_function wake) noexcept { wake_ = wake; }
    void arm(instant at) {
        armed_ = at;
        plan(++version_);
    }
    void disarm() noexcept {
        armed_.reset();
        ++version_;
    }

private:
    // If woken early, waits for the remainder. The owner must crash the host before it destroys this.
    void plan(std::uint64_t version) {
        world_->after_on(on_, time_->until(*armed_), [this, version] {
            if (version != version_ || !armed_) return;
            if (time_->now() < *armed_) return plan(version);
            armed_.reset();
            if (wake_) wake_();
        });
    }

    world* world_;
    host_id on_;
    host_clock const* time_;
    wake_function wake_;
    deadline armed_;
    std::uint64_t version_ = 0;
};
static_assert(timers<host_timers>);

}  // namespace muster::sim
