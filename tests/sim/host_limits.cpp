// SPDX-License-Identifier: MIT

// What outsiders can do to a node: bounds of host_options are exceeded, and an honest peer is served meanwhile.

#include <memory>

#include <support/catch.hpp>
#include <support/hosts_in_sim.hpp>

namespace host_limits_tests {

using namespace muster;
using namespace std::chrono_literals;
using libp2p::socket_id;
using test::node;
using test::outsider;
using test::serves;
using test::world_of_hosts;

TEST_CASE("silence takes no place that a peer needs, and ends") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    outsider silent{w, 1, "10.0.1.1"};
    for (int i = 0; i < 400; ++i) (void)silent.open(us.where, false);
    w.pass(1s);
    CHECK(us.wire.stats().inbound <= libp2p::host_options{}.pending_inbound_max);
    CHECK(serves(w, us, 10));
    w.pass(libp2p::host_options{}.setup_timeout + 2s);
    CHECK(silent.opened.empty());
    w.pass(5s);
    CHECK(us.wire.stats().inbound == 0);
}

TEST_CASE("a source has so many places, and so many first words a second") {
    world_of_hosts w;
    libp2p::host_options o;
    SECTION("places") {
        o.inbound_rate = 1000;
        node us{w, 0, "10.0.0.1", o};
        std::vector<std::unique_ptr<outsider>> many;  // behind one address
        for (std::size_t i = 0; i < o.connections_per_prefix_max + 1; ++i) {
            many.push_back(std::make_unique<outsider>(w, 100 + i, "10.0.1.1"));
            (void)many.back()->open(us.where, true);
            w.pass(100ms);
        }
        w.pass(1s);
        auto const in = std::count_if(many.begin(), many.end(), [](auto const& s) { return !s->established.empty(); });
        CHECK(static_cast<std::size_t>(in) == o.connections_per_prefix_max);
        CHECK(us.wire.stats().refused == 1);
        CHECK(serves(w, us, 10));
    }
    SECTION("words") {
        o.connections_per_prefix_max = 1000;
        node us{w, 0, "10.0.0.1", o};
        std::vector<std::unique_ptr<outsider>> many;
        for (std::size_t i = 0; i < o.inbound_rate + 5; ++i) {
            many.push_back(std::make_unique<outsider>(w, 100 + i, "10.0.1.1"));
            (void)many.back()->open(us.where, true);
        }
        w.pass(2s);
        CHECK(us.wire.stats().refused == 5);
        CHECK(us.wire.stats().peers == o.inbound_rate);
        CHECK(serves(w, us, 10));
    }
}

TEST_CASE("outsiders that use nothing make room for newcomers; known peers find room among those that do") {
    world_of_hosts w;
    libp2p::host_options o;
    o.connections_max = 40;
    o.pending_inbound_max = 10;
    node us{w, 0, "10.0.0.1", o};
    std::vector<std::unique_ptr<outsider>> all;
    for (std::size_t i = 0; i < 40; ++i) {
        all.push_back(std::make_unique<outsider>(w, 100 + i, text("10.1.", i, ".1")));
        (void)all.back()->open(us.where, true);
        w.pass(200ms);
    }
    CHECK(us.wire.stats().connections <= 30);
    SECTION("idle ones") { CHECK(serves(w, us, 10)); }
    SECTION("busy ones") {
        for (auto& s : all) {
            for (auto& [id, m] : s->machines) {
                (void)m.open_stream("/test/1");
                s->flush(id);
            }
        }
        w.pass(1s);
        CHECK_FALSE(serves(w, us, 10, 1));
        us.wire.protect(test::node_keys(11).node.id());
        CHECK(serves(w, us, 11));
    }
}

TEST_CASE("a peer opens so many streams of a protocol, and so many in all") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    outsider s{w, 1, "10.0.1.1"};
    auto const id = s.open(us.where, true);
    w.pass(1s);
    REQUIRE(s.established.count(id) == 1);
    for (std::size_t i = 0; i < libp2p::host_options{}.streams_per_protocol_max + 1; ++i) {
        REQUIRE(s.machines.at(id).open_stream("/test/1"));
    }
    s.flush(id);
    w.pass(2s);
    CHECK(s.count<libp2p::stream_closed>() == 1);
    CHECK(s.established.count(id) == 1);
    CHECK(serves(w, us, 10));
}

