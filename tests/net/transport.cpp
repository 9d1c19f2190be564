// SPDX-License-Identifier: MIT

#include <muster/net/libp2p_transport.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>

#include <muster/net/asio_timers.hpp>
#include <muster/signing/coordinator.hpp>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace transport_tests {

using namespace muster;
using namespace muster::transport;
using boost::asio::ip::tcp;
using net::libp2p_transport;

namespace {

peer::multiaddr const loopback = peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0").value();

/// Runs @p io until @p done holds; false when nothing more can happen or it takes absurdly long.
template <class Done>
bool run_until(boost::asio::io_context& io, Done done) {
    auto const patience = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (!done()) {
        if (io.stopped()) io.restart();
        if (io.run_one_until(patience) == 0) return done();
    }
    return true;
}

struct node {
    peer::node_key key;
    libp2p_transport wire;
    peer::multiaddr address;
    std::vector<event> events;

    node(boost::asio::io_context& io, std::size_t i, net::transport_options options = {})
        : key{test::node_keys(i).node}, wire{io.get_executor(), key, options} {
        wire.attach("/test/1", [this](event const& e) { events.push_back(e); });
        address = wire.listen(loopback).value();
    }
    [[nodiscard]] peer_id id() const { return wire.local(); }
    [[nodiscard]] result<void> dial(node const& other) { return wire.connect(other.id(), std::array{other.address}); }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(events.begin(), events.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }
    [[nodiscard]] bytes received_octets() const {
        bytes all;
        for (auto const& e : events) {
            if (auto const* const r = std::get_if<received>(&e)) append(all, r->frame);
        }
        return all;
    }
};

}  // namespace

TEST_CASE("two peers connect over loopback, know each other and exchange frames both ways") {
    boost::asio::io_context io;
    node a{io, 0}, b{io, 1};
    CHECK(a.address.peer() == a.id());
    REQUIRE(a.dial(b));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 1 && b.count<connected>() == 1; }));
    CHECK(std::get<connected>(b.events[0]).peer == a.id());
    for (byte i = 0; i < 10; ++i) {
        REQUIRE(a.wire.send(b.id(), "/test/1", bytes(i * 100u, i)));
        REQUIRE(b.wire.send(a.id(), "/test/1", bytes(i * 1000u, i)));
    }
    REQUIRE(run_until(io, [&] { return a.count<received>() == 10 && b.count<received>() == 10; }));
    for (byte i = 0; i < 10; ++i) {
        CHECK(std::get<received>(b.events[i + 1u]).frame == bytes(i * 100u, i));
        CHECK(std::get<received>(a.events[i + 1u]).frame == bytes(i * 1000u, i));
    }
}

TEST_CASE("what cannot be listened on is refused; an unspecified address reports the real ones; listeners end") {
    boost::asio::io_context io;
    node a{io, 0};
    auto const at = [](std::string const& text) { return peer::multiaddr::from_text(text).value(); };
    for (auto const* const wrong :
         {"/ip4/192.0.2.1/tcp/0", "/ip4/127.0.0.1/udp/0", "/ip4/127.0.0.1/tcp/0/ws", "/dns4/localhost/tcp/0"}) {
        INFO(wrong);
        CHECK(a.wire.listen(at(wrong)).error() == errc::no_address);
    }
    auto const any = a.wire.listen(at("/ip4/0.0.0.0/tcp/0")).value();
    CHECK(any.host() != "0.0.0.0");
    CHECK(a.wire.listen(at(text("/ip6/::/tcp/", *any.tcp_port()))));
    REQUIRE(a.wire.addresses().size() >= 3);
    a.wire.unlisten(a.address);
    for (auto const& where : a.wire.addresses()) CHECK(where != a.address);
    a.wire.unlisten(at(text("/ip4/0.0.0.0/tcp/", *any.tcp_port())));  // by the address that it was asked for
    for (auto const& where : a.wire.addresses()) CHECK(where.to_text().find("/ip6/") == 0);
    node b{io, 1};
    REQUIRE(b.dial(a));
    REQUIRE(run_until(io, [&] { return b.count<connect_failed>() == 1; }));
}

