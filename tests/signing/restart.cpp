// SPDX-License-Identifier: MIT

// Coordinators with a journal that die and come back.

#include <muster/signing/coordinator.hpp>

#include <map>

#include <support/machines.hpp>

namespace restart_tests {

using namespace muster;
using namespace muster::signing;
using test::machines;

TEST_CASE("without its journal a coordinator signs nothing") {
    machines<> group;
    group.kill(0);
    auto& m = group.all[0];
    m.disk.fails_at = m.disk.calls;
    m.disk.for_good = true;
    CHECK(group.boot(0).error() == file_errc::io_failed);
    CHECK(m.signer->propose(group.request()).error() == signing::errc::wrong_state);
}

TEMPLATE_TEST_CASE("a restart in round one ends the session everywhere, and says why", "[misuse-10]", mesh,
                   aggregator) {
    machines<TestType> group;
    group.approves = [](std::size_t i) { return i == 1; };
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const restarted = group.slot_of(1, id);
    group.kill(1);
    auto const found = group.boot(1);
    REQUIRE(found);
    CHECK(found.value().restarted == 1);
    CHECK(found.value().resumed == 0);
    auto const& own = group.all[1].template last<aborted>();
    CHECK(own.session == id);
    CHECK(own.reason == abort_reason::restarted);
    CHECK(own.culprit == restarted);
    CHECK(group.all[1].signer->find(id)->at() == phase::over);
    group.connect();
    for (std::size_t i : {0u, 2u}) {
        // Who saw its nonces knows by the new epoch, the others are told.
        CHECK(group.all[i].template last<aborted>().reason == abort_reason::restarted);
        CHECK(group.all[i].template last<aborted>().culprit == restarted);
        CHECK(group.all[i].signer->open_session_count() == 0);
    }
    // Asked again, it stays over; a new session works.
    group.approves = [](std::size_t) { return true; };
    REQUIRE(group.all[0].signer->propose(group.request()));
    group.wires.run();
    for (auto& m : group.all) CHECK(m.template count<completed>() == 1);
    group.kill(1);
    REQUIRE(group.boot(1));
    CHECK(group.all[1].template count<aborted>() == 0);  // once is enough
}

TEMPLATE_TEST_CASE("a restart in round two gives the same shares again, and the session completes", "[misuse-11]", mesh,
                   aggregator) {
    for (std::size_t const victim : {0u, 1u, 2u}) {
        machines<TestType> group;
        std::map<std::size_t, std::set<bytes>> shares;  // that the victim was ever seen to send
        std::size_t lost = 0;
        group.wires.set_filter([&](auto const& p) {
            auto const f = parse_frame(p.frame, limits{});
            if (!f || f.value().header.what != kind::shares) return true;
            if (p.from == group.members[victim].peer) shares[victim].insert(to_bytes(f.value().body));
            ++lost;
            return false;
        });
        auto const id = group.all[0].signer->propose(group.request()).value();
        group.wires.run();
        CHECK(lost > 0);
        REQUIRE(group.all[victim].signer->find(id)->at() == phase::collecting_shares);
        group.kill(victim);
        for (auto& m : group.all) {
            if (m.signer) CHECK(m.signer->open_session_count() == 1);
        }
        auto const found = group.boot(victim);
        REQUIRE(found);
        CHECK(found.value().resumed == 1);
        CHECK(group.all[victim].signer->find(id)->at() == phase::collecting_shares);
        group.wires.set_filter([&](auto const& p) {
            auto const f = parse_frame(p.frame, limits{});
            bool const is_share = f && f.value().header.what == kind::shares;
            if (is_share && p.from == group.members[victim].peer) shares[victim].insert(to_bytes(f.value().body));
            return true;
        });
        group.connect();
        for (int i = 0; i < 3; ++i) group.advance(limits{}.retry_interval);
        for (auto& m : group.all) {
            CHECK(m.template count<completed>() == 1);
            CHECK(m.template count<peer_misbehaved>() == 0);
            CHECK(m.template count<equivocation_proven>() == 0);
        }
        CHECK(shares[victim].size() <= 1);
    }
}

TEST_CASE("a signature that was not broadcast is not forgotten, one that was is not broadcast again") {
    machines<> group;
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    std::size_t elected = 0;
    while (group.all[elected].count<should_broadcast>() == 0) ++elected;
    auto const before = group.all[elected].last<completed>();
    group.kill(elected);
    REQUIRE(group.boot(elected));
    group.connect();
    CHECK(group.all[elected].last<completed>().signatures == before.signatures);
    CHECK(group.all[elected].count<should_broadcast>() == 1);
    REQUIRE(group.all[elected].signer->notify_broadcast_complete(id));
    group.wires.run();
    for (auto& m : group.all) CHECK(m.count<broadcast_confirmed>() == 1);
    for (std::size_t i = 0; i < 3; ++i) {
        group.kill(i);
        REQUIRE(group.boot(i));
        CHECK(group.all[i].count<should_broadcast>() == 0);
        CHECK(group.all[i].signer->find(id)->is_confirmed());
        CHECK_FALSE(group.all[i].timers.armed());
    }
}

TEST_CASE("a signer that comes back is told how far the others got") {
    machines<> group;
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    std::size_t elected = 0;
    while (group.all[elected].count<should_broadcast>() == 0) ++elected;
    group.kill(elected);
    std::size_t next = 3;
    for (std::size_t i = 0; i < 3; ++i) {
        if (i == elected) continue;
        REQUIRE(group.all[i].signer->trigger_coordinator_failover(id));
    }
    group.wires.run();
    for (std::size_t i = 0; i < 3; ++i) {
        if (i != elected && group.all[i].count<should_broadcast>() != 0) next = i;
    }
    REQUIRE(next != 3);
    REQUIRE(group.all[next].signer->notify_broadcast_complete(id));
    group.wires.run();
    REQUIRE(group.boot(elected));
    group.connect();
    CHECK(group.all[elected].signer->find(id)->view() == 1);
    CHECK(group.all[elected].last<broadcast_confirmed>().by == group.slot_of(next, id));
}

TEST_CASE("an older copy of the disk: no nonce is used again, nobody is blamed, signing goes on", "[misuse-12]") {
    for (bool const before_the_session : {true, false}) {
        machines<> group;
        std::set<bytes> nonces;
        std::map<session_id, std::set<bytes>> of_session;
        group.wires.set_filter([&](auto const& p) {
            auto const f = parse_frame(p.frame, limits{});
            if (f && f.value().header.what == kind::nonces && p.from == group.members[1].peer) {
                nonces.insert(to_bytes(f.value().body));
                of_session[f.value().header.session].insert(to_bytes(f.value().body));
            }
            return true;
        });
        auto copy = group.all[1].disk.copy();
        group.approves = [&](std::size_t i) {
            if (i == 1 && !before_the_session) copy = group.all[1].disk.copy();
            return i != 2;
        };
        auto const id = group.all[0].signer->propose(group.request()).value();
        group.wires.run();
        if (!before_the_session) copy = group.all[1].disk.copy();
        REQUIRE(group.all[2].signer->approve(id));
        group.wires.run();
        CHECK(group.all[1].count<completed>() == 1);
        group.kill(1);
        group.all[1].disk.put_back(copy);
        auto const found = group.boot(1);
        REQUIRE(found);
        CHECK(found.value().resumed == 0);
        CHECK(found.value().restarted == (before_the_session ? 0 : 1));
        group.connect();
        group.approves = [](std::size_t) { return true; };
        REQUIRE(group.all[0].signer->propose(group.request()));
        group.wires.run();
        // It is told of the session that it gave its share to, too, where it knows that there was one.
        CHECK(group.all[1].count<completed>() == (before_the_session ? 1 : 2));
        CHECK(nonces.size() == of_session.size());  // one for each
        for (auto& m : group.all) {
            CHECK(m.count<equivocation_proven>() == 0);
            CHECK(m.count<peer_misbehaved>() == 0);
        }
    }
}

TEST_CASE("a signer that forgot a session and is asked again restarted, it did not equivocate") {
    machines<> group;
    group.approves = [](std::size_t i) { return i == 1; };
    auto const first = group.members[0].peer, forgetful = group.members[1].peer;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        bool const is_nonce = f && f.value().header.what == kind::nonces;
        return !(is_nonce && p.from == forgetful && p.to == first);  // so the first one asks again
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    CHECK(group.all[2].count<nonces_received>() == 2);
    group.kill(1);
    group.all[1].disk.put_back({});
    // The others never get its hello, only what it says in the session that it is asked about again.
    group.drop(kind::hello, 1);
    REQUIRE(group.boot(1));
    group.connect();
    group.advance(limits{}.retry_interval);
    CHECK(group.all[1].count<approval_requested>() == 1);
    CHECK(group.all[2].count<equivocation_proven>() == 0);
    CHECK(group.all[2].last<aborted>().session == id);
    CHECK(group.all[2].last<aborted>().reason == abort_reason::restarted);
}

TEST_CASE(
    "an aggregator that restarted does not add up nonces that were drawn anew meanwhile, and nobody is at fault") {
    machines<aggregator> group{2};
    group.drop(kind::aggregate_nonces);  // the aggregator has signed, the other one has not
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    std::size_t const elected = group.all[0].count<nonces_complete>() == 1 ? 0 : 1, other = 1 - elected;
    REQUIRE(group.all[elected].count<nonces_complete>() == 1);
    group.kill(elected);
    group.kill(other);
    group.all[other].disk.put_back({});
    group.wires.set_filter({});
    REQUIRE(group.boot(elected).value().resumed == 1);
    REQUIRE(group.boot(other));
    group.connect();
    group.advance(limits{}.retry_interval);
    REQUIRE(group.all[other].count<nonces_complete>() == 1);
    CHECK(group.all[elected].last<stalled>().session == id);
    CHECK(group.all[elected].last<stalled>().reason == abort_reason::restarted);
    CHECK_FALSE(group.all[elected].last<stalled>().culprit);
    CHECK(group.all[other].last<stalled>().reason == abort_reason::restarted);
}

TEST_CASE("nonces of an epoch that is over are not waited on", "[misuse-19]") {
    machines<> group;
    group.approves = [](std::size_t i) { return i == 1; };
    std::vector<transport::memory_network::packet> delayed;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        bool const hold = f && f.value().header.what == kind::nonces && p.from == group.members[1].peer &&
                          p.to == group.members[0].peer;
        if (hold) delayed.push_back(p);
        return !hold;
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    REQUIRE(delayed.size() == 1);
    // It restarts without a trace of the session; node 0 has not seen a frame of it in this session, and does not.
    group.approves = [](std::size_t) { return false; };
    group.kill(1);
    group.all[1].disk.put_back({});
    REQUIRE(group.boot(1));
    group.wires.set_filter({});
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        return !(f && f.value().header.what == kind::abort && p.to == group.members[0].peer);
    });
    group.connect();
    CHECK(group.all[0].signer->find(id)->is_open());
    REQUIRE(group.all[2].network->send(group.members[0].peer, cosign_protocol, delayed[0].frame));
    group.wires.run();
    CHECK(group.all[0].last<aborted>().reason == abort_reason::restarted);
    CHECK(group.all[0].last<aborted>().culprit == group.slot_of(1, id));
}

