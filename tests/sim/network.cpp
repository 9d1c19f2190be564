// SPDX-License-Identifier: MIT

#include <muster/sim/network.hpp>

#include <deque>

#include <support/catch.hpp>
#include <support/keys.hpp>

namespace network_tests {

using namespace muster;
using namespace muster::sim;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// Hosts that write down what they are told.
struct town {
    explicit town(std::size_t n, network_limits l = {}) : wires{w, l} {
        for (auto const& key : test::make_keys(n)) {
            peers.push_back(peer_id::of(key.public_key()));
            w.add_host();
            boot(static_cast<host_id>(peers.size() - 1));
        }
    }
    void boot(host_id h) {
        w.boot(h);
        if (ends.size() <= h) ends.resize(h + 1);
        ends[h] = std::make_unique<sim::transport>(wires, h, peers[h]);
        if (told.size() <= h) told.resize(h + 1);
        ends[h]->attach("p", [this, h](muster::transport::event const& e) { told[h].push_back(e); });
    }
    void crash(host_id h, bool without_a_word) {
        w.crash(h);
        if (without_a_word) ends[h]->vanish();
        ends[h].reset();
    }
    void connect(host_id a, host_id b) {
        REQUIRE(ends[a]->connect(peers[b], {}));
        run();
    }
    void run(duration d = seconds{1}) { w.run_until(w.now() + d); }
    [[nodiscard]] std::string heard(host_id h) const {
        std::string out;
        for (auto const& e : told[h]) {
            if (auto const* const r = std::get_if<muster::transport::received>(&e)) {
                out.append(r->frame.begin(), r->frame.end());
            }
        }
        return out;
    }
    template <class E>
    [[nodiscard]] std::size_t count(host_id h) const {
        std::size_t n = 0;
        for (auto const& e : told[h]) n += std::holds_alternative<E>(e) ? 1u : 0u;
        return n;
    }
    void say(host_id from, host_id to, std::string_view what) {
        for (char const c : what) REQUIRE(ends[from]->send(peers[to], "p", bytes{static_cast<byte>(c)}));
    }

    world w{1};
    sim::network wires;
    std::vector<peer_id> peers;
    std::vector<std::unique_ptr<sim::transport>> ends;
    std::vector<std::vector<muster::transport::event>> told;
};

using muster::transport::connect_failed;
using muster::transport::connected;
using muster::transport::disconnected;
using muster::transport::errc;
using muster::transport::received;
using muster::transport::writable;

}  // namespace

TEST_CASE("without rules everything arrives, once, in order") {
    town t{2};
    CHECK(t.ends[0]->send(t.peers[1], "p", {}).error() == errc::not_connected);
    t.connect(0, 1);
    CHECK(t.ends[0]->is_connected(t.peers[1]));
    CHECK(t.ends[1]->is_connected(t.peers[0]));
    CHECK(t.count<connected>(0) == 1);
    CHECK(t.count<connected>(1) == 1);
    t.say(0, 1, "abcdef");
    t.run();
    CHECK(t.heard(1) == "abcdef");
    t.connect(0, 1);  // is up already
    CHECK(t.count<connected>(0) == 1);
    CHECK(t.ends[0]->connect(t.peers[0], {}).error() == errc::no_address);
}

TEST_CASE("two dials at once become one connection") {
    town t{2};
    auto const delay = t.wires.rules().install(delays(t.w, milliseconds{10}, milliseconds{10}));
    REQUIRE(t.ends[0]->connect(t.peers[1], {}));
    REQUIRE(t.ends[1]->connect(t.peers[0], {}));
    t.run();
    for (host_id h : {0u, 1u}) {
        CHECK(t.count<connected>(h) == 1);
        CHECK(t.count<disconnected>(h) == 0);
    }
    t.say(0, 1, "x");
    t.say(1, 0, "y");
    t.run();
    CHECK(t.heard(1) == "x");
    CHECK(t.heard(0) == "y");
    t.run(seconds{30});
    CHECK(t.count<connect_failed>(0) + t.count<connect_failed>(1) == 0);
}

