// SPDX-License-Identifier: MIT

#include <muster/sync/link_watch.hpp>

#include <vector>

#include <support/catch.hpp>

namespace link_watch_tests {

using namespace muster;
using namespace muster::sync;
using namespace std::chrono_literals;

namespace {

struct line {
    link_watch machine;
    instant now{1h};
    effect_list<link_watch::effect> sink;

    std::vector<link_state> count(std::size_t peers) {
        machine.handle(peers_counted{peers}, now, sink);
        return changes();
    }
    std::vector<link_state> after(duration d) {
        now += d;
        machine.wake(now, sink);
        return changes();
    }
    std::vector<link_state> changes() {
        std::vector<link_state> out;
        for (auto const& e : sink.take()) out.push_back(std::get<link_changed>(e).to);
        return out;
    }
};
using states = std::vector<link_state>;
constexpr auto offline = link_state::offline, probing = link_state::probing, online = link_state::online;

}  // namespace

TEST_CASE("link watch: online when enough are there for five seconds, offline when nobody is for fifteen") {
    line l;
    CHECK(l.machine.stats() == offline);
    CHECK(l.count(1) == states{probing});
    CHECK_FALSE(l.machine.next_deadline());  // one is not enough
    CHECK(l.count(2).empty());
    CHECK(l.machine.next_deadline() == l.now + 5s);
    CHECK(l.after(4s).empty());
    CHECK(l.after(1s) == states{online});
    CHECK(l.count(0) == states{probing});
    CHECK(l.machine.next_deadline() == l.now + 15s);
    CHECK(l.after(14s).empty());
    CHECK(l.after(1s) == states{offline});
    CHECK_FALSE(l.machine.next_deadline());
    CHECK(l.after(1h).empty());
}

TEST_CASE("link watch: who comes and goes does not make it flicker") {
    line l;
    CHECK(l.count(2) == states{probing});
    for (int i = 0; i < 20; ++i) {
        CHECK(l.after(3s).empty());
        CHECK(l.count(1).empty());
        CHECK(l.count(2).empty());
    }
    CHECK(l.after(5s) == states{online});
    for (int i = 0; i < 20; ++i) {
        CHECK(l.count(1).empty());  // still online: somebody is there
        CHECK(l.after(10s).empty());
    }
    CHECK(l.count(0) == states{probing});
    CHECK(l.after(14s).empty());
    CHECK(l.count(1).empty());
    CHECK(l.count(0).empty());
    CHECK(l.after(14s).empty());
    CHECK(l.after(1s) == states{offline});
}

TEST_CASE("link watch: wake-ups that are early, late or twice are harmless") {
    line l;
    CHECK(l.count(2) == states{probing});
    CHECK(l.after(0s).empty());
    CHECK(l.after(1h) == states{online});
    CHECK(l.after(0s).empty());
    CHECK(l.count(0) == states{probing});
    CHECK(l.after(1h) == states{offline});
    CHECK(l.after(1h).empty());
}

}  // namespace link_watch_tests
