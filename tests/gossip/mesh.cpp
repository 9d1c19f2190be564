// SPDX-License-Identifier: MIT

// Subscriptions, meshes and fanout: transcripts of what is said and done.

#include <set>

#include "bench.hpp"

namespace mesh_tests {

using namespace muster;
using namespace muster::gossip;
using namespace std::chrono_literals;
using test::bench;
using test::peer_number;
using test::quiet;

namespace {

using names = std::vector<std::string>;
using flags = std::vector<std::pair<std::string, bool>>;

std::size_t outbound_in(bench<> const& b, std::string_view topic, std::uint32_t first_outbound) {
    std::size_t n = 0;
    for (std::uint32_t p = first_outbound; p <= 60; ++p) n += b.in_mesh(p, topic);
    return n;
}

}  // namespace

TEST_CASE("gossip: who comes is told what we are subscribed to, and each change is told to all") {
    bench b;
    b.join("a");
    b.join("b");
    CHECK(b.take().empty());
    b.up(1);
    CHECK(b.to(1, b.take()).subscriptions == flags{{"a", true}, {"b", true}});
    b.join("c");
    CHECK(b.to(1, b.take()).subscriptions == flags{{"c", true}});
    b.join("c");  // once more
    CHECK(b.take().empty());
    b.leave("a");
    CHECK(b.to(1, b.take()).subscriptions == flags{{"a", false}});
    CHECK_FALSE(b.own.unsubscribe("a", b.now, b.effects));
    CHECK_FALSE(b.own.subscribe("", {}, b.now, b.effects));
    CHECK_FALSE(b.own.subscribe(std::string(257, 'x'), {}, b.now, b.effects));
    CHECK(b.take().empty());
}

TEST_CASE("gossip: subscribers are known until they unsubscribe or leave, and then forgotten with their topic") {
    bench b;
    b.crowd(1, 2, "t");
    b.subscribes(1, "u");
    CHECK(b.own.subscribers_of("t").size() == 2);
    CHECK(b.own.stats().topics == 2);
    b.subscribes(1, "t", false);
    b.subscribes(1, "never", false);
    CHECK(b.own.subscribers_of("t") == std::vector{peer_number(2)});
    b.down(2);
    b.down(2);
    b.down(1);
    CHECK(b.own.stats().topics == 0);
    CHECK(b.own.stats().peers == 0);
}

TEST_CASE("gossip mesh: joining grafts D peers, a heartbeat fills up below D_low, and nobody twice") {
    bench b;
    b.crowd(1, 10, "t");
    (void)b.take();
    b.join("t");
    auto all = b.take();
    CHECK(b.own.mesh_of("t").size() == 6);
    CHECK(b.all_of<grafted>(all).size() == 6);
    for (std::uint32_t n = 1; n <= 10; ++n) CHECK((b.to(n, all).grafts == names{"t"}) == b.in_mesh(n, "t"));
    for (int left = 3; left > 0; --left) {  // three of them hang up: below D_low
        for (std::uint32_t n = 1; n <= 10; ++n) {
            if (b.in_mesh(n, "t")) {
                b.down(n);
                break;
            }
        }
    }
    CHECK(b.own.mesh_of("t").size() == 3);
    (void)b.take();
    b.beat();
    CHECK(b.own.mesh_of("t").size() == 6);
    CHECK(b.all_of<grafted>(b.take()).size() == 3);
    b.beat();
    CHECK(b.all_of<grafted>(b.take()).empty());
}

TEST_CASE("gossip mesh: a graft is accepted without a word, a prune ends it and is heeded for its time") {
    bench b;
    b.join("t");
    b.crowd(1, 1, "t");
    (void)b.take();
    b.grafts(1, "t");
    CHECK(b.take() == std::vector<effect>{grafted{"t", peer_number(1)}});
    b.grafts(1, "t");  // a repetition is nothing
    CHECK(b.take().empty());
    b.prunes(1, "t", 30);
    CHECK(b.take() == std::vector<effect>{pruned{"t", peer_number(1), prune_reason::pruned_by_peer}});
    b.pass(31s);
    CHECK(b.take().empty());
    b.pass(3s);  // 30 s, the slack, and up to the next heartbeat
    CHECK(b.all_of<grafted>(b.take()).size() == 1);
}

TEST_CASE("gossip mesh: a prune without a time, or from a peer that is not in the mesh, starts a whole back-off") {
    for (bool const was_in_mesh : {true, false}) {
        bench b;
        b.join("t");
        b.crowd(1, 1, "t");
        if (was_in_mesh) b.grafts(1, "t");
        b.prunes(1, "t");
        (void)b.take();
        b.pass(61s);
        CHECK(b.all_of<grafted>(b.take()).empty());
        b.pass(3s);
        CHECK(b.all_of<grafted>(b.take()).size() == 1);
    }
}

TEST_CASE("gossip mesh: a graft during the back-off is refused, costs, and makes it longer") {
    bench b;
    b.join("t");
    b.crowd(1, 1, "t", direction::inbound);
    b.grafts(1, "t");
    b.prunes(1, "t");
    (void)b.take();
    b.pass(5s);
    b.grafts(1, "t");  // within ten seconds: twice
    auto all = b.take();
    CHECK(b.all_of<penalise>(all) == std::vector<penalise>{{peer_number(1), 2, offence::early_graft}});
    CHECK(b.to(1, all).prunes == std::vector<rpc::prune_entry>{{"t", 60, {}}});
    b.pass(20s);
    b.grafts(1, "t");
    CHECK(b.all_of<penalise>(b.take()) == std::vector<penalise>{{peer_number(1), 1, offence::early_graft}});
    b.pass(50s);  // the first back-off is over, not the one that was made longer
    b.grafts(1, "t");
    CHECK(b.all_of<penalise>(b.take()).size() == 1);
    CHECK_FALSE(b.in_mesh(1, "t"));
}

TEST_CASE("gossip mesh: grafts of a stranger to the topic, of a bad peer, and for topics that are not ours") {
    bench b;
    b.join("t");
    b.up(1);
    (void)b.take();
    b.grafts(1, "t");  // not subscribed
    CHECK(b.to(1, b.take()).prunes.size() == 1);
    b.grafts(1, "other");
    CHECK(b.take().empty());
    b.crowd(2, 2, "t");
    b.tell(rated{peer_number(2), -1});
    (void)b.take();
    b.grafts(2, "t");
    CHECK(b.to(2, b.take()).prunes == std::vector<rpc::prune_entry>{{"t", 60, {}}});
    CHECK(b.own.mesh_of("t").empty());
}

TEST_CASE("gossip mesh: full at D_high for those that dialled us, open to those that we dialled; then pruned to D") {
    bench b;
    b.join("t");
    b.crowd(1, 14, "t", direction::inbound);
    b.crowd(20, 20, "t", direction::outbound);
    (void)b.take();
    for (std::uint32_t n = 1; n <= 12; ++n) b.grafts(n, "t");
    CHECK(b.own.mesh_of("t").size() == 12);
    (void)b.take();
    b.grafts(13, "t");
    auto all = b.take();
    REQUIRE(b.to(13, all).prunes.size() == 1);
    CHECK(b.to(13, all).prunes[0].px.size() == 14);  // others of the topic are recommended
    CHECK(b.all_of<grafted>(all).empty());
    b.grafts(20, "t");
    CHECK(b.own.mesh_of("t").size() == 13);
    (void)b.take();
    b.beat();
    CHECK(b.own.mesh_of("t").size() == 6);
    CHECK(b.in_mesh(20, "t"));  // of those that we dialled D_out stay
    CHECK(b.all_of<pruned>(b.take()).size() == 7);
}

TEST_CASE("gossip mesh: pruning keeps the best D_score, whatever the draw") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        bench b{quiet(), {}, seed};
        b.join("t");
        b.crowd(1, 13, "t", direction::inbound);
        for (std::uint32_t n = 1; n <= 12; ++n) b.grafts(n, "t");
        for (std::uint32_t n : {3u, 5u, 8u, 11u}) b.tell(rated{peer_number(n), 10});
        b.crowd(20, 20, "t");
        b.grafts(20, "t");
        b.beat();
        for (std::uint32_t n : {3u, 5u, 8u, 11u}) CHECK(b.in_mesh(n, "t"));
        CHECK(b.own.mesh_of("t").size() == 6);
    }
}