TEST_CASE("questions that are never finished stop their sender, not us") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    transport::request_options large;
    large.request_size_max = 1u << 20;
    us.wire.serve("/large/1", large, [](transport::asked const&) { CHECK(false); });
    outsider s{w, 1, "10.0.1.1"};
    auto const id = s.open(us.where, true);
    w.pass(1s);
    auto& m = s.machines.at(id);
    std::vector<libp2p::stream_id> streams;
    for (int i = 0; i < 40; ++i) streams.push_back(m.open_stream("/large/1").value());
    s.flush(id);
    w.pass(1s);
    std::size_t most = 0;
    for (int round = 0; round < 50; ++round) {
        for (auto const stream : streams) (void)m.write(stream, bytes(20'000));
        s.flush(id);
        w.pass(100ms);
        most = std::max(most, us.wire.stats().held);
    }
    CHECK(most > 1u << 20);
    CHECK(most <= libp2p::host_options{}.connection_buffer_max + (1u << 20));
    CHECK(serves(w, us, 10));
    w.pass(large.time_limit + 2s);
    CHECK(us.wire.stats().held <= 1u << 20);
}

TEST_CASE("what is begun and broken off is held no longer") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    outsider s{w, 1, "10.0.1.1"};
    auto const id = s.open(us.where, true);
    w.pass(1s);
    auto& m = s.machines.at(id);
    for (int round = 0; round < 100; ++round) {
        for (auto const* const protocol : {"/test/1", "/echo/1"}) {
            auto const stream = m.open_stream(protocol).value();
            s.flush(id);
            w.pass(50ms);
            bytes part(60'000);
            part[0] = 0xff;  // a frame of which more is to come
            part[1] = 0xff;
            part[2] = 0x03;
            REQUIRE(m.write(stream, part).value() == part.size());
            m.reset_stream(stream);
            s.flush(id);
        }
        w.pass(100ms);
    }
    w.pass(1s);
    CHECK(us.wire.stats().held == 0);
    CHECK(s.established.count(id) == 1);
    CHECK(serves(w, us, 10));
}

TEST_CASE("who begins much and finishes nothing is cut after a while, and takes nothing from others") {
    world_of_hosts w;
    libp2p::host_options o;
    o.connection_buffer_max = 500'000;
    node us{w, 0, "10.0.0.1", o};
    outsider s{w, 1, "10.0.1.1"};
    auto const id = s.open(us.where, true);
    w.pass(1s);
    auto& m = s.machines.at(id);
    for (int i = 0; i < 30; ++i) {
        auto const stream = m.open_stream("/test/1").value();
        s.flush(id);
        w.pass(50ms);
        bytes part(60'000);
        part[0] = part[1] = 0xff;
        part[2] = 0x03;
        (void)m.write(stream, part);
        s.flush(id);
        w.pass(50ms);
    }
    CHECK(us.wire.stats().held > 100'000);
    CHECK(us.wire.stats().held < 1'000'000);
    CHECK(serves(w, us, 10));
    w.pass(o.ping_interval + o.ping_timeout + 2s);
    CHECK(us.wire.stats().held == 0);
    CHECK(s.closed.count(id) == 1);
}

TEST_CASE("a protocol that is taken away and back is told to who sends, and goes on") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"}, other{w, 1, "10.0.0.2"};
    REQUIRE(other.wire.connect(us.wire.local(), std::array{us.where}));
    w.pass(1s);
    REQUIRE(other.wire.send(us.wire.local(), "/test/1", bytes(10)));
    w.pass(1s);
    CHECK(us.count<transport::received>() == 1);
    us.wire.detach("/test/1");
    w.pass(1s);
    CHECK(other.count<transport::frames_lost>() == 1);
    us.wire.attach("/test/1", [&](transport::event const& e) { us.events.push_back(e); });
    REQUIRE(other.wire.send(us.wire.local(), "/test/1", bytes(10)));
    w.pass(1s);
    CHECK(us.count<transport::received>() == 2);
    us.wire.attach("/test/1",
                   [&](transport::event const& e) { us.events.push_back(e); });  // once more: nothing is lost
    REQUIRE(other.wire.send(us.wire.local(), "/test/1", bytes(10)));
    w.pass(1s);
    CHECK(us.count<transport::received>() == 3);
    CHECK(other.count<transport::frames_lost>() == 1);
}

TEST_CASE("a gater is asked at each stage, and refuses at any") {
    for (auto const at : {libp2p::gate::stage::accepted, libp2p::gate::stage::secured, libp2p::gate::stage::upgraded}) {
        world_of_hosts w;
        libp2p::host_options o;
        std::vector<libp2p::gate> asked;
        o.gater = [&](libp2p::gate const& g) {
            asked.push_back(g);
            return g.at != at;
        };
        node us{w, 0, "10.0.0.1", o};
        node other{w, 1, "10.0.0.2"};
        REQUIRE(other.wire.connect(us.wire.local(), std::array{us.where}));
        w.pass(30s);
        CHECK(us.count<transport::connected>() == 0);
        CHECK(us.wire.stats().refused == 1);
        REQUIRE_FALSE(asked.empty());
        CHECK(asked.back().at == at);
        CHECK(asked.back().who.has_value() == (at != libp2p::gate::stage::accepted));
    }
}

TEST_CASE("a gater that throws stops nothing else") {
    world_of_hosts w;
    libp2p::host_options o;
    bool throws = true;
    o.gater = [&](libp2p::gate const& g) {
        if (g.at == libp2p::gate::stage::upgraded && std::exchange(throws, false)) throw std::runtime_error{"gater"};
        return true;
    };
    node us{w, 0, "10.0.0.1", o};
    node first{w, 1, "10.0.0.2"};
    REQUIRE(first.wire.connect(us.wire.local(), std::array{us.where}));
    CHECK_THROWS_AS(w.pass(30s), std::runtime_error);
    CHECK(serves(w, us, 2, 10));
}

TEST_CASE("frames that a peer does not take are told to be lost, once, and the connection lives") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"}, other{w, 1, "10.0.0.2"};
    REQUIRE(us.wire.connect(other.wire.local(), std::array{other.where}));
    w.pass(1s);
    std::vector<transport::frames_lost> lost;
    us.wire.attach("/unknown/1", [&](transport::event const& e) {
        if (auto const* const l = std::get_if<transport::frames_lost>(&e)) lost.push_back(*l);
    });
    REQUIRE(us.wire.send(other.wire.local(), "/unknown/1", bytes(10)));
    REQUIRE(us.wire.send(other.wire.local(), "/test/1", bytes(10)));
    w.pass(1s);
    REQUIRE(lost.size() == 1);
    CHECK(lost[0].why == transport::errc::not_spoken);
    CHECK(lost[0].size == 11);
    CHECK(us.wire.is_connected(other.wire.local()));
    CHECK(other.count<transport::received>() == 1);
    other.wire.attach("/unknown/1", [](transport::event const&) {});
    REQUIRE(us.wire.send(other.wire.local(), "/unknown/1", bytes(10)));  // the next one is tried anew
    w.pass(1s);
    CHECK(lost.size() == 1);
}

TEST_CASE("a frame above the limit ends the connection that it comes on, before it is held") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    libp2p::host_options wider;
    wider.frame_size_max = 1u << 20;
    node other{w, 1, "10.0.0.2", wider};
    REQUIRE(other.wire.connect(us.wire.local(), std::array{us.where}));
    w.pass(1s);
    REQUIRE(other.wire.send(us.wire.local(), "/test/1", bytes(100'000)));
    w.pass(2s);
    CHECK(us.count<transport::received>() == 0);
    CHECK(us.count<transport::disconnected>() == 1);
    CHECK(us.wire.stats().held == 0);
}

TEST_CASE("a peer has the connection in use and one more; a third takes the place of one of them") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    outsider s{w, 1, "10.0.1.1"};
    std::vector<socket_id> all;
    for (std::size_t i = 0; i < libp2p::host_options{}.connections_per_peer_max + 1; ++i) {
        all.push_back(s.open(us.where, true));
        w.pass(400ms);
        CHECK(us.wire.stats().connections <= libp2p::host_options{}.connections_per_peer_max);
    }
    CHECK(s.closed.count(all[0]) == 1);
    CHECK(s.established.count(all.back()) == 1);
    w.pass(libp2p::host_options{}.setup_timeout + 2s);
    CHECK(us.wire.stats().connections == 1);
    CHECK(us.wire.stats().peers == 1);
    CHECK(serves(w, us, 10));
}

TEST_CASE("all peers together make us hold so much, and who holds little is served") {
    world_of_hosts w;
    libp2p::host_options o;
    o.buffers_max = 1'000'000;
    node us{w, 0, "10.0.0.1", o};
    transport::request_options large;
    large.request_size_max = 1u << 20;
    large.time_limit = 60s;
    us.wire.serve("/large/1", large, [](transport::asked const&) { CHECK(false); });
    std::vector<std::unique_ptr<outsider>> all;
    for (std::size_t i = 0; i < 8; ++i)
        all.push_back(std::make_unique<outsider>(w, 100 + i, text("10.0.", i + 1, ".1")));
    std::vector<std::pair<socket_id, libp2p::stream_id>> streams;
    for (auto& s : all) streams.emplace_back(s->open(us.where, true), 0);
    w.pass(1s);
    for (std::size_t i = 0; i < all.size(); ++i) {
        streams[i].second = all[i]->machines.at(streams[i].first).open_stream("/large/1").value();
        all[i]->flush(streams[i].first);
    }
    w.pass(1s);
    std::size_t most = 0;
    for (int round = 0; round < 40; ++round) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            (void)all[i]->machines.at(streams[i].first).write(streams[i].second, bytes(20'000));
            all[i]->flush(streams[i].first);
        }
        w.pass(100ms);
        most = std::max(most, us.wire.stats().held);
    }
    CHECK(most > o.buffers_max);
    CHECK(most <= o.buffers_max + 8 * (64u << 10));  // what one read brings, of each
    CHECK(serves(w, us, 10));
    w.pass(large.time_limit + 2s);
    CHECK(us.wire.stats().held <= o.buffers_max / 2);
}

TEST_CASE("a dial that nobody answers ends in its time") {
    world_of_hosts w;
    libp2p::host_options o;
    o.dial_timeout = 3s;
    node us{w, 0, "10.0.0.1", o};
    auto const nobody = peer::multiaddr::from_text("/ip4/10.9.9.9/tcp/1000").value();
    auto const who = test::node_keys(5).node.id();
    sim::host_id silent{};
    auto const mute = w.plug_in("10.9.9.9", silent);
    w.where.crash(silent);
    REQUIRE(us.wire.connect(who, std::array{nobody}));
    w.pass(o.dial_timeout - 100ms);
    CHECK(us.count<transport::connect_failed>() == 0);
    w.pass(1s + 200ms);
    CHECK(us.count<transport::connect_failed>() == 1);
    CHECK(us.wire.stats().connections == 0);
}

TEST_CASE("who asks and does not read the answers is cut when it has taken nothing for so long") {
    world_of_hosts w;
    libp2p::host_options o;
    o.write_timeout = 20s;  // before silence would end it
    node us{w, 0, "10.0.0.1", o};
    outsider s{w, 1, "10.0.1.1"};
    auto const id = s.open(us.where, true);
    w.pass(1s);
    auto& m = s.machines.at(id);
    std::vector<libp2p::stream_id> streams;
    for (int i = 0; i < 16; ++i) streams.push_back(m.open_stream("/echo/1").value());
    s.flush(id);
    w.pass(1s);
    libp2p::socket_effect e{libp2p::pause_reading{id}};
    s.wires.perform(e);
    for (auto const stream : streams) {
        REQUIRE(m.write(stream, bytes(60'000)).value() == 60'000);
        REQUIRE(m.close_stream(stream, s.unread));
        s.flush(id);
        w.pass(50ms);
    }
    w.pass(o.write_timeout - 2s);
    CHECK(us.wire.stats().connections == 1);
    CHECK(serves(w, us, 10));
    w.pass(5s);
    CHECK(us.wire.stats().queued == 0);
    CHECK(us.wire.stats().connections == 0);
}

TEST_CASE("so much waits for a stream, and the frame beyond it is refused and missed by nobody") {
    world_of_hosts w;
    libp2p::host_options o;
    o.send_queue_max = 10'000;
    node us{w, 0, "10.0.0.1", o}, other{w, 1, "10.0.0.2"};
    REQUIRE(us.wire.connect(other.wire.local(), std::array{other.where}));
    w.pass(1s);
    // The stream has not agreed on its protocol yet. Each frame counts with its length, which is two bytes here.
    for (int i = 0; i < 4; ++i) REQUIRE(us.wire.send(other.wire.local(), "/test/1", bytes(2'000)));
    CHECK(us.wire.send(other.wire.local(), "/test/1", bytes(2'000)).error() == transport::errc::congested);
    CHECK(us.wire.stats().queued == 4 * 2'002);
    w.pass(1s);
    CHECK(us.count<transport::writable>() == 1);
    CHECK(us.wire.stats().queued == 0);
    CHECK(other.count<transport::received>() == 4);
    REQUIRE(us.wire.send(other.wire.local(), "/test/1", bytes{}));
}

TEST_CASE("what waited on a connection that leaves is given back, however its stream ends") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    outsider s{w, 1, "10.0.1.1"};
    auto const who = s.key.id();
    auto const first = s.open(us.where, true);
    w.pass(1s);
    for (int round = 0; round < 3; ++round) {
        libp2p::socket_effect pause{libp2p::pause_reading{first}};  // so our stream does not agree on its protocol
        s.wires.perform(pause);
        while (us.wire.send(who, "/test/1", bytes(60'000))) {
        }
        w.pass(100ms);
        auto const second = s.open(us.where, true);
        w.pass(1s);
        libp2p::socket_effect resume{libp2p::resume_reading{first}};  // now it refuses
        s.wires.perform(resume);
        w.pass(300ms);
        libp2p::socket_effect close{libp2p::close_socket{second}};  // and the first is used again
        s.wires.perform(close);
        s.machines.erase(second);
        w.pass(1s);
        CHECK(us.wire.stats().queued == 0);
    }
    CHECK(us.wire.stats().sending == 0);
}

TEST_CASE("many that read nothing do not silence us towards one that reads") {
    world_of_hosts w;
    libp2p::host_options o;
    o.buffers_max = 2'000'000;
    node us{w, 0, "10.0.0.1", o}, honest{w, 1, "10.0.0.2"};
    us.wire.serve("/big/1", {}, [&](transport::asked const& q) {
        for (std::size_t size = 500'000; size > 50; size /= 2) {
            if (us.wire.answer(q.id, bytes(size))) return;
        }
        us.wire.refuse(q.id);
    });
    REQUIRE(honest.wire.connect(us.wire.local(), std::array{us.where}));
    w.pass(1s);
    std::vector<std::unique_ptr<outsider>> all;
    for (std::size_t i = 0; i < 20; ++i) {
        all.push_back(std::make_unique<outsider>(w, 100 + i, text("10.1.", i / 10, ".1")));
        auto& s = *all.back();
        auto const id = s.open(us.where, true);
        w.pass(200ms);
        std::vector<libp2p::stream_id> streams;
        for (int k = 0; k < 10; ++k) streams.push_back(s.machines.at(id).open_stream("/big/1").value());
        s.flush(id);
        w.pass(45ms);
        libp2p::socket_effect pause{libp2p::pause_reading{id}};
        s.wires.perform(pause);
        for (auto const stream : streams) REQUIRE(s.machines.at(id).close_stream(stream, s.unread));
        s.flush(id);
        w.pass(45ms);
    }
    auto const full = us.wire.stats();
    CHECK(full.queued + full.sending > o.buffers_max * 9 / 10);
    CHECK(full.queued + full.sending <= 2 * o.buffers_max);
    SECTION("its share is there") {
        REQUIRE(us.wire.send(honest.wire.local(), "/test/1", bytes(1'000)));
        std::string answer;
        REQUIRE(honest.wire.request(us.wire.local(), "/echo/1", bytes(1'000), {},
                                    [&](auto, auto const& r) { answer = r ? "answered" : r.error().to_text(); }));
        w.pass(1s);
        CHECK(honest.count<transport::received>() == 1);
        CHECK(answer == "answered");
    }
    SECTION("a protected peer has all that a connection may have") {
        us.wire.protect(honest.wire.local());
        REQUIRE(us.wire.send(honest.wire.local(), "/test/1", bytes(60'000)));
        w.pass(1s);
        CHECK(honest.count<transport::received>() == 1);
    }
}

TEST_CASE("frames without bytes take turns with everything else") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    outsider s{w, 1, "10.0.1.1"};
    auto const id = s.open(us.where, true);
    w.pass(1s);
    auto const stream = s.machines.at(id).open_stream("/test/1").value();
    s.flush(id);
    w.pass(1s);
    REQUIRE(s.machines.at(id).write(stream, bytes(10'000)).value() == 10'000);
    s.flush(id);
    w.pass(1s);
    CHECK(us.count<transport::received>() == 10'000);
    CHECK(us.wire.stats().held == 0);
}

TEST_CASE("a question that is taken back before its turn is not asked") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    std::size_t asked = 0;
    us.wire.serve("/count/1", {}, [&](transport::asked const& q) {
        ++asked;
        us.wire.refuse(q.id);
    });
    outsider s{w, 1, "10.0.1.1"};
    auto const id = s.open(us.where, true);
    w.pass(1s);
    auto& m = s.machines.at(id);
    for (int i = 0; i < 20; ++i) {
        auto const stream = m.open_stream("/count/1").value();
        s.flush(id);
        w.pass(100ms);
        REQUIRE(m.close_stream(stream, s.unread));
        m.reset_stream(stream);  // in the same segment
        s.flush(id);
        w.pass(100ms);
    }
    CHECK(asked == 0);
    CHECK(serves(w, us, 10, 10));
}

}  // namespace host_limits_tests
