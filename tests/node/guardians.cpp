// SPDX-License-Identifier: MIT

#include <muster/node/guardians.hpp>

#include <deque>

#include <muster/node/managed_network.hpp>
#include <muster/sim/disk.hpp>
#include <muster/transport/memory_transport.hpp>

#include <support/catch.hpp>
#include <support/key_files.hpp>
#include <support/memory_world.hpp>

namespace guardians_tests {

using namespace muster;
using namespace muster::identity;
using namespace std::chrono_literals;

namespace {

using line = muster::alarm<manual_timers>::line;
using network = node::managed_network<transport::memory_transport, line, manual_clock>;
using guardians = node::guardians<network, line, manual_clock, test::predictable, sim::disk_files>;

node::guardians_options slow_polls() {
    node::guardians_options o;
    o.poll_each = 10min;
    return o;
}

/// A machine of the user of seed @p i, in epoch @p epoch of their keys.
struct machine {
    machine(transport::memory_network& wires, manual_clock const& clock_, std::size_t i, peer::key_epoch epoch = 0,
            sim::disk kept = {})
        : disk{std::move(kept)},
          clock{clock_},
          keys{test::master_key(i, epoch).keys().value()},
          mine{wires, keys.node.id()},
          managed{mine, network_line, clock, {}, i} {
        auto before = test::master_key(i).keys().value();
        auto const user = user_of(before.node.public_key());
        std::vector<successor> records;
        std::vector<crypto::x25519_key> older;
        for (peer::key_epoch e = 1; e <= epoch; ++e) {
            auto next = test::master_key(i, e).keys().value();
            records.push_back(successor::make(user, e, before, next, from_unix_millis(0)).value());
            older.push_back(std::move(before.agreement));
            before = std::move(next);
        }
        who = user;
        it.emplace(typename guardians::parts{
            managed, line_, clock, keys, user, lineage{std::move(records)}, std::move(older), test::predictable{i + 70},
            "guardians", [this](node::guardian_news const& e) { told.push_back(e); },
            [this](peer::peer_id const& p) { return known.count(p) != 0; }, slow_polls(), i, sim::disk_files{disk}});
        managed.on_news([this](connection::effect const& e) { it->note(e); });
        REQUIRE(it->start());
    }
    template <class T>
    [[nodiscard]] std::vector<T> of() const {
        std::vector<T> out;
        for (auto const& e : told) {
            if (auto const* const t = std::get_if<T>(&e)) out.push_back(*t);
        }
        return out;
    }

