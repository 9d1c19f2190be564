// SPDX-License-Identifier: MIT

// Peers that nobody registered, and honest ones whose limits are not ours.

#include <muster/signing/coordinator.hpp>

#include <map>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace strangers_tests {

using namespace muster;
using namespace muster::signing;
using test::cluster;

namespace {

/// Somebody with keys who says what it likes.
struct outsider {
    peer::key_set keys;
    transport::memory_transport network;
    std::uint64_t sequence = 0;

    outsider(transport::memory_network& wires, std::size_t number)
        : keys{test::node_keys(number)}, network{wires, keys.node.id()} {}
    void say(peer_id const& to, session_id const& id, slot from, body const& what) {
        (void)network.connect(to, {});
        boot_epoch const epoch{{9}};
        auto frame = encode_frame({id, epoch, from, ++sequence, kind_of(what)}, what, keys.node);
        (void)network.send(to, cosign_protocol, std::move(frame).value());
    }
};

template <class Group>
void pass(Group& group, int seconds) {
    for (int i = 0; i < seconds; i += 5) group.advance(std::chrono::seconds{5});
}

}  // namespace

TEST_CASE("strangers who fill every place leave registered signers theirs, and it is said") {
    for (std::size_t const crowd : {60u, 65u, 256u, 320u}) {
        for (bool const come_again : {false, true}) {
            cluster<> group{3, {}, false};
            std::deque<outsider> strangers;
            auto const speak = [&] {
                for (auto& s : strangers) {
                    s.say(group.members[1].peer, session_id{{1, 7}}, 0, nonces_body{{musig2::pubnonce{{2}}}});
                }
                group.wires.run();
            };
            for (std::size_t i = 0; i < crowd; ++i) strangers.emplace_back(group.wires, 1000 + i);
            speak();
            if (come_again) speak(), speak(), speak();
            (void)group.nodes[0].signer->propose(group.request());
            pass(group, 20);
            INFO(crowd << (come_again ? " strangers, again and again" : " strangers"));
            CHECK(group.nodes[0].count<completed>() == 1);
            CHECK(group.nodes[1].count<peer_misbehaved>() == 0);
            // Of full places, and of a crowd that sends more than a thousand frames at once.
            auto const told = (crowd > limits{}.strangers_max ? 1u : 0u) + (come_again && crowd == 320 ? 1u : 0u);
            CHECK(group.nodes[1].count<frames_dropped>() == told);
            CHECK(group.nodes[1].signer->in_use().peers <= limits{}.strangers_max + 3);
        }
    }
}

TEST_CASE("a stranger that is forgotten and comes back may not send more than one that stays") {
    limits bounds;
    bounds.strangers_max = 2;
    bounds.frames_burst_max = 10;
    bounds.frames_per_second = 1;
    bounds.known_initiators_only = true;
    peer_admission door{bounds};
    effect_list<peer_admission::effect> warnings;
    auto const who = [](std::size_t i) { return test::node_keys(10 + i).node.id(); };
    instant now{std::chrono::hours{1}};
    std::size_t granted = 0;
    std::vector<peer_id> crowd;
    for (std::size_t i = 0; i < 5; ++i) crowd.push_back(who(i));
    for (int round = 0; round < 20; ++round) {
        for (auto const& s : crowd) granted += door.admit(s, now, warnings) ? 1u : 0u;
    }
    CHECK(granted == 10);
    CHECK_FALSE(warnings.take().empty());
    // A registered signer has its own places and its own allowance.
    auto const known = who(9);
    door.recognise(known, now, warnings);
    for (int i = 0; i < 10; ++i) CHECK(door.admit(known, now, warnings));
    CHECK(warnings.empty());
    CHECK_FALSE(door.admit(known, now, warnings));
    CHECK(warnings.size() == 1);
    CHECK_FALSE(door.admit(known, now, warnings));
    CHECK(warnings.take().front().why == errc::rate_limited);
    // What is said of the crowd is said once a minute.
    for (auto const& s : crowd) (void)door.admit(s, now, warnings);
    CHECK(warnings.empty());
    now += std::chrono::minutes{1};
    for (auto const& s : crowd) (void)door.admit(s, now, warnings);
    CHECK_FALSE(warnings.empty());
    CHECK(door.is_recognised(known));
}

TEST_CASE("a signer that was recognised keeps what is known of it, and more of them than places are said to be") {
    limits bounds;
    bounds.peers_max = 2;
    peer_admission door{bounds};
    effect_list<peer_admission::effect> warnings;
    instant now{std::chrono::hours{1}};
    auto const who = [](std::size_t i) { return test::node_keys(20 + i).node.id(); };
    door.set_epoch(who(0), boot_epoch{{1}}, now, warnings);
    door.recognise(who(0), now, warnings);
    CHECK(door.epoch_of(who(0)) == boot_epoch{{1}});
    door.recognise(who(1), now + std::chrono::seconds{1}, warnings);
    CHECK(warnings.empty());
    door.handle(peer_admission::left{who(1)}, now, warnings);
    door.recognise(who(2), now + std::chrono::seconds{2}, warnings);
    CHECK(warnings.take().front().why == errc::too_many_peers);
    CHECK_FALSE(door.is_recognised(who(1)));  // it had left
    CHECK(door.is_recognised(who(0)));
    CHECK(door.stats().peers == 2);
}

