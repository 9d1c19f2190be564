// SPDX-License-Identifier: MIT

#include <muster/signing/coordinator.hpp>

#include <map>
#include <set>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace coordinator_tests {

using namespace muster;
using namespace muster::signing;
using test::cluster;
using test::verifies;

namespace {

/// The peer at slot @p s of session @p id.
template <class Group>
peer_id order_peer(Group& group, session_id const& id, slot s) {
    return group.at_slot(id, s).network->local();
}

}  // namespace

TEMPLATE_TEST_CASE("a group signs, and exactly one of it should broadcast", "", mesh, aggregator) {
    for (std::size_t const n : {2u, 3u, 5u, 9u}) {
        cluster<TestType> group{n};
        auto const request = group.request();
        auto const id = group.nodes[1].signer->propose(request).value();
        group.wires.run();
        std::size_t broadcasters = 0;
        for (auto& node : group.nodes) {
            REQUIRE(node.template count<completed>() == 1);
            CHECK(verifies(node.template last<completed>(), request));
            CHECK(node.template last<completed>().signatures == group.nodes[0].template last<completed>().signatures);
            broadcasters += node.template count<should_broadcast>();
            CHECK(node.template count<peer_misbehaved>() == 0);
            CHECK(node.signer->open_session_count() == 0);
            CHECK(node.signer->find(id)->at() == phase::finished);
        }
        CHECK(broadcasters == 1);
    }
}

TEMPLATE_TEST_CASE("several messages and tweaks in one session", "", mesh, aggregator) {
    cluster<TestType> group{3};
    auto request = group.request(4);
    request.tweaks = {musig2::bip32_path{{0, 7}}, musig2::taproot{}};
    request.messages[2] = digest32{{9}};
    REQUIRE(group.nodes[0].signer->propose(request));
    group.wires.run();
    for (auto& node : group.nodes) {
        for (std::size_t k = 0; k < 4; ++k) CHECK(verifies(node.template last<completed>(), request, k));
    }
}

TEST_CASE("every election method finds one coordinator") {
    for (auto const method : {election_method::lexicographic, election_method::hash_based,
                              election_method::first_signer, election_method::last_signer}) {
        cluster<> group{4};
        auto request = group.request();
        request.election = method;
        request.keep_order = true;
        auto const id = group.nodes[2].signer->propose(request).value();
        group.wires.run();
        auto const elected = group.nodes[0].last<completed>().coordinator;
        if (method == election_method::first_signer) CHECK(elected == 0);
        if (method == election_method::last_signer) CHECK(elected == 3);
        for (auto& node : group.nodes) CHECK(node.last<completed>().coordinator == elected);
        CHECK(group.at_slot(id, elected).count<should_broadcast>() == 1);
    }
}

TEST_CASE("where keys make the order, no method gives one of them the first place for good") {
    for (auto const method : {election_method::lexicographic, election_method::hash_based,
                              election_method::first_signer, election_method::last_signer}) {
        cluster<> group{3};
        auto request = group.request();
        request.election = method;
        std::set<slot> elected;
        for (int i = 0; i < 60 && elected.size() < 3; ++i) {
            auto const id = group.nodes[0].signer->propose(request).value();
            group.wires.run();
            elected.insert(group.nodes[0].signer->find(id)->order().front());
        }
        CHECK(elected.size() == 3);
    }
}

TEST_CASE("no nonce exists before the application approves") {
    cluster<> group{3};
    group.approves = [](std::size_t) { return false; };
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    for (std::size_t i : {1u, 2u}) {
        CHECK(group.nodes[i].count<approval_requested>() == 1);
        auto const* const s = group.nodes[i].signer->find(id);
        REQUIRE(s != nullptr);
        CHECK(s->at() == phase::awaiting_approval);
        CHECK_FALSE(s->has_nonces(s->self()));
    }
    REQUIRE(group.nodes[1].signer->approve(id));
    CHECK(group.nodes[1].signer->approve(id).error() == errc::wrong_state);
    REQUIRE(group.nodes[2].signer->approve(id));
    group.wires.run();
    CHECK(group.nodes[0].count<completed>() == 1);
}

