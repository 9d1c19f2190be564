// SPDX-License-Identifier: MIT

// What strangers can do to a node: bounds of host_options are exceeded, and an honest peer is served meanwhile.

#include <set>

#include <muster/libp2p/network.hpp>
#include <muster/sim/sockets.hpp>

#include <support/catch.hpp>
#include <support/connection_end.hpp>
#include <support/node_keys.hpp>

using namespace muster;
using namespace std::chrono_literals;
using network = libp2p::network<sim::sockets, test::predictable>;
using libp2p::socket_id;

namespace {

struct world_of_hosts {
    sim::world where{7};
    sim::internet net{where};
    sim::rule_set::guard delay = net.rules().install(sim::delays(where, 10ms, 10ms));

    sim::sockets plug_in(std::string const& ip, sim::host_id& on) {
        on = where.add_host();
        net.route(ip, on);
        where.boot(on);
        return sim::sockets{net, on, {ip}};
    }
    void pass(duration time) { where.run_until(where.now() + time); }
};

/// The node under test, or an honest peer of it.
struct node {
    node(world_of_hosts& w, std::size_t i, std::string const& ip, libp2p::host_options o = {})
        : key{std::move(test::node_keys(i).node)},
          wire{w.plug_in(ip, on), key, std::move(o), i, test::predictable{i + 100}},
          where{wire.listen(peer::multiaddr::from_text(text("/ip4/", ip, "/tcp/1000")).value()).value()} {
        wire.serve("/echo/1", {}, [this](transport::asked const& q) { CHECK(wire.answer(q.id, q.request)); });
        wire.attach("/test/1", [this](transport::event const& e) { events.push_back(e); });
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(events.begin(), events.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }
    sim::host_id on{};
    peer::node_key key;
    network wire;
    peer::multiaddr where;
    std::vector<transport::event> events;
};

/// Whether a newcomer gets @p requests answered by @p to.
bool serves(world_of_hosts& w, node& to, std::size_t number, std::size_t requests = 1000) {
    node honest{w, number, text("172.16.", number / 250, ".", number % 250 + 1)};
    if (!honest.wire.connect(to.wire.local(), std::array{to.where})) return false;
    if (!w.where.run_until(w.where.now() + 20s, [&] { return honest.wire.is_connected(to.wire.local()); }))
        return false;
    std::size_t answered = 0;
    for (std::size_t i = 0; i < requests; ++i) {
        bytes const question(100, static_cast<byte>(i));
        auto const asked = honest.wire.request(to.wire.local(), "/echo/1", question, {}, [&](auto, auto const& r) {
            answered += r && r.value() == question ? 1u : 0u;
        });
        if (!asked || !w.where.run_until(w.where.now() + 20s, [&] { return answered == i + 1; })) return false;
    }
    return answered == requests;
}

/// A stranger that opens sockets by hand, and speaks as far as it is told to.
struct stranger final : libp2p::socket_user {
    stranger(world_of_hosts& w, std::size_t i, std::string const& ip)
        : key{std::move(test::node_keys(i).node)}, source{i}, wires{w.plug_in(ip, on)} {
        wires.attach(this);
    }
    ~stranger() { wires.attach(nullptr); }

