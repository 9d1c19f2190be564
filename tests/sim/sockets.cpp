// SPDX-License-Identifier: MIT

// The whole libp2p stack on simulated sockets: real Noise and yamux, byte by byte, in virtual time.

#include <muster/libp2p/network.hpp>
#include <muster/sim/sockets.hpp>

#include <support/network_models.hpp>
#include <support/node_keys.hpp>

namespace sockets_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// Sockets that take what is written at once, and say so from inside the call.
class prompt_sockets {
public:
    explicit prompt_sockets(sim::sockets s) : state_{std::make_shared<state>(std::move(s))} {}

    void attach(libp2p::socket_user* user) {
        state_->user = user;
        state_->late.attach(user == nullptr ? nullptr : state_.get());
    }
    void perform(libp2p::socket_effect& e) {
        auto const kept = state_;
        auto const* const w = std::get_if<libp2p::write_socket>(&e);
        auto const id = w == nullptr ? 0 : w->socket;
        kept->late.perform(e);
        if (w != nullptr && kept->user != nullptr) kept->user->on_socket(libp2p::written{id});
    }
    void arm(deadline at) { state_->late.arm(at); }
    void turn() { state_->late.turn(); }
    [[nodiscard]] instant now() const noexcept { return state_->late.now(); }

private:
    struct state final : libp2p::socket_user {
        explicit state(sim::sockets s) : late{std::move(s)} {}
        void on_socket(libp2p::socket_event const& e) override {
            if (user != nullptr && !std::holds_alternative<libp2p::written>(e)) user->on_socket(e);
        }
        void on_turn() override {
            if (user != nullptr) user->on_turn();
        }
        sim::sockets late;
        libp2p::socket_user* user = nullptr;
    };
    std::shared_ptr<state> state_;
};
static_assert(libp2p::sockets<prompt_sockets>);

/// A host with one address, and a node on it.
template <class Sockets>
struct basic_node {
    using network = libp2p::network<Sockets, test::predictable, recording_observer>;

    basic_node(sim::internet& net, std::size_t i, std::string ip, libp2p::host_options o = {})
        : key{std::move(test::node_keys(i).node)},
          on{net.where().add_host()},
          address{ip},
          wires{[&] {
              net.route(ip, on);
              net.where().boot(on);
              return Sockets{sim::sockets{net, on, {ip}}};
          }()},
          net_{wires, key, o, i, test::predictable{i + 100}} {
        net_.attach("/test/1", [this](transport::event const& e) { events.push_back(e); });
    }
    [[nodiscard]] peer::multiaddr listen() {
        return net_.listen(peer::multiaddr::from_text(text("/ip4/", address, "/tcp/0")).value()).value();
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(events.begin(), events.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }
    template <class E>
    [[nodiscard]] E const& last() const {
        for (auto e = events.rbegin(); e != events.rend(); ++e) {
            if (auto const* const v = std::get_if<E>(&*e)) return *v;
        }
        throw std::runtime_error{"no such event"};
    }

    peer::node_key key;
    sim::host_id on;
    std::string address;
    Sockets wires;
    network net_;
    std::vector<transport::event> events;
};
using node = basic_node<sim::sockets>;

template <class Sockets>
struct stack_world {
    sim::world where{1};
    sim::internet net{where};
    sim::rule_set::guard delay = net.rules().install(sim::delays(where, 10ms, 50ms));
    basic_node<Sockets> zero{net, 0, "10.0.0.1"};
    basic_node<Sockets> one{net, 1, "10.0.0.2"};

    auto& at(std::size_t i) { return i == 0 ? zero.net_ : one.net_; }
    void connect() { REQUIRE(zero.net_.connect(one.net_.local(), std::array{one.listen()})); }
    template <class Done>
    bool until(Done done) {
        return where.run_until(where.now() + 300s, done);
    }
};

[[nodiscard]] std::array<peer::multiaddr, 1> at(char const* address) {
    return {peer::multiaddr::from_text(address).value()};
}

}  // namespace

MUSTER_TEST_NETWORK_MODEL("simulated sockets", stack_world<sim::sockets>)
MUSTER_TEST_NETWORK_MODEL("simulated sockets that answer a write at once", stack_world<prompt_sockets>)