TEST_CASE("a decline ends the session everywhere, with its reason and its author") {
    cluster<> group{3};
    group.approves = [](std::size_t i) { return i != 2; };
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    REQUIRE(group.nodes[2].signer->decline(id, "not on Fridays"));
    group.wires.run();
    auto const who = group.nodes[2].signer->find(id)->self();
    for (auto& node : group.nodes) {
        auto const& e = node.last<aborted>();
        CHECK(e.reason == abort_reason::declined);
        CHECK(e.culprit == who);
        CHECK(e.text == "not on Fridays");
        CHECK(node.signer->open_session_count() == 0);
    }
}

TEST_CASE("frames that overtake the proposal are kept and used") {
    cluster<> group{3};
    // Node 2 hears of the proposal last: hold back what node 0 sends to it.
    std::vector<transport::memory_network::packet> held;
    bool holding = true;
    group.wires.set_filter([&](transport::memory_network::packet& p) {
        bool const hold = holding && p.from == group.members[0].peer && p.to == group.members[2].peer;
        if (hold) held.push_back(p);
        return !hold;
    });
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    CHECK(group.nodes[2].count<session_created>() == 0);
    holding = false;
    for (auto& p : held) REQUIRE(group.nodes[0].network->send(p.to, p.protocol, p.frame));
    group.wires.run();
    for (auto& node : group.nodes) CHECK(node.count<completed>() == 1);
}

TEMPLATE_TEST_CASE("lost frames are asked for again", "", mesh, aggregator) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        cluster<TestType> group{4};
        splitmix64 random{seed};
        int lossy = 16;
        group.wires.set_filter([&](auto&) { return lossy-- < 0 || uniform(random, 2) == 0; });
        REQUIRE(group.nodes[0].signer->propose(group.request()));
        group.wires.run();
        for (int i = 0; i < 12; ++i) group.advance(std::chrono::seconds{5});
        INFO("seed " << seed);
        for (auto& node : group.nodes) CHECK(node.template count<completed>() == 1);
    }
}

TEST_CASE("who comes back is asked at once for what is missing, also by one that has finished") {
    cluster<> group{2};
    group.wires.set_filter([&](transport::memory_network::packet const& p) {
        auto const frame = parse_frame(p.frame, limits{});
        return p.from != group.members[1].peer || frame.value().header.what != kind::shares;
    });
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    CHECK(group.nodes[1].count<completed>() == 1);
    REQUIRE(group.nodes[0].count<completed>() == 0);
    group.wires.set_filter({});
    group.nodes[0].network->disconnect(group.members[1].peer);
    group.wires.run();
    group.connect();
    CHECK(group.nodes[0].count<completed>() == 1);
}

TEST_CASE("duplicated and reordered frames change nothing") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        cluster<> group{4};
        splitmix64 random{seed};
        std::vector<transport::memory_network::packet> copies;
        group.wires.set_filter([&](transport::memory_network::packet& p) {
            if (copies.size() < 200) copies.push_back(p);
            return uniform(random, 3) != 0;  // a third is delayed instead
        });
        REQUIRE(group.nodes[0].signer->propose(group.request()));
        group.wires.run();
        group.wires.set_filter({});
        while (!copies.empty()) {
            auto const i = uniform(random, copies.size());
            for (auto& node : group.nodes) {
                if (node.network->local() == copies[i].from) {
                    (void)node.network->send(copies[i].to, copies[i].protocol, copies[i].frame);
                }
            }
            copies.erase(copies.begin() + static_cast<std::ptrdiff_t>(i));
            group.wires.run();
        }
        for (int i = 0; i < 4; ++i) group.advance(std::chrono::seconds{10});
        for (auto& node : group.nodes) {
            CHECK(node.count<completed>() == 1);
            CHECK(node.count<equivocation_proven>() == 0);
            CHECK(node.count<peer_misbehaved>() == 0);
        }
    }
}