TEST_CASE("what is beyond our limits is declined with a reason, and its sender is no wrongdoer") {
    struct narrow {
        char const* what;
        errc why;
        std::function<void(limits&)> apply;
    };
    narrow const cases[] = {
        {"messages", errc::too_many_messages, [](limits& l) { l.messages_max = 2; }},
        {"a message", errc::message_too_large, [](limits& l) { l.message_size_max = 16; }},
        {"a frame", errc::frame_too_large, [](limits& l) { l.frame_size_max = 2000; }},
        {"frames to come", errc::frame_too_large, [](limits& l) { l.frame_size_max = 500; }},
        {"signers", errc::too_many_signers, [](limits& l) { l.signers_max = 1; }},
        {"too few signers", errc::too_few_signers, [](limits& l) { l.signers_min = 3; }},
        {"sessions", errc::too_many_sessions, [](limits& l) { l.open_sessions_max = 0; }},
    };
    for (auto const& c : cases) {
        cluster<> group{2};
        limits bounds;
        c.apply(bounds);
        group.start(1, 500, true, bounds);
        std::size_t lost = 0;
        group.nodes[0].network->attach(
            "/watch", [&](transport::event const& e) { lost += std::holds_alternative<transport::disconnected>(e); });
        group.connect();
        auto request = group.request(8);
        if (std::string_view{c.what} != "frames to come") {
            request.messages[0] = tagged_payload{"t", bytes(1500, 1)};
        }
        for (int i = 0; i < 20; ++i) {
            group.nodes[0].events.clear();
            (void)group.nodes[0].signer->propose(request);
            pass(group, 10);
            INFO(c.what);
            REQUIRE(group.nodes[0].count<aborted>() == 1);
            auto const& end = group.nodes[0].last<aborted>();
            CHECK(end.reason == abort_reason::declined);
            CHECK(end.text.find(to_string(c.why)) != std::string::npos);
        }
        CHECK(group.nodes[1].count<peer_misbehaved>() == 0);
        CHECK(group.nodes[1].count<approval_requested>() == 0);
        CHECK(lost == 0);
    }
}

TEST_CASE("bytes beyond what any machine says are malformed, whoever sends them") {
    cluster<> group{2};
    REQUIRE(group.nodes[0].network->send(group.members[1].peer, cosign_protocol, bytes(200, 77)));
    group.wires.run();
    CHECK(group.nodes[1].last<peer_misbehaved>().why == errc::unsupported_version);
    CHECK(parse_frame(bytes(protocol_limits().frame_size_max + 1, 1), protocol_limits()).error() ==
          errc::frame_too_large);
}

TEST_CASE("a signer whose machine is registered because of its hello has its place at once") {
    limits bounds;
    bounds.strangers_max = 4;
    cluster<> group{2, bounds, false};
    static_registry late;  // knows nobody before somebody says hello
    transport::memory_transport network{group.wires, test::node_keys(70).node.id()};
    manual_timers timers;
    std::size_t dropped = 0;
    using coordinator = cluster<>::coordinator;
    coordinator machine{
        {network, late, timers, group.clock, test::node_keys(70), {{5}}, bounds, {}, test::predictable{9}, {}},
        [&](event const& e) {
            if (auto const* const v = std::get_if<peer_identified>(&e)) {
                (void)late.add({{v->signer, v->peer, v->binding}, {}});
            }
            dropped += std::holds_alternative<frames_dropped>(e) ? 1u : 0u;
        }};
    (void)group.nodes[0].network->connect(network.local(), {});
    group.wires.run();
    std::deque<outsider> crowd;
    for (std::size_t i = 0; i < 8; ++i) {
        crowd.emplace_back(group.wires, 2000 + i);
        crowd.back().say(network.local(), session_id{{1, 7}}, 0, nonces_body{{musig2::pubnonce{{2}}}});
    }
    group.wires.run();
    CHECK(dropped == 1);
    CHECK(machine.in_use().peers == bounds.strangers_max + 1);  // the crowd's, and its own
}

TEST_CASE("proposals that nobody approves push no roster out, and a name that is not known is asked for at once") {
    limits bounds;
    bounds.rosters_max = 2;
    cluster<> group{3, bounds};
    group.approves = [](std::size_t) { return true; };
    auto honest = group.request();
    honest.signers = {group.members[0].signer, group.members[1].signer};
    (void)group.nodes[0].signer->propose(honest);
    group.wires.run();
    group.approves = [](std::size_t) { return false; };
    auto const rosters = group.nodes[1].signer->in_use().rosters;
    for (std::size_t n = 0; n < 5; ++n) {
        auto request = group.request();
        request.keep_order = true;  // each order is a roster of its own
        std::rotate(request.signers.begin(), request.signers.begin() + static_cast<std::ptrdiff_t>(n % 3),
                    request.signers.end());
        (void)group.nodes[2].signer->propose(request);
        group.wires.run();
    }
    CHECK(group.nodes[1].signer->in_use().rosters == rosters);
    group.approves = [](std::size_t) { return true; };
    // The machine forgets the group; the next proposal names it all the same, and is understood in the same instant.
    group.start(1, 700);
    group.connect();
    auto const before = group.nodes[1].count<completed>();
    (void)group.nodes[0].signer->propose(honest);
    group.wires.run();
    CHECK(group.nodes[1].count<completed>() == before + 1);
}