TEST_CASE("gossip mesh: peers that dialled us cannot fill it up: D_out of it are peers that we dialled") {
    for (std::uint32_t const crowd : {6u, 12u}) {  // one that has room, and one that is full
        bench b;
        b.join("t");
        b.crowd(1, crowd, "t", direction::inbound);
        for (std::uint32_t n = 1; n <= crowd; ++n) b.grafts(n, "t");
        b.beat();
        CHECK(b.own.mesh_of("t").size() == crowd);
        b.crowd(30, 33, "t", direction::outbound);
        b.beat();
        CHECK(outbound_in(b, "t", 30) == 2);
        CHECK(b.own.mesh_of("t").size() <= 12);
    }
}

TEST_CASE(
    "gossip mesh: whose score is negative is pruned at the heartbeat, is recommended nobody and not grafted again") {
    bench b;
    b.join("t");
    b.crowd(1, 3, "t");
    b.beat();
    CHECK(b.own.mesh_of("t").size() == 3);
    b.tell(rated{peer_number(2), -0.5});
    (void)b.take();
    b.beat();
    auto const all = b.take();
    CHECK(b.all_of<pruned>(all) == std::vector<pruned>{{"t", peer_number(2), prune_reason::negative_score}});
    CHECK(b.to(2, all).prunes == std::vector<rpc::prune_entry>{{"t", 60, {}}});
    b.pass(5min);
    CHECK_FALSE(b.in_mesh(2, "t"));
    b.tell(rated{peer_number(2), 0});
    b.beat();
    CHECK(b.in_mesh(2, "t"));
}

