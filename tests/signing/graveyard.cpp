// SPDX-License-Identifier: MIT

// What was signed or given up once does not open again, whatever restarts in between.

#include <muster/signing/graveyard.hpp>

#include <muster/signing/coordinator.hpp>

#include <support/machines.hpp>

namespace graveyard_tests {

using namespace muster;
using namespace muster::signing;
using std::chrono::seconds;
using test::machines;

namespace {

/// What a machine keeps, in memory.
struct shelf {
    std::map<session_id, bytes> kept;
    result<void> put(session_id const& id, byte_view content) {
        kept[id] = to_bytes(content);
        return ok();
    }
    result<void> erase(session_id const& id) {
        kept.erase(id);
        return ok();
    }
};

[[nodiscard]] session_id id_number(byte n) { return session_id{{n}}; }
[[nodiscard]] timestamp at(std::int64_t seconds) { return from_unix_millis(1000 * seconds); }

/// The frame in which machine 0 proposes; it is delivered as well.
template <class Machines>
std::pair<session_id, bytes> propose_and_keep(Machines& group) {
    bytes proposal;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        if (f && f.value().header.what == kind::propose && p.to == group.members[1].peer) proposal = p.frame;
        return true;
    });
    auto request = group.request();
    request.valid_for = std::chrono::hours{1};
    auto const id = group.all[0].signer->propose(request).value();
    group.wires.run();
    group.wires.set_filter({});
    return {id, proposal};
}
template <class Machines>
void restart_both(Machines& group) {
    for (std::size_t const i : {0u, 1u}) group.kill(i);
    for (std::size_t const i : {0u, 1u}) REQUIRE(group.boot(i));
    group.connect();
}

}  // namespace

TEST_CASE("an id is kept until its proposal has expired, on the shelf as well") {
    shelf s;
    graveyard g{10};
    REQUIRE(g.bury(s, id_number(1), at(100), at(50)));
    CHECK(g.holds(id_number(1)));
    CHECK(s.kept.size() == 1);
    REQUIRE(g.bury(s, id_number(2), at(200), at(99)));
    CHECK(g.size() == 2);
    REQUIRE(g.bury(s, id_number(3), at(300), at(100)));  // the first has expired
    CHECK_FALSE(g.holds(id_number(1)));
    CHECK(s.kept.count(id_number(1)) == 0);
    REQUIRE(g.bury(s, id_number(4), at(100), at(100)));  // expired already
    CHECK_FALSE(g.holds(id_number(4)));

    graveyard again{10};
    for (auto const& [id, content] : std::map{s.kept}) CHECK(again.restore(s, id, content, at(250)));
    CHECK_FALSE(again.holds(id_number(2)));
    CHECK(again.holds(id_number(3)));
    CHECK(s.kept.size() == 1);
    CHECK_FALSE(again.restore(s, id_number(5), bytes{3, 1, 2}, at(0)));
    CHECK_FALSE(again.restore(s, id_number(5), bytes{}, at(0)));
    CHECK_FALSE(again.restore(s, id_number(5), bytes{0}, at(0)));
}

TEST_CASE("of too many ids the one goes that expires first") {
    shelf s;
    graveyard g{2};
    for (byte n = 1; n <= 3; ++n) REQUIRE(g.bury(s, id_number(n), at(100 + n), at(0)));
    CHECK(g.size() == 2);
    CHECK_FALSE(g.holds(id_number(1)));
    CHECK(s.kept.size() == 2);
    REQUIRE(g.bury(s, id_number(3), at(50), at(0)));  // once more: it takes no second place
    CHECK(g.size() <= 2);
    CHECK(s.kept.size() == g.size());
}

TEST_CASE("a session that a restart has ended does not open again after the next one") {
    machines<> group{2};
    bytes proposal;
    group.wires.set_filter([&](auto const& p) {
        auto const f = parse_frame(p.frame, limits{});
        if (f && f.value().header.what == kind::propose) proposal = p.frame;
        return !(f && f.value().header.what == kind::nonces);  // so that no share is made
    });
    auto const id = group.all[0].signer->propose(group.request()).value();
    group.wires.run();
    REQUIRE(group.all[1].signer->find(id)->at() == phase::collecting_nonces);
    for (int life = 0; life < 3; ++life) {
        restart_both(group);
        auto const replayed = proposal;
        REQUIRE(group.all[0].network->send(group.members[1].peer, cosign_protocol, replayed));
        group.wires.run();
        CHECK(group.all[1].count<approval_requested>() == 0);
    }
}

TEST_CASE("a session that was signed and cleaned up does not open again after a restart, before it has expired") {
    machines<> group{2};
    auto const [id, proposal] = propose_and_keep(group);
    for (auto& m : group.all) REQUIRE(m.count<completed>() == 1);
    auto const turn = group.all[0].signer->find(id)->coordinator() == group.slot_of(0, id) ? 0u : 1u;
    REQUIRE(group.all[turn].signer->notify_broadcast_complete(id));
    group.wires.run();
    group.all[0].network->disconnect(group.members[1].peer);
    group.wires.run();
    group.advance(seconds{2});
    group.connect();  // each hears that the other has the signature
    group.clock.advance(limits{}.stuck_session_timeout);
    for (auto& m : group.all) REQUIRE(m.signer->cleanup_expired_sessions() == 1);
    restart_both(group);
    REQUIRE(group.all[0].network->send(group.members[1].peer, cosign_protocol, proposal));
    group.wires.run();
    CHECK(group.all[1].count<approval_requested>() == 0);
    CHECK(group.all[1].count<session_created>() == 0);
}

}  // namespace graveyard_tests
