// SPDX-License-Identifier: MIT

#include <muster/transport/memory_transport.hpp>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace memory_tests {

using namespace muster;
using namespace muster::transport;

namespace {

/// The least type that is a transport ...
struct archetype {
    [[nodiscard]] peer_id local() const { return {}; }
    [[nodiscard]] bool is_connected(peer_id const&) const { return false; }
    void attach(std::string_view, event_handler) {}
    void detach(std::string_view) {}
    result<void> connect(peer_id const&, std::span<multiaddr const>) { return ok(); }
    void disconnect(peer_id const&) {}
    result<void> send(peer_id const&, std::string_view, bytes) { return ok(); }
    void close() {}
};
/// ... and near misses.
struct forgets_refusals : archetype {
    void send(peer_id const&, std::string_view, bytes) {}
};
struct anonymous : archetype {
    void local() const {}
};

struct node {
    memory_transport wire;
    std::vector<event> events;

    node(memory_network& network, std::size_t i) : wire{network, test::node_keys(i).node.id()} {
        wire.attach("/test", [this](event const& e) { events.push_back(e); });
    }
    [[nodiscard]] peer_id id() const { return wire.local(); }
};

}  // namespace

static_assert(transport::frames<archetype>);
static_assert(!transport::frames<forgets_refusals>);
static_assert(!transport::frames<anonymous>);
static_assert(transport::frames<memory_transport>);

TEST_CASE("frames arrive whole and in order, and nothing moves until the network is stepped") {
    memory_network network;
    node a{network, 0}, b{network, 1};
    REQUIRE(a.wire.connect(b.id(), {}));
    for (byte i = 0; i < 5; ++i) REQUIRE(a.wire.send(b.id(), "/test", bytes{i}));
    CHECK(b.events.empty());
    network.run();
    REQUIRE(b.events.size() == 6);
    CHECK(b.events[0] == event{connected{a.id()}});
    for (byte i = 0; i < 5; ++i) CHECK(b.events[i + 1u] == event{received{a.id(), bytes{i}}});
    CHECK(a.events == std::vector{event{connected{b.id()}}});
}

TEST_CASE("both dial at once: one connection, one event each") {
    memory_network network;
    node a{network, 0}, b{network, 1};
    REQUIRE(a.wire.connect(b.id(), {}));
    REQUIRE(b.wire.connect(a.id(), {}));
    network.run();
    CHECK(a.events.size() == 1);
    CHECK(b.events.size() == 1);
}

TEST_CASE("refusals have no effect") {
    memory_network network{{.frame_size_max = 4, .frames_in_flight_max = 2}};
    node a{network, 0}, b{network, 1};
    CHECK(a.wire.send(b.id(), "/test", {}).error() == errc::not_connected);
    CHECK(a.wire.connect(a.id(), {}).error() == errc::no_address);
    REQUIRE(a.wire.connect(b.id(), {}));
    CHECK(a.wire.send(b.id(), "/test", bytes(5)).error() == errc::too_large);
    REQUIRE(a.wire.send(b.id(), "/test", bytes{1}));
    REQUIRE(a.wire.send(b.id(), "/test", bytes{2}));
    CHECK(a.wire.send(b.id(), "/test", bytes{3}).error() == errc::congested);
    network.run();
    CHECK(b.events.size() == 3);
    CHECK(a.events.back() == event{writable{b.id()}});
    CHECK(a.wire.send(b.id(), "/test", bytes{3}));
}

TEST_CASE("an unreachable peer is an event, not silence") {
    memory_network network;
    node a{network, 0};
    auto const nobody = test::node_keys(9).node.id();
    REQUIRE(a.wire.connect(nobody, {}));
    network.run();
    REQUIRE(a.events.size() == 1);
    CHECK(std::get<connect_failed>(a.events[0]).why == errc::unreachable);
}

TEST_CASE("what was under way when the connection broke is lost, and both sides are told") {
    memory_network network;
    node a{network, 0}, b{network, 1};
    REQUIRE(a.wire.connect(b.id(), {}));
    network.run();
    REQUIRE(a.wire.send(b.id(), "/test", bytes{1}));
    a.wire.disconnect(b.id());
    network.run();
    CHECK(std::holds_alternative<disconnected>(a.events.back()));
    CHECK(std::holds_alternative<disconnected>(b.events.back()));
    CHECK(b.events.size() == 2);
}

TEST_CASE("a closed transport is gone for others and silent for its owner") {
    memory_network network;
    node a{network, 0}, b{network, 1};
    REQUIRE(a.wire.connect(b.id(), {}));
    network.run();
    b.wire.close();
    network.run();
    CHECK(std::holds_alternative<disconnected>(a.events.back()));
    CHECK(b.events.size() == 1);
    CHECK(b.wire.send(a.id(), "/test", {}).error() == errc::closed);
    CHECK(b.wire.connect(a.id(), {}).error() == errc::closed);
}

TEST_CASE("frames of a protocol that nobody attached are dropped") {
    memory_network network;
    node a{network, 0}, b{network, 1};
    REQUIRE(a.wire.connect(b.id(), {}));
    REQUIRE(a.wire.send(b.id(), "/other", bytes{1}));
    network.run();
    CHECK(b.events.size() == 1);
}

}  // namespace memory_tests