TEST_CASE("gossip mesh: leaving prunes with the short back-off, which holds on coming back") {
    bench b;
    b.join("t");
    b.crowd(1, 2, "t");
    b.beat();
    (void)b.take();
    b.leave("t");
    auto all = b.take();
    REQUIRE(b.to(1, all).prunes.size() == 1);
    CHECK(b.to(1, all).prunes[0].backoff_seconds == 10);
    CHECK(b.to(1, all).subscriptions == flags{{"t", false}});
    CHECK(b.all_of<pruned>(all).size() == 2);
    b.join("t");
    CHECK(b.own.mesh_of("t").empty());
    b.pass(11s);
    CHECK(b.own.mesh_of("t").empty());
    b.pass(3s);
    CHECK(b.own.mesh_of("t").size() == 2);
}

TEST_CASE("gossip mesh: once a minute a poor mesh takes in two better peers, making room where there is none") {
    for (std::uint32_t const size : {5u, 12u}) {
        auto o = quiet();
        o.mesh.d_out = 0;
        bench b{o};
        b.join("t");
        b.crowd(1, size, "t", direction::inbound);
        for (std::uint32_t n = 1; n <= size; ++n) b.grafts(n, "t");
        b.crowd(20, 25, "t", direction::inbound);
        for (std::uint32_t n : {21u, 22u, 23u}) b.tell(rated{peer_number(n), 8});
        b.pass(59s);
        CHECK(outbound_in(b, "t", 20) == 0);
        b.pass(2s);
        CHECK(outbound_in(b, "t", 20) == 2);
        CHECK(b.own.mesh_of("t").size() == std::min(size + 2, 12u));
        CHECK_FALSE((b.in_mesh(20, "t") || b.in_mesh(24, "t") || b.in_mesh(25, "t")));
    }
}

