// SPDX-License-Identifier: MIT

#include <deque>

#include <muster/node/node.hpp>
#include <muster/transport/memory_transport.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>

namespace node_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct policies : node::defaults {
    using network = transport::memory_transport;
    using timers = manual_timers;
    using clock = manual_clock;
};
using co_signer = node::node<policies>;
static_assert(transport::frames<co_signer::network_type>);
static_assert(transport::requests<co_signer::network_type>);

/// A node on a network in memory, and what it has told.
struct machine {
    machine(transport::memory_network& wires, signing::static_registry const& registry, manual_clock const& clock,
            std::size_t i, connection::options const& o = {})
        : net{wires, test::node_keys(i).node.id()},
          it{{net,
              registry,
              timers,
              clock,
              test::node_keys(i),
              co_signer::coordinator_type::make_epoch().value(),
              {},
              o},
             [this](signing::event const& e) {
                 events.push_back(e);
                 if (auto const* const asked = std::get_if<signing::approval_requested>(&e))
                     (void)it.signer().approve(asked->session);
             }} {
        CHECK(it.start());
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(events.begin(), events.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }

    transport::memory_transport net;
    manual_timers timers;
    std::vector<signing::event> events;
    co_signer it;
};

struct world {
    transport::memory_network wires;
    signing::static_registry registry;
    manual_clock clock;
    std::deque<machine> all;
    signing::signing_request request{{}, {signing::tagged_payload{"test/message", {1, 2, 3}}}};

    explicit world(std::size_t n, connection::options const& o = {}) {
        for (std::size_t i = 0; i < n; ++i) {
            all.emplace_back(wires, registry, clock, i, o);
            auto const me = all.back().it.signer().as_member().value();
            REQUIRE(registry.add({me, {}}));
            request.signers.push_back(me.signer);
        }
    }
    /// Lets time pass, and everything that it causes happen.
    void pass(duration span) {
        auto const until = clock.now() + span;
        for (;;) {
            wires.run();
            deadline next;
            for (auto& m : all) next = earlier(next, m.timers.armed());
            if (!next || *next > until) break;
            if (*next > clock.now()) clock.advance(*next - clock.now());
            for (auto& m : all) m.timers.fire_due(clock.now());
        }
        clock.advance(until - clock.now());
    }
    [[nodiscard]] peer::peer_id id(std::size_t i) { return all[i].net.local(); }
};

}  // namespace

TEST_CASE("task 3.3, proposeSpend: participants are connected first, and then they sign") {
    world w{3};
    std::optional<result<signing::session_id>> made;
    w.all[0].it.propose(w.request, [&](auto const& r) { made = r; });
    CHECK_FALSE(made);  // nobody is connected yet
    CHECK(w.all[0].it.signer().open_session_count() == 0);
    w.pass(1s);
    REQUIRE(made);
    REQUIRE(*made);
    for (auto& m : w.all) CHECK(m.count<signing::completed>() == 1);
    // Another one: everybody is connected, so it is there before the call returns.
    made.reset();
    w.request.purpose = "again";
    w.all[0].it.propose(w.request, [&](auto const& r) { made = r; });
    REQUIRE(made);
    CHECK(*made);
}

TEST_CASE("task 3.3, who cannot be reached is named with the reason, and there is no session") {
    world w{3};
    w.all[2].net.close();
    std::optional<result<signing::session_id>> made;
    w.all[0].it.propose(w.request, [&](auto const& r) { made = r; });
    w.pass(1min);
    REQUIRE(made);
    REQUIRE_FALSE(*made);
    CHECK(made->error() == node::errc::cannot_reach);
    CHECK(made->error().message().find(w.id(2).to_text()) != std::string::npos);
    CHECK(made->error().message().find(w.id(1).to_text()) == std::string::npos);
    CHECK(made->error().message().find("3 attempts") != std::string::npos);
    for (auto& m : w.all) CHECK(m.count<signing::session_created>() == 0);
}

TEST_CASE("task 3.3, a participant without a known machine cannot be reached, and is not left out") {
    world w{2};
    w.request.signers.push_back(test::node_keys(9).signer.public_key());
    std::optional<result<signing::session_id>> made;
    w.all[0].it.propose(w.request, [&](auto const& r) { made = r; });
    REQUIRE(made);
    CHECK(made->error() == node::errc::cannot_reach);
    CHECK(made->error().message().find(to_hex(w.request.signers.back())) != std::string::npos);
}