TEST_CASE("a silent signer leads to a timeout that names it") {
    cluster<> group{3};
    group.approves = [](std::size_t i) { return i != 1; };
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const silent = group.nodes[1].signer->find(id)->self();
    group.advance(std::chrono::seconds{59});
    CHECK(group.nodes[0].count<aborted>() == 0);
    group.advance(std::chrono::seconds{1});
    CHECK(group.nodes[0].last<aborted>().reason == abort_reason::timeout);
    CHECK(group.nodes[0].last<aborted>().missing == std::vector<slot>{silent});
    for (auto& node : group.nodes) CHECK(node.signer->open_session_count() == 0);
    // The slot is free, and a retry is a new session with fresh nonces.
    group.approves = [](std::size_t) { return true; };
    auto const retry = group.nodes[0].signer->propose(group.request()).value();
    CHECK(retry != id);
    group.wires.run();
    CHECK(group.nodes[0].count<completed>() == 1);
}

TEST_CASE("an unanswered approval expires") {
    cluster<> group{2};
    group.approves = [](std::size_t) { return false; };
    auto request = group.request();
    request.valid_for = std::chrono::seconds{30};
    auto const id = group.nodes[0].signer->propose(request).value();
    group.wires.run();
    group.wires.set_filter([](auto&) { return false; });  // nobody hears the initiator's abort
    group.advance(std::chrono::seconds{30});
    CHECK(group.nodes[1].last<aborted>().reason == abort_reason::expired);
    CHECK(group.nodes[1].signer->approve(id).error() == errc::wrong_state);
}

TEST_CASE("with no_timers nothing ever moves by itself") {
    cluster<mesh, no_timers> group{3};
    group.approves = [](std::size_t i) { return i != 1; };
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const events_before = group.nodes[0].events.size();
    for (int i = 0; i < 48; ++i) {
        group.clock.advance(std::chrono::hours{1});
        CHECK(group.wires.run() == 0);
    }
    CHECK(group.nodes[0].events.size() == events_before);
    CHECK(group.nodes[0].signer->find(id)->is_open());
    // The application decides when time has passed.
    CHECK(group.nodes[0].signer->cleanup_expired_sessions() == 1);
    CHECK(group.nodes[0].last<aborted>().reason == abort_reason::timeout);
    group.wires.run();
    CHECK(group.nodes[2].signer->open_session_count() == 0);
}

TEST_CASE("with no_timers a finished session is never failed over by itself") {
    limits bounds;
    bounds.broadcast_timeout = std::chrono::seconds{5};
    cluster<mesh, no_timers> group{3, bounds};
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    group.clock.advance(std::chrono::minutes{5});
    for (auto& node : group.nodes) {
        (void)node.signer->cleanup_expired_sessions();
        CHECK(node.count<coordinator_failed>() == 0);
    }
}

TEST_CASE("failover goes through the list to its end, slot 0 included, and says so") {
    for (auto const method : {election_method::lexicographic, election_method::hash_based,
                              election_method::first_signer, election_method::last_signer}) {
        cluster<> group{3};
        auto request = group.request();
        request.election = method;
        request.keep_order = true;
        auto const id = group.nodes[0].signer->propose(request).value();
        group.wires.run();
        auto const order = group.nodes[0].signer->find(id)->order();
        for (view_number view = 0; view < order.size(); ++view) {
            auto& elected = group.at_slot(id, order[view]);
            CHECK(elected.count<should_broadcast>() == 1);  // its own turn comes exactly once
            CHECK(elected.last<should_broadcast>().view == view);
            for (auto& node : group.nodes) CHECK(node.count<failover_exhausted>() == 0);
            REQUIRE(elected.signer->trigger_coordinator_failover(id));  // withdraws
            group.wires.run();
            if (view + 1 == order.size()) break;
            for (auto& node : group.nodes) {
                CHECK(node.last<coordinator_failed>().view == view + 1);
                CHECK(node.last<coordinator_failed>().old_coordinator == order[view]);
                CHECK(node.last<coordinator_failed>().new_coordinator == order[view + 1]);
            }
        }
        for (auto& node : group.nodes) {
            CHECK(node.count<failover_exhausted>() == 1);
            CHECK(node.last<failover_exhausted>().by_agreement);
            CHECK(node.signer->trigger_coordinator_failover(id).error() == errc::failover_exhausted);
        }
    }
}