TEST_CASE("gossip mesh: one that does well takes nobody in") {
    auto o = quiet();
    o.mesh.d_out = 0;
    bench b{o};
    b.join("t");
    b.crowd(1, 6, "t", direction::inbound);
    for (std::uint32_t n = 1; n <= 6; ++n) {
        b.grafts(n, "t");
        b.tell(rated{peer_number(n), 6});
    }
    b.crowd(20, 25, "t", direction::inbound);
    for (std::uint32_t n : {21u, 22u, 23u}) b.tell(rated{peer_number(n), 9});
    b.pass(3min);
    CHECK(outbound_in(b, "t", 20) == 0);
}

TEST_CASE("gossip peer exchange: believed from those that stand well, followed up to a bound, never for ourselves") {
    auto o = quiet();
    o.mesh.exchange_max = 3;
    bench b{o};
    b.join("t");
    b.crowd(1, 2, "t");
    std::vector<rpc::px_entry> px{{peer_number(0), {}}, {peer_number(2), {}}, {peer_number(50), bytes{1, 2}}};
    b.prunes(1, "t", 60, px);
    CHECK(b.all_of<want_peer>(b.take()).empty());  // a score of 0 is not enough
    b.tell(rated{peer_number(1), 10});
    b.prunes(1, "t", 60, px);
    CHECK(b.all_of<want_peer>(b.take()) ==
          std::vector<want_peer>{{peer_number(50), bytes{1, 2}, want_reason::peer_exchange}});
    px.clear();
    for (std::uint32_t n = 60; n < 70; ++n) px.push_back({peer_number(n), {}});
    b.prunes(1, "t", 60, px);
    CHECK(b.all_of<want_peer>(b.take()).size() == 3);
    b.prunes(1, "unknown", 60, px);
    CHECK(b.take().empty());
    // A record that is none, and a name that is no peer.
    b.hear(1, from_hex("1a0c"
                       "220a"
                       "0a0174"
                       "1205"
                       "0a03ffffff")
                  .value());
    CHECK(b.all_of<penalise>(b.take()) == std::vector<penalise>{{peer_number(1), 1, offence::invalid_exchange}});
}

TEST_CASE(
    "gossip peer exchange: records are passed on as identify told them, to 1.1 and later, when we prune for room") {
    bench b;
    b.join("t");
    b.crowd(1, 12, "t", direction::inbound);
    for (std::uint32_t n = 1; n <= 12; ++n) b.grafts(n, "t");
    b.tell(record_learned{peer_number(3), bytes{7, 7}});
    b.tell(record_learned{peer_number(4), bytes(4097)});  // too large to keep
    b.tell(rated{peer_number(5), -1});
    b.crowd(13, 13, "t", direction::inbound);
    b.up(14, direction::inbound, version::v1_0);
    b.subscribes(14, "t");
    (void)b.take();
    b.grafts(13, "t");
    auto const prunes = b.to(13, b.take()).prunes;
    REQUIRE(prunes.size() == 1);
    std::set<peer_id> who;
    for (auto const& e : prunes[0].px) {
        who.insert(e.peer);
        CHECK(e.record == (e.peer == peer_number(3) ? bytes{7, 7} : bytes{}));
    }
    CHECK(who.size() == prunes[0].px.size());
    CHECK(who.count(peer_number(13)) == 0);  // not itself
    CHECK(who.count(peer_number(5)) == 0);   // nobody who behaves badly
    CHECK(who.size() == 12);                 // the other eleven, and 14
    b.grafts(14, "t");
    CHECK(b.to(14, b.take()).prunes == std::vector<rpc::prune_entry>{{"t", 0, {}}});  // 1.0 knows neither
}