/// Who proposes, who joins, who is the aggregator: @p victim, of three, proposes or not, and call @p fails_at of its
/// disk fails. Says whether there was such a call.
template <class Topology>
bool sign_on_a_failing_disk(std::size_t victim, std::size_t fails_at, bool for_good) {
    machines<Topology> group;
    auto& m = group.all[victim];
    std::size_t promised = 0;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        bool const is_promise = f && (f.value().header.what == kind::nonces || f.value().header.what == kind::shares);
        if (is_promise && p.from == group.members[victim].peer) ++promised;
        return true;
    });
    auto const calls = m.disk.calls;
    m.disk.fails_at = calls + fails_at;
    m.disk.for_good = for_good;
    auto const proposed = group.all[0].signer->propose(group.request());
    group.wires.run();
    bool const failed = m.disk.calls > calls + fails_at;
    if (!proposed) {
        CHECK((victim == 0 && failed && promised == 0));
        if (for_good) return failed;
        // What was refused is not found again, whatever of it had reached the disk.
        group.kill(victim, sim::disk::luck::all);
        REQUIRE(group.boot(victim));
        CHECK(group.all[victim].signer->sessions().empty());
        return failed;
    }
    auto const* const s = m.signer->find(proposed.value());
    REQUIRE(s != nullptr);
    if (s->at() == phase::awaiting_approval) {
        CHECK(promised == 0);  // not even the number of its nonces could be written down; it may approve once more
        CHECK((failed && m.template count<session_created>() == 1));
    } else if (m.template count<journal_failed>() != 0 && s->at() == phase::over) {
        CHECK(m.template last<aborted>().reason == abort_reason::not_recorded);
        if (fails_at == 0) CHECK(promised == 0);
        for (auto& other : group.all) CHECK(other.template count<completed>() == 0);
    } else if (m.template count<journal_failed>() != 0 && s->at() == phase::stalled) {
        // Some of the share's record may be there, and could not be taken out: a restart may find it.
        CHECK(for_good);
        CHECK(m.template last<stalled>().reason == abort_reason::not_recorded);
        for (auto& other : group.all) CHECK(other.template count<completed>() == 0);
    } else {
        CHECK(m.template count<completed>() == 1);
    }
    // Whatever happened: after a crash what it has shown of its shares is what it gives again.
    auto const at = s->at();
    bool const is_kept = at == phase::finished && m.template count<journal_failed>() == 0 && !for_good;
    group.kill(victim, sim::disk::luck::half);
    REQUIRE(group.boot(victim));
    if (is_kept) {
        auto const* const again = m.signer->find(proposed.value());
        CHECK((again == nullptr || again->has_shares(again->self())));
    }
    return failed;
}

