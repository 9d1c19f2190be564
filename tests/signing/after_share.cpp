// SPDX-License-Identifier: MIT

// Once a signer has given its share the group may have the signature, whatever that signer sees: nobody who gave a
// share is told that there is none.

#include <muster/signing/coordinator.hpp>

#include <support/machines.hpp>

namespace after_share_tests {

using namespace muster;
using namespace muster::signing;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using test::machines;

namespace {

/// Lets @p time pass in steps of five seconds.
template <class Machines>
void pass(Machines& group, duration time) {
    for (duration done{0}; done < time; done += seconds{5}) group.advance(seconds{5});
}

/// A frame of machine @p from, in the epoch of its present life, with a sequence above all that it has used.
template <class Machines>
bytes frame_of(Machines& group, std::size_t from, session_id const& id, body const& what) {
    static std::uint64_t sequence = 1u << 30;
    test::predictable source{1000 * (from + 1) + group.all[from].lives};
    boot_epoch epoch;
    (void)source.fill_secret(epoch.octets);
    frame_header const header{id, epoch, group.slot_of(from, id), ++sequence, kind_of(what)};
    return encode_frame(header, what, test::node_keys(from).node).value();
}

template <class Machines>
bool is_from_or_to(Machines const& group, transport::memory_network::packet const& p, std::size_t who) {
    return p.from == group.members[who].peer || p.to == group.members[who].peer;
}

[[nodiscard]] kind kind_in(transport::memory_network::packet const& p) {
    auto const f = parse_frame(p.frame, limits{});
    return f ? f.value().header.what : kind::hello;
}

/// Everyone signs but for the shares that @p author owes @p to: they are lost.
template <class Machines>
session_id sign_without_shares(Machines& group, std::size_t author, std::size_t to) {
    group.wires.set_filter([&group, author, to](auto const& p) {
        return !(kind_in(p) == kind::shares && p.from == group.members[author].peer && p.to == group.members[to].peer);
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    return id;
}

}  // namespace

TEST_CASE("a signer that dies between two of its shares: who got none of them gets the signature from who did") {
    machines<> group;
    auto const id = sign_without_shares(group, 2, 1);
    REQUIRE(group.all[0].count<completed>() == 1);
    REQUIRE(group.all[1].signer->find(id)->at() == phase::collecting_shares);
    group.kill(2);
    group.wires.set_filter({});
    pass(group, seconds{30});
    CHECK(group.all[1].count<completed>() == 1);
    CHECK(group.all[1].last<completed>().signatures == group.all[0].last<completed>().signatures);
    CHECK(group.all[1].count<aborted>() == 0);
    // Whoever is left broadcasts when the turn has come to it.
    auto const holder = [&] { return group.all[0].signer->find(id)->coordinator() == group.slot_of(0, id) ? 0u : 1u; };
    if (group.all[0].signer->find(id)->coordinator() == group.slot_of(2, id)) {
        for (std::size_t const i : {0u, 1u}) REQUIRE(group.all[i].signer->trigger_coordinator_failover(id));
        group.wires.run();
    }
    REQUIRE(group.all[holder()].signer->notify_broadcast_complete(id));
    group.wires.run();
    for (std::size_t const i : {0u, 1u}) {
        CHECK(group.all[i].last<broadcast_confirmed>().by == group.slot_of(holder(), id));
    }
}

TEMPLATE_TEST_CASE("a signer that is cut off after its share is out learns of the signature, and of the broadcast", "",
                   mesh, aggregator) {
    for (bool const connection_ends : {false, true}) {
        for (std::size_t victim = 0; victim < 3; ++victim) {
            machines<TestType> group;
            bool is_cut_off = false;
            group.wires.set_filter([&](auto const& p) {
                bool const is_share = kind_in(p) == kind::shares;
                bool const is_aggregator = std::same_as<TestType, aggregator> && p.to == group.members[victim].peer;
                if (is_share && (is_aggregator || p.from == group.members[victim].peer)) is_cut_off = true;
                return !is_cut_off || !is_from_or_to(group, p, victim) || p.from == group.members[victim].peer;
            });
            auto const id = group.all[0].signer->propose(group.request()).value();
            group.wires.run();
            REQUIRE(is_cut_off);
            if (connection_ends) {
                for (std::size_t i = 0; i < 3; ++i) {
                    if (i != victim) group.all[i].network->disconnect(group.members[victim].peer);
                }
            }
            group.wires.set_filter([&](auto const& p) { return !is_from_or_to(group, p, victim); });
            pass(group, seconds{100});
            // Whoever is to broadcast does so meanwhile, if it can be reached.
            std::size_t has_broadcast = 3;
            for (std::size_t i = 0; i < 3; ++i) {
                if (i == victim || group.all[i].template count<should_broadcast>() == 0) continue;
                REQUIRE(group.all[i].signer->notify_broadcast_complete(id));
                has_broadcast = i;
            }
            group.wires.run();
            group.wires.set_filter({});
            if (connection_ends) group.connect();
            pass(group, minutes{3});
            for (auto& m : group.all) {
                CHECK(m.template count<aborted>() == 0);
                CHECK(m.template count<completed>() == 1);
                CHECK(m.template count<peer_misbehaved>() == 0);
                CHECK(m.signer->find(id)->signatures() == group.all[0].signer->find(id)->signatures());
                if (has_broadcast != 3) CHECK(m.signer->find(id)->is_confirmed());
            }
        }
    }
}

TEMPLATE_TEST_CASE("who has all shares cannot take them back by an abort", "", mesh, aggregator) {
    machines<TestType> group;
    std::size_t holder = 3;  // of all shares: the aggregator, or whoever is named
    group.wires.set_filter([&](auto const& p) {
        bool const is_result = kind_in(p) == kind::signatures || kind_in(p) == kind::shares;
        if (holder == 3 && std::same_as<TestType, mesh>) holder = 2;
        if (holder == 3 && kind_in(p) == kind::aggregate_nonces) {
            for (std::size_t i = 0; i < 3; ++i) holder = group.members[i].peer == p.from ? i : holder;
        }
        return !(is_result && holder != 3 && p.from == group.members[holder].peer);
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    REQUIRE(holder != 3);
    REQUIRE(group.all[holder].template count<completed>() == 1);
    auto const signatures = group.all[holder].template last<completed>().signatures;
    abort_body const no{abort_reason::cancelled, std::nullopt, "changed my mind", {}};
    auto const say = [&](body const& what) {
        auto const raw = frame_of(group, holder, id, what);
        for (std::size_t i = 0; i < 3; ++i) {
            if (i != holder) (void)group.all[holder].network->send(group.members[i].peer, cosign_protocol, raw);
        }
    };
    group.wires.set_filter({});
    auto const hold = group.all[holder].network.get();
    group.all[holder].signer->close();  // its machine only says what is said by hand from now on
    (void)hold;
    say(no);
    group.wires.run();
    for (std::size_t i = 0; i < 3; ++i) {
        if (i == holder) continue;
        auto& m = group.all[i];
        CHECK(m.template count<aborted>() == 0);
        CHECK(m.template last<stalled>().reason == abort_reason::cancelled);
        CHECK(m.signer->find(id)->at() == phase::stalled);
        CHECK(m.signer->open_session_count() == 0);  // it takes nobody's place
    }
    // A signature that does not verify changes nothing, and one that does finishes the session.
    auto wrong = signatures;
    wrong[0].octets[63] ^= 1;
    say(signatures_body{wrong});
    group.wires.run();
    for (std::size_t i = 0; i < 3; ++i) {
        if (i != holder) CHECK(group.all[i].signer->find(id)->at() == phase::stalled);
    }
    say(signatures_body{signatures});
    group.wires.run();
    for (std::size_t i = 0; i < 3; ++i) {
        if (i != holder) CHECK(group.all[i].template last<completed>().signatures == signatures);
    }
}

TEST_CASE("a share that is never answered: unresolved at the end of the session's lifetime, also over restarts") {
    machines<> group;
    auto const id = sign_without_shares(group, 2, 1);
    auto const signatures = group.all[0].last<completed>().signatures;
    for (std::size_t const i : {0u, 2u}) group.kill(i);
    pass(group, minutes{2});
    auto& m = group.all[1];
    CHECK(m.last<stalled>().reason == abort_reason::timeout);
    CHECK(m.last<stalled>().missing.size() == 1);
    SECTION("without a restart") {}
    SECTION("with one on the way") {
        group.kill(1);
        CHECK(group.boot(1).value().resumed == 1);
        CHECK(m.signer->find(id)->at() == phase::stalled);
        CHECK(m.count<stalled>() == 1);  // told again: the first telling may have been lost
        CHECK(m.count<aborted>() == 0);
    }
    while (m.count<unresolved>() == 0 && m.timers.armed()) {
        auto const next = *m.timers.armed();
        CHECK(next <= group.clock.now() + limits{}.stuck_session_timeout + seconds{1});  // it asks, less and less often
        group.advance(next - group.clock.now());
    }
    CHECK(m.count<unresolved>() == 1);
    CHECK(group.clock.now() - instant{hours{1}} <= limits{}.session_lifetime_max + seconds{1});
    CHECK(group.clock.now() - instant{hours{1}} >= limits{}.session_lifetime_max);
    CHECK(m.signer->find(id)->at() == phase::unresolved);
    CHECK_FALSE(m.timers.armed());
    group.clock.advance(hours{1});
    CHECK(m.signer->cleanup_expired_sessions() == 0);  // it may still be signed
    CHECK(m.count<unresolved>() == 1);
    group.kill(1);
    CHECK(group.boot(1).value().resumed == 1);
    CHECK(m.count<unresolved>() == 1);
    CHECK(m.signer->find(id)->at() == phase::unresolved);
    // Whoever has the signature comes back after all.
    REQUIRE(group.boot(0));
    group.wires.set_filter({});
    group.connect();
    CHECK(m.last<completed>().signatures == signatures);
    CHECK(m.signer->find(id)->at() == phase::finished);
}

TEST_CASE("a signer that was away for hours is offered the signature, and says so once it has it") {
    machines<> group;
    auto const id = sign_without_shares(group, 2, 1);
    for (std::size_t const i : {0u, 2u}) group.all[i].network->disconnect(group.members[1].peer);
    group.wires.run();
    group.wires.set_filter([&](auto const& p) { return !is_from_or_to(group, p, 1); });
    for (std::size_t i : {0u, 2u}) {
        if (group.all[i].count<should_broadcast>() != 0) REQUIRE(group.all[i].signer->notify_broadcast_complete(id));
    }
    for (int i = 0; i < 120; ++i) {
        group.advance(minutes{1});
        for (auto& m : group.all) (void)m.signer->cleanup_expired_sessions();
    }
    for (std::size_t const i : {0u, 2u}) group.all[i].network->disconnect(group.members[1].peer);
    group.wires.run();
    std::size_t offers = 0;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        if (f && f.value().header.what == kind::hello) {
            offers += std::get<hello_body>(decode_body(f.value(), limits{}).value()).resumed.size();
        }
        return true;
    });
    group.connect();
    group.wires.run();
    CHECK(offers > 0);
    auto const& late = group.all[1];
    CHECK(late.count<aborted>() == 0);
    CHECK(late.last<completed>().signatures == group.all[0].last<completed>().signatures);
    bool const was_broadcast = group.all[0].signer->find(id)->is_confirmed();
    CHECK(late.signer->find(id)->is_confirmed() == was_broadcast);
    // The next connection offers nothing to those who have said that they have it.
    for (int i = 0; i < 3; ++i) {
        group.advance(seconds{2});  // each session is answered once a second
        offers = 0;
        for (std::size_t a = 0; a < 3; ++a) {
            for (std::size_t b = 0; b < 3; ++b) {
                if (a != b) group.all[a].network->disconnect(group.members[b].peer);
            }
        }
        group.wires.run();
        group.connect();
    }
    CHECK(offers == 0);
    if (!was_broadcast) return;
    group.advance(limits{}.stuck_session_timeout);
    for (auto& m : group.all) CHECK(m.signer->cleanup_expired_sessions() == 1);  // everyone has it
}

TEST_CASE("a signer that was put back to before its share is told of the signature that it does not know of") {
    machines<> group;
    sim::disk::image before;
    group.wires.set_filter([&](auto const& p) { return kind_in(p) != kind::nonces || p.to != group.members[1].peer; });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    before = group.all[1].disk.copy();  // its nonces are out, its share is not
    group.wires.set_filter({});
    pass(group, seconds{20});
    REQUIRE(group.all[0].count<completed>() == 1);
    group.kill(1);
    group.all[1].disk.put_back(before);
    REQUIRE(group.boot(1).value().restarted == 1);
    CHECK(group.all[1].last<aborted>().reason == abort_reason::restarted);
    group.connect();
    CHECK(group.all[1].last<completed>().signatures == group.all[0].last<completed>().signatures);
    group.kill(1);
    CHECK(group.boot(1).value().resumed == 1);
    CHECK(group.all[1].signer->find(id)->at() == phase::finished);
}

TEST_CASE("a session that may be signed is not forgotten without a word") {
    limits few;
    few.closed_sessions_max = 1;
    few.round_timeout = seconds{20};
    test::cluster<> group{2, few};
    group.wires.set_filter([&](auto const& p) {
        return !(kind_in(p) == kind::shares && p.to == group.members[0].peer) && kind_in(p) != kind::signatures;
    });
    std::vector<session_id> ids;
    for (int i = 0; i < 2; ++i) {
        ids.push_back(group.nodes[0].signer->propose(group.request()).value());
        group.wires.run();
        for (int k = 0; k < 6; ++k) group.advance(seconds{5});
    }
    CHECK(group.nodes[0].count<stalled>() == 2);
    CHECK(group.nodes[0].count<aborted>() == 0);
    REQUIRE(group.nodes[0].count<unresolved>() == 1);
    CHECK(group.nodes[0].last<unresolved>().session == ids[0]);
    CHECK(group.nodes[0].signer->find(ids[0]) == nullptr);
    CHECK(group.nodes[0].signer->find(ids[1])->at() == phase::stalled);
}

TEST_CASE("cleaning up by hand ends a session's lifetime, too") {
    test::cluster<mesh, no_timers> group{2};
    group.wires.set_filter([&](auto const& p) {
        return !(kind_in(p) == kind::shares && p.to == group.members[0].peer) && kind_in(p) != kind::signatures;
    });
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    auto& node = group.nodes[0];
    group.clock.advance(minutes{11});
    CHECK(node.count<stalled>() == 0);  // nothing happens by itself
    CHECK(node.signer->cleanup_expired_sessions() == 1);
    CHECK(node.last<stalled>().reason == abort_reason::timeout);
    group.clock.advance(hours{24});
    (void)node.signer->cleanup_expired_sessions();
    CHECK(node.last<unresolved>().session == id);
    CHECK(node.signer->find(id) != nullptr);
}

TEST_CASE("a coordinator is restored once, and not after it was closed") {
    machines<> group;
    CHECK(group.all[0].signer->restore().error() == errc::wrong_state);
    group.all[1].signer->close();
    CHECK(group.all[1].signer->restore().error() == errc::wrong_state);
    test::cluster<> plain{2};
    REQUIRE(plain.nodes[0].signer->restore());
    plain.nodes[0].signer->close();
    CHECK(plain.nodes[0].signer->restore().error() == errc::wrong_state);
}

}  // namespace after_share_tests
