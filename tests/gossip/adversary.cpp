// SPDX-License-Identifier: MIT

// What attackers send, each advisory about gossipsub that is known among it, and anything in any order.

#include <algorithm>
#include <limits>

#include "bench.hpp"

namespace adversary_tests {

using namespace muster;
using namespace muster::gossip;
using namespace std::chrono_literals;
using test::bench;
using test::peer_number;
using test::quiet;

namespace {

std::vector<penalise> fines(std::vector<effect> const& all) { return bench<>::all_of<penalise>(all); }
bytes subscriptions(std::size_t count, std::string const& prefix, bool to = true) {
    rpc::rpc_content c;
    for (std::size_t i = 0; i < count; ++i) c.subscriptions.emplace_back(prefix + std::to_string(i), to);
    return rpc::encode_rpc(c);
}

}  // namespace

TEST_CASE("gossip advisory CVE-2026-33040: a prune with the largest back-off is clamped") {
    for (auto const seconds : {~std::uint64_t{0}, ~std::uint64_t{0} >> 1, std::uint64_t{1} << 33}) {
        bench b;
        b.join("t");
        b.crowd(1, 1, "t");
        b.grafts(1, "t");
        b.prunes(1, "t", seconds);
        CHECK(b.own.is_backed_off("t", peer_number(1), b.now + 1h));
        CHECK_FALSE(b.own.is_backed_off("t", peer_number(1), b.now + 1h + 2s));
    }
}

TEST_CASE("gossip advisory CVE-2026-34219: slack added to a back-off near the end of time overflows nothing") {
    auto o = quiet();
    o.mesh.backoff_max = duration::max();
    o.mesh.backoff_slack = duration::max();
    bench b{o};
    b.join("t");
    b.crowd(1, 1, "t");
    auto const most =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(duration::max()).count());
    for (auto const seconds : {most - 3601, most - 1, most, most + 1}) b.prunes(1, "t", seconds);
    b.beat();
    b.grafts(1, "t");
    b.pass(1h);
    CHECK_FALSE(b.in_mesh(1, "t"));
    CHECK(b.own.stats().backoffs == 1);
}

TEST_CASE("gossip advisory RUSTSEC-2026-0536: grafts for ever new topics leave nothing behind, and are not answered") {
    bench b;
    b.join("t");
    b.crowd(1, 1, "t");
    (void)b.take();
    auto const before = b.own.stats();
    for (int round = 0; round < 50; ++round) {
        rpc::rpc_content c;
        for (int i = 0; i < 200; ++i) c.grafts.push_back("g" + std::to_string(round * 200 + i));
        b.hear(1, c);
        CHECK(b.take().empty());
    }
    CHECK(b.own.stats() == before);
    for (int round = 0; round < 50; ++round) b.prunes(1, "p" + std::to_string(round), 60);
    CHECK(b.own.stats() == before);
}

TEST_CASE(
    "gossip advisory CVE-2026-46679: every repeated field, as often as it fits, is refused or bounded, and costs") {
    for (auto const* const element : {"0a00", "1200", "1a00", "1a020a00", "1a021200", "1a021a00", "1a022200",
                                      "1a022a00", "1a040a021200", "1a0412020a00", "1a042a020a00", "1a0422021200"}) {
        INFO(element);
        bench b;
        b.join("t");
        b.crowd(1, 1, "t");
        (void)b.take();
        auto const before = b.own.stats();
        bytes frame;
        auto const one = from_hex(element).value();
        while (frame.size() < 1'000'000) append(frame, one);
        for (int i = 0; i < 20; ++i) b.hear(1, frame);
        CHECK(fines(b.take()).size() == 9);  // then it is on the graylist
        auto after = b.own.stats();
        CHECK(after == before);
        CHECK(b.score(1) < b.own.score_of(peer_number(2)) - 80);
    }
}

