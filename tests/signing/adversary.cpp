// SPDX-License-Identifier: MIT

#include <muster/signing/coordinator.hpp>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace adversary_tests {

using namespace muster;
using namespace muster::signing;
using test::cluster;
using test::verifies;

namespace {

/// A peer on the network that is no co-signer, or a co-signer that speaks for itself.
struct stranger {
    peer::key_set keys;
    transport::memory_transport network;
    std::uint64_t sequence = 1000;

    stranger(transport::memory_network& wires, peer::key_set k) : keys{std::move(k)}, network{wires, keys.node.id()} {}

    void say(peer_id const& to, session_id const& id, slot claimed, body const& what, boot_epoch epoch = {{9}}) {
        (void)network.connect(to, {});
        frame_header const header{id, epoch, claimed, ++sequence, kind_of(what)};
        REQUIRE(network.send(to, cosign_protocol, encode_frame(header, what, keys.node).value()));
    }
    void say_raw(peer_id const& to, bytes raw) {
        (void)network.connect(to, {});
        REQUIRE(network.send(to, cosign_protocol, std::move(raw)));
    }
};

std::vector<body> attacks() {
    return {decline_body{"no"},
            nonces_body{{musig2::pubnonce{{2}}}},
            shares_body{{}, {musig2::psig{{3}}}},
            signatures_body{{signature{{4}}}},
            abort_body{abort_reason::cancelled, 0, "stop"},
            aggregate_nonces_body{{}, {musig2::aggnonce{{5}}}},
            request_body{},
            broadcast_done_body{},
            view_change_body{0, 1}};
}

/// Backends that lie in one way each.
struct lying_share : musig2::portable {
    [[nodiscard]] result<musig2::psig> sign(secnonce&& nonce, musig2::key_pair const& key,
                                            session_values_type const& values) const {
        MUSTER_TRY(auto share, portable::sign(std::move(nonce), key, values));
        if (!liar.empty() && key.public_key() == liar) share.octets[31] ^= 1;
        return share;
    }
    struct who {
        crypto::public_key key;
        [[nodiscard]] bool empty() const { return key.is_zero(); }
        friend bool operator==(crypto::public_key const& k, who const& w) { return k == w.key; }
    };
    static inline who liar;
};

}  // namespace

TEST_CASE("a stranger changes no state of any session", "[misuse-28]") {
    for (auto const& what : attacks()) {
        cluster<> group{3};
        group.approves = [](std::size_t i) { return i == 0; };
        stranger mallory{group.wires, test::node_keys(50)};
        auto const id = group.nodes[0].signer->propose(group.request()).value();
        group.wires.run();
        for (slot claimed = 0; claimed < 4; ++claimed) {
            for (auto const& victim : group.members) mallory.say(victim.peer, id, claimed, what);
        }
        group.wires.run();
        INFO("kind " << static_cast<int>(kind_of(what)));
        for (auto& node : group.nodes) {
            CHECK(node.signer->find(id)->is_open());
            CHECK(node.count<peer_misbehaved>() == 4);
            CHECK(node.last<peer_misbehaved>().peer == mallory.network.local());
            CHECK(node.last<peer_misbehaved>().why == errc::not_in_roster);
        }
        for (std::size_t i : {1u, 2u}) REQUIRE(group.nodes[i].signer->approve(id));
        group.wires.run();
        for (auto& node : group.nodes) CHECK(node.count<completed>() == 1);
    }
}

TEST_CASE("a co-signer cannot speak for another slot", "[misuse-27]") {
    for (auto const& what : attacks()) {
        cluster<> group{3};
        group.approves = [](std::size_t i) { return i == 0; };
        auto const id = group.nodes[0].signer->propose(group.request()).value();
        group.wires.run();
        auto const self = group.nodes[1].signer->find(id)->self();
        auto const victim = group.nodes[2].signer->find(id)->self();
        // Node 1 is replaced by one that signs frames for node 2's slot with its own key.
        group.nodes[1].signer->close();
        frame_header const header{id, {{9}}, victim, 1, kind_of(what)};
        auto const raw = encode_frame(header, what, test::node_keys(1).node).value();
        REQUIRE(group.nodes[1].network->send(group.members[0].peer, cosign_protocol, raw));
        group.wires.run();
        CHECK(self != victim);
        CHECK(group.nodes[0].last<peer_misbehaved>().why == errc::not_authentic);
        CHECK(group.nodes[0].signer->find(id)->at() == phase::collecting_nonces);
        CHECK_FALSE(group.nodes[0].signer->find(id)->has_nonces(victim));
    }
}

