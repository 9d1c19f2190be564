// SPDX-License-Identifier: MIT

#include <muster/websocket/libp2p_transport.hpp>

#include <deque>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>

namespace websocket_transport_tests {

using namespace muster;
using namespace std::chrono_literals;
using tcp = boost::asio::ip::tcp;
using failure = boost::system::error_code;

namespace {

peer::multiaddr address(std::string const& written) { return peer::multiaddr::from_text(written).value(); }

template <class Done>
bool run_until(boost::asio::io_context& io, Done done) {
    auto const patience = std::chrono::steady_clock::now() + 60s;
    while (!done()) {
        if (io.stopped()) io.restart();
        if (io.run_one_until(patience) == 0) return done();
    }
    return true;
}

struct node {
    peer::node_key key;
    websocket::libp2p_transport wire;
    std::vector<transport::event> events;

    node(boost::asio::io_context& io, std::size_t i, net::transport_options o = {})
        : key{std::move(test::node_keys(i).node)}, wire{io.get_executor(), key, o} {
        wire.attach("/test/1", [this](transport::event const& e) { events.push_back(e); });
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(events.begin(), events.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }
    std::uint16_t listen() { return *wire.listen(address("/ip4/127.0.0.1/tcp/0/ws")).value().tcp_port(); }
};

/// Somebody who writes bytes of their own, not what a client of WebSocket would.
struct stranger {
    tcp::socket socket;
    std::string seen;
    bool is_over = false;
    std::array<char, 4096> some{};