TEST_CASE(
    "task 3.3, ensureParticipantsConnected: the own id is left out, and nobody to wait for is no reason to wait") {
    world w{2};
    std::vector<result<void>> told;
    auto const note = [&](result<void> const& r) { told.push_back(r); };
    w.all[0].it.ensure_participants_connected(std::array{w.id(0)}, note);
    REQUIRE(told.size() == 1);
    CHECK(told[0]);
    w.all[0].it.ensure_participants_connected(std::array{w.id(0), w.id(1)}, note);
    REQUIRE(told.size() == 2);  // nobody has told where the other one is
    CHECK(told[1].error() == node::errc::cannot_reach);
    w.all[0].it.network().learn(w.id(1), {});
    w.all[0].it.ensure_participants_connected(std::array{w.id(0), w.id(1)}, note);
    w.pass(1s);
    REQUIRE(told.size() == 3);
    CHECK(told[2]);
    CHECK(w.all[1].it.network().connections().connected_peers() == std::vector{w.id(0)});
}

TEST_CASE("who takes part in an open session is not cut off to make room") {
    connection::options o;
    o.high_water = 2;
    o.low_water = 0;
    world v{5, o};
    v.request.signers.resize(3);
    v.wires.set_filter([](transport::memory_network::packet&) { return false; });  // so the session stays open
    std::optional<result<signing::session_id>> made;
    v.all[0].it.propose(v.request, [&](auto const& r) { made = r; });
    v.pass(1s);
    REQUIRE(made);
    REQUIRE(*made);
    for (std::size_t i : {3u, 4u}) {
        v.all[0].it.network().learn(v.id(i), {});
        REQUIRE(v.all[0].it.network().connect_to_peer(v.id(i), {}));
    }
    v.pass(1min);
    auto const& links = v.all[0].it.network().connections();
    CHECK(links.is_connected(v.id(1)));
    CHECK(links.is_connected(v.id(2)));
    CHECK_FALSE(links.is_connected(v.id(3)));
    CHECK_FALSE(links.is_connected(v.id(4)));
}

TEST_CASE("the snapshot: who we are, how far, whom we know, what went wrong") {
    world w{2};
    auto& me = w.all[0].it;
    me.network().learn(w.id(1), {});
    REQUIRE(me.network().connect_to_peer(w.id(1), {}));
    auto const nobody = test::node_keys(7).node.id();
    me.network().learn(nobody, {}, "carol");
    REQUIRE(me.network().connect_to_peer(nobody, {}));
    w.pass(1min);
    auto s = me.snapshot();
    CHECK(s.self == w.id(0));
    CHECK(s.state == node::state::running);
    CHECK_FALSE(s.has_settings);
    REQUIRE(s.peers.size() == 2);
    REQUIRE(s.errors.size() == 1);
    CHECK(s.errors[0].text.find("Failed to connect to \"carol\"") == 0);
    me.note_settings();
    CHECK(me.snapshot().has_settings);
    me.stop();
    CHECK(me.snapshot().state == node::state::stopped);
    std::size_t told = 0;
    me.propose(w.request, [&](auto const& r) {
        ++told;
        CHECK(r.error() == node::errc::not_running);
    });
    CHECK(told == 1);
}

TEST_CASE("a kept peer comes back after it was lost") {
    world w{2};
    auto& net = w.all[0].it.network();
    net.learn(w.id(1), {}, "bob");
    REQUIRE(net.keep(w.id(1)));
    w.pass(1s);
    REQUIRE(net.is_connected(w.id(1)));
    w.all[1].net.disconnect(w.id(0));
    w.pass(10ms);
    CHECK_FALSE(net.is_connected(w.id(1)));
    w.pass(5s);
    CHECK(net.is_connected(w.id(1)));
    std::vector<std::string> lines;
    for (auto const& a : w.all[0].it.activity().items()) lines.push_back(a.text);
    CHECK(lines.size() >= 4);  // connecting, connected, left, connected
}

TEST_CASE("a handler that throws ends its own call and nothing else") {
    world w{2};
    auto& net = w.all[0].it.network();
    net.learn(w.id(1), {});
    bool is_told = false;
    REQUIRE(net.connect_to_peer(w.id(1), [&](auto const&) { is_told = true; }));
    w.all[0].it.on_news([](connection::effect const& e) {
        if (std::holds_alternative<connection::connected>(e)) throw std::runtime_error{"an application's fault"};
    });
    CHECK_THROWS_AS(w.wires.run(), std::runtime_error);
    CHECK_FALSE(is_told);
    w.all[0].it.on_news({});
    w.pass(1s);
    CHECK(is_told);
}

