// SPDX-License-Identifier: MIT

// Messages: forwarding, announcements, validation, and peers that read slowly.

#include "bench.hpp"

namespace exchange_tests {

using namespace muster;
using namespace muster::gossip;
using namespace std::chrono_literals;
using test::bench;
using test::peer_number;
using test::quiet;

namespace {

using names = std::vector<std::string>;
using numbers = std::vector<std::uint32_t>;

/// Three peers in the mesh of "t", three that are not.
bench<> six(options o = quiet()) {
    o.mesh.d = 3;
    o.mesh.d_low = 3;
    o.mesh.d_high = 6;
    o.mesh.d_score = 2;
    o.mesh.d_out = 1;
    return bench<>{o};
}
void set_up(bench<>& b, topic_options const& t = {}) {
    b.join("t", t);
    b.crowd(1, 3, "t");
    b.beat();
    b.crowd(4, 6, "t");
    (void)b.take();
}
topic_options judged() {
    topic_options t;
    t.validates = true;
    return t;
}
ticket ticket_of(std::vector<effect> const& all) {
    auto const asked = bench<>::all_of<validate>(all);
    REQUIRE(asked.size() == 1);
    return asked[0].ticket;
}

}  // namespace

TEST_CASE("gossip: a message is delivered once and forwarded as it came, to the mesh, not to whom it came from") {
    auto b = six();
    set_up(b);
    auto odd = b.unsigned_message("t", "x");
    odd.insert(odd.end(), {0x40, 0x01});  // a field of somebody else's
    b.hear(1, rpc::encode_publish(odd));
    auto const all = b.take();
    REQUIRE(b.delivered(all) == names{"x"});
    auto const& m = *b.all_of<deliver>(all)[0].message;
    CHECK(m.topic == "t");
    CHECK(m.relayed_by == peer_number(1));
    CHECK(b.receivers("x", all) == numbers{2, 3});
    for (auto const& s : b.all_of<send>(all)) CHECK(*s.frame == rpc::encode_publish(odd));
    b.hear(2, rpc::encode_publish(odd));
    b.sends(3, "t", "x");
    CHECK(b.take().empty());
    b.sends(4, "t", "from outside of the mesh");
    CHECK(b.receivers("from outside of the mesh", b.take()) == numbers{1, 2, 3});
    b.sends(1, "other", "y");  // a topic that we do not take
    CHECK(b.take().empty());
    b.sends(99, "t", "z");  // nobody we know
    CHECK(b.take().empty());
}

TEST_CASE("gossip ihave: announced outside of the mesh for three heartbeats, asked for once, sent on asking") {
    auto b = six();
    set_up(b);
    b.sends(1, "t", "x");
    (void)b.take();
    auto const id = b.id("t", "x");
    auto const name = test::string_of(id.view());
    for (int beat = 0; beat < 5; ++beat) {
        b.beat();
        auto const all = b.take();
        for (std::uint32_t n = 1; n <= 6; ++n) {
            bool const hears = n > 3 && beat < 3;
            CHECK((b.to(n, all).ihave.size() == 1) == hears);
            if (hears) CHECK(b.to(n, all).ihave[0] == std::pair{std::string{"t"}, names{name}});
        }
        b.wants(4, {id, b.id("t", "never")});
        CHECK(b.to(4, b.take()).data == (beat < 3 ? names{"x"} : names{}));  // three times and no more
    }
    b.wants(5, {id});
    CHECK(b.take().empty());  // five heartbeats ago
}

TEST_CASE("gossip ihave: what is not known is asked for; a message that comes is not asked for again") {
    auto b = six();
    set_up(b);
    auto const x = b.id("t", "x"), y = b.id("t", "y");
    b.announces(4, "t", {x, y});
    CHECK(b.to(4, b.take()).iwant == names{test::string_of(x.view()), test::string_of(y.view())});
    b.announces(4, "other", {b.id("other", "x")});
    CHECK(b.take().empty());
    b.sends(4, "t", "x");
    (void)b.take();
    b.announces(5, "t", {x, y});
    CHECK(b.to(5, b.take()).iwant == names{test::string_of(y.view())});
}

TEST_CASE("gossip ihave: broken promises are charged, kept ones are not, by whomever they were kept") {
    auto b = six();
    set_up(b);
    b.announces(4, "t", {b.id("t", "x")});
    b.announces(5, "t", {b.id("t", "y")});
    b.announces(6, "t", {b.id("t", "z")});
    b.sends(5, "t", "y");
    b.sends(1, "t", "z");
    (void)b.take();
    b.pass(2900ms);
    CHECK(b.all_of<penalise>(b.take()).empty());
    b.pass(1100ms);
    CHECK(b.all_of<penalise>(b.take()) == std::vector<penalise>{{peer_number(4), 1, offence::broken_promise}});
}

TEST_CASE("gossip ihave: ten messages and so many ids a heartbeat are heeded, the next is not") {
    auto o = quiet();
    o.gossip.ihave_ids_max = 15;
    auto b = six(o);
    set_up(b);
    auto const ids = [&](int first, int count) {
        std::vector<message_id> out;
        for (int i = first; i < first + count; ++i) out.push_back(b.id("t", std::to_string(i)));
        return out;
    };
    for (int i = 0; i < 12; ++i) b.announces(4, "t", ids(i, 1));
    CHECK(b.to(4, b.take()).iwant.size() == 10);
    b.announces(5, "t", ids(0, 16));
    CHECK(b.to(5, b.take()).iwant.size() == 15);
    b.announces(5, "t", ids(50, 1));
    CHECK(b.take().empty());
    b.beat();
    (void)b.take();
    b.announces(5, "t", ids(50, 1));
    CHECK(b.to(5, b.take()).iwant.size() == 1);
}

TEST_CASE("gossip thresholds: below them no announcements either way, no answers, and then nothing at all") {
    auto b = six();
    set_up(b);
    b.sends(1, "t", "x");
    b.tell(rated{peer_number(4), -11});
    (void)b.take();
    b.beat();
    auto const all = b.take();
    CHECK(b.to(4, all).ihave.empty());
    CHECK(b.to(5, all).ihave.size() == 1);
    b.announces(4, "t", {b.id("t", "new")});
    b.wants(4, {b.id("t", "x")});
    CHECK(b.take().empty());
    b.sends(4, "t", "still heard");
    CHECK(b.delivered(b.take()) == names{"still heard"});
    b.tell(rated{peer_number(4), -82});  // and 1 for being first
    b.sends(4, "t", "not any more");
    b.hear(4, bytes{0xff});
    CHECK(b.take().empty());
    b.tell(rated{peer_number(4), -81});
    b.sends(4, "t", "again");
    CHECK(b.delivered(b.take()) == names{"again"});
}

TEST_CASE("gossip idontwant: said of large messages before they are judged, to those of the mesh that know the word") {
    auto b = six();
    b.join("t", judged());
    b.crowd(1, 2, "t");
    b.up(3, direction::outbound, version::v1_1);
    b.subscribes(3, "t");
    b.beat();
    (void)b.take();
    auto const large = std::string(1024, 'x');
    b.sends(1, "t", large);
    auto all = b.take();
    CHECK(b.all_of<validate>(all).size() == 1);
    CHECK(b.to(2, all).idontwant == names{test::string_of(b.id("t", large).view())});
    CHECK(b.to(1, all).idontwant.empty());
    CHECK(b.to(3, all).idontwant.empty());
    b.sends(1, "t", std::string(1023, 'x'));
    CHECK(b.to(2, b.take()).idontwant.empty());
}

TEST_CASE("gossip idontwant: heeded for three heartbeats, up to a bound, for own messages too") {
    auto o = quiet();
    o.gossip.idontwant_ids_max = 2;
    auto b = six(o);
    set_up(b);
    b.declines(2, {b.id("t", "x")});
    b.sends(1, "t", "x");
    CHECK(b.receivers("x", b.take()) == numbers{3});
    b.declines(2, {b.id("t", "own")});
    (void)b.publish("t", "own");
    CHECK(b.receivers("own", b.take()) == numbers{1, 3});
    b.declines(2, {b.id("t", "y")});  // the third since the heartbeat
    b.sends(1, "t", "y");
    CHECK(b.receivers("y", b.take()) == numbers{2, 3});
    b.declines(3, {b.id("t", "z")});
    for (int i = 0; i < 3; ++i) b.beat();
    b.sends(1, "t", "z");
    CHECK(b.receivers("z", b.take()) == numbers{2, 3});
}

TEST_CASE("gossip turns: a large message goes to one peer at once and to each other one later, unless it has it") {
    std::set<int> empty_turns;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        bench<> b{quiet(), {}, seed};
        b.join("t");
        b.crowd(1, 6, "t");
        b.beat();
        (void)b.take();
        auto const large = std::string(1024, 'x');
        b.sends(1, "t", large);
        auto served = b.receivers(large, b.take());
        REQUIRE(served.size() == 1);
        auto const declines = served[0] == 2 ? 3u : 2u;
        b.declines(declines, {b.id("t", large)});
        (void)b.take();
        for (int turn = 0; turn < 4; ++turn) {
            b.pass(300ms);
            auto const now_served = b.receivers(large, b.take());
            CHECK(now_served.size() <= 1);
            if (now_served.empty()) empty_turns.insert(turn);
            served.insert(served.end(), now_served.begin(), now_served.end());
        }
        std::sort(served.begin(), served.end());
        numbers expected;
        for (std::uint32_t n = 2; n <= 6; ++n) {
            if (n != declines) expected.push_back(n);
        }
        CHECK(served == expected);
        b.pass(5s);
        CHECK(b.receivers(large, b.take()).empty());
    }
    CHECK(empty_turns.size() > 1);  // its turn is not given to the next
}

