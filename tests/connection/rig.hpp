// SPDX-License-Identifier: MIT
#pragma once

// A manager with a network that does as a test says. For test files alone.

#include <muster/connection/manager.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>

using namespace muster;
using namespace muster::connection;
using namespace std::chrono_literals;

inline peer::peer_id who(std::size_t i) { return test::node_keys(i).node.id(); }
inline std::array<peer::multiaddr, 1> at(std::size_t i) {
    return {peer::multiaddr::from_text(text("/ip4/10.0.0.", i, "/tcp/1000")).value()};
}

/// A manager with what it wants and tells, and a network that does as a test says.
struct rig {
    explicit rig(options o = unwatched()) : machine{who(0), o, 1} {}
    static options unwatched() {
        options o;
        o.health.beat = {};
        return o;
    }

    manager machine;
    instant now{1h};
    effect_list<effect> out;

    std::vector<effect> take() { return out.take(); }
    template <class E>
    std::vector<E> take_only() {
        std::vector<E> all;
        for (auto& e : out.take()) {
            if (auto* const v = std::get_if<E>(&e)) all.push_back(std::move(*v));
        }
        return all;
    }
    void know(std::size_t i, std::string_view nickname = {}) { machine.learn(who(i), at(i), now, nickname); }
    ticket connect(std::vector<peer::peer_id> const& whom) { return machine.connect(whom, now, out).value(); }
    void up(std::size_t i) { machine.handle(link_up{who(i), at(i)[0]}, now, out); }
    void down(std::size_t i) { machine.handle(link_down{who(i), gone()}, now, out); }
    void fail(std::size_t i) { machine.handle(dial_failed{who(i), gone()}, now, out); }
    /// Wakes at the machine's own deadline.
    void next() {
        auto const due = machine.next_deadline();
        REQUIRE(due);
        now = std::max(now, *due);
        machine.wake(now, out);
    }
    static error gone() { return error{errc::unreachable, "refused"}; }
};