    sim::disk disk;
    manual_clock const& clock;
    peer::key_set keys;
    user_id who;
    std::set<peer::peer_id> known;
    manual_timers timers;
    muster::alarm<manual_timers> rings{timers};
    line network_line{rings}, line_{rings};
    transport::memory_transport mine;
    network managed;
    std::vector<node::guardian_news> told;
    std::optional<guardians> it;
};

/// An owner, 0, and five guardians who know each other's machines; and somebody with a fresh machine, 6.
struct world : test::memory_world<machine> {
    world() {
        for (std::size_t i = 0; i < 7; ++i) {
            all.emplace_back(wires, clock, i + 1);
        }
        for (std::size_t i = 1; i < 6; ++i) acquaint(i, 0);
    }
    void acquaint(std::size_t a, std::size_t b) {
        all[a].known.insert(all[b].keys.node.id());
        all[b].known.insert(all[a].keys.node.id());
        connect(a, b);
    }
    [[nodiscard]] std::vector<peer::peer_id> five() const {
        std::vector<peer::peer_id> out;
        for (std::size_t i = 1; i < 6; ++i) out.push_back(all[i].keys.node.id());
        return out;
    }
    void offer() {
        test::predictable source{3};
        file = test::cheap_key_file::wrap(test::master_key(1), test::phrase("correct horse"), source).value();
        REQUIRE(all[0].it->offer(file, five(), 3));
        pass(5s);
    }
    void keep() {
        for (std::size_t i = 1; i < 6; ++i) REQUIRE(all[i].it->keep(all[0].who));
        pass(5s);
    }
    /// All five keep a share.
    void share() {
        pass(5s);
        offer();
        keep();
    }
    /// Who has the fresh machine asks all five.
    [[nodiscard]] recovery_request ask() {
        for (std::size_t i = 1; i < 6; ++i) connect(6, i);
        auto const out = all[6].it->recover(all[0].who).value();
        pass(5s);
        return out;
    }
    void lose(std::size_t a, std::size_t b) {
        all[a].managed.disconnect_and_release(all[b].keys.node.id());
        all[b].managed.disconnect_and_release(all[a].keys.node.id());
        pass(5s);
    }
    /// The program of @p i ends; its disk stays.
    void end(std::size_t i) {
        all[i].it->close();
        all[i].managed.close();
        all[i].it.reset();
    }
    bytes file;
};
/// Nothing can be written any more.
void fill(machine& m) {
    m.disk.fails_at = m.disk.calls;
    m.disk.for_good = true;
}

}  // namespace

TEST_CASE("guardians at work: from the offer to everything being back") {
    world w;
    w.pass(5s);
    w.offer();
    for (std::size_t i = 1; i < 6; ++i) CHECK(w.all[i].of<desk::ask_to_keep>().size() == 1);
    CHECK(w.all[0].it->watch().stats().acknowledged == 0);  // nobody keeps what no person agreed to keep
    w.keep();
    CHECK(w.all[0].it->watch().stats().acknowledged == 5);

    auto& fresh = w.all[6];
    for (std::size_t i = 1; i < 6; ++i) w.connect(6, i);
    auto const request = fresh.it->recover(w.all[0].who).value();
    w.pass(5s);
    for (std::size_t i = 1; i < 6; ++i) CHECK(w.all[i].of<desk::ask_person>().size() == 1);
    CHECK(w.all[0].it->warnings() == std::vector{request});
    for (std::size_t i : {1u, 3u, 5u}) CHECK(w.all[i].it->approve(request.spoken()).value() == request.id());
    w.pass(71h);
    CHECK(fresh.of<node::recovered>().empty());
    w.pass(1h);
    w.pass(10min);
    REQUIRE_FALSE(fresh.of<node::recovered>().empty());
    CHECK(fresh.of<node::recovered>()[0].what.key_file == w.file);
    CHECK(fresh.of<node::recovered>()[0].what.bad.empty());
}

TEST_CASE("guardians at work: the old key objects, also to those who are away") {
    world w;
    w.share();
    auto const request = w.ask();
    for (std::size_t i = 1; i < 6; ++i) REQUIRE(w.all[i].it->approve(request.spoken()));
    w.pass(5s);
    w.lose(5, 0);
    REQUIRE(w.all[0].it->object(request.id()));
    w.pass(5s);
    for (std::size_t i = 1; i < 5; ++i) CHECK(w.all[i].of<desk::request_closed>().size() == 1);
    CHECK(w.all[5].of<desk::request_closed>().empty());
    w.connect(5, 0);
    w.pass(5s);
    CHECK(w.all[5].of<desk::request_closed>().size() == 1);
    w.pass(80h);
    CHECK(w.all[6].of<node::recovered>().empty());
}

TEST_CASE("guardians at work: a veto outlives the owner's restart, and the exchange of their keys") {
    world w;
    w.share();
    auto const request = w.ask();
    for (std::size_t i = 1; i < 6; ++i) REQUIRE(w.all[i].it->approve(request.spoken()));
    w.pass(5s);
    w.lose(5, 0);
    REQUIRE(w.all[0].it->object(request.id()));
    w.pass(5s);
    w.end(0);
    w.all.emplace_back(w.wires, w.clock, 1, 1, std::move(w.all[0].disk));
    CHECK(w.all[5].of<desk::request_closed>().empty());
    w.acquaint(7, 5);
    w.pass(5s);
    CHECK(w.all[5].of<desk::request_closed>().size() == 1);
    w.pass(80h);
    CHECK(w.all[6].of<node::recovered>().empty());
}

TEST_CASE("guardians at work: what cannot be written down is not done, and is done when it can be") {
    world w;
    w.share();
    auto& g = w.all[1];
    w.connect(6, 1);
    auto const request = w.all[6].it->recover(w.all[0].who).value();
    w.pass(5s);
    REQUIRE(g.it->approve(request.spoken()));
    fill(g);
    CHECK_FALSE(g.it->decline(request.id()));
    CHECK_FALSE(g.it->drop(w.all[0].who));
    CHECK(g.of<node::guardians_not_kept>().size() == 1);  // said once
    w.pass(10min);
    CHECK(g.of<node::guardians_not_kept>().size() == 1);
    g.disk.fails_at.reset();
    w.pass(2min);
    w.end(1);
    w.all.emplace_back(w.wires, w.clock, 2, 1, std::move(g.disk));
    CHECK(w.all[7].it->desk().stats().wards == 0);
}

TEST_CASE("guardians at work: while disks are full owners are warned, and nothing is given out") {
    world w;
    w.share();
    auto const request = w.ask();
    w.all[0].told.clear();
    auto const warned = [&] { return w.all[0].of<watch::recovery_begun>().size(); };
    CHECK(warned() == 0);
    for (std::size_t i : {1u, 3u, 5u}) {
        fill(w.all[i]);
        CHECK_FALSE(w.all[i].it->approve(request.spoken()));
    }
    w.pass(73h);
    CHECK(w.all[6].of<node::recovered>().empty());
    CHECK(w.all[0].it->warnings() == std::vector{request});
    for (std::size_t i : {1u, 3u, 5u}) w.all[i].disk.fails_at.reset();
    w.pass(15min);
    CHECK(w.all[6].of<node::recovered>().size() == 1);
}

TEST_CASE("guardians at work: a share counts as kept when it is on the disk") {
    world w;
    w.pass(5s);
    w.offer();
    fill(w.all[1]);
    CHECK_FALSE(w.all[1].it->keep(w.all[0].who));
    w.pass(30s);
    CHECK(w.all[0].it->watch().stats().acknowledged == 0);
    w.all[1].disk.fails_at.reset();
    w.pass(2h);  // the owner offers again
    CHECK(w.all[0].it->watch().stats().acknowledged == 1);
}

TEST_CASE("guardians at work: what was dropped while the disk was full does not come back") {
    world w;
    w.share();
    auto& g = w.all[1];
    REQUIRE(g.it->keep(w.all[0].who));  // once more, which is expected now
    fill(g);
    CHECK_FALSE(g.it->drop(w.all[0].who));
    g.disk.fails_at.reset();
    w.pass(2min);
    CHECK(g.it->drop(w.all[0].who));
    w.end(1);
    node::guardian_store<sim::disk_files> found{"guardians", sim::disk_files{g.disk}};
    REQUIRE(found.load());
    CHECK_FALSE(found.find(decltype(found)::kind::ward, w.all[0].who));
}

TEST_CASE("guardians at work: a recovery goes on for a day after a file came back, which may be a thief's") {
    world w;
    w.share();
    auto& fresh = w.all[6];
    for (std::size_t i = 1; i < 6; ++i) w.connect(6, i);
    auto const request = fresh.it->recover(w.all[0].who).value();
    w.pass(5s);
    for (std::size_t i = 1; i < 6; ++i) REQUIRE(w.all[i].it->approve(request.spoken()));
    w.pass(72h);
    w.pass(20min);
    REQUIRE(fresh.of<node::recovered>().size() == 1);
    w.pass(20h);
    CHECK(fresh.it->recovery());
    CHECK(fresh.of<node::recovered>().size() == 1);  // each is told once
    w.pass(5h);
    CHECK_FALSE(fresh.it->recovery());
}

TEST_CASE("guardians at work: what is handed out and kept survives restarts, also of who has exchanged keys") {
    world w;
    w.share();
    auto const before = w.all[0].it->watch().current()->manifest;
    auto const owner = w.all[0].who;
    // The owner again, in the next epoch of their keys; and its first guardian, who has exchanged keys as well.
    for (std::size_t const i : {std::size_t{0}, std::size_t{1}}) {
        auto& old = w.all[i];
        old.it->close();
        old.managed.close();
        old.it.reset();  // which has the lock
        w.all.emplace_back(w.wires, w.clock, i + 1, 1, std::move(old.disk));
    }
    auto& again = w.all[7];
    auto& first = w.all[8];
    REQUIRE(again.it->has_backup());
    CHECK(again.it->watch().stats().acknowledged == 5);
    CHECK(again.it->is_outdated());
    CHECK(first.it->desk().stats().wards == 1);
    for (std::size_t i = 2; i < 6; ++i) w.acquaint(7, i);
    w.acquaint(7, 8);
    w.pass(5s);
    REQUIRE(again.it->offer_again(w.file));
    w.pass(5s);
    CHECK(again.it->watch().stats().acknowledged == 5);
    CHECK(again.it->watch().current()->manifest.epoch > before.epoch);
    for (std::size_t i = 2; i < 6; ++i) {
        CHECK(w.all[i].it->desk().wards().find(owner)->key == again.keys.node.public_key());
        CHECK(w.all[i].of<desk::ask_to_keep>().size() == 1);  // nobody is asked again
    }
    CHECK(first.it->desk().manifest_of(owner)->epoch == again.it->watch().current()->manifest.epoch);
}

TEST_CASE("guardians at work: a stranger is heard where they say that they were somebody known") {
    world w;
    w.pass(5s);
    w.all[1].told.clear();
    w.all.emplace_back(w.wires, w.clock, 1, 1);  // 7, who was 0
    w.all.emplace_back(w.wires, w.clock, 9, 2);  // 8, whom nobody knows
    for (std::size_t i : {7u, 8u}) {
        w.all[i].known.insert(w.all[1].keys.node.id());
        w.connect(i, 1);
    }
    w.pass(5s);
    auto const heard = w.all[1].of<node::introduced>();
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].peer == w.all[7].keys.node.id());
    CHECK(heard[0].user == w.all[0].who);
}

