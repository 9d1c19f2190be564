// SPDX-License-Identifier: MIT

#include <muster/node/pubsub.hpp>

#include <deque>

#include <muster/gossip/node_key_signer.hpp>
#include <muster/node/managed_network.hpp>
#include <muster/transport/memory_transport.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>

namespace pubsub_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct policies : gossip::defaults {
    using signing = gossip::strict_sign<gossip::node_key_signer>;
    using message_ids = gossip::id_of_author;
};
using network = node::managed_network<transport::memory_transport, manual_timers, manual_clock>;
using pubsub = node::pubsub<network, manual_timers, manual_clock, policies>;

/// A machine that gossips.
struct machine {
    machine(transport::memory_network& wires, manual_clock const& time, std::size_t i)
        : clock{time}, keys{test::node_keys(i)}, mine{wires, keys.node.id()}, managed{mine, timers, time, {}, i} {
        it.on_news([this](gossip::effect const& e) { news.push_back(e); });
    }
    /// Notes what comes of @p topic.
    void listen(std::string_view topic, pubsub::validator judges = {}) {
        REQUIRE(it.subscribe(
            topic, [this](gossip::message const& m) { heard.emplace_back(m.data.begin(), m.data.end()); },
            std::move(judges)));
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(news.begin(), news.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }

    manual_clock const& clock;
    peer::key_set keys;
    transport::memory_transport mine;
    manual_timers timers, gossip_timers;
    network managed;
    std::vector<std::string> heard;
    std::vector<gossip::effect> news;
    pubsub it{
        managed, gossip_timers, clock, gossip::options{}, 1, policies::signing{gossip::node_key_signer{keys.node}}};
};

struct world {
    explicit world(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) all.emplace_back(wires, clock, i);
    }
    void connect(std::size_t a, std::size_t b) {
        all[a].managed.learn(id(b), {});
        REQUIRE(all[a].managed.connect_to_peer(id(b), {}));
        wires.run();
    }
    void pass(duration span) {
        for (auto const until = clock.now() + span;;) {
            wires.run();
            deadline next;
            for (auto& m : all) next = earlier(next, earlier(m.timers.armed(), m.gossip_timers.armed()));
            if (!next || *next > until) return clock.advance(until - clock.now());
            if (*next > clock.now()) clock.advance(*next - clock.now());
            for (auto& m : all) {
                m.timers.fire_due(clock.now());
                m.gossip_timers.fire_due(clock.now());
            }
        }
    }
    [[nodiscard]] peer::peer_id id(std::size_t i) { return all[i].mine.local(); }

    transport::memory_network wires;
    manual_clock clock;
    std::deque<machine> all;
};

/// A network that says what a test makes it say.
struct scripted_network {
    [[nodiscard]] peer::peer_id local() const { return test::node_keys(0).node.id(); }
    [[nodiscard]] bool is_connected(peer::peer_id const&) const { return true; }
    void attach(std::string_view, transport::event_handler h) { handler = std::move(h); }
    void detach(std::string_view) { handler = {}; }
    [[nodiscard]] result<void> connect(peer::peer_id const&, std::span<peer::multiaddr const>) { return ok(); }
    void disconnect(peer::peer_id const&) {}
    [[nodiscard]] result<void> send(peer::peer_id const& to, std::string_view protocol, bytes frame) {
        CHECK(protocol == gossip::protocols[0]);
        if (is_congested) return error{transport::errc::congested, "no room"};
        sent.emplace_back(to, std::move(frame));
        if (auto const f = on_send) f(to);
        return ok();
    }
    void close() {}
    void tell(transport::event const& e) const { handler(e); }

    transport::event_handler handler;
    bool is_congested = false;
    std::function<void(peer::peer_id const&)> on_send;
    std::vector<std::pair<peer::peer_id, bytes>> sent;
};
peer::peer_id id_of(std::size_t i) { return test::node_keys(i).node.id(); }

/// One router on such a network.
struct scripted_world {
    explicit scripted_world(gossip::options const& o = {}) : it{net, timers, clock, o, 1} {}
    void pass(duration span) {
        auto const until = clock.now() + span;
        while (timers.armed() && *timers.armed() <= until) {
            clock.advance(std::max(*timers.armed() - clock.now(), duration{0}));
            timers.fire_due(clock.now());
        }
        clock.advance(until - clock.now());
    }
    scripted_network net;
    manual_timers timers;
    manual_clock clock;
    node::pubsub<scripted_network, manual_timers, manual_clock> it;
};

using words = std::vector<std::string>;
bytes of(std::string_view text) { return to_bytes(as_bytes(text)); }

}  // namespace