TEST_CASE("gossip turns: small messages, peers that cannot decline and what is beyond the bound go at once") {
    auto o = quiet();
    SECTION("messages") { o.gossip.turns_max = 1; }
    SECTION("bytes") { o.gossip.turns_bytes_max = 2000; }
    bench<> b{o};
    b.join("t");
    b.crowd(1, 2, "t");
    b.up(3, direction::outbound, version::v1_1);
    b.up(4, direction::outbound, version::v1_1);
    b.subscribes(3, "t");
    b.subscribes(4, "t");
    b.up(5);
    b.subscribes(5, "t");
    b.beat();
    (void)b.take();
    b.sends(1, "t", "small");
    CHECK(b.receivers("small", b.take()) == numbers{2, 3, 4, 5});
    auto const large = std::string(1024, 'x'), other = std::string(1024, 'y');
    b.sends(1, "t", large);
    CHECK(b.receivers(large, b.take()).size() == 3);  // the two that cannot decline, and the first of the others
    b.sends(1, "t", other);
    CHECK(b.receivers(other, b.take()) == numbers{2, 3, 4, 5});
}

TEST_CASE("gossip turns: who leaves before its turn gets nothing") {
    auto o = quiet();
    o.flood_publish = true;
    bench<> b{o};
    b.join("t");
    b.crowd(1, 9, "t");
    b.beat();
    (void)b.take();
    (void)b.publish("t", "small");
    CHECK(b.receivers("small", b.take()).size() == 9);
    auto const large = std::string(1024, 'x');
    (void)b.publish("t", large);
    auto const first = b.receivers(large, b.take());
    REQUIRE(first.size() == 1);
    CHECK(b.in_mesh(first[0], "t"));
    for (std::uint32_t n = 1; n <= 9; ++n) {
        if (n % 2 == 0) b.down(n);
        if (n % 2 == 1) b.subscribes(n, "t", false);
    }
    for (int turn = 0; turn < 9; ++turn) {
        b.pass(300ms);
        CHECK(b.receivers(large, b.take()).empty());
    }
}