TEST_CASE("one signer alone passes nobody by, a majority of the others does") {
    cluster<> group{4};
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const order = group.nodes[0].signer->find(id)->order();
    auto& b = group.at_slot(id, order[1]);
    auto& c = group.at_slot(id, order[2]);
    for (int repetition = 0; repetition < 3; ++repetition) {
        REQUIRE(b.signer->trigger_coordinator_failover(id));
        group.wires.run();
        for (auto& node : group.nodes) CHECK(node.count<coordinator_failed>() == 0);
    }
    REQUIRE(c.signer->trigger_coordinator_failover(id));
    group.wires.run();
    for (auto& node : group.nodes) CHECK(node.last<coordinator_failed>().new_coordinator == order[1]);
    CHECK(b.count<should_broadcast>() == 1);
    CHECK(c.count<should_broadcast>() == 0);
}

TEST_CASE("split views converge as soon as somebody who is behind speaks up") {
    for (bool const behind_speaks : {false, true}) {
        cluster<> group{5};
        auto const id = group.nodes[0].signer->propose(group.request()).value();
        group.wires.run();
        auto const order = group.nodes[0].signer->find(id)->order();
        auto const cut_off = group.at_slot(id, order[4]).network->local();
        group.wires.set_filter([&](auto const& p) { return p.to != cut_off && p.from != cut_off; });
        for (view_number view = 0; view < 2; ++view) {
            REQUIRE(group.at_slot(id, order[view]).signer->trigger_coordinator_failover(id));
            group.wires.run();
        }
        CHECK(group.at_slot(id, order[4]).signer->find(id)->view() == 0);
        CHECK(group.at_slot(id, order[3]).signer->find(id)->view() == 2);
        group.wires.set_filter({});
        REQUIRE(group.at_slot(id, order[behind_speaks ? 4 : 3]).signer->trigger_coordinator_failover(id));
        group.wires.run();
        for (auto& node : group.nodes) {
            CHECK(node.signer->find(id)->view() == 2);
            CHECK(node.signer->find(id)->coordinator() == order[2]);
        }
        CHECK(group.at_slot(id, order[2]).count<should_broadcast>() == 1);
        // Nothing goes back and forth afterwards.
        auto const frames = group.wires.frames_delivered();
        for (int i = 0; i < 5; ++i) group.advance(std::chrono::seconds{2});
        CHECK(group.wires.frames_delivered() == frames);
    }
}

TEST_CASE("who missed that the signature was broadcast is told when it asks for the next signer") {
    cluster<> group{4};
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const order = group.nodes[0].signer->find(id)->order();
    auto& first = group.at_slot(id, order[0]);
    auto& last = group.at_slot(id, order[3]);
    auto const cut_off = last.network->local();
    group.wires.set_filter([&](auto const& p) { return p.to != cut_off; });
    REQUIRE(first.signer->notify_broadcast_complete(id));
    group.wires.run();
    CHECK(last.count<broadcast_confirmed>() == 0);
    // Not even by the one who did it, which is gone now.
    group.wires.set_filter([&](auto const& p) { return p.from != order_peer(group, id, order[0]); });
    REQUIRE(last.signer->trigger_coordinator_failover(id));
    group.wires.run();
    CHECK(last.last<broadcast_confirmed>().by == order[0]);
    CHECK(last.count<coordinator_failed>() == 0);
}

TEST_CASE("too few signers to pass on the turn: that is said, and late answers still count") {
    limits bounds;
    bounds.broadcast_timeout = std::chrono::seconds{30};
    bounds.failover_attempts_max = 3;
    cluster<> group{4, bounds};
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const order = group.nodes[0].signer->find(id)->order();
    auto& alone = group.at_slot(id, order[2]);
    auto const alone_peer = alone.network->local();
    group.wires.set_filter([&](auto const& p) { return p.to != alone_peer && p.from != alone_peer; });
    for (int i = 0; i < 3; ++i) {
        CHECK(alone.count<failover_exhausted>() == 0);
        group.advance(std::chrono::seconds{30});
    }
    CHECK(alone.count<failover_exhausted>() == 1);
    CHECK_FALSE(alone.last<failover_exhausted>().by_agreement);
    CHECK(alone.timers.armed() >= group.clock.now() + bounds.retry_interval);  // it only asks what became of it
    auto const& others = *group.at_slot(id, order[0]).signer->find(id);
    CHECK(others.view() == 3);
    group.wires.set_filter({});
    REQUIRE(alone.signer->trigger_coordinator_failover(id));
    group.wires.run();
    CHECK(alone.signer->find(id)->view() == others.view());
}