TEST_CASE("dialling somebody else's address is noticed before anything is said") {
    boost::asio::io_context io;
    node a{io, 0}, b{io, 1};
    auto const wanted = test::node_keys(5).node.id();
    REQUIRE(a.wire.connect(wanted, std::array{b.address}));
    REQUIRE(run_until(io, [&] { return a.count<connect_failed>() == 1; }));
    CHECK(std::get<connect_failed>(a.events[0]).peer == wanted);
    CHECK(a.count<connected>() == 0);
    CHECK(b.count<connected>() == 0);
}

TEST_CASE("addresses are tried one after another, when none answers the last reason is told") {
    boost::asio::io_context io;
    node a{io, 0}, b{io, 1};
    tcp::acceptor taken{io, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
    auto const closed_port = taken.local_endpoint().port();
    taken.close();
    auto const dead = peer::multiaddr::from_text(text("/ip4/127.0.0.1/tcp/", closed_port)).value();
    auto const udp = peer::multiaddr::from_text("/ip4/127.0.0.1/udp/9").value();
    REQUIRE(a.wire.connect(b.id(), std::array{udp, dead, b.address}));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 1; }));

    auto const nobody = test::node_keys(7).node.id();
    REQUIRE(a.wire.connect(nobody, std::array{dead}));
    REQUIRE(run_until(io, [&] { return a.count<connect_failed>() == 1; }));
    CHECK(std::get<connect_failed>(a.events.back()).why == errc::unreachable);
    CHECK(a.wire.connect(nobody, {}).error() == errc::no_address);
    CHECK(a.wire.connect(a.id(), std::array{a.address}).error() == errc::no_address);
}

TEST_CASE("simultaneous dials settle to one connection at both ends, and no frame is lost") {
    for (std::size_t round = 0; round < 10; ++round) {
        boost::asio::io_context io;
        node a{io, round}, b{io, round + 10};
        REQUIRE(a.dial(b));
        REQUIRE(b.dial(a));
        // Both talk from their first connection on, while the other one comes up; in later rounds with frames that do
        // not fit into a window together, all of them at once.
        constexpr std::size_t frames = 15;
        bytes const frame(round < 5 ? 1 : 60'000, 7);
        std::size_t sent_by_a = 0, sent_by_b = 0;
        REQUIRE(run_until(io, [&] {
            do {
                if (sent_by_a < frames && a.wire.send(b.id(), "/test/1", frame)) ++sent_by_a;
                if (sent_by_b < frames && b.wire.send(a.id(), "/test/1", frame)) ++sent_by_b;
            } while (round >= 5 && ((a.wire.is_connected(b.id()) && sent_by_a < frames) ||
                                    (b.wire.is_connected(a.id()) && sent_by_b < frames)));
            return a.count<received>() == frames && b.count<received>() == frames;
        }));
        for (auto const* const n : {&a, &b}) CHECK(n->count<connected>() == n->count<disconnected>() + 1);
    }
}

TEST_CASE("a disconnect is told at both ends, and the pair can connect again") {
    boost::asio::io_context io;
    node a{io, 0}, b{io, 1};
    REQUIRE(a.dial(b));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 1 && b.count<connected>() == 1; }));
    a.wire.disconnect(b.id());
    CHECK_FALSE(a.wire.is_connected(b.id()));
    CHECK(a.wire.send(b.id(), "/test/1", bytes{1}).error() == errc::not_connected);
    REQUIRE(run_until(io, [&] { return a.count<disconnected>() == 1 && b.count<disconnected>() == 1; }));
    REQUIRE(b.dial(a));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 2 && b.count<connected>() == 2; }));
}

TEST_CASE("a disconnect while connecting is told as a failure, and no connection appears later") {
    boost::asio::io_context io;
    node a{io, 0}, b{io, 1};
    REQUIRE(a.dial(b));
    a.wire.disconnect(b.id());
    REQUIRE(run_until(io, [&] { return a.count<connect_failed>() == 1; }));
    REQUIRE(a.dial(b));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 1 && b.count<connected>() >= 1; }));
    CHECK(a.count<connected>() == 1);
}