TEST_CASE("gossip turns: the flood of a large message waits to see whether the mesh spreads it") {
    auto o = quiet();
    o.flood_publish = true;
    for (bool const spreads : {true, false}) {
        bench<> b{o};
        b.join("t");
        b.crowd(1, 6, "t");
        b.beat();
        b.crowd(7, 12, "t");  // outside of the mesh
        (void)b.take();
        auto const large = std::string(1024, 'x');
        auto const id = b.publish("t", large);
        auto served = b.receivers(large, b.take());
        REQUIRE(served.size() == 1);
        auto const elsewhere = served[0] == 1 ? 2u : 1u;
        if (spreads) b.declines(elsewhere, {id});
        (void)b.take();
        for (int turn = 0; turn < 8; ++turn) {
            b.pass(300ms);
            auto const more = b.receivers(large, b.take());
            if (turn != 2) CHECK(more.size() <= 1);
            served.insert(served.end(), more.begin(), more.end());
        }
        CHECK(served.size() == (spreads ? 5u : 12u));
        CHECK(std::any_of(served.begin(), served.end(), [](auto n) { return n > 6; }) == !spreads);
    }
}

TEST_CASE("gossip turns: a large message that spreads is announced from the second heartbeat on") {
    for (bool const spreads : {true, false}) {
        auto b = six();
        set_up(b);
        auto const large = std::string(1024, 'x');
        b.sends(1, "t", large);
        b.sends(1, "t", "small");
        if (spreads) b.declines(2, {b.id("t", large)});
        (void)b.take();
        b.pass(1s);
        auto all = b.take();
        REQUIRE(b.to(4, all).ihave.size() == 1);
        CHECK(b.to(4, all).ihave[0].second.size() == (spreads ? 1u : 2u));
        b.pass(1s);
        all = b.take();
        REQUIRE(b.to(4, all).ihave.size() == 1);
        CHECK(b.to(4, all).ihave[0].second.size() == 2);
    }
}

