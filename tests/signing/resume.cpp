// SPDX-License-Identifier: MIT

// What a restart in the middle must not cost: votes, answers, names, the journal's size.

#include <muster/signing/coordinator.hpp>

#include <support/machines.hpp>

namespace resume_tests {

using namespace muster;
using namespace muster::signing;
using test::machines;

namespace {

/// The machines in the order in which they are asked to broadcast session @p id.
template <class Machines>
std::vector<std::size_t> in_order(Machines& group, session_id const& id) {
    std::vector<std::size_t> out;
    for (slot const s : group.all[0].signer->find(id)->order()) {
        for (std::size_t i = 0; i < group.all.size(); ++i) {
            if (group.slot_of(i, id) == s) out.push_back(i);
        }
    }
    return out;
}

/// @p frame, which carries shares, with the first of them changed, as its author would have signed it.
bytes with_false_share(bytes const& frame, std::size_t author) {
    auto const f = parse_frame(frame, limits{}).value();
    auto what = std::get<shares_body>(decode_body(f, limits{}).value());
    what.shares[0].octets[31] ^= 1;
    auto header = f.header;
    ++header.sequence;
    return encode_frame(header, what, test::node_keys(author).node).value();
}

}  // namespace

TEST_CASE("a vote outlives a restart of who cast it") {
    machines<> group;
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const turn = in_order(group, id);
    REQUIRE(group.all[turn[1]].signer->trigger_coordinator_failover(id));
    REQUIRE(group.all[turn[2]].signer->trigger_coordinator_failover(id));
    group.wires.run();
    for (auto& m : group.all) CHECK(m.signer->find(id)->view() == 1);
    CHECK(group.all[turn[1]].count<should_broadcast>() == 1);
    group.kill(turn[1]);
    REQUIRE(group.boot(turn[1]));
    group.connect();
    for (auto& m : group.all) CHECK(m.signer->find(id)->view() == 1);
    CHECK(group.all[turn[1]].last<should_broadcast>().view == 1);
}

TEST_CASE("who has heard of a broadcast can show it after a restart, also when the one who did it is gone") {
    machines<> group;
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const turn = in_order(group, id);
    // The first passes its turn on, so that the claim of the second needs the votes beside it.
    for (std::size_t const v : {0u, 1u}) REQUIRE(group.all[turn[v]].signer->trigger_coordinator_failover(id));
    group.wires.run();
    group.wires.set_filter([&](auto const& p) { return p.to != group.members[turn[2]].peer; });
    REQUIRE(group.all[turn[1]].signer->notify_broadcast_complete(id));
    group.wires.run();
    group.wires.set_filter({});
    group.kill(turn[1]);
    group.kill(turn[0]);
    REQUIRE(group.boot(turn[0]));
    group.connect();
    CHECK(group.all[turn[2]].last<broadcast_confirmed>().by == group.slot_of(turn[1], id));
}

TEST_CASE("who has resumed is answered, however few frames of it there were since") {
    machines<> group;
    for (int i = 0; i < 30; ++i) {
        REQUIRE(group.all[0].signer->propose(group.request()));
        group.wires.run();
    }
    auto const victim = group.members[0].peer;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        bool const would_help =
            f && (f.value().header.what == kind::shares || f.value().header.what == kind::signatures);
        return !(would_help && p.to == victim);
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    group.advance(limits{}.retry_interval);  // asks, and the answer is lost
    group.kill(0);
    REQUIRE(group.boot(0).value().resumed > 0);
    group.connect();  // what its hello brings is lost, too
    group.wires.set_filter({});
    group.advance(limits{}.retry_interval);
    CHECK(group.all[0].signer->find(id)->at() == phase::finished);
}

TEST_CASE("of many sessions a hello names those first that are still open") {
    machines<> group{2};
    auto const propose = [&] {
        auto const id = group.all[0].signer->propose(group.request()).value();
        group.wires.run();
        group.advance(std::chrono::milliseconds{100});
        return id;
    };
    for (std::size_t i = 0; i < limits{}.closed_sessions_max; ++i) (void)propose();
    group.drop(kind::shares);
    std::vector<session_id> ids;
    for (int i = 0; i < 16; ++i) ids.push_back(propose());
    for (auto const& id : ids) REQUIRE(group.all[0].signer->find(id)->at() == phase::collecting_shares);
    group.kill(0);
    REQUIRE(group.boot(0));
    group.wires.set_filter({});
    group.connect();
    for (int i = 0; i < 3; ++i) group.advance(limits{}.retry_interval);
    for (auto const& id : ids) CHECK(group.all[1].signer->find(id)->at() == phase::finished);
}

TEST_CASE("what could not be recorded is not kept either") {
    machines<> group;
    auto& m = group.all[0];
    m.disk.fails_at = m.disk.calls;
    m.disk.for_good = true;
    for (int i = 0; i < 100; ++i) CHECK_FALSE(m.signer->propose(group.request()));
    m.disk.fails_at.reset();
    REQUIRE(m.signer->propose(group.request()));
    CHECK(m.disk.at("j").size() < 10'000);
    group.kill(0);
    auto const found = group.boot(0).value();
    CHECK(found.restarted + found.resumed == 1);
    CHECK(m.count<aborted>() <= 1);
}

TEST_CASE("evidence of a signer that has resumed names the liar, not that signer") {
    machines<aggregator> group{4};
    std::map<peer_id, bytes> shares;
    std::optional<peer_id> liar_peer;  // the first to give its share, which is held back
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        if (!f || f.value().header.what != kind::shares) return true;
        shares[p.from] = p.frame;
        if (!liar_peer) liar_peer = p.from;
        return p.from != *liar_peer;
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const turn = in_order(group, id);
    auto const elected = turn[0];
    std::optional<std::size_t> liar, resumed, bystander;
    for (std::size_t i = 0; i < 4; ++i) {
        if (i == elected) continue;
        if (group.members[i].peer == *liar_peer) {
            liar = i;
        } else if (!resumed && i != 0) {
            resumed = i;  // whose frames the bystander has never seen
        } else {
            bystander = i;
        }
    }
    group.kill(*resumed);
    REQUIRE(group.boot(*resumed).value().resumed == 1);
    group.connect();
    auto const lie = with_false_share(shares[*liar_peer], *liar);
    group.wires.set_filter({});
    REQUIRE(group.all[*liar].network->send(group.members[elected].peer, cosign_protocol, lie));
    group.wires.run();
    for (auto const i : {elected, *resumed, *bystander}) {
        auto const& end = group.all[i].last<stalled>();
        INFO((i == elected ? "aggregator" : i == *resumed ? "resumed" : "bystander") << ": " << end.text);
        CHECK(end.reason == abort_reason::invalid_share);
        CHECK(end.culprit == group.slot_of(*liar, id));
    }
}

TEST_CASE("who is given a false share after its restart gets the signature from who has it") {
    machines<> group;
    bytes honest;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        bool const is_share = f && f.value().header.what == kind::shares;
        if (is_share && p.from == group.members[2].peer) honest = p.frame;
        return !(is_share && p.to == group.members[0].peer);
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    CHECK(group.all[1].signer->find(id)->at() == phase::finished);
    group.kill(0);
    group.all[2].signer->close();  // speaks by hand from now on
    REQUIRE(group.boot(0).value().resumed == 1);
    group.wires.set_filter({});
    for (std::size_t const i : {1u, 2u}) (void)group.all[0].network->connect(group.members[i].peer, {});
    group.wires.run();
    REQUIRE(group.all[2].network->send(group.members[0].peer, cosign_protocol, with_false_share(honest, 2)));
    group.wires.run();
    group.advance(limits{}.retry_interval);
    CHECK(group.all[0].signer->find(id)->at() == phase::finished);
}

TEST_CASE("cleaning up forgets no signature that nobody has broadcast") {
    machines<> group;
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const clean = [&](int minutes) {
        for (int i = 0; i < minutes; ++i) {
            group.clock.advance(std::chrono::minutes{1});
            for (auto& m : group.all) (void)m.signer->cleanup_expired_sessions();
        }
    };
    clean(30);
    REQUIRE(group.all[0].signer->find(id) != nullptr);
    group.kill(0);
    CHECK(group.boot(0).value().resumed == 1);
    group.connect();
    auto const turn = in_order(group, id);
    REQUIRE(group.all[turn[0]].signer->notify_broadcast_complete(id));
    group.wires.run();
    clean(24 * 60);  // until then somebody may lack it
    for (auto& m : group.all) CHECK(m.signer->find(id) == nullptr);
}

TEST_CASE("who says all the time that it has restarted is not answered all the time") {
    machines<> group{2};
    group.drop(kind::shares);
    std::vector<session_id> ids;
    for (int i = 0; i < 60; ++i) {
        ids.push_back(group.all[0].signer->propose(group.request()).value());
        group.wires.run();
        group.advance(std::chrono::milliseconds{10});
    }
    std::size_t answers = 0;
    group.wires.set_filter([&](auto const& p) {
        answers += p.from == group.members[0].peer ? 1u : 0u;
        return true;
    });
    group.all[1].signer->close();
    (void)group.all[1].network->connect(group.members[0].peer, {});
    group.wires.run();
    answers = 0;
    for (byte n = 1; n <= 100; ++n) {
        frame_header const header{{}, {{n}}, 0, n, kind::hello};
        hello_body const hello{group.members[1].signer, group.members[1].binding, ids};
        REQUIRE(group.all[1].network->send(group.members[0].peer, cosign_protocol,
                                           encode_frame(header, hello, test::node_keys(1).node).value()));
    }
    group.wires.run();
    CHECK(answers > 0);
    CHECK(answers < 1000);
}

TEST_CASE("around an aggregator, everyone is told who was silent") {
    machines<aggregator> group;
    std::optional<peer_id> silent;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        if (f && f.value().header.what == kind::nonces && !silent) silent = p.from;
        return !(silent && p.from == *silent);
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    group.advance(limits{}.round_timeout);
    auto const elected = group.all[0].signer->find(id)->order()[0];
    for (std::size_t i = 0; i < 3; ++i) {
        if (group.members[i].peer == *silent) continue;
        auto const& end = group.all[i].last<aborted>();
        CHECK(end.reason == abort_reason::timeout);
        REQUIRE(end.missing.size() == 1);
        CHECK(group.all[i].signer->find(id)->plan().roster[end.missing[0]].peer == *silent);
        if (group.slot_of(i, id) != elected) CHECK(end.reported_by == elected);
    }
}

TEST_CASE("a broadcast that cannot be found can be disputed") {
    machines<> group;
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const turn = in_order(group, id);
    auto& liar = *group.all[turn[0]].signer;
    auto& next = *group.all[turn[1]].signer;
    CHECK(next.dispute_broadcast(id).error() == signing::errc::wrong_state);
    REQUIRE(liar.notify_broadcast_complete(id));
    group.wires.run();
    CHECK(liar.dispute_broadcast(id).error() == signing::errc::wrong_state);  // its own
    CHECK(next.trigger_coordinator_failover(id).error() == signing::errc::wrong_state);
    for (std::size_t const v : {1u, 2u}) {
        REQUIRE(group.all[turn[v]].signer->dispute_broadcast(id));
        REQUIRE(group.all[turn[v]].signer->trigger_coordinator_failover(id));
    }
    group.wires.run();
    CHECK(next.find(id)->view() == 1);
    CHECK(group.all[turn[1]].last<should_broadcast>().view == 1);
    REQUIRE(liar.notify_broadcast_complete(id));  // says it again
    group.wires.run();
    CHECK_FALSE(next.find(id)->is_confirmed());
    REQUIRE(next.notify_broadcast_complete(id));
    group.wires.run();
    CHECK(group.all[turn[2]].last<broadcast_confirmed>().by == group.slot_of(turn[1], id));
}

TEST_CASE("a share that could not be written down does not leave, also where a false one is found in the same moment") {
    machines<> group{2};
    bytes nonces, shares;
    bool has_left = false;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        if (!f) return true;
        bool const is_first = p.from == group.members[0].peer;
        if (is_first && f.value().header.what == kind::nonces) nonces = p.frame;
        if (is_first && f.value().header.what == kind::shares) shares = p.frame;
        has_left = has_left || (!is_first && f.value().header.what == kind::shares);
        return !(is_first && (f.value().header.what == kind::nonces || f.value().header.what == kind::shares));
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    REQUIRE((!nonces.empty() && !shares.empty()));
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        has_left = has_left || (p.from == group.members[1].peer && f && f.value().header.what == kind::shares);
        return true;
    });
    auto const say = [&](bytes const& raw) {
        REQUIRE(group.all[0].network->send(group.members[1].peer, cosign_protocol, raw));
        group.wires.run();
    };
    say(with_false_share(shares, 0));  // comes early, and is kept
    auto& victim = group.all[1];
    SECTION("the disk fails once") {
        victim.disk.fails_at = victim.disk.calls;
        say(nonces);
        CHECK_FALSE(has_left);
        CHECK(victim.count<stalled>() == 0);
        CHECK(victim.last<aborted>().reason == abort_reason::not_recorded);
    }
    SECTION("the disk fails for good: its record may be there, and cannot be taken out") {
        victim.disk.fails_at = victim.disk.calls;
        victim.disk.for_good = true;
        say(nonces);
        group.advance(limits{}.retry_interval);
        CHECK_FALSE(has_left);
        CHECK(victim.count<aborted>() == 0);
        CHECK(victim.last<stalled>().reason == abort_reason::invalid_share);
        victim.disk.fails_at.reset();  // well again: now it may leave
        for (int i = 0; i < 4; ++i) group.advance(limits{}.retry_interval);
        CHECK(has_left);
    }
    SECTION("the disk is well") {
        say(nonces);
        CHECK(has_left);
        CHECK(victim.count<aborted>() == 0);
        CHECK(victim.last<stalled>().reason == abort_reason::invalid_share);
    }
    CHECK(victim.signer->find(id) != nullptr);
}

}  // namespace resume_tests
