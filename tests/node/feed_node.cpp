// SPDX-License-Identifier: MIT

#include <muster/node/feed_node.hpp>

#include <deque>

#include <muster/core/alarm.hpp>
#include <muster/node/preconf_gossip.hpp>
#include <muster/node/pubsub.hpp>
#include <muster/transport/memory_transport.hpp>

#include <feed/bench.hpp>
#include <support/node_keys.hpp>

namespace feed_node_tests {

using namespace muster;
using namespace muster::test;

namespace {

using line = muster::alarm<manual_timers>::line;
using network = transport::memory_transport;
using pubsub = node::pubsub<network, line, manual_clock, node::preconf_gossip_policies>;
using policies = kit_policies<preconf_kit>;
using feed_node = node::feed_node<network, pubsub, policies, line, manual_clock>;

peer::peer_id id(std::size_t i) { return node_keys(i).node.id(); }

fd::options settings() {
    fd::options o;
    o.with_request_limit(5'000, 10s);
    o.network.requests_per_protocol = 800;  // a hundred times the protocol's
    return o;
}

/// A machine with a feed.
struct machine {
    machine(transport::memory_network& wires, manual_clock const& clock, std::size_t i)
        : keys{node_keys(i)},
          mine{wires, keys.node.id()},
          gossips{mine,  gossip_line,
                  clock, node::preconf_gossip_options(settings()),
                  i,     pubsub::router_type::signing{gossip::node_key_signer{keys.node}}},
          it{{mine,
              gossips,
              line_,
              clock,
              {.protocol = preconf_kit::make_protocol(), .options = settings(), .seed = i},
              node::preconf_node_options()}} {
        mine.on_peer([this](transport::event const& e) { it.note(e); });
        it.on_news([this](fd::news const& n, std::uint64_t missed) {
            told.push_back(n);
            lag += missed;
        });
        REQUIRE(it.start());
        REQUIRE(it.sync_ready(0));
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(told.begin(), told.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }
    [[nodiscard]] fd::height head() const {
        auto const h = it.feed().stored().head();
        return h ? h->number : 0;
    }
    [[nodiscard]] bool is_live() const {
        auto const s = it.feed().sync_status();
        return s.state == fd::sync_state::live && s.missing == 0;
    }

    peer::key_set keys;
    manual_timers timers;
    muster::alarm<manual_timers> rings{timers};
    line gossip_line{rings}, line_{rings};
    network mine;
    pubsub gossips;
    feed_node it;
    std::vector<fd::news> told;
    std::uint64_t lag = 0;
};

struct world {
    explicit world(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) add();
    }
    machine& add() {
        all.emplace_back(wires, clock, all.size());
        return all.back();
    }
    void connect(std::size_t a, std::size_t b) {
        REQUIRE(all[a].mine.connect(id(b), {}));
        wires.run();
    }
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
    void publish(std::size_t i, made const& m) { REQUIRE(all[i].it.publish_pair(*m.blob, m.content())); }

    transport::memory_network wires;
    manual_clock clock;
    std::deque<machine> all;
};

}  // namespace

TEST_CASE("feed node: the id of a message is SHA-256 of four zeros and its data, cut to 20 bytes, whatever its topic") {
    gossip::rpc::message_view m;
    bytes const data{1, 2, 3};
    m.data = data;
    m.topic = "a";
    auto const id = node::id_of_preconf_data{}(m);
    bytes const whole{0, 0, 0, 0, 1, 2, 3};
    CHECK(equal(id.view(), crypto::sha256(whole).view().first(20)));
    m.topic = "b";
    CHECK(node::id_of_preconf_data{}(m) == id);
}

TEST_CASE("feed node: the router's parameters are the specification's, and active") {
    auto const o = node::preconf_gossip_options({});
    CHECK(o.check());  // T15: what is refused is an error, and not silence
    CHECK(o.score.graylist_threshold == -5);
    CHECK(o.mesh.d == 8);
    CHECK(o.heartbeat == 500ms);
    auto const t = node::preconf_node_options();
    CHECK(t.topics.score.invalid_weight == -2);
    CHECK(t.topics.score.mesh_deliveries_weight == 0);  // non-spec penalties are zero
    CHECK(o.score.colocation_weight == 0);
    fd::options small;
    small.network.mesh_size = small.network.mesh_low = 2;
    small.network.heartbeat = 1s;
    CHECK(node::preconf_gossip_options(small).check());
    CHECK(node::preconf_gossip_options(small).mesh.d == 2);
    CHECK(node::preconf_gossip_options(small).heartbeat == 1s);
}

TEST_CASE("feed node: gossip and requests of two nodes; a pair that one publishes is validated by the other") {
    world w{2};
    w.connect(0, 1);
    w.pass(3s);
    CHECK(w.all[1].is_live());
    auto const all = chain<preconf_kit>(3);
    for (auto const& m : all) w.publish(0, m);
    w.pass(2s);
    CHECK(w.all[1].head() == 3);
    CHECK(w.all[1].count<fd::record_accepted>() == 3);
    CHECK(w.all[1].count<fd::blob_accepted>() == 3);
    CHECK(w.all[0].count<fd::record_accepted>() == 3);
    CHECK(w.all[1].it.feed().info(id(0), w.clock.now()).score > 0);
    CHECK(w.all[0].mine.is_connected(id(1)));  // honest_peer_not_banned
    REQUIRE(w.all[1].it.request_head());
    w.pass(1s);
    CHECK(w.all[1].count<fd::head_answered>() == 1);
    REQUIRE(w.all[1].it.request_records(1, 2));
    REQUIRE(w.all[1].it.request_blob(all[0].blob->id));
    w.pass(1s);
    CHECK(w.all[1].count<fd::records_answered>() == 1);
    CHECK(w.all[1].count<fd::blob_answered>() == 1);
    CHECK(w.all[1].lag == 0);
}

TEST_CASE("feed node: a late joiner catches up over the network, goes live, and serves another one") {
    world w{3};
    auto const all = chain<preconf_kit>(300);
    w.connect(0, 1);
    w.pass(3s);
    for (auto const& m : all) {
        w.publish(0, m);
        w.pass(50ms);
    }
    CHECK(w.all[1].head() == 300);
    w.connect(2, 1);
    w.pass(20s);
    CHECK(w.all[2].head() == 300);
    CHECK(w.all[2].is_live());
    CHECK(w.all[2].it.feed().stored().sizes().blobs == 300);
    auto const more = preconf_kit::next(&all.back());
    w.publish(0, more);
    w.pass(2s);
    CHECK(w.all[2].head() == 301);  // it is live
    w.all[0].it.close();
    w.all[0].mine.close();
    w.all[1].mine.close();
    w.add();
    w.connect(3, 2);
    w.pass(30s);
    CHECK(w.all[3].head() == 301);
    CHECK(w.all[3].is_live());
}

TEST_CASE("feed node: out of order, N+3, N, N+1, N+2: what waits is passed on when it is released") {
    world w{3};
    w.connect(0, 1);
    w.connect(1, 2);
    w.pass(3s);
    auto const all = chain<preconf_kit>(4);
    // A peer without a feed of its own says them in that order.
    pubsub* from = &w.all[0].gossips;
    for (std::size_t const i : {3u, 0u, 1u, 2u}) {
        REQUIRE(from->publish(preconf_kit::make_protocol().topic(fd::kind::record), all[i].content()));
        w.wires.run();
    }
    w.pass(2s);
    CHECK(w.all[1].head() == 4);
    CHECK(w.all[2].head() == 4);
    CHECK(w.all[1].count<fd::record_accepted>() == 4);
}

TEST_CASE("feed node: who publishes what is malformed loses its score, its place in the mesh, and is not heard") {
    world w{2};
    w.connect(0, 1);
    w.pass(3s);
    auto const topic = preconf_kit::make_protocol().topic(fd::kind::record);
    auto const& router = w.all[1].gossips.router();
    double lowest = 0;
    std::int32_t lowest_of_feed = 0;
    for (int i = 0; i < 40; ++i) {
        (void)w.all[0].gossips.publish(topic, bytes(10, static_cast<byte>(i)));
        w.pass(500ms);
        lowest = std::min(lowest, router.score_of(id(0)));
        lowest_of_feed = std::min(lowest_of_feed, w.all[1].it.feed().info(id(0), w.clock.now()).score);
    }
    CHECK(lowest_of_feed <= -15);
    CHECK(lowest < -1);  // the verdicts and the score are gossip's, too: it is not even gossiped to
    CHECK(router.mesh_of(topic).empty());
    CHECK(w.all[1].head() == 0);
    auto const good = preconf_kit::next(nullptr);
    w.publish(1, good);
    w.pass(1s);
    CHECK(w.all[1].head() == 1);
}

TEST_CASE("feed node: what has waited for its parent for a minute is passed on when that comes") {
    world w{3};
    w.connect(0, 1);
    w.connect(1, 2);
    w.pass(3s);
    auto const all = chain<preconf_kit>(2);
    auto const topic = preconf_kit::make_protocol().topic(fd::kind::record);
    REQUIRE(w.all[0].gossips.publish(topic, all[1].content()));
    std::size_t passed_on = 0;
    w.pass(60s);
    CHECK(w.all[1].it.feed().stats().pending == 1);
    REQUIRE(w.all[0].gossips.publish(topic, all[0].content()));
    w.pass(1s);
    for (auto const& e : w.all[2].told) {
        auto const* const a = std::get_if<fd::record_accepted>(&e);
        passed_on += a != nullptr && a->origin == fd::origin::gossip ? 1u : 0u;
    }
    CHECK(passed_on == 2);
}

namespace {
/// Counts what peers are charged at the network.
struct charging_network : network {
    using network::network;
    void penalise(peer::peer_id const&, std::int32_t points) { charged += points; }
    std::int32_t charged = 0;
};
}  // namespace

TEST_CASE("feed node: a message that is rejected is charged once at the network") {
    using charging_pubsub = node::pubsub<charging_network, line, manual_clock, node::preconf_gossip_policies>;
    transport::memory_network wires;
    manual_clock clock;
    machine sender{wires, clock, 0};
    manual_timers timers;
    muster::alarm<manual_timers> rings{timers};
    line gossip_line{rings}, feed_line{rings};
    auto const keys = node_keys(1);
    charging_network mine{wires, keys.node.id()};
    charging_pubsub gossips{mine,  gossip_line,
                            clock, node::preconf_gossip_options(settings()),
                            1,     charging_pubsub::router_type::signing{gossip::node_key_signer{keys.node}}};
    node::feed_node<charging_network, charging_pubsub, policies, line, manual_clock> it{
        {mine,
         gossips,
         feed_line,
         clock,
         {.protocol = preconf_kit::make_protocol(), .options = settings(), .seed = 1},
         node::preconf_node_options()}};
    mine.on_peer([&](transport::event const& e) { it.note(e); });
    REQUIRE(it.start());
    REQUIRE(sender.mine.connect(keys.node.id(), {}));
    auto const pass = [&](int halves) {
        for (int i = 0; i < halves; ++i) {
            wires.run();
            clock.advance(500ms);
            sender.timers.fire_due(clock.now());
            timers.fire_due(clock.now());
        }
        wires.run();
    };
    pass(8);
    (void)sender.gossips.publish(preconf_kit::make_protocol().topic(fd::kind::record), bytes(10, 1));
    pass(4);
    CHECK(it.feed().info(id(0), clock.now()).score < 0);
    CHECK(mine.charged == 20);
}

TEST_CASE("feed node: after closing nothing is served, told or armed") {
    world w{2};
    w.connect(0, 1);
    w.pass(3s);
    w.all[1].it.close();
    CHECK(w.all[1].count<fd::stopped>() == 1);
    auto const told = w.all[1].told.size();
    REQUIRE(w.all[0].it.request_head());
    w.pass(60s);
    CHECK(w.all[0].count<fd::request_failed>() == 1);
    CHECK(w.all[1].told.size() == told);
    CHECK(w.all[1].it.request_head().error() == fd::errc::shutdown);
    CHECK_FALSE(w.all[1].line_.armed());
}

}  // namespace feed_node_tests
