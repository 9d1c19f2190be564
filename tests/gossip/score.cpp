// SPDX-License-Identifier: MIT

// Scores against numbers computed by hand.

#include <muster/gossip/score.hpp>

#include "bench.hpp"

namespace score_tests {

using namespace muster;
using namespace muster::gossip;
using namespace std::chrono_literals;
using test::peer_number;

namespace {

/// All weights off; each test switches on what it looks at.
topic_score_options flat() {
    topic_score_options o;
    o.time_in_mesh_weight = o.first_deliveries_weight = o.mesh_deliveries_weight = o.mesh_failure_weight =
        o.invalid_weight = 0;
    return o;
}
score_options plain() {
    score_options o;
    o.topics_cap = 0;
    return o;
}
instant at(duration by) { return instant{1h} + by; }

}  // namespace

TEST_CASE("gossip score P1: time in the mesh, in whole quanta, up to the cap; gone with the mesh") {
    auto t = flat();
    t.weight = 2;
    t.time_in_mesh_weight = 0.5;
    t.time_in_mesh_quantum = 2s;
    t.time_in_mesh_cap = 10;
    score_book b{plain()};
    auto const n = b.set_topic("t", t);
    auto& e = b.connect(peer_number(1), "");
    b.graft(e, n, at(0s));
    CHECK(b.score(e) == 0);
    b.decay(at(7s));  // 3 quanta
    CHECK(b.score(e) == 2 * 0.5 * 3);
    b.decay(at(1h));
    CHECK(b.score(e) == 2 * 0.5 * 10);
    b.prune(e, n);
    CHECK(b.score(e) == 0);
}

TEST_CASE("gossip score P2: first deliveries, capped, halved by decay, zero below the limit") {
    auto t = flat();
    t.first_deliveries_weight = 3;
    t.first_deliveries_cap = 4;
    t.first_deliveries_decay = 0.5;
    score_book b{plain()};
    auto const n = b.set_topic("t", t);
    auto& e = b.connect(peer_number(1), "");
    b.deliver_first(e, n);
    CHECK(b.score(e) == 3);
    for (int i = 0; i < 9; ++i) b.deliver_first(e, n);
    CHECK(b.score(e) == 12);
    b.decay(at(1s));
    CHECK(b.score(e) == 6);
    for (int i = 0; i < 4; ++i) b.decay(at(1s));  // 2, 1, 0.5, 0.25, 0.125
    CHECK(b.score(e) == 3 * 0.125);
    b.decay(at(1s));  // 0.0625 < 0.1
    CHECK(b.score(e) == 0);
}

TEST_CASE("gossip score P3 and P3b: the squared deficit in the mesh, and what sticks when it is pruned") {
    auto t = flat();
    t.mesh_deliveries_weight = -1;
    t.mesh_deliveries_threshold = 5;
    t.mesh_deliveries_cap = 7;
    t.mesh_deliveries_decay = 1;
    t.mesh_deliveries_activation = 10s;
    t.mesh_failure_weight = -2;
    t.mesh_failure_decay = 0.5;
    score_book b{plain()};
    auto const n = b.set_topic("t", t);
    auto& e = b.connect(peer_number(1), "");
    b.deliver_again(e, n);  // outside of the mesh nothing counts
    b.graft(e, n, at(0s));
    b.deliver_first(e, n);
    b.deliver_again(e, n);
    b.decay(at(10s));
    CHECK(b.score(e) == 0);  // not before it was there for longer
    b.decay(at(11s));
    CHECK(b.score(e) == -9);  // (5 - 2)^2
    for (int i = 0; i < 20; ++i) b.deliver_again(e, n);
    CHECK(b.score(e) == 0);
    b.prune(e, n);
    CHECK(b.score(e) == 0);
    b.graft(e, n, at(20s));
    b.deliver_again(e, n);
    b.decay(at(40s));
    b.prune(e, n);
    CHECK(b.score(e) == -2 * 16);  // (5 - 1)^2
    b.decay(at(41s));
    CHECK(b.score(e) == -2 * 8);
}

TEST_CASE("gossip score P4: the squared count of invalid messages, also of a peer that hung up") {
    auto t = flat();
    t.invalid_weight = -10;
    t.invalid_decay = 0.5;
    score_book b{plain()};
    auto const n = b.set_topic("t", t);
    auto& e = b.connect(peer_number(1), "");
    for (double const score : {-10.0, -40.0, -90.0}) {
        b.deliver_invalid(e, n);
        CHECK(b.score(e) == score);
    }
    b.decay(at(1s));
    CHECK(b.score(e) == -22.5);  // 1.5^2
    b.deliver_invalid(peer_number(2), n, at(1s));
    CHECK(b.score(peer_number(2)) == -10);
    CHECK(b.retained() == 1);
}

TEST_CASE("gossip score P5, P6, P7: the application, colocation, offences") {
    auto o = plain();
    o.application_weight = 2;
    o.colocation_weight = -5;
    o.colocation_threshold = 2;
    o.colocation_whitelist = {"nat"};
    o.behaviour_weight = -10;
    o.behaviour_threshold = 3;
    o.behaviour_decay = 0.5;
    score_book b{o};
    auto& e = b.connect(peer_number(1), "10.0.0.1");
    b.rate(e, -4);
    CHECK(b.score(e) == -8);
    b.rate(e, 0.0 / 0.0);  // no number is no opinion
    CHECK(b.score(e) == 0);
    (void)b.connect(peer_number(2), "10.0.0.1");
    CHECK(b.score(e) == 0);
    auto& third = b.connect(peer_number(3), "10.0.0.1");
    CHECK(b.score(e) == -5);
    (void)b.connect(peer_number(4), "10.0.0.1");
    CHECK(b.score(e) == -20);
    CHECK(b.score(third) == -20);
    (void)b.connect(peer_number(4), "10.0.0.2");  // moved
    CHECK(b.score(e) == -5);
    for (std::uint32_t n = 10; n < 20; ++n) (void)b.connect(peer_number(n), "nat");
    CHECK(b.score(peer_number(10)) == 0);
    for (std::uint32_t n = 20; n < 30; ++n) (void)b.connect(peer_number(n), "");  // not known: not counted
    CHECK(b.score(peer_number(20)) == 0);
    auto& bad = b.connect(peer_number(30), "");
    b.offend(bad, 3);
    CHECK(b.score(bad) == 0);
    b.offend(bad, 2);
    CHECK(b.score(bad) == -40);
    b.decay(at(1s));  // 2.5: below the threshold
    CHECK(b.score(bad) == 0);
}

TEST_CASE("gossip score: what topics give is capped, what they take is not") {
    auto o = plain();
    o.topics_cap = 10;
    auto t = flat();
    t.first_deliveries_weight = 6;
    t.invalid_weight = -50;
    score_book b{o};
    auto const one = b.set_topic("1", t), two = b.set_topic("2", t);
    auto& e = b.connect(peer_number(1), "");
    b.deliver_first(e, one);
    b.deliver_first(e, two);
    CHECK(b.score(e) == 10);
    b.deliver_invalid(e, one);
    CHECK(b.score(e) == 12 - 50);
}

TEST_CASE("gossip score: bad ones outlive the connection, good ones do not, and nothing is kept for ever") {
    auto o = plain();
    o.retain = 60s;
    o.retained_max = 2;
    auto t = flat();
    t.first_deliveries_weight = 1;
    t.invalid_weight = -1;
    t.invalid_decay = 0.5;
    score_book b{o};
    auto const n = b.set_topic("t", t);
    auto& good = b.connect(peer_number(1), "g");
    b.deliver_first(good, n);
    b.disconnect(peer_number(1), at(0s));
    CHECK(b.size() == 0);
    for (std::uint32_t p = 2; p < 5; ++p) {
        b.deliver_invalid(b.connect(peer_number(p), "g"), n);
        b.disconnect(peer_number(p), at(std::chrono::seconds{p}));
    }
    CHECK(b.retained() == 2);
    CHECK(b.score(peer_number(2)) == 0);  // the oldest went
    b.decay(at(30s));
    CHECK(b.score(peer_number(3)) == -1);  // it does not pay to stay away
    CHECK(b.score(b.connect(peer_number(3), "g")) == -1);
    CHECK(b.retained() == 1);
    b.decay(at(64s));
    CHECK(b.retained() == 0);
    CHECK(b.size() == 1);
    b.disconnect(peer_number(3), at(70s));
    b.decay(at(1000s));
    CHECK(b.size() == 0);
}

}  // namespace score_tests