TEST_CASE("guardians at work: a stranger who floods is refused, and others are heard") {
    world w;
    w.share();
    w.connect(6, 1);
    test::predictable source{9};
    for (int i = 0; i < 200; ++i) {
        auto const made = recovery::begin(w.all[0].who, source).value();
        (void)w.all[6].managed.request(w.all[1].keys.node.id(), guardians::protocol, encode(made.request()), {},
                                       [](transport::request_id, result<bytes> const&) {});
        w.wires.run();
    }
    CHECK(w.all[1].it->desk().stats().waiting == ward::waiting_max);
    CHECK(w.all[1].of<desk::ask_person>().size() <= 8);
    w.connect(2, 1);
    auto const request = w.all[2].it->recover(w.all[0].who).value();
    (void)w.all[1].it->approve(request.spoken()).value();
    w.pass(10s);
    CHECK(w.all[1].it->desk().stats().approved == 1);
    // What is no message costs its sender.
    auto const before = w.all[1].of<desk::penalise>().size();
    w.pass(1min);
    (void)w.all[6].managed.request(w.all[1].keys.node.id(), guardians::protocol, bytes{9, 9}, {},
                                   [](transport::request_id, result<bytes> const&) {});
    w.pass(1s);
    CHECK(w.all[1].of<desk::penalise>().size() == before + 1);
}

}  // namespace guardians_tests