TEST_CASE("a false share is named by all honest signers, in both topologies") {
    for (std::size_t const bad : {0u, 1u, 2u, 3u}) {
        cluster<mesh, manual_timers, lying_share> group{4};
        lying_share::liar.key = group.members[bad].signer;
        auto const id = group.nodes[0].signer->propose(group.request()).value();
        group.wires.run();
        auto const culprit = group.nodes[bad].signer->find(id)->self();
        for (std::size_t i = 0; i < 4; ++i) {
            if (i == bad) continue;
            CHECK(group.nodes[i].count<completed>() == 0);
            CHECK(group.nodes[i].last<stalled>().reason == abort_reason::invalid_share);
            CHECK(group.nodes[i].last<stalled>().culprit == culprit);
            CHECK_FALSE(group.nodes[i].last<stalled>().reported_by);
        }
        lying_share::liar = {};
    }
    for (std::size_t const bad : {0u, 1u, 2u, 3u}) {
        cluster<aggregator, manual_timers, lying_share> group{4};
        lying_share::liar.key = group.members[bad].signer;
        auto const id = group.nodes[0].signer->propose(group.request()).value();
        group.wires.run();
        auto const culprit = group.nodes[bad].signer->find(id)->self();
        for (std::size_t i = 0; i < 4; ++i) {
            if (i == bad) continue;
            CHECK(group.nodes[i].count<completed>() == 0);
            CHECK(group.nodes[i].last<stalled>().reason == abort_reason::invalid_share);
            CHECK(group.nodes[i].last<stalled>().culprit == culprit);
            CHECK_FALSE(group.nodes[i].last<stalled>().reported_by);
        }
        lying_share::liar = {};
    }
}

TEST_CASE("a proposal under an id that is not that of its terms opens nothing") {
    cluster<> group{3};
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    auto plan = group.nodes[0].signer->find(id)->plan();
    auto const self = plan.initiator;
    plan.salt[0] ^= 1;
    auto const encoded = encode(plan);
    frame_header const header{session_id{{7}}, {{9}}, self, 1, kind::propose};
    auto const raw = encode_frame(header, propose_body{encoded}, test::node_keys(0).node).value();
    REQUIRE(group.nodes[0].network->send(group.members[1].peer, cosign_protocol, raw));
    group.wires.run();
    CHECK(group.nodes[1].count<session_created>() == 1);
    CHECK(group.nodes[1].signer->find(session_id{{7}}) == nullptr);
    CHECK(group.nodes[1].last<peer_misbehaved>().why == errc::invalid_proposal);
}

TEST_CASE("a retry without the culprit works") {
    cluster<mesh, manual_timers, lying_share> group{3};
    lying_share::liar.key = group.members[2].signer;
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    CHECK(group.nodes[0].count<completed>() == 0);
    auto request = group.request();
    request.signers.pop_back();
    REQUIRE(group.nodes[0].signer->propose(request));
    group.wires.run();
    CHECK(group.nodes[0].count<completed>() == 1);
    CHECK(verifies(group.nodes[1].last<completed>(), request));
    lying_share::liar = {};
}

TEST_CASE("a proposal must be its initiator's own, for us, and consistent") {
    cluster<> group{3};
    group.approves = [](std::size_t) { return false; };
    bytes original;
    group.wires.set_filter([&](transport::memory_network::packet& p) {
        if (p.to == group.members[1].peer && original.empty()) original = p.frame;
        return p.to != group.members[1].peer;
    });
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    group.wires.set_filter({});
    auto& victim = group.nodes[1];

    SECTION("passed on by another peer") {
        stranger mallory{group.wires, test::node_keys(50)};
        mallory.say_raw(group.members[1].peer, original);
        group.wires.run();
        CHECK(victim.last<peer_misbehaved>().why == errc::invalid_proposal);
    }
    SECTION("any byte changed") {
        group.nodes[0].signer->close();  // it would repeat the true proposal when a connection comes up
        for (std::size_t at = 0; at < original.size(); at += 7) {
            auto changed = original;
            changed[at] ^= 0x40;
            REQUIRE(group.nodes[0].network->connect(group.members[1].peer, {}));
            group.wires.run();
            REQUIRE(group.nodes[0].network->send(group.members[1].peer, cosign_protocol, changed));
            group.wires.run();
            CHECK(victim.count<approval_requested>() == 0);
        }
    }
    SECTION("as it was") {
        REQUIRE(group.nodes[0].network->send(group.members[1].peer, cosign_protocol, original));
        group.wires.run();
        CHECK(victim.count<approval_requested>() == 1);
        CHECK(victim.signer->find(id) != nullptr);
    }
}