TEST_CASE("back-pressure reaches the sender, nothing is lost, and it is told when to go on") {
    boost::asio::io_context io;
    net::transport_options options;
    options.send_queue_max = 256u << 10;
    node a{io, 0, options}, b{io, 1};
    REQUIRE(a.dial(b));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 1 && b.count<connected>() == 1; }));
    bytes sent;
    std::size_t refusals = 0;
    bytes const frame(32u << 10, 7);
    while (refusals == 0) {  // the network does not move meanwhile
        auto const outcome = a.wire.send(b.id(), "/test/1", frame);
        if (outcome) append(sent, frame);
        refusals += outcome ? 0u : 1u;
        if (!outcome) CHECK(outcome.error() == errc::congested);
    }
    CHECK(sent.size() <= (256u << 10) + (1u << 20) + (256u << 10));
    CHECK(a.count<writable>() == 0);
    REQUIRE(run_until(io, [&] { return a.count<writable>() == 1 && b.received_octets().size() == sent.size(); }));
    CHECK(b.received_octets() == sent);
    CHECK(a.wire.send(b.id(), "/test/1", frame));
    CHECK(a.wire.send(b.id(), "/test/1", bytes((64u << 10) + 1)).error() == errc::too_large);
}

TEST_CASE("a megabyte in frames of many sizes arrives as it was sent") {
    boost::asio::io_context io;
    node a{io, 0}, b{io, 1};
    REQUIRE(a.dial(b));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 1 && b.count<connected>() == 1; }));
    splitmix64 random{5};
    bytes sent;
    std::size_t frames = 0;
    while (sent.size() < (1u << 20)) {
        bytes frame(uniform(random, 60'000));
        for (std::size_t i = 0; i < frame.size(); i += 97) frame[i] = static_cast<byte>(random());
        REQUIRE(run_until(io, [&] { return static_cast<bool>(a.wire.send(b.id(), "/test/1", frame)); }));
        append(sent, frame);
        ++frames;
    }
    REQUIRE(run_until(io, [&] { return b.count<received>() == frames; }));
    CHECK(b.received_octets() == sent);
}

TEST_CASE("a stranger that says nothing, or nonsense, is dropped and costs nobody else anything") {
    boost::asio::io_context io;
    net::transport_options options;
    options.setup_timeout = std::chrono::milliseconds{1};
    options.pending_inbound_max = 4;
    node b{io, 1, options};
    tcp::endpoint const where{boost::asio::ip::address_v4::loopback(), *b.address.tcp_port()};

    // Silent ones: more than are admitted at once; all are closed, by the bound or by the limit of time.
    std::vector<tcp::socket> silent;
    std::size_t ended = 0;
    std::array<byte, 64> sink{};
    for (int i = 0; i < 8; ++i) {
        silent.emplace_back(io);
        silent.back().connect(where);
    }
    std::function<void(tcp::socket&)> drain = [&](tcp::socket& s) {
        s.async_read_some(boost::asio::buffer(sink), [&](boost::system::error_code const& ec, std::size_t) {
            if (ec) {
                ++ended;
            } else {
                drain(s);
            }
        });
    };
    for (auto& s : silent) drain(s);
    REQUIRE(run_until(io, [&] { return ended == 8; }));

    tcp::socket talker{io};
    talker.connect(where);
    std::string const nonsense = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    boost::asio::write(talker, boost::asio::buffer(nonsense));
    drain(talker);
    REQUIRE(run_until(io, [&] { return ended == 9; }));
    CHECK(b.events.empty());
}

TEST_CASE("a peer that stops answering is noticed as half-open") {
    boost::asio::io_context io, frozen;
    net::transport_options options;
    options.ping_interval = std::chrono::milliseconds{1};
    options.ping_timeout = std::chrono::milliseconds{1};
    node a{io, 0, options};
    node b{frozen, 1};
    REQUIRE(a.dial(b));
    REQUIRE(run_until(io, [&] {
        if (b.count<connected>() == 0) {
            if (frozen.stopped()) frozen.restart();
            frozen.poll();  // b lives until it is connected, then its loop stands still
        }
        return a.count<disconnected>() == 1;
    }));
    auto const& why = std::get<disconnected>(a.events.back()).why;
    CHECK(why == errc::peer_failed);
}

TEST_CASE("a handler that throws loses nothing: what else is due comes in the next turn") {
    boost::asio::io_context io;
    node a{io, 0}, b{io, 1};
    std::size_t thrown = 0;
    b.wire.attach("/test/2", [&](event const& e) {
        if (std::holds_alternative<received>(e) && ++thrown == 1) throw std::runtime_error{"no"};
    });
    REQUIRE(a.dial(b));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 1 && b.count<connected>() == 1; }));
    REQUIRE(a.wire.send(b.id(), "/test/2", bytes{1}));
    auto const careful = [&](auto done) {
        for (;;) {
            try {
                return run_until(io, done);
            } catch (std::runtime_error const&) {
            }
        }
    };
    REQUIRE(careful([&] { return thrown == 1; }));
    REQUIRE(a.wire.send(b.id(), "/test/2", bytes{2}));
    REQUIRE(b.wire.send(a.id(), "/test/1", bytes{3}));
    REQUIRE(careful([&] { return thrown == 2 && a.count<received>() == 1; }));
}

