// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Virtual time, and the hosts that live in it.
///
/// A world is a queue of actions ordered by (time, sequence): the next one is taken, time jumps to it, it runs, and
/// may add more. Nothing sleeps, so simulated time costs no more than its actions; nothing else has an influence, so a
/// seed determines a run. A host can crash, which ends everything that its process had planned; be paused, which puts
/// everything off; and boot again as a new incarnation.
///
/// Source: the kernel of FoundationDB's simulator and of TigerBeetle's VOPR, one thread and one queue.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/sim/random.hpp>
#include <muster/sim/trace.hpp>

namespace muster::sim {

/// A machine, by number; numbers begin at 0.
using host_id = std::uint32_t;

/// Virtual time with a queue of actions. Must outlive what refers to it. Not thread-safe.
class world {
public:
    /// Something that happens.
    using action = std::function<void()>;

    explicit world(std::uint64_t seed) noexcept : seed_{seed} {}
    world(world const&) = delete;
    world& operator=(world const&) = delete;

    [[nodiscard]] instant now() const noexcept { return now_; }
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
    /// A stream of this world's randomness; see sim::stream.
    [[nodiscard]] splitmix64 stream(std::string_view label, std::uint64_t index = 0) const noexcept {
        return sim::stream(seed_, label, index);
    }
    [[nodiscard]] trace& log() noexcept { return log_; }
    /// Writes a line to the trace when lines are wanted.
    template <class... Parts>
    void say(Parts const&... parts) {
        log_.say(now_, parts...);
    }
    /// Actions that ran so far.
    [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

    // ---- hosts ------------------------------------------------------------------------------------------

    /// A new host, which is down.
    host_id add_host() {
        hosts_.emplace_back();
        return static_cast<host_id>(hosts_.size() - 1);
    }
    [[nodiscard]] std::size_t host_count() const noexcept { return hosts_.size(); }
    [[nodiscard]] bool is_up(host_id h) const noexcept { return hosts_[h].up; }
    /// How often @p h has booted.
    [[nodiscard]] std::uint64_t incarnation(host_id h) const noexcept { return hosts_[h].incarnation; }
    /// The process on @p h starts. Expects it to be down.
    void boot(host_id h) noexcept {
        hosts_[h].up = true;
        hosts_[h].resumes = {};
        ++hosts_[h].incarnation;
    }
    /// The process on @p h ends without notice; its pending actions are dropped.
    void crash(host_id h) noexcept { hosts_[h].up = false; }
    /// The process on @p h does nothing until @p until, and then continues with its old state.
    void pause(host_id h, instant until) noexcept { hosts_[h].resumes = std::max(hosts_[h].resumes, until); }

    // ---- actions ----------------------------------------------------------------------------------------

    /// Does @p what in @p delay, whatever becomes of the hosts. Expects `delay >= 0`. O(log n).
    void after(duration delay, action what) { push(delay, nobody, any, std::move(what)); }
    /// Does @p what in @p delay if the process that runs on @p h now is running then; later when it is paused.
    void after_on(host_id h, duration delay, action what) { push(delay, h, hosts_[h].incarnation, std::move(what)); }
    /// Does @p what in @p delay if any process is running on @p h then: what comes from outside.
    void arrive_at(host_id h, duration delay, action what) { push(delay, h, any, std::move(what)); }

    /// Runs the next action; false when there is none.
    bool step() {
        if (heap_.empty()) return false;
        auto const next = pop();
        now_ = next.at;
        auto what = std::move(actions_[next.place]);
        actions_[next.place] = nullptr;
        free_.push_back(next.place);
        if (next.on != nobody) {
            auto const& h = hosts_[next.on];
            if (!h.up || (next.incarnation != any && next.incarnation != h.incarnation)) return true;
            if (h.resumes > now_) {
                push(h.resumes - now_, next.on, next.incarnation, std::move(what));
                return true;
            }
        }
        ++events_;
        log_.note(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
        log_.note(next.on);
        what();
        return true;
    }
    /// Runs what happens up to and at @p end; time is @p end afterwards.
    void run_until(instant end) {
        while (!heap_.empty() && heap_.front().at <= end) step();
        now_ = std::max(now_, end);
    }
    /// Runs until @p done() holds, asked after each action, or @p end; says whether it did.
    template <class Done>
    bool run_until(instant end, Done done) {
        while (!done()) {
            if (heap_.empty() || heap_.front().at > end) {
                now_ = std::max(now_, end);
                return false;
            }
            step();
        }
        return true;
    }

private:
    static constexpr host_id nobody = ~host_id{0};
    static constexpr std::uint64_t any = ~std::uint64_t{0};

    struct machine {
        bool up = false;
        std::uint64_t incarnation = 0;
        instant resumes = {};
    };
    // Small, since the heap moves them; what is to be done stays in its place.
    struct item {
        instant at;
        std::uint64_t order;
        std::uint64_t incarnation;
        host_id on;
        std::uint32_t place;
    };
    [[nodiscard]] static bool later(item const& a, item const& b) noexcept {
        return a.at != b.at ? a.at > b.at : a.order > b.order;
    }

    void push(duration delay, host_id on, std::uint64_t incarnation, action what) {
        if (free_.empty()) {
            free_.push_back(static_cast<std::uint32_t>(actions_.size()));
            actions_.emplace_back();
        }
        auto const place = free_.back();
        free_.pop_back();
        actions_[place] = std::move(what);
        heap_.push_back({saturating_add(now_, delay), order_++, incarnation, on, place});
        std::push_heap(heap_.begin(), heap_.end(), later);
    }
    [[nodiscard]] item pop() {
        std::pop_heap(heap_.begin(), heap_.end(), later);
        auto const next = heap_.back();
        heap_.pop_back();
        return next;
    }

    std::uint64_t seed_;
    instant now_{std::chrono::hours{1}};
    trace log_;
    std::vector<machine> hosts_;
    std::vector<item> heap_;
    std::vector<action> actions_;      // by place
    std::vector<std::uint32_t> free_;  // places
    std::uint64_t order_ = 0;
    std::uint64_t events_ = 0;
};

}  // namespace muster::sim
