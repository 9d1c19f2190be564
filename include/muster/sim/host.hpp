// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A machine that can die: what runs on it lives from boot to crash, what is on its disk survives.
///
/// Idea: whatever is simulated, machines and their compositions, is one object that is made when the host boots and
/// destroyed when it crashes, so that nothing but the disk can leak from one life into the next. There are two ways to
/// end: a process that is killed, whose operating system closes its connections, and a host that loses power, which
/// sends nothing and may lose what was not made durable.

#include <array>
#include <concepts>
#include <optional>
#include <utility>

#include <muster/sim/disk.hpp>
#include <muster/sim/world.hpp>

namespace muster::sim {

/// What runs on a host.
///
/// Semantics: `vanish()` is called when the power goes, before it is destroyed: from then on it tells nobody anything.
template <class P>
concept process = requires(P& p) {
    p.vanish();
};

/// A host of a world, with a disk. Borrows the world. Neither copyable nor movable. Not thread-safe.
template <process Process>
class host {
public:
    /// @param luck  what decides how a crash ends.
    host(world& w, host_id on, splitmix64 luck) : world_{&w}, on_{on}, luck_{luck} {}
    host(host const&) = delete;
    host& operator=(host const&) = delete;

    [[nodiscard]] host_id id() const noexcept { return on_; }
    /// What runs; nullptr while the host is down.
    [[nodiscard]] Process* running() noexcept { return process_ ? &*process_ : nullptr; }
    [[nodiscard]] Process const* running() const noexcept { return process_ ? &*process_ : nullptr; }
    /// Its disk: opened by what runs, or looked at while the host is down.
    [[nodiscard]] sim::disk& disk() noexcept { return disk_; }

    /// A new incarnation begins. Expects the host to be down.
    /// @param before  is called when the incarnation has its number and nothing runs yet.
    template <class Before, class... Arguments>
    Process& boot(Before before, Arguments&&... arguments) {
        world_->boot(on_);
        before();
        return process_.emplace(std::forward<Arguments>(arguments)...);
    }
    /// What runs is ended by its user, and says goodbye. Expects the host to be up.
    void stop() {
        world_->crash(on_);
        process_.reset();
    }
    /// What runs ends, by a kill or, as often, by a power failure that may cost what was not durable. Expects the host
    /// to be up.
    void crash() {
        bool const loses_power = chance(luck_, {1, 2});
        constexpr std::array<sim::disk::luck, 3> lucks{sim::disk::luck::none, sim::disk::luck::half,
                                                       sim::disk::luck::all};
        auto const luck = lucks[uniform(luck_, lucks.size())];
        world_->crash(on_);
        if (loses_power && process_) process_->vanish();
        process_.reset();
        disk_.crash(loses_power ? luck : sim::disk::luck::all);
    }

private:
    world* world_;
    host_id on_;
    splitmix64 luck_;
    sim::disk disk_;
    std::optional<Process> process_;
};

}  // namespace muster::sim