TEST_CASE("a dial that nobody answers fails after its time") {
    town t{2};
    t.crash(1, true);
    REQUIRE(t.ends[0]->connect(t.peers[1], {}));
    t.run(seconds{9});
    CHECK(t.told[0].empty());
    t.run(seconds{2});
    CHECK(t.count<connect_failed>(0) == 1);
    t.boot(1);
    t.connect(0, 1);
    CHECK(t.count<connected>(0) == 1);
}

TEST_CASE("a process that ends says so, a machine that loses power does not") {
    for (bool const without_a_word : {false, true}) {
        town t{2};
        t.connect(0, 1);
        t.crash(1, without_a_word);
        t.run();
        CHECK(t.count<disconnected>(0) == (without_a_word ? 0 : 1));
        t.run(t.wires.limits().keepalive);
        CHECK(t.count<disconnected>(0) == 1);
        CHECK_FALSE(t.ends[0]->is_connected(t.peers[1]));
    }
}

TEST_CASE("a frame for a connection of an earlier life is answered with a reset") {
    town t{2};
    t.connect(0, 1);
    t.crash(1, true);
    t.boot(1);
    t.say(0, 1, "lost");
    t.run();
    CHECK(t.heard(1).empty());
    CHECK(t.count<disconnected>(0) == 1);
    t.connect(1, 0);
    t.say(0, 1, "found");
    t.run();
    CHECK(t.heard(1) == "found");
}

TEST_CASE("rules: loss, duplicates, reordering and damage, as often as they say") {
    town t{2};
    t.connect(0, 1);
    auto const send = [&](int n) {
        for (int i = 0; i < n; ++i) REQUIRE(t.ends[0]->send(t.peers[1], "p", bytes{static_cast<byte>(i & 127)}));
        t.run(seconds{10});
        auto const out = t.heard(1);
        t.told[1].clear();
        return out;
    };
    {
        auto const rule = t.wires.rules().install(losses(t.w, {1, 4}));
        auto const n = send(2000).size();
        CHECK(n > 1400);
        CHECK(n < 1600);
    }
    {
        auto const rule = t.wires.rules().install(duplicates(t.w, {1, 4}));
        auto const n = send(2000).size();
        CHECK(n > 2400);
        CHECK(n < 2600);
    }
    {
        auto const rule = t.wires.rules().install(reorderings(t.w, {1, 4}, seconds{1}));
        auto const got = send(100);
        CHECK(got.size() == 100);
        CHECK_FALSE(std::is_sorted(got.begin(), got.end()));
    }
    {
        auto const rule = t.wires.rules().install(corruptions(t.w, {1, 1}));
        REQUIRE(t.ends[0]->send(t.peers[1], "p", bytes(40, 7)));
        t.run();
        auto const got = t.heard(1);
        CHECK(std::count(got.begin(), got.end(), 7) == 39);
    }
    t.told[1].clear();
    CHECK(send(100).size() == 100);  // the guards are gone, and the rules with them
}

TEST_CASE("a rule more or less changes no other rule's draws") {
    auto const delivered = [](bool with_delays) {
        town t{2};
        t.connect(0, 1);
        auto const loss = t.wires.rules().install(losses(t.w, {1, 2}));
        rule_set::guard other;
        if (with_delays) other = t.wires.rules().install(delays(t.w, milliseconds{1}, milliseconds{9}));
        t.say(0, 1, "the quick brown fox jumps over the lazy dog");
        t.run();
        return t.heard(1);
    };
    CHECK(delivered(true) == delivered(false));
    CHECK_FALSE(delivered(true).empty());
}

TEST_CASE("a clogged link lets nothing through, then everything") {
    town t{2};
    t.connect(0, 1);
    auto const rule = t.wires.rules().install(cloggings(t.w, {1, 1}, seconds{10}));
    t.run(seconds{9});  // the world began at a multiple of ten seconds, and one has passed
    t.say(0, 1, "ab");
    t.run(milliseconds{1});
    CHECK(t.heard(1).empty());
    t.run(seconds{10});
    CHECK(t.heard(1) == "ab");
}