TEST_CASE("what is published reaches every subscriber once, over others, and not its author") {
    world w{4};
    for (std::size_t i = 0; i < 4; ++i) w.all[i].listen("news");
    for (std::size_t i = 0; i + 1 < 4; ++i) w.connect(i, i + 1);  // a chain
    w.pass(3s);
    for (auto const* const text : {"one", "two", "three"}) REQUIRE(w.all[0].it.publish("news", of(text)));
    w.pass(3s);
    CHECK(w.all[0].heard.empty());
    for (std::size_t i = 1; i < 4; ++i) CHECK(w.all[i].heard == words{"one", "two", "three"});
    CHECK(w.all[1].it.router().mesh_of("news").size() == 2);
    REQUIRE(w.all[3].it.unsubscribe("news"));
    REQUIRE(w.all[0].it.publish("news", of("four")));
    w.pass(3s);
    CHECK(w.all[2].heard.back() == "four");
    CHECK(w.all[3].heard.size() == 3);
    CHECK(w.all[3].it.unsubscribe("news").error() == gossip::errc::unknown_topic);
}

TEST_CASE("nothing is delivered or passed on before it is judged, now or later") {
    world w{3};
    std::optional<gossip::ticket> open;
    w.all[0].listen("news");
    w.all[1].listen("news", [&](gossip::message const& m, gossip::ticket t) -> std::optional<gossip::verdict> {
        if (m.data == of("bad")) return gossip::verdict::reject;
        if (m.data == of("dull")) return gossip::verdict::ignore;
        open = t;
        return {};
    });
    w.all[2].listen("news");
    w.connect(0, 1);
    w.connect(1, 2);
    w.pass(3s);
    for (auto const* const text : {"bad", "dull", "good"}) REQUIRE(w.all[0].it.publish("news", of(text)));
    w.pass(1s);
    REQUIRE(open);
    CHECK(w.all[2].heard.empty());
    w.all[1].it.judge(*open, gossip::verdict::accept);
    w.pass(1s);
    CHECK(w.all[1].heard == words{"good"});
    CHECK(w.all[2].heard == words{"good"});
    CHECK(w.all[1].count<gossip::penalise>() != 0);
    CHECK(w.all[1].managed.is_connected(w.id(0)));
    for (int i = 0; i < 2; ++i) REQUIRE(w.all[0].it.publish("news", of("bad")));
    w.pass(1s);
    CHECK_FALSE(w.all[1].managed.is_connected(w.id(0)));  // that was not a mistake
}

TEST_CASE("who does not speak the protocol is left alone, and taken up when it says something") {
    scripted_world w;
    REQUIRE(w.it.subscribe("news", {}));
    w.net.tell(transport::connected{id_of(1)});
    REQUIRE(w.net.sent.size() == 1);  // our subscriptions
    w.net.tell(transport::frames_lost{id_of(1), 10, error{transport::errc::not_spoken, "the peer does not speak it"}});
    CHECK(w.it.router().stats().peers == 0);
    w.pass(1h);
    CHECK(w.net.sent.size() == 1);
    w.net.tell(transport::received{id_of(1), {}});
    CHECK(w.it.router().stats().peers == 1);
    CHECK(w.net.sent.size() == 2);
    w.net.tell(transport::received{id_of(2), {}});  // who is not connected is nobody
    CHECK(w.it.router().stats().peers == 1);
}

TEST_CASE("a peer whose stream breaks off begins anew a moment later, unless it is gone") {
    scripted_world w;
    REQUIRE(w.it.subscribe("news", {}));
    error const why{transport::errc::refused, "the peer broke off"};
    for (auto const n : {1u, 2u}) w.net.tell(transport::connected{id_of(n)});
    for (auto const n : {1u, 2u}) w.net.tell(transport::frames_lost{id_of(n), 10, why});
    CHECK(w.it.router().stats().peers == 0);
    w.net.tell(transport::disconnected{id_of(2), why});
    w.pass(999ms);
    CHECK(w.net.sent.size() == 2);
    w.pass(1ms);
    CHECK(w.it.router().stats().peers == 1);
    CHECK(w.net.sent.size() == 3);
    CHECK(w.net.sent.back().first == id_of(1));
}

TEST_CASE("what a congested network refuses is sent when there is room") {
    scripted_world w;
    w.net.tell(transport::connected{id_of(1)});
    w.net.is_congested = true;
    REQUIRE(w.it.subscribe("news", {}));
    CHECK(w.net.sent.empty());
    w.net.is_congested = false;
    w.net.tell(transport::writable{id_of(1)});
    CHECK(w.net.sent.size() == 1);
}

TEST_CASE("a handler that throws ends nothing but its own call") {
    world w{2};
    int calls = 0;
    REQUIRE(w.all[1].it.subscribe("news", [&](gossip::message const&) {
        if (++calls == 1) throw std::runtime_error{"a user's"};
    }));
    w.all[0].listen("news");
    w.connect(0, 1);
    w.pass(3s);
    REQUIRE(w.all[0].it.publish("news", of("one")));
    CHECK_THROWS_AS(w.pass(1s), std::runtime_error);
    w.pass(1s);
    REQUIRE(w.all[0].it.publish("news", of("two")));
    w.pass(1s);
    CHECK(calls == 2);
}

