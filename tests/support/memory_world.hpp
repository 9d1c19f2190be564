// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Machines over a network in memory, with a fake clock.

#include <deque>

#include <muster/transport/memory_transport.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>

namespace muster::test {

/// @tparam Machine  is made of the wires, the clock and its number, and has `mine`, its transport, `managed`, its
///                  network, and `timers`.
template <class Machine>
struct memory_world {
    /// Machine @p a connects to machine @p b.
    void connect(std::size_t a, std::size_t b) {
        auto const who = all[b].mine.local();
        all[a].managed.learn(who, {});
        REQUIRE(all[a].managed.connect_to_peer(who, {}));
        wires.run();
    }
    /// Lets time go by, from one deadline to the next.
    void pass(duration span) {
        for (auto const until = clock.now() + span;;) {
            wires.run();
            deadline next;
            for (auto& m : all) next = earlier(next, m.timers.armed());
            if (!next || *next > until) return clock.advance(until - clock.now());
            if (*next > clock.now()) clock.advance(*next - clock.now());
            for (auto& m : all) m.timers.fire_due(clock.now());
        }
    }

    transport::memory_network wires;
    manual_clock clock{instant{std::chrono::hours{1}}, at(0)};
    std::deque<Machine> all;
};

}  // namespace muster::test