TEST_CASE("with timers a silent coordinator is failed over, a confirmed one is not") {
    limits bounds;
    bounds.broadcast_timeout = std::chrono::seconds{30};
    cluster<> group{3, bounds};
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const order = group.nodes[0].signer->find(id)->order();
    group.advance(std::chrono::seconds{30});
    for (auto& node : group.nodes) CHECK(node.last<coordinator_failed>().new_coordinator == order[1]);
    auto& second = group.at_slot(id, order[1]);
    CHECK(second.count<should_broadcast>() == 1);
    REQUIRE(second.signer->notify_broadcast_complete(id));
    group.wires.run();
    for (auto& node : group.nodes) {
        CHECK(node.last<broadcast_confirmed>().by == order[1]);
        CHECK(node.signer->trigger_coordinator_failover(id).error() == errc::wrong_state);
    }
    group.advance(std::chrono::minutes{5});
    for (auto& node : group.nodes) CHECK(node.count<coordinator_failed>() == 1);
}

TEST_CASE("stuck sessions and old closed ones are cleaned up, and do not come back") {
    limits bounds;
    bounds.round_timeout = std::chrono::hours{2};
    cluster<mesh, no_timers> group{2, bounds};
    group.approves = [](std::size_t) { return false; };
    auto request = group.request();
    request.valid_for = std::chrono::hours{3};
    bytes proposal_frame;
    group.wires.set_filter([&](transport::memory_network::packet& p) {
        if (proposal_frame.empty()) proposal_frame = p.frame;
        return true;
    });
    auto const id = group.nodes[0].signer->propose(request).value();
    group.wires.run();
    group.clock.advance(std::chrono::minutes{9});
    CHECK(group.nodes[1].signer->cleanup_expired_sessions() == 0);
    group.clock.advance(std::chrono::minutes{1});
    CHECK(group.nodes[1].signer->cleanup_expired_sessions() == 1);
    CHECK(group.nodes[1].last<aborted>().reason == abort_reason::stuck);
    group.clock.advance(std::chrono::minutes{10});
    CHECK(group.nodes[1].signer->cleanup_expired_sessions() == 1);
    CHECK(group.nodes[1].signer->find(id) == nullptr);
    REQUIRE(group.nodes[0].network->send(group.members[1].peer, cosign_protocol, proposal_frame));
    group.wires.run();
    CHECK(group.nodes[1].count<approval_requested>() == 1);
    CHECK(group.nodes[1].signer->find(id) == nullptr);
}

TEST_CASE("requests that cannot be met are refused before anything is sent") {
    cluster<> group{3};
    auto& node = *group.nodes[0].signer;
    auto const sent = group.wires.frames_delivered();
    auto request = group.request();
    request.signers[1] = test::make_keys(1, 77)[0].public_key();
    CHECK(node.propose(request).error() == errc::unknown_signer);
    request = group.request();
    request.signers.erase(request.signers.begin());
    CHECK(node.propose(request).error() == errc::not_in_roster);
    request = group.request();
    request.messages.clear();
    CHECK(node.propose(request).error() == errc::invalid_proposal);
    request = group.request();
    request.valid_for = duration::zero();
    CHECK(node.propose(request).error() == errc::invalid_proposal);
    request = group.request();
    request.signers.resize(1);
    CHECK(node.propose(request).error() == errc::too_few_signers);
    request = group.request();
    request.tweaks = {musig2::taproot{}, musig2::bip32_path{{1}}};
    CHECK(node.propose(request).error() == errc::invalid_proposal);
    request = group.request();
    request.messages[0] = tagged_payload{"t", bytes(33u << 10)};
    CHECK(node.propose(request).error() == errc::message_too_large);
    CHECK(node.approve(session_id{}).error() == errc::unknown_session);
    CHECK(node.trigger_coordinator_failover(session_id{}).error() == errc::unknown_session);
    CHECK(node.notify_broadcast_complete(session_id{}).error() == errc::unknown_session);
    group.wires.run();
    CHECK(group.wires.frames_delivered() == sent);
    CHECK(node.sessions().empty());
}