TEST_CASE("times from outside do not overflow") {
    CHECK(saturating_difference(from_unix_millis(INT64_MAX), from_unix_millis(-5000)) ==
          std::chrono::milliseconds::max());
    CHECK(saturating_difference(from_unix_millis(INT64_MIN), from_unix_millis(5000)) ==
          std::chrono::milliseconds::min());
    CHECK(saturating_difference(from_unix_millis(7), from_unix_millis(5)).count() == 2);
    CHECK(saturating_difference(from_unix_millis(INT64_MAX), from_unix_millis(INT64_MAX)).count() == 0);
    CHECK(saturating_difference(from_unix_millis(INT64_MIN), from_unix_millis(INT64_MIN)).count() == 0);
    CHECK(saturating_add(from_unix_millis(INT64_MAX - 1), std::chrono::milliseconds{5}) == timestamp::max());
    for (auto const wall : {INT64_MIN, std::int64_t{-5000}, INT64_MAX}) {
        for (auto const expiry : {INT64_MIN, std::int64_t{0}, INT64_MAX}) {
            cluster<> group{2};
            group.clock.set_wall(from_unix_millis(wall));
            group.nodes[0].signer.reset();
            group.nodes[0].network.reset();
            outsider initiator{group.wires, 0};  // a registered signer that says what it likes
            proposal plan;
            plan.roster = {group.members[0], group.members[1]};
            plan.messages = {digest32{{1}}};
            plan.expires_at = from_unix_millis(expiry);
            auto const encoded = encode(plan);
            initiator.say(group.members[1].peer, id_of(encoded), 0, propose_body{encoded});
            group.wires.run();
            CHECK(group.nodes[1].count<approval_requested>() == (expiry > wall ? 1u : 0u));
            auto request = group.request();
            request.valid_for = duration::max();
            CHECK(static_cast<bool>(group.nodes[1].signer->propose(request)) == (wall != INT64_MAX));
        }
    }
}

TEST_CASE("what is refused unasked is told to its author alone, and costs nobody else's allowance") {
    cluster<> group{4};
    std::map<peer_id, std::size_t> told;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        if (f && f.value().header.what == kind::decline && p.from == group.members[0].peer) ++told[p.to];
        return true;
    });
    group.nodes[3].signer.reset();
    group.nodes[3].network.reset();
    outsider hostile{group.wires, 3};  // a registered signer that says what it likes
    for (byte i = 0; i < 100; ++i) {
        proposal plan;
        plan.roster = {group.members[3], group.members[0], group.members[1], group.members[2]};
        plan.messages = {digest32{{i}}};
        plan.expires_at = group.clock.wall_now() - std::chrono::hours{1};
        auto const encoded = encode(plan);
        hostile.say(group.members[0].peer, id_of(encoded), 0, propose_body{encoded});
    }
    group.wires.run();
    CHECK(told[group.members[3].peer] == 100);
    CHECK(told.size() == 1);
}

TEST_CASE("a hello that names one session often, or is repeated, is answered once a second") {
    cluster<> group{2};
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    REQUIRE(group.nodes[0].count<completed>() == 1);
    std::size_t answers = 0;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        if (f && p.from == group.members[0].peer && f.value().header.what != kind::hello) ++answers;
        return true;
    });
    group.nodes[1].signer.reset();
    group.nodes[1].network.reset();
    group.wires.run();
    outsider hostile{group.wires, 1};
    hello_body hello{
        hostile.keys.signer.public_key(), peer::bind(hostile.keys.signer, hostile.keys.node.id()).value(), {}};
    hello.resumed.assign(resumed_max, id);
    for (int i = 0; i < 50; ++i) hostile.say(group.members[0].peer, {}, 0, hello);
    group.wires.run();
    CHECK(answers <= 8);
}

TEST_CASE("malformed frames are charged, and told, no faster than any others") {
    limits bounds;
    bounds.frames_burst_max = 10;
    bounds.frames_per_second = 1;
    bounds.strikes_max = 1000;
    cluster<> group{2, bounds};
    for (int i = 0; i < 200; ++i) {
        REQUIRE(group.nodes[0].network->send(group.members[1].peer, cosign_protocol, bytes{1, 2, 3}));
    }
    group.wires.run();
    CHECK(group.nodes[1].count<peer_misbehaved>() <= 10);
}

}  // namespace strangers_tests