TEMPLATE_TEST_CASE("a journal that cannot be written: nothing is promised, and the application knows", "", mesh,
                   aggregator) {
    for (std::size_t victim = 0; victim < 3; ++victim) {
        for (bool const for_good : {false, true}) {
            std::size_t fails_at = 0;
            while (sign_on_a_failing_disk<TestType>(victim, fails_at, for_good)) ++fails_at;
            CHECK(fails_at >= 6);  // three records, of several calls each
        }
    }
}

TEST_CASE("a proposal that cannot be written down is not made") {
    machines<> group;
    auto& m = group.all[0];
    m.disk.fails_at = m.disk.calls;
    auto const refused = group.all[0].signer->propose(group.request());
    CHECK(refused.error() == file_errc::io_failed);
    group.wires.run();
    CHECK(m.signer->open_session_count() == 0);
    CHECK(group.all[1].count<session_created>() == 0);
    REQUIRE(group.all[0].signer->propose(group.request()));  // the disk is well again
    group.wires.run();
    CHECK(m.count<completed>() == 1);
}

TEST_CASE("what others put into the journal is counted, not trusted") {
    machines<> group;
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    auto const theirs = *group.all[0].signer->find(id)->snapshot();
    group.kill(1);
    {
        file_journal<sim::disk_files> j{{.path = "j", .files = sim::disk_files{group.all[1].disk}}};
        REQUIRE(j.load([](session_id const&, byte_view) {}));
        REQUIRE(j.put(session_id{{7}}, bytes{1, 2, 3}));
        REQUIRE(j.put(session_id{{8}}, encode(theirs)));
        auto forged = theirs;
        forged.self = group.slot_of(1, id);  // our slot, another one's shares
        REQUIRE(j.put(id, encode(forged)));
    }
    auto const found = group.boot(1);
    REQUIRE(found);
    CHECK(found.value().unreadable == 3);
    CHECK(found.value().resumed == 0);
    CHECK(group.all[1].signer->sessions().empty());
}

}  // namespace restart_tests