TEST_CASE("open sessions are bounded, also per peer, and closed ones free their slot") {
    limits bounds;
    bounds.open_sessions_max = 4;
    bounds.open_sessions_reserved = 1;
    bounds.open_sessions_per_peer_max = 2;
    cluster<> group{2, bounds};
    group.approves = [](std::size_t) { return false; };
    std::vector<session_id> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(group.nodes[0].signer->propose(group.request()).value());
    group.wires.run();
    CHECK(group.nodes[1].signer->open_session_count() == 2);
    CHECK(group.nodes[0].count<aborted>() == 2);  // the other declined the rest as too many
    CHECK(group.nodes[0].signer->propose(group.request()));
    CHECK(group.nodes[0].signer->propose(group.request()));
    CHECK(group.nodes[0].signer->propose(group.request()).error() == errc::too_many_sessions);
    for (auto const& id : ids) (void)group.nodes[0].signer->abort(id, "enough");
    group.wires.run();
    CHECK(group.nodes[0].signer->propose(group.request()));
}

TEST_CASE("closed sessions are kept to a bound") {
    limits bounds;
    bounds.closed_sessions_max = 3;
    cluster<> group{2, bounds};
    for (int i = 0; i < 10; ++i) {
        REQUIRE(group.nodes[0].signer->propose(group.request()));
        group.advance(std::chrono::seconds{1});
    }
    CHECK(group.nodes[0].count<completed>() == 10);
    CHECK(group.nodes[0].signer->sessions().size() == 3);
    CHECK(group.nodes[1].signer->sessions().size() == 3);
}

TEST_CASE("a restart in round one ends the session with a reason, and the restarted signer joins new ones") {
    cluster<> group{3};
    group.approves = [](std::size_t i) { return i != 1; };
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    CHECK(group.nodes[0].signer->find(id)->at() == phase::collecting_nonces);
    auto const who = group.nodes[2].signer->find(id)->self();
    group.start(2, 999);
    group.connect();
    CHECK(group.nodes[0].last<aborted>().reason == abort_reason::restarted);
    CHECK(group.nodes[0].last<aborted>().culprit == who);
    group.approves = [](std::size_t) { return true; };
    REQUIRE(group.nodes[2].signer->propose(group.request()));
    group.wires.run();
    for (auto& node : group.nodes) CHECK(node.count<completed>() == 1);
}

TEST_CASE("a restart before anything was contributed is no harm: the proposal comes again") {
    cluster<> group{3};
    group.approves = [](std::size_t i) { return i == 0; };
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    group.approves = [](std::size_t) { return true; };
    group.start(2, 999);
    group.connect();
    REQUIRE(group.nodes[1].signer->approve(group.nodes[1].signer->sessions().at(0)));
    group.wires.run();
    for (auto& node : group.nodes) CHECK(node.count<completed>() == 1);
}

TEST_CASE("wake-ups early, twice and after the end are harmless") {
    cluster<> group{3};
    auto const wake_all = [&] {
        for (auto& node : group.nodes) {
            node.timers.fire();
            node.timers.fire();
        }
        group.wires.run();
    };
    wake_all();
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    for (int i = 0; i < 30; ++i) {
        wake_all();
        group.wires.step();
    }
    group.wires.run();
    wake_all();
    for (auto& node : group.nodes) {
        CHECK(node.count<completed>() == 1);
        CHECK(node.count<peer_misbehaved>() == 0);
        CHECK_FALSE(node.timers.armed());
    }
}