TEST_CASE(
    "gossip validation: nothing is forwarded or delivered before it is accepted, and then to all but the senders") {
    auto b = six();
    set_up(b, judged());
    b.sends(1, "t", "x");
    auto all = b.take();
    auto const asked = b.all_of<validate>(all);
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].until == b.now + 5s);
    CHECK(test::string_of(asked[0].message->data) == "x");
    CHECK(all.size() == 1);
    b.sends(2, "t", "x");  // it has it, too
    b.beat();
    CHECK(b.take().empty());  // nor announced
    b.tell(validated{asked[0].ticket, verdict::accept});
    all = b.take();
    CHECK(b.delivered(all) == names{"x"});
    CHECK(b.receivers("x", all) == numbers{3});
    b.tell(validated{asked[0].ticket, verdict::reject});  // too late to change one's mind
    CHECK(b.take().empty());
    CHECK(b.score(1) > 0);
}

TEST_CASE("gossip validation: ignored is not forwarded, not blamed and not asked again; rejected is blamed") {
    auto b = six();
    set_up(b, judged());
    b.sends(1, "t", "x");
    b.tell(validated{ticket_of(b.take()), verdict::ignore});
    b.sends(2, "t", "x");
    CHECK(b.take().empty());
    auto const before = b.score(1);
    b.sends(1, "t", "y");
    b.sends(2, "t", "y");
    b.tell(validated{ticket_of(b.take()), verdict::reject});
    auto const all = b.take();
    CHECK(b.all_of<penalise>(all) == std::vector<penalise>{{peer_number(1), 1, offence::invalid_message},
                                                           {peer_number(2), 1, offence::invalid_message}});
    CHECK(b.delivered(all).empty());
    CHECK(b.score(1) < before);
    b.sends(3, "t", "y");  // the same bytes: known to be wrong
    CHECK(b.all_of<penalise>(b.take()) == std::vector<penalise>{{peer_number(3), 1, offence::invalid_message}});
    b.beat();
    CHECK(b.own.mesh_of("t").size() == 3);  // 1, 2 and 3 are out, 4, 5 and 6 in
    CHECK((b.in_mesh(4, "t") && b.in_mesh(5, "t") && b.in_mesh(6, "t")));
}