TEST_CASE("gossip advisory CVE-2026-86040: subscriptions without end are bounded, and go with the peer") {
    bench b;
    b.up(1);
    b.hear(1, subscriptions(257, "a"));
    CHECK(fines(b.take()) == std::vector<penalise>{{peer_number(1), 1, offence::too_many_topics}});
    CHECK(b.own.stats().topics == 256);
    for (int i = 0; i < 50; ++i) {
        b.hear(1, subscriptions(100, text("f", i, "x"), i % 2 == 0));
        CHECK(b.own.stats().topics <= 256);
    }
    auto const paid = fines(b.take());
    CHECK(std::count(paid.begin(), paid.end(), penalise{peer_number(1), 1, offence::subscription_flood}) > 2);
    CHECK(b.score(1) < -80);
    b.down(1);
    CHECK(b.own.stats().topics == 0);
}

TEST_CASE("gossip advisory CVE-2024-32984: who asks and asks and never reads fills its queue and no more") {
    auto o = quiet();
    o.outbound_bytes_max = 100'000;
    bench b{o};
    b.join("t");
    b.crowd(1, 2, "t");
    std::vector<message_id> ids;
    for (int i = 0; i < 20; ++i) {
        auto const data = std::to_string(i) + std::string(10'000, 'x');
        b.sends(2, "t", data);
        ids.push_back(b.id("t", data));
    }
    b.prunes(1, "t");
    auto const frame = std::make_shared<bytes const>(bytes{0x50, 0x00});
    b.tell(send_refused{peer_number(1), traffic::control, frame});
    for (int i = 0; i < 100; ++i) {
        b.wants(1, ids);
        CHECK(b.own.stats().queued_bytes <= 100'000);
    }
    for (int i = 0; i < 100'000; ++i) b.tell(send_refused{peer_number(1), traffic::control, frame});
    CHECK(b.own.stats().queued_bytes <= 100'000);
}

TEST_CASE("gossip advisory CVE-2026-40094: exchanged records are handed on unopened, whatever they are") {
    bench b;
    b.join("t");
    b.crowd(1, 1, "t");
    b.grafts(1, "t");
    b.tell(rated{peer_number(1), 100});  // it is believed
    (void)b.take();
    std::vector<rpc::px_entry> const px{
        {peer_number(50), {}}, {peer_number(51), bytes{0}}, {peer_number(52), bytes(100)}};
    b.prunes(1, "t", 60, px);
    std::vector<want_peer> wanted;
    for (auto const& each : px) wanted.push_back({each.peer, each.record, want_reason::peer_exchange});
    auto got = b.all_of<want_peer>(b.take());
    std::sort(got.begin(), got.end(), [](auto const& x, auto const& y) { return x.peer < y.peer; });
    CHECK(got == wanted);
    b.beat();
    CHECK(b.own.stats().peers == 1);
}

TEST_CASE("gossip advisory nimbus 8687: ten thousand peers come and go, and nothing of them is left") {
    auto o = quiet();
    bench b{o};
    b.join("t");
    b.heartbeat();
    auto const before = b.own.stats();
    for (std::uint32_t n = 1; n <= 10'000; ++n) {
        b.up(n, direction::inbound, version::v1_2, text("10.0.0.", n % 7));
        b.subscribes(n, "t");
        b.subscribes(n, text("u", n));
        b.grafts(n, "t");
        b.announces(n, "t", {b.id("t", std::to_string(n))});
        b.declines(n, {b.id("t", "y")});
        b.down(n);
        if (n % 1000 == 0) (void)b.take();
    }
    b.pass(2min);
    (void)b.take();
    CHECK(b.own.stats() == before);
}

TEST_CASE("gossip attack: empty RPCs, and bytes that are none") {
    bench b;
    b.join("t");
    b.crowd(1, 2, "t");
    (void)b.take();
    for (int i = 0; i < 20; ++i) b.hear(1, bytes{});
    CHECK(b.take().empty());
    for (int i = 0; i < 10; ++i) b.hear(1, bytes{0x1a, 0x00});
    CHECK(fines(b.take()).size() == 9);  // the last of them after it was put on the graylist
    for (int i = 0; i < 20; ++i) b.hear(2, bytes{0xff});
    auto const paid = fines(b.take());
    CHECK(paid.size() == 9);
    CHECK(paid[0] == penalise{peer_number(2), 1, offence::malformed_rpc});
    bytes const huge((4u << 20) + 1);
    bench c;
    c.up(1);
    c.hear(1, huge);
    CHECK(fines(c.take()) == std::vector<penalise>{{peer_number(1), 1, offence::oversized_rpc}});
}

TEST_CASE("gossip attack: announcements of nothing put a peer on the graylist within thirteen heartbeats") {
    bench b;
    b.join("t");
    b.crowd(1, 2, "t");
    int beats = 0;
    for (int n = 0; b.score(1) >= -80; ++beats) {
        REQUIRE(beats < 13);
        for (int i = 0; i < 20; ++i) {
            std::vector<message_id> ids;
            for (int k = 0; k < 500; ++k) ids.push_back(b.id("t", std::to_string(++n)));
            b.announces(1, "t", ids);
        }
        b.heartbeat();
        (void)b.take();
    }
    CHECK(b.score(2) >= 0);
}

TEST_CASE("gossip attack: three invalid messages put a peer on the graylist; spam grafts do as well") {
    bench b;
    topic_options t;
    t.validates = true;
    b.join("t", t);
    b.crowd(1, 3, "t", direction::inbound);
    for (int i = 0; i < 3; ++i) {
        CHECK(b.score(1) > -80);
        b.sends(1, "t", std::to_string(i));
        b.tell(validated{b.all_of<validate>(b.take()).at(0).ticket, verdict::reject});
    }
    CHECK(b.score(1) < -80);
    b.prunes(2, "t");
    for (int i = 0; i < 5; ++i) b.grafts(2, "t");
    CHECK(b.score(2) < -80);
    CHECK(b.score(3) == 0);
}

TEST_CASE("gossip attack: thousands of grafts in one RPC are answered once for each topic, with few recommended") {
    auto o = quiet();
    o.mesh.d_out = 0;
    bench b{o};
    for (int i = 0; i < 20; ++i) b.join(text("t", i));
    for (std::uint32_t n = 1; n <= 40; ++n) {
        b.up(n, direction::inbound);
        b.hear(n, subscriptions(20, "t"));
        b.tell(record_learned{peer_number(n), bytes(4000)});
    }
    for (std::uint32_t n = 1; n <= 12; ++n) {
        for (int i = 0; i < 20; ++i) b.grafts(n, text("t", i));
    }
    (void)b.take();
    rpc::rpc_content c;
    for (int i = 0; i < 4000; ++i) c.grafts.push_back(text("t", i % 20));
    b.hear(20, c);
    auto const prunes = b.to(20, b.take()).prunes;
    CHECK(prunes.size() == 20);
    std::size_t recommended = 0;
    for (auto const& p : prunes) recommended += p.px.size();
    CHECK(recommended == 64);
    CHECK(b.score(20) < -80);
}

TEST_CASE("gossip attack: sybils on one address stand badly together, unless it is an address that may be shared") {
    auto o = quiet();
    o.score.colocation_whitelist = {"198.51.100.1"};
    bench b{o};
    b.join("t");
    for (std::uint32_t n = 1; n <= 15; ++n) b.up(n, direction::inbound, version::v1_2, "203.0.113.5");
    for (std::uint32_t n = 21; n <= 40; ++n) b.up(n, direction::inbound, version::v1_2, "198.51.100.1");
    CHECK(b.score(1) == -125);
    CHECK(b.score(21) == 0);
    b.subscribes(1, "t");
    CHECK(b.own.subscribers_of("t").empty());  // not even heard
}

TEST_CASE("gossip parameters: what does not fit together is refused") {
    CHECK(options{}.check());
    auto const bad = [](auto change) {
        options o;
        change(o);
        return !o.check();
    };
    CHECK(bad([](auto& o) { o.mesh.d_low = 7; }));
    CHECK(bad([](auto& o) { o.mesh.d_high = 5; }));
    CHECK(bad([](auto& o) { o.mesh.d_out = 4; }));
    CHECK(bad([](auto& o) { o.mesh.d_score = 7; }));
    CHECK(bad([](auto& o) { o.heartbeat = 0s; }));
    CHECK(bad([](auto& o) { o.gossip.history_announced = 6; }));
    CHECK(bad([](auto& o) { o.gossip.factor = 1.5; }));
    CHECK(bad([](auto& o) { o.score.gossip_threshold = 1; }));
    CHECK(bad([](auto& o) { o.score.publish_threshold = -5; }));
    CHECK(bad([](auto& o) { o.score.graylist_threshold = -20; }));
    CHECK(bad([](auto& o) { o.score.exchange_threshold = -1; }));
}

namespace {

/// Anybody says anything, in any order; after each step the router must be sound.
class storm {
public:
    explicit storm(std::uint64_t seed) : draw_{seed}, b_{small(), {}, seed} {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            step();
            check();
        }
        for (std::uint32_t n = 0; n < peers; ++n) b_.down(n);
        for (auto const* const t : topics) (void)b_.own.unsubscribe(t, b_.now, b_.effects);
        b_.pass(3min);
        (void)b_.take();
        auto const s = b_.own.stats();
        CHECK((s.peers == 0 && s.topics == 0 && s.mesh_links == 0 && s.pending == 0 && s.cached == 0));
        CHECK(s.queued_bytes == 0);
    }

private:
    static constexpr std::uint32_t peers = 24;
    static constexpr std::array<char const*, 3> topics{"a", "b", "c"};

    static options small() {
        auto o = quiet();
        o.outbound_bytes_max = 500;
        o.pending_max = 5;
        o.pending_per_peer_max = 2;
        o.topics_per_peer_max = 3;
        o.mesh.backoffs_max = 20;
        o.mesh.backoff_max = 90s;
        o.gossip.history_bytes_max = 400;
        o.gossip.idontwant_size_min = 10;
        o.score.retained_max = 4;
        return o;
    }
    std::uint64_t below(std::uint64_t n) { return uniform(draw_, n); }
    std::uint32_t anyone() { return static_cast<std::uint32_t>(below(peers)); }
    std::string any_topic() { return below(8) == 0 ? "x" + std::to_string(below(50)) : topics[below(3)]; }
    std::string any_data() { return std::string(below(3) * 8, 'x') + std::to_string(below(30)); }
    message_id any_id() { return below(5) == 0 ? message_id{as_bytes(any_data())} : b_.id(any_topic(), any_data()); }
    bytes any_rpc() {
        rpc::rpc_content c;
        for (auto n = below(3); n-- > 0;) c.subscriptions.emplace_back(any_topic(), below(4) != 0);
        for (auto n = below(2); n-- > 0;) c.grafts.push_back(any_topic());
        for (auto n = below(2); n-- > 0;) {
            c.prunes.push_back({any_topic(), below(2) == 0 ? draw_() : below(70), {}});
            if (below(2) == 0) c.prunes.back().px.push_back({peer_number(anyone()), bytes(below(3))});
        }
        for (auto n = below(2); n-- > 0;) c.ihave.push_back({any_topic(), {any_id(), any_id()}});
        for (auto n = below(3); n-- > 0;) c.iwant.push_back(any_id());
        for (auto n = below(2); n-- > 0;) c.idontwant.push_back(any_id());
        auto frame = rpc::encode_rpc(c);
        for (auto n = below(3); n-- > 0;)
            append(frame, rpc::encode_publish(b_.unsigned_message(any_topic(), any_data())));
        if (below(10) == 0 && !frame.empty()) frame[below(frame.size())] ^= static_cast<byte>(1 + below(255));
        return frame;
    }
    void step() {
        auto const n = anyone();
        switch (below(16)) {
            case 0:
                return b_.up(n, below(2) == 0 ? direction::inbound : direction::outbound,
                             static_cast<version>(below(3)), text(below(3)));
            case 1: return b_.down(n);
            case 2: return b_.tell(writable{peer_number(n)});
            case 3: return b_.tell(rated{peer_number(n), static_cast<double>(below(60)) - 40});
            case 4: (void)b_.own.subscribe(topics[below(3)], options_of_topic(), b_.now, b_.effects); return;
            case 5:
                if (below(4) == 0) (void)b_.own.unsubscribe(topics[below(3)], b_.now, b_.effects);
                return;
            case 6: (void)b_.own.publish(any_topic(), as_bytes(any_data()), b_.now, b_.effects); return;
            case 7: return b_.tell(validated{below(last_ticket_ + 3), static_cast<verdict>(below(3))});
            case 8: return b_.pass(std::chrono::milliseconds{below(3000)});
            case 9: return b_.tell(record_learned{peer_number(n), bytes(below(10))});
            case 10:
                if (below(20) == 0) (void)b_.own.add_explicit(peer_number(n), b_.now, b_.effects);
                if (below(10) == 0) b_.own.remove_explicit(peer_number(n));
                return;
            default: return b_.hear(n, any_rpc());
        }
    }
    topic_options options_of_topic() {
        topic_options o;
        o.validates = below(2) == 0;
        o.validation_time_limit = std::chrono::milliseconds{below(4000)};
        o.score.mesh_deliveries_weight = below(2) == 0 ? -0.1 : 0;
        return o;
    }
    void check() {
        for (int round = 0; round < 2; ++round) {  // what was refused has no effects of its own
            for (auto const& e : b_.take()) {
                if (auto const* const v = std::get_if<validate>(&e)) last_ticket_ = std::max(last_ticket_, v->ticket);
                if (auto const* const d = std::get_if<deliver>(&e)) CHECK(b_.own.is_subscribed(d->message->topic));
                auto const* const s = std::get_if<send>(&e);
                if (s == nullptr) continue;
                (void)test::read(*s);
                if (below(6) == 0) b_.tell(send_refused{s->peer, s->traffic, s->frame});
            }
        }
        auto const s = b_.own.stats();
        CHECK(s.pending <= 5);
        CHECK(s.backoffs <= 20);
        CHECK(s.cached_bytes <= 400);
        CHECK(s.remembered <= 4);
        CHECK(s.queued_bytes <= s.peers * 500);
        CHECK(s.topics <= 3 + s.peers * 3 + 60);
        for (auto const* const t : topics) {
            auto const mesh = b_.own.mesh_of(t), all = b_.own.subscribers_of(t);
            for (auto const& p : mesh) {
                CHECK(std::count(mesh.begin(), mesh.end(), p) == 1);
                CHECK(std::count(all.begin(), all.end(), p) == 1);
            }
            CHECK((mesh.empty() || b_.own.is_subscribed(t)));
        }
        auto const due = b_.own.next_deadline();
        CHECK((!due || *due > b_.now - 4s));
    }

    splitmix64 draw_;
    bench<> b_;
    ticket last_ticket_ = 0;
};

}  // namespace

TEST_CASE("gossip: anything in any order is survived, within the bounds, and leaves nothing") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        INFO(seed);
        storm{seed}.run(400);
    }
}

TEST_CASE("gossip: the same seed and the same events give the same effects") {
    auto const run = [](std::uint64_t seed) {
        bench b{quiet(), {}, seed};
        b.join("t");
        b.crowd(1, 20, "t");
        for (int i = 0; i < 20; ++i) {
            b.sends(1 + static_cast<std::uint32_t>(i), "t", std::to_string(i));
            b.heartbeat();
        }
        return b.take();
    };
    CHECK(run(1) == run(1));
    CHECK_FALSE(run(1) == run(2));
}

}  // namespace adversary_tests