TEST_CASE("a handler may command the coordinator that calls it") {
    cluster<> group{2};
    auto const id = group.nodes[0].signer->propose(group.request()).value();  // approves from inside the handler
    group.wires.run();
    CHECK(group.nodes[1].count<completed>() == 1);
    CHECK(std::holds_alternative<session_created>(
        *std::find_if(group.nodes[1].events.begin(), group.nodes[1].events.end(),
                      [](auto const& e) { return !std::holds_alternative<peer_identified>(e); })));
    CHECK(group.nodes[1].signer->find(id)->is_confirmed() == false);
}

TEST_CASE("an early wake-up uses the timer up, and it is armed again") {
    cluster<> group{2};
    group.approves = [](std::size_t) { return false; };
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    auto const armed = group.nodes[0].timers.armed();
    REQUIRE(armed);
    group.nodes[0].timers.disarm();  // as a one-shot timer that fired early
    group.nodes[0].timers.fire();
    CHECK(group.nodes[0].timers.armed() == armed);
}

TEST_CASE("a handler that throws loses nothing but its own event", "[misuse-14]") {
    cluster<> group{2};
    bool thrown = false;
    group.approves = [&](std::size_t) -> bool {
        if (!std::exchange(thrown, true)) throw std::runtime_error{"handler"};
        return true;
    };
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    CHECK_THROWS_AS(group.wires.run(), std::runtime_error);
    group.wires.run();
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    CHECK(group.nodes[0].count<completed>() == 1);
}

TEST_CASE("congestion is worked off: only what was refused is repeated") {
    cluster<> group{2};
    transport::memory_network narrow{{.frame_size_max = 1u << 20, .frames_in_flight_max = 4}};
    // A cluster of its own on narrow wires.
    std::vector<std::unique_ptr<transport::memory_transport>> ends;
    std::deque<manual_timers> alarms(2);
    std::deque<cluster<>::coordinator> signers;
    std::size_t done = 0, crimes = 0;
    for (std::size_t i = 0; i < 2; ++i) {
        ends.push_back(std::make_unique<transport::memory_transport>(narrow, group.members[i].peer));
        signers.emplace_back(cluster<>::coordinator::parts{*ends[i],
                                                           group.registry,
                                                           alarms[i],
                                                           group.clock,
                                                           test::node_keys(i),
                                                           boot_epoch{{static_cast<byte>(i)}},
                                                           {},
                                                           {},
                                                           test::predictable{i + 1}},
                             [&, i](event const& e) {
                                 if (auto const* const asked = std::get_if<approval_requested>(&e)) {
                                     (void)signers[i].approve(asked->session);
                                 }
                                 done += std::holds_alternative<completed>(e) ? 1u : 0u;
                                 crimes += std::holds_alternative<peer_misbehaved>(e) ? 1u : 0u;
                             });
    }
    REQUIRE(ends[0]->connect(group.members[1].peer, {}));
    narrow.run();
    for (int i = 0; i < 6; ++i) REQUIRE(signers[0].propose(group.request()));
    CHECK(narrow.run(5000) < 5000);
    for (int i = 0; i < 6; ++i) {
        group.clock.advance(std::chrono::seconds{10});
        for (auto& a : alarms) a.fire_due(group.clock.now());
        CHECK(narrow.run(5000) < 5000);
    }
    CHECK(done == 12);
    CHECK(crimes == 0);
}

TEST_CASE("a closed coordinator stays silent") {
    cluster<> group{2};
    group.nodes[1].signer->close();
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    CHECK(group.nodes[1].count<session_created>() == 0);
    group.nodes[1].timers.fire();
    CHECK(group.nodes[1].signer->propose(group.request()).error() == errc::wrong_state);
    CHECK_FALSE(group.nodes[1].timers.armed());
}