    stranger(boost::asio::io_context& io, std::uint16_t port, char const* from = "127.0.0.1") : socket{io} {
        socket.open(tcp::v4());
        socket.bind({boost::asio::ip::make_address(from), 0});
        socket.connect({boost::asio::ip::address_v4::loopback(), port});
        read();
    }
    void read() {
        socket.async_read_some(boost::asio::buffer(some), [this](failure const& why, std::size_t n) {
            seen.append(some.data(), n);
            is_over = static_cast<bool>(why);
            if (!why) read();
        });
    }
    void write(std::string const& what) { boost::asio::write(socket, boost::asio::buffer(what)); }
    void upgrade(std::string const& more = {}) {
        write(text("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", more,
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"));
    }
    /// A frame under the mask 0: its first byte, and what it carries.
    void frame(std::uint8_t first, std::string const& content) {
        std::string out{static_cast<char>(first), static_cast<char>(0x80 | content.size())};
        out.append(4, '\0').append(content);
        write(out);
    }
};
constexpr std::uint8_t text_frame = 0x81, binary_frame = 0x82, ping_frame = 0x89;

}  // namespace

TEST_CASE("websocket: one node speaks both kinds, says where, and finds names") {
    boost::asio::io_context io{1};
    node a{io, 0}, b{io, 1}, c{io, 2};
    auto const ws = a.wire.listen(address("/ip4/127.0.0.1/tcp/0/ws")).value();
    auto const bare = a.wire.listen(address("/ip4/127.0.0.1/tcp/0")).value();
    CHECK(ws.to_text().find("/ws/p2p/") != std::string::npos);
    REQUIRE(b.wire.connect(a.wire.local(), std::array{address(text("/dns4/localhost/tcp/", *ws.tcp_port(), "/ws"))}));
    REQUIRE(c.wire.connect(a.wire.local(), std::array{bare}));
    REQUIRE(run_until(io, [&] { return a.count<transport::connected>() == 2; }));
    REQUIRE(run_until(io, [&] { return b.wire.is_connected(a.wire.local()) && c.wire.is_connected(a.wire.local()); }));
    bytes const large(60'000, 7);
    for (int i = 0; i < 20; ++i) {
        while (!b.wire.send(a.wire.local(), "/test/1", large)) REQUIRE(io.run_one() == 1);
        while (!a.wire.send(b.wire.local(), "/test/1", large)) REQUIRE(io.run_one() == 1);
    }
    REQUIRE(
        run_until(io, [&] { return a.count<transport::received>() == 20 && b.count<transport::received>() == 20; }));
    for (auto const& e : a.events) {
        if (auto const* const r = std::get_if<transport::received>(&e)) CHECK(r->frame == large);
    }
    b.wire.disconnect(a.wire.local());
    REQUIRE(run_until(io, [&] { return a.count<transport::disconnected>() == 1; }));
    CHECK(a.wire.is_connected(c.wire.local()));
}

TEST_CASE("websocket: what was written last arrives, and a peer that is there no more is noticed") {
    boost::asio::io_context io{1};
    node a{io, 0};
    auto const port = a.listen();
    {
        node b{io, 1};
        REQUIRE(b.wire.connect(a.wire.local(), std::array{address(text("/ip4/127.0.0.1/tcp/", port, "/ws"))}));
        REQUIRE(
            run_until(io, [&] { return b.wire.is_connected(a.wire.local()) && a.count<transport::connected>() == 1; }));
        b.wire.close();
    }
    REQUIRE(run_until(io, [&] { return a.count<transport::disconnected>() == 1; }));
    node b{io, 1};  // and dials again
    REQUIRE(b.wire.connect(a.wire.local(), std::array{address(text("/ip4/127.0.0.1/tcp/", port, "/ws"))}));
    REQUIRE(run_until(io, [&] { return a.count<transport::connected>() == 2; }));
}

TEST_CASE("websocket: bytes are a stream wherever messages begin and end, text is not spoken, and pings are answered") {
    boost::asio::io_context io{1};
    node a{io, 0};
    auto const port = a.listen();
    stranger s{io, port};
    s.upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    REQUIRE(run_until(io, [&] { return s.seen.find("\r\n\r\n") != std::string::npos; }));
    CHECK(s.seen.substr(0, 12) == "HTTP/1.1 101");
    CHECK(s.seen.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);  // RFC 6455, section 1.3
    CHECK(s.seen.find("permessage-deflate") == std::string::npos);
    // A message for each byte, and empty ones between.
    for (char const c : std::string{"\x13/multistream/1.0.0\n"}) {
        s.frame(binary_frame, std::string(1, c));
        s.frame(binary_frame, "");
    }
    s.frame(ping_frame, "here");
    REQUIRE(run_until(io, [&] {
        return s.seen.find("/multistream/1.0.0\n") != std::string::npos &&
               s.seen.find("\x8a\x04here") != std::string::npos;
    }));
    // The same words as text are none.
    stranger t{io, port};
    t.upgrade();
    REQUIRE(run_until(io, [&] { return t.seen.find("\r\n\r\n") != std::string::npos; }));
    t.frame(text_frame, "\x13/multistream/1.0.0\n");
    REQUIRE(run_until(io, [&] { return t.is_over; }));
    CHECK(t.seen.find("/multistream/1.0.0\n") == std::string::npos);
}

TEST_CASE("websocket: what is no upgrade is answered and ended, and nobody is told of it") {
    boost::asio::io_context io{1};
    node a{io, 0};
    auto const port = a.listen();
    for (auto const& said :
         {std::string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}, std::string{"\x13/multistream/1.0.0\n\r\n\r\n"},
          text("GET / HTTP/1.1\r\nX: ", std::string(20'000, 'x'), "\r\n\r\n")}) {
        stranger s{io, port};
        s.write(said);
        REQUIRE(run_until(io, [&] { return s.is_over; }));
        CHECK(s.seen.find("HTTP/1.1 101") == std::string::npos);
    }
    CHECK(a.wire.stats().accepted == 0);
    CHECK(a.events.empty());
}

TEST_CASE("websocket: connections that never ask for an upgrade are bounded, and keep nobody out") {
    struct listener final : libp2p::socket_user {
        void on_socket(libp2p::socket_event const& e) override {
            if (auto const* const l = std::get_if<libp2p::listening>(&e)) port = *l->where[0].tcp_port();
            accepted += std::holds_alternative<libp2p::accepted>(e) ? 1u : 0u;
        }
        void on_turn() override {}
        std::uint16_t port = 0;
        std::size_t accepted = 0;
    };
    listener user;
    boost::asio::io_context io{1};
    websocket::sockets it{io.get_executor()};
    it.attach(&user);
    libp2p::socket_effect listen = libp2p::listen{1, address("/ip4/127.0.0.1/tcp/0/ws")};
    it.perform(listen);
    stranger honest{io, user.port, "127.0.7.7"};  // who takes their time
    REQUIRE(run_until(io, [&] { return it.upgrading() == 1; }));
    std::deque<stranger> silent;
    for (std::size_t i = 0; i < websocket::socket_options{}.upgrading_max + 20; ++i) {
        silent.emplace_back(io, user.port);
        auto const wanted = std::min(i + 1, websocket::socket_options{}.upgrading_max);
        REQUIRE(run_until(io, [&] { return it.upgrading() + 1 >= wanted; }));
        for (int turns = 0; turns < 4; ++turns) (void)io.poll();
        CHECK(it.upgrading() <= websocket::socket_options{}.upgrading_max);
    }
    REQUIRE(run_until(io, [&] { return silent[19].is_over; }));
    CHECK(user.accepted == 0);
    CHECK_FALSE(honest.is_over);
    honest.upgrade();
    REQUIRE(run_until(io, [&] { return user.accepted == 1; }));
    stranger real{io, user.port};
    real.upgrade();
    REQUIRE(run_until(io, [&] { return user.accepted == 2; }));
    CHECK(it.upgrading() < websocket::socket_options{}.upgrading_max);
    it.attach(nullptr);
    CHECK(it.upgrading() == 0);
}

TEST_CASE("websocket: who does not read is cut off when its time is over, and the oldest where too many end") {
    struct listener final : libp2p::socket_user {
        void on_socket(libp2p::socket_event const& e) override {
            if (auto const* const l = std::get_if<libp2p::listening>(&e)) port = *l->where[0].tcp_port();
            if (auto const* const a = std::get_if<libp2p::accepted>(&e)) accepted.push_back(a->socket);
        }
        void on_turn() override {}
        std::uint16_t port = 0;
        std::vector<libp2p::socket_id> accepted;
    };
    listener user;
    boost::asio::io_context io{1};
    websocket::socket_options o;
    o.patience = 300ms;
    o.ending_max = 4;
    std::optional<websocket::sockets> it{std::in_place, io.get_executor(), o};
    it->attach(&user);
    libp2p::socket_effect listen = libp2p::listen{1, address("/ip4/127.0.0.1/tcp/0/ws")};
    it->perform(listen);
    std::deque<tcp::socket> silent;
    for (std::size_t i = 0; i < 6; ++i) {
        silent.emplace_back(io).connect({boost::asio::ip::address_v4::loopback(), user.port});
        boost::asio::write(silent.back(),
                           boost::asio::buffer(std::string{
                               "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"}));
        REQUIRE(run_until(io, [&] { return user.accepted.size() == i + 1; }));
        libp2p::socket_effect write = libp2p::write_socket{user.accepted[i], bytes(8u << 20, 1)};
        it->perform(write);
        libp2p::socket_effect close = libp2p::close_socket{user.accepted[i]};
        it->perform(close);
        CHECK(it->ending() == std::min<std::size_t>(i + 1, 4));
    }
    SECTION("in time") {
        REQUIRE(run_until(io, [&] { return it->ending() == 0; }));
    }
    SECTION("although nobody is there any more") { it.reset(); }
    // Nothing keeps the loop busy: all handlers have come.
    silent.clear();
    if (it) it->attach(nullptr);
    REQUIRE(run_until(io, [&] { return io.stopped(); }));
}

TEST_CASE("websocket: an upgrade with large headers is one, and a gater that throws leaves no connection behind") {
    {
        boost::asio::io_context io{1};
        node a{io, 0};
        stranger s{io, a.listen()};
        s.upgrade(text("Cookie: ", std::string(5000, 'c'), "\r\n"));
        REQUIRE(run_until(io, [&] { return s.seen.find("\r\n\r\n") != std::string::npos; }));
        CHECK(s.seen.substr(0, 12) == "HTTP/1.1 101");
    }
    boost::asio::io_context io{1};
    net::transport_options o;
    o.gater = [](libp2p::gate const&) -> bool { throw std::runtime_error{"no"}; };
    node b{io, 1, o};
    std::uint16_t port = 0;
    SECTION("WebSocket") { port = b.listen(); }
    SECTION("bare TCP") { port = *b.wire.listen(address("/ip4/127.0.0.1/tcp/0")).value().tcp_port(); }
    stranger t{io, port};
    t.upgrade();
    std::size_t thrown = 0;
    for (int turns = 0; turns < 2 && !t.is_over; ++turns) {  // the first one throws
        try {
            (void)run_until(io, [&] { return t.is_over; });
        } catch (std::runtime_error const&) {
            ++thrown;
        }
    }
    CHECK(thrown == 1);
    CHECK(t.is_over);
}

TEST_CASE("websocket: a dial to who speaks none ends with the reason") {
    boost::asio::io_context io{1};
    node a{io, 0}, b{io, 1};
    auto const bare = *a.wire.listen(address("/ip4/127.0.0.1/tcp/0")).value().tcp_port();
    REQUIRE(b.wire.connect(a.wire.local(), std::array{address(text("/ip4/127.0.0.1/tcp/", bare, "/ws"))}));
    REQUIRE(run_until(io, [&] { return b.count<transport::connect_failed>() == 1; }));
    auto const& why = std::get<transport::connect_failed>(b.events.back()).why;
    CHECK(why.message().find("no WebSocket: ") != std::string::npos);
    // And what is TLS is not dialled at all.
    REQUIRE(b.wire.connect(a.wire.local(), std::array{address(text("/ip4/127.0.0.1/tcp/", bare, "/tls/ws"))}));
    REQUIRE(run_until(io, [&] { return b.count<transport::connect_failed>() == 2; }));
    CHECK(std::get<transport::connect_failed>(b.events.back()).why.message().find("nothing more but /ws") !=
          std::string::npos);
    auto const refused = b.wire.listen(address("/ip4/127.0.0.1/tcp/0/tls/ws"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message().find("nothing more but /ws") != std::string::npos);
}

}  // namespace websocket_transport_tests