TEST_CASE("a roster entry whose signer never named that peer is refused") {
    cluster<> group{3};
    // Node 0's view of node 2 is forged, and node 1 has never heard of that signer.
    auto const impostor = test::node_keys(60);
    proposal plan;
    plan.roster = group.members;
    plan.roster[2] = {impostor.signer.public_key(), group.members[2].peer, group.members[2].binding};
    plan.messages = {digest32{{1}}};
    plan.expires_at = group.clock.wall_now() + std::chrono::minutes{5};
    auto const encoded = encode(plan);
    auto const keys = test::node_keys(0);
    frame_header const header{id_of(encoded), {{9}}, 0, 1, kind::propose};
    auto const raw = encode_frame(header, propose_body{encoded}, keys.node).value();
    REQUIRE(group.nodes[0].network->send(group.members[1].peer, cosign_protocol, raw));
    group.wires.run();
    CHECK(group.nodes[1].count<approval_requested>() == 0);
    CHECK(group.nodes[1].last<peer_misbehaved>().why == errc::invalid_binding);
}

TEST_CASE("expiries at the ends of time are clamped or refused, not computed with") {
    for (auto const millis :
         {std::int64_t{INT64_MAX}, std::int64_t{INT64_MAX - 1}, std::int64_t{0}, std::int64_t{INT64_MIN}}) {
        cluster<> group{2};
        group.approves = [](std::size_t) { return false; };
        proposal plan;
        plan.roster = group.members;
        plan.messages = {digest32{{1}}};
        plan.expires_at = from_unix_millis(millis);
        auto const encoded = encode(plan);
        frame_header const header{id_of(encoded), {{9}}, 0, 1, kind::propose};
        auto const raw = encode_frame(header, propose_body{encoded}, test::node_keys(0).node).value();
        REQUIRE(group.nodes[0].network->send(group.members[1].peer, cosign_protocol, raw));
        group.wires.run();
        CHECK(group.nodes[1].count<approval_requested>() == (millis > 0 ? 1 : 0));
        if (millis <= 0) continue;
        auto const until = group.nodes[1].signer->next_deadline();
        CHECK(until == group.clock.now() + limits{}.session_lifetime_max);
    }
}

TEST_CASE("a stranger's proposals occupy nothing and ask nobody") {
    cluster<> group{2};
    stranger mallory{group.wires, test::node_keys(50)};
    auto const mine = peer::bind(mallory.keys.signer, mallory.keys.node.id()).value();
    for (byte i = 0; i < 20; ++i) {
        proposal plan;
        plan.roster = {{mallory.keys.signer.public_key(), mallory.keys.node.id(), mine}, group.members[0]};
        plan.messages = {digest32{{i}}};
        plan.expires_at = group.clock.wall_now() + std::chrono::hours{5};
        auto const encoded = encode(plan);
        mallory.say(group.members[0].peer, id_of(encoded), 0, propose_body{encoded});
    }
    group.wires.run();
    CHECK(group.nodes[0].count<approval_requested>() == 0);
    CHECK(group.nodes[0].signer->sessions().empty());
}

TEST_CASE("a stranger's roster makes nobody talk to the others in it") {
    cluster<> group{3};
    stranger mallory{group.wires, test::node_keys(50)};
    auto const mine = peer::bind(mallory.keys.signer, mallory.keys.node.id()).value();
    proposal plan;
    plan.roster = {
        {mallory.keys.signer.public_key(), mallory.keys.node.id(), mine}, group.members[0], group.members[1]};
    plan.messages = {digest32{{1}}};
    plan.expires_at = group.clock.wall_now() + std::chrono::hours{5};
    std::size_t to_mallory = 0, to_others = 0;
    group.wires.set_filter([&](transport::memory_network::packet const& p) {
        if (p.from == group.members[0].peer) ++(p.to == mallory.keys.node.id() ? to_mallory : to_others);
        return true;
    });
    auto const encoded = encode(plan);
    mallory.say(group.members[0].peer, id_of(encoded), 0, propose_body{encoded});
    group.wires.run();
    CHECK(to_mallory > 0);
    CHECK(to_others == 0);
}

TEST_CASE("signers who tell of another boot epoch to each of their peers are found out") {
    cluster<> group{3};
    group.approves = [](std::size_t i) { return i != 2; };
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const liar = group.nodes[2].signer->find(id)->self();
    group.nodes[2].signer->close();
    auto const keys = test::node_keys(2);
    test::predictable source{5};
    bytes first;
    for (std::size_t to : {0u, 1u}) {
        boot_epoch const epoch{{static_cast<byte>(to + 1)}};
        auto const nonce = musig2::portable{}.nonce_gen(source, {.key = keys.signer.public_key()}).value();
        body const what = nonces_body{{nonce.second}};
        auto const raw = encode_frame({id, epoch, liar, 1, kind::nonces}, what, keys.node).value();
        REQUIRE(group.nodes[2].network->send(group.members[to].peer, cosign_protocol, raw));
    }
    group.wires.run();
    for (std::size_t i : {0u, 1u}) {
        CHECK(group.nodes[i].last<stalled>().reason == abort_reason::restarted);
        CHECK(group.nodes[i].last<stalled>().culprit == liar);
    }
}