namespace {

/// What a session costs a group of n that has signed together before.
struct traffic {
    std::uint64_t frames = 0;
    std::uint64_t octets = 0;
};
template <class Topology>
traffic session_traffic(std::size_t n) {
    cluster<Topology> group{n};
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    traffic const before{group.wires.frames_delivered(), group.wires.octets_delivered()};
    REQUIRE(group.nodes[0].signer->propose(group.request()));
    group.wires.run();
    for (auto& node : group.nodes) REQUIRE(node.template count<completed>() == 2);
    return {group.wires.frames_delivered() - before.frames, group.wires.octets_delivered() - before.octets};
}

/// The sizes of the proposals that @p propose sends to each peer.
template <class Group, class F>
std::map<peer_id, std::size_t> proposal_sizes(Group& group, F propose) {
    std::map<peer_id, std::size_t> sizes;
    group.wires.set_filter([&](transport::memory_network::packet const& p) {
        auto const frame = parse_frame(p.frame, limits{});
        if (frame && frame.value().header.what == kind::propose) sizes[p.to] = p.frame.size();
        return true;
    });
    propose();
    group.wires.run();
    group.wires.set_filter({});
    return sizes;
}

}  // namespace

TEST_CASE("aggregator: frames and bytes are linear in the number of signers, mesh: quadratic") {
    auto const star = session_traffic<aggregator>(4);
    auto const wide_star = session_traffic<aggregator>(8);
    CHECK(star.frames == 5 * 3);
    CHECK(wide_star.frames == 5 * 7);
    CHECK(wide_star.octets * 3 == star.octets * 7);
    CHECK(session_traffic<mesh>(8).frames == 7 + 2 * 8 * 7);
}

TEMPLATE_TEST_CASE("a group that has signed before is named instead of spelled out", "", mesh, aggregator) {
    cluster<TestType> group{4};
    auto const propose = [&](std::size_t by) {
        return proposal_sizes(group, [&] { REQUIRE(group.nodes[by].signer->propose(group.request())); });
    };
    auto const full = propose(0);
    // Anyone of the group may propose next.
    auto const named = propose(2);
    REQUIRE(named.size() == 3);
    for (auto const& [who, size] : named) CHECK(size + 4 * 100 < full.begin()->second);
    for (auto& node : group.nodes) CHECK(node.template count<completed>() == 2);

    // Another life, another memory: it gets the whole roster.
    group.start(1, 900);
    group.connect();
    auto const mixed = propose(0);
    for (auto const& [who, size] : mixed) {
        CHECK(size == (who == group.members[1].peer ? full : named).begin()->second);
    }
    CHECK(group.nodes[3].template count<completed>() == 3);
}

TEST_CASE("a roster that was forgotten is asked for at once") {
    limits few;
    few.rosters_max = 1;
    cluster<> group{3, few};
    auto const all = group.request();
    auto pair = all;
    std::erase(pair.signers, group.members[2].signer);
    REQUIRE(group.nodes[0].signer->propose(all));
    group.wires.run();
    // Node 1 signs with node 0 alone, which makes both forget the three; node 2 still believes that they know.
    REQUIRE(group.nodes[1].signer->propose(pair));
    group.wires.run();
    REQUIRE(group.nodes[2].signer->propose(all));
    group.wires.run();
    CHECK(group.nodes[2].count<completed>() == 2);
    for (auto& node : group.nodes) {
        CHECK(verifies(node.last<completed>(), all));
        CHECK(node.count<peer_misbehaved>() == 0);
    }
    CHECK(group.nodes[2].count<completed>() == 2);
}

TEST_CASE("a signature that nobody answers for any more is forgotten by cleaning up") {
    limits bounds;
    bounds.broadcast_timeout = std::chrono::seconds{1};
    bounds.failover_attempts_max = 2;
    cluster<> group{3, bounds};
    auto const id = group.nodes[0].signer->propose(group.request()).value();
    group.wires.run();
    for (std::size_t const i : {1u, 2u}) group.nodes[i].signer->close();
    auto& alone = group.nodes[0];
    for (int i = 0; i < 10; ++i) group.advance(std::chrono::seconds{1});
    CHECK(alone.last<failover_exhausted>().session == id);
    // Those who are gone may come back and lack it, for as long as the session lives.
    group.advance(bounds.stuck_session_timeout);
    CHECK(alone.signer->cleanup_expired_sessions() == 0);
    group.advance(bounds.session_lifetime_max);
    CHECK(alone.signer->cleanup_expired_sessions() == 1);
    CHECK(alone.signer->find(id) == nullptr);
}

}  // namespace coordinator_tests