TEST_CASE("gossip explicit peers: wanted at once and every five minutes, outside of the mesh, fed and heeded always") {
    bench b;
    REQUIRE(b.own.add_explicit(peer_number(1), b.now, b.effects));
    want_peer const wanted{peer_number(1), {}, want_reason::explicit_peer};
    CHECK(b.take() == std::vector<effect>{wanted});
    b.pass(4min);
    CHECK(b.take().empty());
    b.pass(2min);
    CHECK(b.take() == std::vector<effect>{wanted});
    b.join("t");
    b.crowd(1, 3, "t");
    b.beat();
    CHECK_FALSE(b.in_mesh(1, "t"));
    (void)b.take();
    b.grafts(1, "t");
    CHECK(b.to(1, b.take()).prunes.size() == 1);
    b.tell(rated{peer_number(1), -1000});
    b.sends(1, "t", "from it");
    auto all = b.take();
    CHECK(b.delivered(all) == names{"from it"});
    b.sends(2, "t", "to it");
    CHECK(b.receivers("to it", b.take()) == std::vector<std::uint32_t>{1, 3});
    (void)b.publish("t", "ours");
    CHECK(b.receivers("ours", b.take()) == std::vector<std::uint32_t>{1, 2, 3});
    b.pass(10min);
    CHECK(b.all_of<want_peer>(b.take()).empty());
    // One that is in the mesh already leaves it.
    REQUIRE(b.own.add_explicit(peer_number(2), b.now, b.effects));
    CHECK(b.to(2, b.take()).prunes.size() == 1);
    b.own.remove_explicit(peer_number(1));
    b.sends(1, "t", "not heeded");
    CHECK(b.take().empty());
}

TEST_CASE("gossip fanout: D peers of the topic, kept for a minute after the last publication, then forgotten") {
    bench b;
    b.crowd(1, 10, "t");
    (void)b.take();
    (void)b.publish("t", "1");
    auto const first = b.receivers("1", b.take());
    CHECK(first.size() == 6);
    b.pass(50s);
    (void)b.publish("t", "2");
    CHECK(b.receivers("2", b.take()) == first);
    b.down(first[0]);
    b.beat();  // filled up again
    (void)b.publish("t", "3");
    auto const second = b.receivers("3", b.take());
    CHECK(second.size() == 6);
    CHECK(second != first);
    b.join("t");  // the mesh begins with them
    for (auto const n : second) CHECK(b.in_mesh(n, "t"));
    b.leave("t");
    for (std::uint32_t n = 1; n <= 10; ++n) b.down(n);
    (void)b.publish("nobody", "4");
    CHECK(b.own.stats().topics == 1);
    b.pass(62s);
    CHECK(b.own.stats().topics == 0);
}

TEST_CASE("gossip publishing: to all of the topic when it floods, but not to those that stand too badly") {
    auto o = quiet();
    o.flood_publish = true;
    bench b{o};
    b.crowd(1, 20, "t");
    b.crowd(21, 21, "other");
    b.tell(rated{peer_number(3), -49});
    b.tell(rated{peer_number(4), -51});
    (void)b.take();
    (void)b.publish("t", "x");
    auto const got = b.receivers("x", b.take());
    CHECK(got.size() == 19);
    CHECK(std::count(got.begin(), got.end(), 4u) == 0);
    CHECK(b.own.stats().topics == 2);
}

TEST_CASE("gossip: a wake-up may come early, twice or very late") {
    bench b;
    b.join("t");
    b.crowd(1, 3, "t");
    (void)b.take();
    b.own.wake(b.now, b.effects);
    CHECK(b.take().empty());
    auto const due = *b.own.next_deadline();
    b.now = due;
    b.own.wake(due, b.effects);
    CHECK(b.all_of<grafted>(b.take()).size() == 3);
    auto const next = b.own.next_deadline();
    b.own.wake(due, b.effects);
    CHECK(b.take().empty());
    CHECK(b.own.next_deadline() == next);
    b.own.wake(due + 1h, b.effects);
    CHECK(*b.own.next_deadline() > due + 1h);
    CHECK(*b.own.next_deadline() <= due + 1h + 1s);
}

}  // namespace mesh_tests