TEST_CASE("lost packets are late bytes: everything arrives, in order") {
    stack_world<sim::sockets> w;
    auto const loss = w.net.rules().install(sim::losses(w.where, {20, 100}));
    w.connect();
    REQUIRE(
        w.until([&] { return w.zero.count<transport::connected>() == 1 && w.one.count<transport::connected>() == 1; }));
    for (byte n = 0; n < 50; ++n) REQUIRE(w.zero.net_.send(w.one.net_.local(), "/test/1", bytes(1000, n)));
    REQUIRE(w.until([&] { return w.one.count<transport::received>() == 50; }));
    byte n = 0;
    for (auto const& e : w.one.events) {
        if (auto const* const r = std::get_if<transport::received>(&e)) CHECK(r->frame.front() == n++);
    }
}

TEST_CASE("addresses are raced: one that nobody answers at costs a stagger, not a time limit") {
    stack_world<sim::sockets> w;
    auto const good = w.one.listen();
    w.net.name("one.example", "10.0.0.2");
    auto const began = w.where.now();
    REQUIRE(w.zero.net_.connect(w.one.net_.local(),
                                std::array{at("/ip4/10.9.9.9/tcp/1")[0], at("/ip6/2001:db8::1/tcp/1")[0], good}));
    REQUIRE(w.until([&] { return w.zero.count<transport::connected>() == 1; }));
    CHECK(w.where.now() - began < 2s);
    CHECK(w.zero.last<transport::connected>().direction == transport::direction::outbound);
    CHECK(w.one.count<transport::connected>() == 1);
}

TEST_CASE("an address at which somebody else is leads to nobody, and names are looked up by family") {
    stack_world<sim::sockets> w;
    auto const good = w.one.listen();
    auto const port = *good.tcp_port();
    auto const outsider = test::node_keys(7).node.id();
    REQUIRE(w.zero.net_.connect(outsider, std::array{good}));
    REQUIRE(w.until([&] { return w.zero.count<transport::connect_failed>() == 1; }));
    CHECK(w.zero.last<transport::connect_failed>().why == transport::errc::unreachable);

    w.net.name("one.example", "10.0.0.2");
    auto const six = text("/dns6/one.example/tcp/", port), four = text("/dns4/one.example/tcp/", port);
    REQUIRE(w.zero.net_.connect(w.one.net_.local(), at(six.c_str())));
    REQUIRE(w.until([&] { return w.zero.count<transport::connect_failed>() == 2; }));
    REQUIRE(w.zero.net_.connect(w.one.net_.local(), at("/ip4/10.0.0.2/tcp/1/ws")));
    REQUIRE(w.until([&] { return w.zero.count<transport::connect_failed>() == 3; }));
    CHECK(w.zero.last<transport::connect_failed>().why.message().find("/ws cannot be dialled") != std::string::npos);
    REQUIRE(w.zero.net_.connect(w.one.net_.local(), at(four.c_str())));
    REQUIRE(w.until([&] { return w.zero.count<transport::connected>() == 1; }));
}