TEST_CASE("frames of a protocol that the peer does not speak go nowhere, the connection lives") {
    boost::asio::io_context io;
    node a{io, 0}, b{io, 1};
    REQUIRE(a.dial(b));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 1 && b.count<connected>() == 1; }));
    REQUIRE(a.wire.send(b.id(), "/unknown/1", bytes{1}));
    REQUIRE(a.wire.send(b.id(), "/test/1", bytes{2}));
    REQUIRE(run_until(io, [&] { return b.count<received>() == 1; }));
    CHECK(b.received_octets() == bytes{2});
    CHECK(a.wire.is_connected(b.id()));
}

TEST_CASE("closing ends everything quietly, and pending work with it") {
    boost::asio::io_context io;
    node a{io, 0}, b{io, 1};
    REQUIRE(a.dial(b));
    REQUIRE(run_until(io, [&] { return a.count<connected>() == 1 && b.count<connected>() == 1; }));
    auto const events = a.events.size();
    a.wire.close();
    CHECK(a.wire.send(b.id(), "/test/1", {}).error() == errc::closed);
    CHECK(a.wire.connect(b.id(), std::array{b.address}).error() == errc::closed);
    REQUIRE(run_until(io, [&] { return b.count<disconnected>() == 1; }));
    b.wire.close();
    io.restart();
    io.run();  // returns: nothing is left to wait for
    CHECK(a.events.size() == events);
}

TEST_CASE("three coordinators sign over loopback sockets, on real timers") {
    using signer =
        signing::coordinator<libp2p_transport, signing::static_registry, net::asio_timers, net::system_clock>;
    struct node_of_three {
        peer::node_key host;
        libp2p_transport wire;
        net::asio_timers timers;
        peer::multiaddr address;
        std::vector<signing::event> events;
        std::unique_ptr<signer> coordinator;

        node_of_three(boost::asio::io_context& io, std::size_t i)
            : host{test::node_keys(i).node}, wire{io.get_executor(), host}, timers{io.get_executor()} {}
    };
    boost::asio::io_context io;
    signing::static_registry registry;
    net::system_clock clock;
    std::deque<node_of_three> nodes;
    signing::signing_request request;
    for (std::size_t i = 0; i < 3; ++i) {
        auto& n = nodes.emplace_back(io, i);
        n.coordinator = std::make_unique<signer>(
            signer::parts{n.wire, registry, n.timers, clock, test::node_keys(i), signer::make_epoch().value()},
            [&n](signing::event const& e) {
                n.events.push_back(e);
                if (auto const* const asked = std::get_if<signing::approval_requested>(&e)) {
                    (void)n.coordinator->approve(asked->session);
                }
            });
        n.address = n.wire.listen(loopback).value();
        auto const who = n.coordinator->as_member().value();
        REQUIRE(registry.add({who, {n.address}}));
        request.signers.push_back(who.signer);
    }
    request.messages = {signing::tagged_payload{"muster/test", {1, 2, 3}}};
    // Nobody is connected yet: the proposal itself makes the connections.
    REQUIRE(nodes[0].coordinator->propose(request));
    auto const finished = [](node_of_three const& n) {
        return std::any_of(n.events.begin(), n.events.end(),
                           [](auto const& e) { return std::holds_alternative<signing::completed>(e); });
    };
    REQUIRE(run_until(io, [&] { return std::all_of(nodes.begin(), nodes.end(), finished); }));
    for (auto const& n : nodes) {
        for (auto const& e : n.events) {
            if (auto const* const done = std::get_if<signing::completed>(&e)) CHECK(test::verifies(*done, request));
        }
    }
    for (auto& n : nodes) {
        n.coordinator->close();
        n.wire.close();
    }
}

}  // namespace transport_tests