TEST_CASE("gossip validation: what a validator had no time for is judged when it comes another way") {
    auto b = six();
    set_up(b, judged());
    b.sends(1, "t", "x");
    b.tell(validated{ticket_of(b.take()), verdict::unjudged});
    CHECK(b.take().empty());
    CHECK(b.score(1) == 0);
    b.sends(2, "t", "x");
    b.tell(validated{ticket_of(b.take()), verdict::accept});
    auto const all = b.take();
    CHECK(b.delivered(all) == names{"x"});
    CHECK(b.receivers("x", all) == numbers{1, 3});  // 1 is one of those it is new to
}

TEST_CASE("gossip validation: after the deadline a message is ignored, and the verdict comes to nothing") {
    auto b = six();
    set_up(b, judged());
    b.sends(1, "t", "x");
    auto const t = ticket_of(b.take());
    b.pass(4900ms);
    CHECK(b.take().empty());
    b.pass(200ms);
    CHECK(b.take() == std::vector<effect>{validation_missed{b.id("t", "x"), peer_number(1)}});
    b.tell(validated{t, verdict::accept});
    b.tell(validated{t, verdict::reject});
    b.tell(validated{12345, verdict::accept});
    CHECK(b.take().empty());
    CHECK(b.own.stats().pending == 0);
}

TEST_CASE("gossip validation: one peer's messages take up its places and nobody else's, and can come another way") {
    auto o = quiet();
    o.pending_per_peer_max = 2;
    o.pending_max = 3;
    auto b = six(o);
    set_up(b, judged());
    for (auto const* const data : {"a", "b", "c"}) b.sends(1, "t", data);
    auto all = b.take();
    CHECK(b.all_of<validate>(all).size() == 2);
    CHECK(b.all_of<validation_missed>(all) == std::vector<validation_missed>{{b.id("t", "c"), peer_number(1)}});
    b.sends(2, "t", "c");  // it was not seen
    all = b.take();
    auto const c = ticket_of(all);
    b.sends(3, "t", "d");  // all places are taken
    CHECK(b.all_of<validate>(b.take()).empty());
    b.tell(validated{c, verdict::accept});
    CHECK(b.receivers("c", b.take()) == numbers{1, 3});
    b.sends(3, "t", "d");
    CHECK(b.all_of<validate>(b.take()).size() == 1);
    CHECK(b.score(1) >= 0);
}

TEST_CASE("gossip validation: wrong bytes under somebody's id neither keep the right ones out nor blame who has them") {
    struct ids {
        [[nodiscard]] message_id operator()(rpc::message_view const& m) const { return message_id{m.data}; }
    };
    struct policies {
        using signing = strict_sign<test::checksum_signer>;
        using message_ids = ids;
    };
    bench<policies> b;
    b.join("t", judged());
    b.crowd(1, 2, "t");
    (void)b.take();
    auto const by = [](std::uint32_t n) {
        return rpc::encode_publish(
            strict_sign{test::checksum_signer{peer_number(n)}}.seal(as_bytes("x"), "t", 1).value());
    };
    b.hear(1, by(8));  // an author that the application does not take
    auto const wrong = ticket_of(b.take());
    b.hear(2, by(9));
    b.tell(validated{wrong, verdict::reject});
    CHECK(b.all_of<penalise>(b.take()) == std::vector<penalise>{{peer_number(1), 1, offence::invalid_message}});
    CHECK(b.score(2) == 0);
    b.hear(2, by(9));
    b.tell(validated{ticket_of(b.take()), verdict::accept});
    CHECK(b.delivered(b.take()) == names{"x"});
}

TEST_CASE("gossip validation: hanging up before the verdict does not help") {
    auto b = six();
    set_up(b, judged());
    b.sends(1, "t", "x");
    auto const t = ticket_of(b.take());
    b.down(1);
    b.tell(validated{t, verdict::reject});
    CHECK(b.score(1) == -10);
    b.up(1);
    CHECK(b.score(1) == -10);
    // And a topic that was left meanwhile takes nothing.
    b.sends(2, "t", "y");
    auto const u = ticket_of(b.take());
    b.leave("t");
    (void)b.take();
    b.tell(validated{u, verdict::accept});
    CHECK(b.take().empty());
}