TEST_CASE("both dial at once: one connection is left, and nothing that was sent is lost") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        sim::world where{seed};
        sim::internet net{where};
        auto const delay = net.rules().install(sim::delays(where, 1ms, 200ms));
        node a{net, seed, "10.0.0.1"}, b{net, seed + 50, "10.0.0.2"};
        auto const at_a = a.listen(), at_b = b.listen();
        REQUIRE(a.net_.connect(b.net_.local(), std::array{at_b}));
        REQUIRE(b.net_.connect(a.net_.local(), std::array{at_a}));
        std::size_t sent_by_a = 0, sent_by_b = 0;
        auto const talk = [&] {
            if (sent_by_a < 20 && a.net_.send(b.net_.local(), "/test/1", bytes(10'000))) ++sent_by_a;
            if (sent_by_b < 20 && b.net_.send(a.net_.local(), "/test/1", bytes(10'000))) ++sent_by_b;
            return a.count<transport::received>() == 20 && b.count<transport::received>() == 20;
        };
        REQUIRE(where.run_until(where.now() + 60s, talk));
        where.run_until(where.now() + 30s);
        CHECK(a.net_.stats().connections == 1);
        CHECK(b.net_.stats().connections == 1);
        CHECK(a.net_.is_connected(b.net_.local()));
        for (auto const* const n : {&a, &b}) {
            CHECK(n->count<transport::connected>() == n->count<transport::disconnected>() + 1);
        }
    }
}

TEST_CASE("silence ends a connection, bytes keep it: a thin line is not cut") {
    stack_world<sim::sockets> w;
    w.connect();
    REQUIRE(w.until([&] { return w.one.count<transport::connected>() == 1; }));
    SECTION("the other host loses power") {
        w.one.wires.vanish();
        w.where.crash(w.one.on);
        auto const began = w.where.now();
        REQUIRE(w.until([&] { return w.zero.count<transport::disconnected>() == 1; }));
        CHECK(w.where.now() - began <= 62s);
        CHECK(w.zero.net_.stats().connections == 0);
    }
    SECTION("one that carries a kilobyte a second, and a ping behind a minute of it") {
        auto const thin = w.net.rules().install(sim::bandwidth(1000));
        for (int i = 0; i < 12; ++i) REQUIRE(w.one.net_.send(w.zero.net_.local(), "/test/1", bytes(10'000)));
        REQUIRE(w.until([&] { return w.zero.count<transport::received>() == 12; }));
        CHECK(w.zero.count<transport::disconnected>() == 0);
        CHECK(w.one.count<transport::disconnected>() == 0);
    }
}

TEST_CASE("peers tell each other where they listen and what they speak") {
    stack_world<sim::sockets> w;
    std::vector<libp2p::identity_claim> claims;
    w.zero.net_.on_identified([&](libp2p::identity_claim const& c) { claims.push_back(c); });
    w.connect();
    auto const speaks = [&](char const* protocol) {
        return !claims.empty() && std::find(claims.back().protocols.begin(), claims.back().protocols.end(), protocol) !=
                                      claims.back().protocols.end();
    };
    REQUIRE(w.until([&] { return speaks("/test/1"); }));
    CHECK(claims.back().peer == w.one.net_.local());
    CHECK(claims.back().agent == "muster");
    CHECK(claims.back().listens.size() == 1);
    CHECK(claims.back().observed->host() == "10.0.0.1");
    auto const record = claims.back().record();
    REQUIRE(record);  // signed, so that it can be passed on
    CHECK(record.value().who() == w.one.net_.local());
    CHECK(record.value()->sequence == 1);
    CHECK(record.value()->addresses.front().host() == "10.0.0.2");
    CHECK_FALSE(record.value()->addresses.front().peer());
    w.one.net_.attach("/late/1", [](transport::event const&) {});  // is told at once
    REQUIRE(w.until([&] { return speaks("/late/1"); }));
    w.one.net_.detach("/late/1");
    REQUIRE(w.until([&] { return !speaks("/late/1"); }));
}

TEST_CASE("the same seed is the same run, byte by byte") {
    auto const run = [](std::uint64_t seed) {
        sim::world where{seed};
        sim::internet net{where};
        auto const delay = net.rules().install(sim::delays(where, 1ms, 100ms));
        auto const loss = net.rules().install(sim::losses(where, {10, 100}));
        node a{net, 0, "10.0.0.1"}, b{net, 1, "10.0.0.2"};
        REQUIRE(a.net_.connect(b.net_.local(), std::array{b.listen()}));
        where.run_until(where.now() + 5s);
        for (int i = 0; i < 20; ++i) (void)a.net_.send(b.net_.local(), "/test/1", bytes(1000));
        where.run_until(where.now() + 20s);
        return where.log().hash();
    };
    CHECK(run(1) == run(1));
    CHECK(run(1) != run(2));
}

TEST_CASE(
    "a peer that lost power and comes back is heard at once, whoever had dialled, though its old connection is not "
    "known to be dead") {
    bool const we_dial_first = GENERATE(true, false);
    std::size_t const survivor = GENERATE(0u, 1u);  // their ids are ordered one way or the other
    stack_world<sim::sockets> w;
    auto& stays = survivor == 0 ? w.zero : w.one;
    auto& goes = survivor == 0 ? w.one : w.zero;
    auto const where_stays = stays.listen(), where_goes = goes.listen();
    REQUIRE((we_dial_first ? stays.net_.connect(goes.net_.local(), std::array{where_goes})
                           : goes.net_.connect(stays.net_.local(), std::array{where_stays}))
                .has_value());
    REQUIRE(
        w.until([&] { return stays.count<transport::connected>() == 1 && goes.count<transport::connected>() == 1; }));
    w.where.run_until(w.where.now() + 60s);
    goes.wires.vanish();
    w.where.crash(goes.on);

    node back{w.net, 1 - survivor, "10.0.0.3"};
    REQUIRE(back.net_.connect(stays.net_.local(), std::array{where_stays}));
    REQUIRE(
        w.until([&] { return back.count<transport::connected>() == 1 && stays.count<transport::connected>() == 2; }));
    CHECK(stays.count<transport::disconnected>() == 1);
    for (auto* const from : {&back, &stays}) {
        auto& to = from == &back ? stays : back;
        REQUIRE(from->net_.send(to.net_.local(), "/test/1", bytes{7}));
        REQUIRE(w.until([&] { return to.count<transport::received>() == 1; }));
    }
    w.where.run_until(w.where.now() + 300s);
    CHECK(back.count<transport::disconnected>() == 0);
    CHECK(stays.count<transport::disconnected>() == 1);
}

TEST_CASE("when the connection in use dies, another one that lives is used in its place") {
    std::size_t const survivor = GENERATE(0u, 1u);  // their ids are ordered one way or the other
    stack_world<sim::sockets> w;
    auto& stays = survivor == 0 ? w.zero : w.one;
    auto& goes = survivor == 0 ? w.one : w.zero;
    REQUIRE(stays.net_.connect(goes.net_.local(), std::array{goes.listen()}));
    REQUIRE(w.until([&] { return stays.count<transport::connected>() == 1; }));
    // The peer is back before the connection is old, and dials: which of the two is kept goes by who is smaller.
    goes.wires.vanish();
    w.where.crash(goes.on);
    node back{w.net, 1 - survivor, "10.0.0.3"};
    REQUIRE(back.net_.connect(stays.net_.local(), std::array{stays.listen()}));
    REQUIRE(w.until([&] { return back.count<transport::connected>() == 1; }));
    // Writing to a host that is up again without the connection is answered by a reset.
    w.where.boot(goes.on);
    REQUIRE(stays.net_.send(back.net_.local(), "/test/1", bytes{7}));
    REQUIRE(w.until([&] { return stays.count<transport::connected>() == 2; }));
    REQUIRE(stays.net_.send(back.net_.local(), "/test/1", bytes{8}));
    REQUIRE(w.until([&] { return back.count<transport::received>() >= 1; }));
    CHECK(back.count<transport::disconnected>() == 0);
}

TEST_CASE("an observer hears of peers that come, go and cannot be reached") {
    stack_world<sim::sockets> w;
    w.connect();
    REQUIRE(w.until([&] { return w.one.net_.is_connected(w.zero.net_.local()); }));
    auto& seen = w.one.net_.observer();
    w.one.net_.publish_gauges();
    CHECK(seen.counted("libp2p_peers_connected_total") == 1);
    CHECK(seen.gauged("libp2p_peers") == 1);
    CHECK(seen.gauged("libp2p_connections") == 1);
    w.zero.net_.disconnect(w.one.net_.local());
    REQUIRE(w.until([&] { return !w.one.net_.is_connected(w.zero.net_.local()); }));
    CHECK(seen.counted("libp2p_peers_disconnected_total") == 1);
    w.one.net_.publish_gauges();
    CHECK(seen.gauged("libp2p_peers") == 0);
    REQUIRE(seen.lines().size() == 2);
    CHECK(seen.lines()[0].second.find(w.zero.net_.local().to_text()) != std::string::npos);
    REQUIRE(w.one.net_.connect(w.zero.net_.local(), at("/ip4/10.0.0.1/tcp/9")));
    REQUIRE(w.until([&] { return seen.counted("libp2p_peers_unreachable_total") == 1; }));
    CHECK(seen.lines().back().first == log_level::warning);
}

}  // namespace sockets_tests