TEST_CASE("task 3.1, connectToPresence: by what a peer tells of itself, as long as that holds") {
    world w{2};
    auto& net = w.all[0].it.network();
    peer::presence p;
    p.peer = w.id(1);
    p.nickname = "bob";
    p.expires = w.clock.wall_now() + 1min;
    std::vector<connection::outcome> told;
    REQUIRE(net.connect_to_presence(p, [&](auto const& all) { told = all; }));
    w.pass(1s);
    REQUIRE(told.size() == 1);
    CHECK_FALSE(told[0].why);
    CHECK(w.all[0].it.activity().items().back().text == "Connected to \"bob\" via direct");
    w.pass(2min);
    CHECK(net.connect_to_presence(p, {}).error() == connection::errc::not_found);
}

namespace {

/// Finds signers, of whom none was chosen by anybody.
struct found_ones : signing::static_registry {
    [[nodiscard]] bool may_propose(signing::public_key const&, peer::peer_id const&) const { return false; }
};
struct open_policies : policies {
    using registry = found_ones;
};

}  // namespace

TEST_CASE("who is found may be asked to sign, and may not ask unless the registry says so") {
    using open_node = node::node<open_policies>;
    transport::memory_network wires;
    manual_clock clock;
    manual_timers timers[2];
    signing::static_registry closed;
    found_ones open;
    std::vector<signing::event> asked, asking;
    transport::memory_transport one{wires, test::node_keys(0).node.id()}, other{wires, test::node_keys(1).node.id()};
    auto const epoch = co_signer::coordinator_type::make_epoch().value();
    co_signer a{{one, closed, timers[0], clock, test::node_keys(0), epoch},
                [&](auto const& e) { asking.push_back(e); }};
    open_node b{{other, open, timers[1], clock, test::node_keys(1), epoch}, [&](auto const& e) { asked.push_back(e); }};
    REQUIRE(a.start());
    REQUIRE(b.start());
    for (auto const& m : {a.signer().as_member().value(), b.signer().as_member().value()}) {
        REQUIRE(closed.add({m, {}}));
        REQUIRE(open.add({m, {}}));
    }
    a.propose({{a.signer().signer_key(), b.signer().signer_key()}, {signing::tagged_payload{"test/message", {1}}}},
              [](auto const& made) { CHECK(made); });
    wires.run();
    CHECK(std::none_of(asked.begin(), asked.end(),
                       [](auto const& e) { return std::holds_alternative<signing::approval_requested>(e); }));
    CHECK(std::any_of(asking.begin(), asking.end(),
                      [](auto const& e) { return std::holds_alternative<signing::aborted>(e); }));
}

TEST_CASE("who proposes on a new connection has said who it is before") {
    transport::memory_network wires;
    manual_clock clock;
    manual_timers timers[2];
    signing::static_registry full, empty;
    transport::memory_transport one{wires, test::node_keys(0).node.id()}, other{wires, test::node_keys(1).node.id()};
    auto const epoch = co_signer::coordinator_type::make_epoch().value();
    std::size_t asked = 0;
    co_signer a{{one, full, timers[0], clock, test::node_keys(0), epoch}, [](auto const&) {}};
    co_signer b{{other, empty, timers[1], clock, test::node_keys(1), epoch}, [&](signing::event const& e) {
                    // As an application does that admits a signer by its key, wherever it is.
                    auto const* const v = std::get_if<signing::peer_identified>(&e);
                    if (v != nullptr) CHECK(empty.add({{v->signer, v->peer, v->binding}, {}}));
                    asked += std::holds_alternative<signing::approval_requested>(e) ? 1u : 0u;
                }};
    REQUIRE(a.start());
    REQUIRE(b.start());
    for (auto const& m : {a.signer().as_member().value(), b.signer().as_member().value()}) REQUIRE(full.add({m, {}}));
    a.propose({{a.signer().signer_key(), b.signer().signer_key()}, {signing::tagged_payload{"test/message", {1}}}},
              [](auto const& made) { CHECK(made); });
    wires.run();
    CHECK(asked == 1);
}

}  // namespace node_tests