TEST_CASE("garbage costs its sender the connection and nobody else anything") {
    cluster<> group{3};
    stranger mallory{group.wires, test::node_keys(50)};
    splitmix64 random{3};
    auto const& victim = group.members[0].peer;
    int rounds = 0;
    (void)mallory.network.connect(victim, {});
    group.wires.run();
    while (mallory.network.is_connected(victim) && rounds < 100) {
        bytes junk(uniform(random, 300));
        for (auto& octet : junk) octet = static_cast<byte>(random());
        mallory.say_raw(victim, junk);
        group.wires.run();
        ++rounds;
    }
    CHECK(rounds == 16);
    CHECK(group.nodes[0].count<peer_misbehaved>() == 16);
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    for (auto& node : group.nodes) CHECK(node.count<completed>() == 1);
}

TEST_CASE("a flood of frames for sessions that do not exist is bounded per peer, and is no crime") {
    cluster<> group{3};
    stranger mallory{group.wires, test::node_keys(50)};
    for (byte i = 0; i < 100; ++i) mallory.say(group.members[0].peer, session_id{{i}}, 0, request_body{});
    group.wires.run();
    CHECK(group.nodes[0].count<peer_misbehaved>() == 0);  // honest peers send such frames when a proposal is lost
    CHECK(mallory.network.is_connected(group.members[0].peer));
    CHECK(group.nodes[0].signer->sessions().empty());
    REQUIRE(group.nodes[1].signer->propose(group.request()));
    group.wires.run();
    for (auto& node : group.nodes) CHECK(node.count<completed>() == 1);
}

TEST_CASE("a peer that sends faster than it may is held back, and may go on later") {
    limits bounds;
    bounds.frames_burst_max = 20;
    bounds.frames_per_second = 10;
    bounds.early_frames_per_peer_max = 1000;
    bounds.strikes_max = 1000;
    cluster<> group{2, bounds};
    stranger mallory{group.wires, test::node_keys(50)};
    for (int i = 0; i < 30; ++i) mallory.say(group.members[0].peer, session_id{{1}}, 0, request_body{});
    group.wires.run();
    auto const held_back = group.nodes[0].count<frames_dropped>();
    CHECK(held_back == 1);  // told once, dropped silently from then on
    CHECK(group.nodes[0].last<frames_dropped>().why == errc::rate_limited);
    CHECK(group.nodes[0].count<peer_misbehaved>() == 0);  // it need not be a crime
    group.clock.advance(std::chrono::seconds{1});
    for (int i = 0; i < 10; ++i) mallory.say(group.members[0].peer, session_id{{1}}, 0, request_body{});
    group.wires.run();
    CHECK(group.nodes[0].count<frames_dropped>() == held_back);
}

TEST_CASE("frames of another version, too large or too small are refused before anything else") {
    cluster<> group{2};
    auto const id = session_id{{1}};
    auto raw = encode_frame({id, {}, 0, 1, kind::request}, request_body{}, test::node_keys(0).node).value();
    limits const l;
    CHECK(parse_frame(raw, l));
    raw[0] = 2;
    CHECK(parse_frame(raw, l).error() == errc::unsupported_version);
    raw[0] = 1;
    CHECK(parse_frame(byte_view{raw}.first(frame_overhead - 1), l).error() == errc::invalid_frame);
    CHECK(parse_frame(bytes(l.frame_size_max + 1), l).error() == errc::frame_too_large);
    raw[61] = 0;
    CHECK_FALSE(parse_frame(raw, l));
    raw[61] = 200;
    CHECK_FALSE(parse_frame(raw, l));
}

TEST_CASE("a hello with a forged binding identifies nobody") {
    cluster<> group{2};
    stranger mallory{group.wires, test::node_keys(50)};
    auto const before = group.nodes[0].count<peer_identified>();
    mallory.say(group.members[0].peer, {}, 0, hello_body{group.members[1].signer, group.members[1].binding});
    group.wires.run();
    CHECK(group.nodes[0].count<peer_identified>() == before);
    CHECK(group.nodes[0].last<peer_misbehaved>().why == errc::not_authentic);
    auto const b = peer::bind(mallory.keys.signer, mallory.keys.node.id()).value();
    mallory.say(group.members[0].peer, {}, 0, hello_body{mallory.keys.signer.public_key(), b});
    group.wires.run();
    CHECK(group.nodes[0].last<peer_identified>().signer == mallory.keys.signer.public_key());
}

}  // namespace adversary_tests