TEST_CASE("handlers may subscribe, unsubscribe, publish and close from inside") {
    world w{2};
    w.all[0].listen("pong");
    auto& it = w.all[1].it;
    REQUIRE(it.subscribe("ping", [&](gossip::message const& m) {
        CHECK(it.publish("pong", m.data));
        if (m.data == of("last")) it.close();
    }));
    w.connect(0, 1);
    w.pass(3s);
    for (auto const* const text : {"one", "last", "after"}) REQUIRE(w.all[0].it.publish("ping", of(text)));
    w.pass(3s);
    CHECK(w.all[0].heard == words{"one", "last"});
    CHECK(it.publish("pong", of("x")).error() == transport::errc::closed);
    CHECK(it.subscribe("pong", {}).error() == transport::errc::closed);
    CHECK_FALSE(w.all[1].gossip_timers.armed());
}

TEST_CASE("an explicit peer is connected, and again after it was gone") {
    world w{2};
    w.all[0].managed.learn(w.id(1), {});
    REQUIRE(w.all[0].it.add_explicit(w.id(1)));
    w.pass(1s);
    CHECK(w.all[0].managed.is_connected(w.id(1)));
    w.all[1].mine.disconnect(w.id(0));
    w.pass(1s);
    CHECK_FALSE(w.all[0].managed.is_connected(w.id(1)));
    w.pass(6min);
    CHECK(w.all[0].managed.is_connected(w.id(1)));
    std::vector<peer::peer_id> wanted;
    w.all[0].it.on_wanted([&](peer::peer_id const& who, auto const& addresses) {
        wanted.push_back(who);
        CHECK(addresses.empty());
    });
    auto const stranger = test::node_keys(7).node.id();
    REQUIRE(w.all[0].it.add_explicit(stranger));
    CHECK(wanted == std::vector{stranger});
}

TEST_CASE("who was connected before is taken up, and once") {
    scripted_world w;
    REQUIRE(w.it.subscribe("news", {}));
    w.it.adopt(id_of(1));
    w.it.adopt(id_of(1));
    CHECK(w.it.router().stats().peers == 1);
    CHECK(w.net.sent.size() == 1);
}

TEST_CASE("a handler that ends the connection of a peer that is to begin anew does no harm") {
    scripted_world w;
    REQUIRE(w.it.subscribe("news", {}));
    error const why{transport::errc::refused, "the peer broke off"};
    for (auto const n : {1u, 2u}) w.net.tell(transport::connected{id_of(n)});
    for (auto const n : {1u, 2u}) w.net.tell(transport::frames_lost{id_of(n), 10, why});
    w.net.on_send = [&](peer::peer_id const& to) {
        w.net.on_send = {};
        w.net.tell(transport::disconnected{to == id_of(1) ? id_of(2) : id_of(1), why});
    };
    w.pass(1s);
    CHECK(w.it.router().stats().peers == 1);
}

TEST_CASE("nobody is dialled on the word of another one: a peer that is recommended has signed where it is") {
    gossip::options o;
    o.score.exchange_threshold = 0;
    scripted_world w{o};
    std::vector<std::pair<peer::peer_id, std::vector<peer::multiaddr>>> wanted;
    w.it.on_wanted([&](peer::peer_id const& who, auto const& where) { wanted.emplace_back(who, where); });
    REQUIRE(w.it.subscribe("news", {}));
    w.net.tell(transport::connected{id_of(1)});
    auto const where = peer::multiaddr::from_text("/ip4/20.0.0.5/tcp/4001").value();
    auto const record = [&](std::size_t of) {
        return peer::routing_record{id_of(of), 1, {where}}.seal(test::node_keys(of).node).value();
    };
    auto forged = record(7);
    forged.back() ^= 1;
    // Subscription, graft, and a prune that recommends: the third one with a record of another, the fourth with a
    // forged one.
    wire::protobuf_writer prune;
    prune.content(1, as_bytes("news"));
    for (auto const& [who, r] :
         {std::pair{id_of(5), record(5)}, std::pair{id_of(6), record(5)}, std::pair{id_of(7), forged}}) {
        wire::protobuf_writer info;
        info.content(1, who.view()).content(2, r);
        prune.content(2, info.take());
    }
    wire::protobuf_writer control, rpc, sub;
    control.content(4, prune.take());
    sub.number(1, 1).content(2, as_bytes("news"));
    rpc.content(1, sub.take());
    w.net.tell(transport::received{id_of(1), rpc.take()});
    w.pass(2s);
    wire::protobuf_writer pruned;
    pruned.content(3, control.take());
    w.net.tell(transport::received{id_of(1), pruned.take()});
    CHECK(wanted == decltype(wanted){{id_of(5), {where}}});
}

}  // namespace pubsub_tests