TEST_CASE("bandwidth: a line waits, and back-pressure is felt and lifted") {
    network_limits l;
    l.in_flight_max = 5000;
    town t{2, l};
    t.connect(0, 1);
    auto const rule = t.wires.rules().install(bandwidth(1000));
    for (int i = 0; i < 5; ++i) REQUIRE(t.ends[0]->send(t.peers[1], "p", bytes(1000, 1)));
    CHECK(t.ends[0]->send(t.peers[1], "p", bytes(1, 1)).error() == errc::congested);
    CHECK(t.ends[0]->send(t.peers[1], "p", bytes(2u << 20, 1)).error() == errc::too_large);
    t.run(milliseconds{2500});
    CHECK(t.count<received>(1) == 2);
    CHECK(t.count<writable>(0) == 0);
    t.run(seconds{1});
    CHECK(t.count<received>(1) == 3);
    CHECK(t.count<writable>(0) == 1);
    REQUIRE(t.ends[0]->send(t.peers[1], "p", bytes(1, 1)));
}

TEST_CASE("partitions cut off sides, in one direction or both, and connections notice") {
    for (bool const one_way : {false, true}) {
        town t{3};
        for (host_id b : {1u, 2u}) t.connect(0, b);
        t.connect(1, 2);
        {
            auto const cut = t.wires.split({{true, false, true}, true, !one_way});
            t.say(0, 1, "a");
            t.say(1, 0, "b");
            t.say(0, 2, "c");
            t.run();
            CHECK(t.heard(1).empty());
            CHECK(t.heard(0) == (one_way ? "b" : ""));
            CHECK(t.heard(2) == "c");
            t.run(t.wires.limits().keepalive);
            CHECK(t.count<disconnected>(0) == 1);
            CHECK(t.count<disconnected>(1) == 2);
        }
        t.connect(0, 1);
        t.say(0, 1, "again");
        t.run();
        CHECK(t.heard(1) == "again");
    }
}

TEST_CASE("a partition shorter than the keepalive breaks nothing") {
    town t{2};
    t.connect(0, 1);
    {
        auto const cut = t.wires.split({{true, false}});
        t.run(seconds{5});
    }
    t.run(seconds{30});
    CHECK(t.count<disconnected>(0) == 0);
    t.say(0, 1, "still here");
    t.run();
    CHECK(t.heard(1) == "still here");
}

TEST_CASE("a closed transport is silent") {
    town t{2};
    t.connect(0, 1);
    t.ends[0]->close();
    t.ends[0]->close();
    t.run();
    CHECK(t.count<disconnected>(1) == 1);
    CHECK(t.ends[0]->connect(t.peers[1], {}).error() == errc::closed);
    CHECK(t.ends[0]->send(t.peers[1], "p", {}).error() == errc::closed);
    t.connect(1, 0);
    t.run(seconds{20});
    CHECK(t.count<connected>(1) == 1);  // of the first connection
    CHECK(t.told[0].size() == 1);
}

TEST_CASE("a thousand hosts talk to each other") {
    town t{1000};
    auto const delay = t.wires.rules().install(delays(t.w, milliseconds{1}, milliseconds{50}));
    for (host_id h = 0; h < 1000; ++h) {
        for (host_id i = 1; i <= 5; ++i) REQUIRE(t.ends[h]->connect(t.peers[(h + i * i) % 1000], {}));
    }
    t.run();
    for (host_id h = 0; h < 1000; ++h) {
        for (host_id i = 1; i <= 5; ++i) t.say(h, (h + i * i) % 1000, "x");
    }
    t.run();
    for (host_id h = 0; h < 1000; ++h) CHECK(t.heard(h).size() == 5);
}

}  // namespace network_tests
