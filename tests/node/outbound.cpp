// SPDX-License-Identifier: MIT

#include <muster/node/outbound.hpp>

#include <deque>

#include <muster/connection/book_file.hpp>
#include <muster/node/managed_network.hpp>
#include <muster/transport/memory_transport.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>
#include <support/node_keys.hpp>

namespace outbound_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

using network = node::managed_network<transport::memory_transport, manual_timers, manual_clock>;
using outbound_connections = node::outbound_connections<network, manual_timers, manual_clock>;

peer::peer_id id(std::size_t i) { return test::node_keys(i).node.id(); }
peer::multiaddr address(std::size_t i) {
    return peer::multiaddr::from_text(text("/ip4/20.", i, ".0.1/tcp/4001")).value();
}
connection::kept_book empty_book() {
    test::predictable source{1};
    return connection::new_book(source).value();
}

/// One machine with a book, and others that take calls.
struct world {
    explicit world(std::size_t others) {
        for (std::size_t i = 1; i <= others; ++i) peers.emplace_back(wires, id(i));
    }
    void begin(connection::kept_book kept) {
        it.emplace(managed, outbound_timers, clock, std::move(kept),
                   [this](connection::kept_book const& what) -> result<void> {
                       if (disk_is_full) return error{file_errc::io_failed, "full"};
                       saved = connection::encode(what);
                       return ok();
                   });
        managed.on_news([this](connection::effect const& e) { it->note(e); });
        it->start();
    }
    void pass(duration span) {
        for (auto const until = clock.now() + span;;) {
            wires.run();
            auto const next = earlier(timers.armed(), outbound_timers.armed());
            if (!next || *next > until) return clock.advance(until - clock.now());
            if (*next > clock.now()) clock.advance(*next - clock.now());
            timers.fire_due(clock.now());
            outbound_timers.fire_due(clock.now());
        }
    }
    transport::memory_network wires;
    manual_clock clock;
    manual_timers timers, outbound_timers;
    transport::memory_transport mine{wires, id(0)};
    std::deque<transport::memory_transport> peers;
    network managed{mine, timers, clock, {}, 1};
    bytes saved;
    bool disk_is_full = false;
    std::optional<outbound_connections> it;  // keeps its book when it ends
};

}  // namespace

TEST_CASE("whom we are told of is connected, kept, and found again after a restart") {
    bytes kept;
    {
        world w{3};
        w.begin(empty_book());
        for (std::size_t i = 1; i <= 5; ++i) CHECK(w.it->learn(id(i), std::array{address(i)}, "a friend"));
        w.pass(20s);  // two of the five do not exist
        CHECK(w.managed.connections().connected_count() == 3);
        CHECK(w.it->state().chosen().size() == 3);
        CHECK(w.saved.empty());
        w.pass(30s);
        CHECK_FALSE(w.saved.empty());
        w.it->stop();
        kept = w.saved;
    }
    world w{3};
    w.begin(connection::decode_book(kept, w.clock.wall_now()).value());
    w.pass(1s);
    CHECK(w.it->state().chosen().size() == 3);
}

TEST_CASE("who was connected before the book was opened holds up nobody") {
    world w{4};
    w.managed.learn(id(1), std::array{address(1)});
    REQUIRE(w.managed.keep(id(1)));
    w.pass(1s);
    REQUIRE(w.managed.is_connected(id(1)));
    w.begin(empty_book());
    for (std::size_t i = 1; i <= 4; ++i) CHECK(w.it->learn(id(i), std::array{address(i)}, "a friend"));
    w.pass(1s);
    CHECK(w.it->state().chosen().size() == 4);
    CHECK(w.it->state().stats().sought == 0);
}

TEST_CASE("a book that could not be kept is kept later") {
    world w{1};
    w.begin(empty_book());
    w.disk_is_full = true;
    CHECK(w.it->learn(id(1), std::array{address(1)}, "a friend"));
    w.pass(40s);
    CHECK(w.saved.empty());
    w.disk_is_full = false;
    w.pass(40s);
    CHECK_FALSE(w.saved.empty());
}

TEST_CASE("a book that is closed while somebody is dialled is not called any more") {
    world w{0};
    w.begin(empty_book());
    CHECK(w.it->learn(id(5), std::array{address(5)}, "a friend"));
    REQUIRE(w.it->state().stats().sought == 1);
    w.managed.on_news({});
    w.it.reset();
    w.pass(60s);
}

TEST_CASE("somebody's handler that throws holds up nobody") {
    world w{3};
    w.begin(empty_book());
    int throws = 3;
    w.managed.on_news([&](connection::effect const& e) {
        w.it->note(e);
        if (std::holds_alternative<connection::connecting>(e) && throws-- > 0) throw std::runtime_error{"handler"};
    });
    for (std::size_t i = 1; i <= 3; ++i)
        CHECK_THROWS_AS(w.it->learn(id(i), std::array{address(i)}, "a friend"), std::runtime_error);
    w.pass(20s);
    CHECK(w.it->state().chosen().size() == 3);
    CHECK(w.it->state().stats().sought == 0);
}

TEST_CASE("who is kept by somebody else stays where that one has said, and a test of it ends nothing") {
    world w{1};
    w.begin(empty_book());
    w.managed.learn(id(1), std::array{address(9)});
    REQUIRE(w.managed.keep(id(1)));
    w.pass(1s);
    CHECK(w.managed.is_connected(id(1)));
    w.managed.dismiss(id(1));
    CHECK(w.managed.is_connected(id(1)));
    w.managed.release(id(1));
    w.managed.dismiss(id(1));
    w.pass(1s);
    CHECK_FALSE(w.managed.is_connected(id(1)));
}

}  // namespace outbound_tests