    socket_id open(peer::multiaddr const& to, bool speaks_here) {
        auto const id = next;
        next += 2;
        speaks[id] = speaks_here;
        libp2p::socket_effect e{libp2p::open_socket{
            id, peer::multiaddr::from_text(to.to_text().substr(0, to.to_text().find("/p2p/"))).value(), {}}};
        wires.perform(e);
        return id;
    }
    void on_socket(libp2p::socket_event const& e) override {
        if (auto const* const d = std::get_if<libp2p::dialled>(&e)) {
            opened.insert(d->socket);
            if (speaks[d->socket]) {
                machines.emplace(d->socket,
                                 test::connection_end{libp2p::connection::dial(key, source, {}, {}).value()});
                flush(d->socket);
            }
        } else if (auto const* const b = std::get_if<libp2p::socket_bytes>(&e)) {
            auto const m = machines.find(b->socket);
            if (m == machines.end()) return;
            effect_list<libp2p::connection_event> events;
            m->second.feed(b->content, events);
            for (auto& x : events.take()) {
                if (std::holds_alternative<libp2p::established>(x)) established.insert(b->socket);
                seen.push_back(std::move(x));
            }
            flush(b->socket);
        } else if (auto const* const w = std::get_if<libp2p::written>(&e)) {
            writing.erase(w->socket);
            flush(w->socket);
        } else if (auto const* const c = std::get_if<libp2p::socket_closed>(&e)) {
            closed.insert(c->socket);
            opened.erase(c->socket);
            established.erase(c->socket);
            machines.erase(c->socket);
        }
    }
    void on_turn() override {}
    void flush(socket_id id) {
        auto const m = machines.find(id);
        if (m == machines.end() || writing.count(id) != 0) return;
        effect_list<libp2p::connection_event> events;
        auto content = m->second.take_output(events);
        for (auto& x : events.take()) seen.push_back(std::move(x));
        if (content.empty()) return;
        writing.insert(id);
        libp2p::socket_effect e{libp2p::write_socket{id, std::move(content)}};
        wires.perform(e);
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(seen.begin(), seen.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }

    sim::host_id on{};
    peer::node_key key;
    test::predictable source;
    sim::sockets wires;
    socket_id next = 1;
    std::map<socket_id, bool> speaks;
    std::map<socket_id, test::connection_end> machines;
    effect_list<libp2p::connection_event> unread;  ///< Of commands.
    std::set<socket_id> writing, opened, closed, established;
    std::vector<libp2p::connection_event> seen;
};

}  // namespace

TEST_CASE("silence takes no place that a peer needs, and ends") {
    world_of_hosts w;
    node us{w, 0, "10.0.0.1"};
    stranger silent{w, 1, "10.0.1.1"};
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
        std::vector<std::unique_ptr<stranger>> many;  // behind one address
        for (std::size_t i = 0; i < o.connections_per_prefix_max + 1; ++i) {
            many.push_back(std::make_unique<stranger>(w, 100 + i, "10.0.1.1"));
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
        std::vector<std::unique_ptr<stranger>> many;
        for (std::size_t i = 0; i < o.inbound_rate + 5; ++i) {
            many.push_back(std::make_unique<stranger>(w, 100 + i, "10.0.1.1"));
            (void)many.back()->open(us.where, true);
        }
        w.pass(2s);
        CHECK(us.wire.stats().refused == 5);
        CHECK(us.wire.stats().peers == o.inbound_rate);
        CHECK(serves(w, us, 10));
    }
}

TEST_CASE("strangers that use nothing make room for newcomers; known peers find room among those that do") {
    world_of_hosts w;
    libp2p::host_options o;
    o.connections_max = 40;
    o.pending_inbound_max = 10;
    node us{w, 0, "10.0.0.1", o};
    std::vector<std::unique_ptr<stranger>> all;
    for (std::size_t i = 0; i < 40; ++i) {
        all.push_back(std::make_unique<stranger>(w, 100 + i, text("10.1.", i, ".1")));
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
    stranger s{w, 1, "10.0.1.1"};
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
    stranger s{w, 1, "10.0.1.1"};
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
    stranger s{w, 1, "10.0.1.1"};
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
    stranger s{w, 1, "10.0.1.1"};
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
    stranger s{w, 1, "10.0.1.1"};
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
    std::vector<std::unique_ptr<stranger>> all;
    for (std::size_t i = 0; i < 8; ++i) all.push_back(std::make_unique<stranger>(w, 100 + i, text("10.0.", i + 1, ".1")));
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
    stranger s{w, 1, "10.0.1.1"};
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