TEST_CASE("gossip P3: copies while a message is judged and shortly after count, each peer once") {
    auto t = judged();
    t.score.time_in_mesh_weight = t.score.first_deliveries_weight = 0;
    t.score.mesh_deliveries_weight = -1;
    t.score.mesh_deliveries_threshold = 1;
    t.score.mesh_deliveries_decay = 1;
    t.score.mesh_deliveries_activation = 1s;
    auto b = six();
    set_up(b, t);
    b.sends(1, "t", "x");
    auto const which = ticket_of(b.take());
    b.sends(2, "t", "x");
    b.tell(validated{which, verdict::accept});
    b.pass(9ms);
    b.sends(3, "t", "x");
    b.pass(3s);
    for (std::uint32_t n : {1u, 2u, 3u}) CHECK(b.score(n) == 0);
    auto c = six();
    set_up(c, t);
    c.sends(1, "t", "x");
    c.tell(validated{ticket_of(c.take()), verdict::accept});
    c.pass(10ms);
    c.sends(3, "t", "x");
    c.pass(3s);
    CHECK(c.score(1) == 0);
    CHECK(c.score(3) == 0 - 0.0);  // pruned by now, and P3b is off
    CHECK_FALSE(c.in_mesh(2, "t"));
    CHECK_FALSE(c.in_mesh(3, "t"));
}

TEST_CASE("gossip congestion: what the network refuses is kept in order and goes first") {
    auto b = six();
    set_up(b);
    b.sends(1, "t", "x");
    auto all = b.take();
    for (auto const& s : b.all_of<send>(all)) {
        if (s.peer == peer_number(2)) b.tell(send_refused{s.peer, s.traffic, s.frame});
    }
    b.sends(1, "t", "y");
    (void)b.publish("t", "own");
    CHECK(b.to(2, b.take()).data.empty());
    CHECK(b.own.stats().queued_bytes > 0);
    b.tell(writable{peer_number(2)});
    CHECK(b.to(2, b.take()).data == names{"x", "own", "y"});
    CHECK(b.own.stats().queued_bytes == 0);
}

TEST_CASE("gossip congestion: a peer that reads nothing costs its bound, loses what matters least, then its links") {
    auto o = quiet();
    o.outbound_bytes_max = 300;
    o.gossip.idontwant_size_min = 100;
    auto b = six(o);
    set_up(b);
    bytes const harmless{0x50, 0x00};  // a field that nobody knows
    b.tell(send_refused{peer_number(2), traffic::control, std::make_shared<bytes const>(harmless)});
    for (int i = 0; i < 100; ++i) b.sends(1, "t", "x" + std::to_string(i));
    CHECK(b.own.stats().queued_bytes <= 300);
    (void)b.publish("t", std::string(150, 'o'));
    (void)b.take();
    b.tell(writable{peer_number(2)});
    auto got = b.to(2, b.take()).data;
    REQUIRE(!got.empty());
    CHECK(got[0] == std::string(150, 'o'));
    CHECK(got.size() < 100);
    // Control that does not fit any more ends what it stood for.
    b.tell(send_refused{peer_number(2), traffic::control, std::make_shared<bytes const>(harmless)});
    b.join("u");
    for (int i = 0; b.in_mesh(2, "t"); ++i) {
        REQUIRE(i < 100);
        b.sends(1, "t", std::string(100, 'y') + std::to_string(i));  // each of which is declined
    }
    auto all = b.take();
    CHECK(b.all_of<penalise>(all) == std::vector<penalise>{{peer_number(2), 1, offence::stalled}});
    CHECK(b.own.stats().queued_bytes == 0);
    b.leave("u");
    b.sends(1, "t", "y");
    b.beat();
    CHECK_FALSE(b.in_mesh(2, "t"));
    CHECK(b.to(2, b.take()).data.empty());
    b.tell(writable{peer_number(2)});  // everything is told again, also what was left
    auto const said = b.to(2, b.take()).subscriptions;
    auto const tells = [&](std::string const& topic, bool to) {
        return std::count(said.begin(), said.end(), std::pair{topic, to}) == 1;
    };
    CHECK((tells("t", true) && tells("u", false)));
}

}  // namespace exchange_tests
