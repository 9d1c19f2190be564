// SPDX-License-Identifier: MIT

// A node for the transport tests of libp2p's interop suite (libp2p/unified-testing,
// docs/write-a-transport-test-app.md): one program for both roles, told what to do by its environment.
//
//     IS_DIALER       true or false
//     REDIS_ADDR      HOST:PORT of the Redis through which listener and dialer find each other
//     TEST_KEY        what keys in it begin with
//     TRANSPORT       tcp
//     SECURE_CHANNEL  noise
//     MUXER           yamux
//     LISTENER_IP     where to listen; 0.0.0.0 unless said otherwise
//     DEBUG           true: says what happens, to standard error
//
// The listener writes its address to TEST_KEY_listener_multiaddr and runs until it is killed. The dialer waits for
// that, dials, pings twice, and prints YAML: the time from the beginning of the dial to the end of the first ping, and
// that of the second one. A ping here opens a stream of its own, so its time holds the agreement on the protocol as
// well.

#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include <muster/net/libp2p_transport.hpp>

namespace {

using namespace muster;
namespace asio = boost::asio;
using clock_type = std::chrono::steady_clock;

constexpr auto ping = "/ipfs/ping/1.0.0";
constexpr std::size_t ping_size = 32;
constexpr auto time_limit = std::chrono::seconds{180};  // test-plans: the default of test_timeout_seconds

[[nodiscard]] std::string setting(char const* name, std::string const& otherwise = {}) {
    auto const* const value = std::getenv(name);
    return value == nullptr || *value == 0 ? otherwise : std::string{value};
}
[[noreturn]] void give_up(std::string const& why) { throw std::runtime_error{why}; }

/// As much of Redis as is needed: two commands, one at a time.
class redis {
public:
    redis(asio::io_context& io, std::string const& address) : socket_{io} {
        auto const colon = address.rfind(':');
        if (colon == std::string::npos) give_up("REDIS_ADDR is " + address + ", which is no HOST:PORT");
        asio::ip::tcp::resolver resolver{io};
        asio::connect(socket_, resolver.resolve(address.substr(0, colon), address.substr(colon + 1)));
    }
    void set(std::string const& key, std::string const& value) {
        if (auto const said = ask({"SET", key, value}); said != "+OK") give_up("Redis answers " + said);
    }
    [[nodiscard]] std::optional<std::string> get(std::string const& key) {
        auto const said = ask({"GET", key});
        if (said == "$-1") return std::nullopt;
        if (said.empty() || said[0] != '$') give_up("Redis answers " + said);
        return line();  // addresses hold no line ends
    }

private:
    std::string ask(std::initializer_list<std::string> words) {
        std::string all = text("*", words.size(), "\r\n");
        for (auto const& w : words) all += text("$", w.size(), "\r\n", w, "\r\n");
        asio::write(socket_, asio::buffer(all));
        return line();
    }
    std::string line() {
        asio::read_until(socket_, input_, "\r\n");
        std::istream in{&input_};
        std::string out;
        std::getline(in, out);
        if (!out.empty()) out.pop_back();
        return out;
    }

    asio::ip::tcp::socket socket_;
    asio::streambuf input_;
};

class dialer {
public:
    dialer(asio::io_context& io, net::libp2p_transport& wire) : io_{io}, wire_{wire} {
        wire_.on_peer([this](transport::event const& e) {
            if (auto const* const f = std::get_if<transport::connect_failed>(&e)) fail(f->why);
            if (auto const* const d = std::get_if<transport::disconnected>(&e)) fail(d->why);
            if (std::holds_alternative<transport::connected>(e)) say_ping();
        });
    }
    void dial(peer::multiaddr const& at) {
        auto const who = at.peer();
        if (!who) give_up("the listener's address names no peer: " + at.to_text());
        who_ = *who;
        began_ = clock_type::now();
        if (auto const done = wire_.connect(who_, std::array{at}); !done) fail(done.error());
    }
    [[nodiscard]] bool is_done() const { return pings_ == 2; }

private:
    void say_ping() {
        bytes content(ping_size);
        if (!random_.fill_secret(content)) give_up("the system gives no random bytes");
        asked_ = clock_type::now();
        auto const answered = [this, content](auto, result<bytes> const& r) {
            if (!r) return fail(r.error());
            if (r.value() != content) return fail(error{transport::errc::refused, "the ping comes back altered"});
            ++pings_;
            if (pings_ == 1) {
                handshake_ = clock_type::now() - began_;
                return say_ping();
            }
            report(clock_type::now() - asked_);
        };
        if (auto const sent = wire_.request(who_, ping, content, {}, answered); !sent) fail(sent.error());
    }
    void report(clock_type::duration rtt) {
        auto const ms = [](clock_type::duration d) { return std::chrono::duration<double, std::milli>{d}.count(); };
        std::cout << "# Measurements from dialer\nlatency:\n  handshake_plus_one_rtt: " << ms(handshake_)
                  << "\n  ping_rtt: " << ms(rtt) << "\n  unit: ms\n";
        io_.stop();
    }
    void fail(error const& why) {
        if (is_done()) return;
        std::cerr << why.to_text() << '\n';
        io_.stop();
    }

    asio::io_context& io_;
    net::libp2p_transport& wire_;
    crypto::system_random random_;
    peer::peer_id who_;
    clock_type::time_point began_, asked_;
    clock_type::duration handshake_{};
    int pings_ = 0;
};

/// What the listener has written; waits for it.
[[nodiscard]] std::string listener_address(asio::io_context& io, redis& through, std::string const& key) {
    for (auto const end = clock_type::now() + time_limit; clock_type::now() < end;) {
        if (auto const found = through.get(key)) return *found;
        asio::steady_timer{io, std::chrono::milliseconds{50}}.wait();
    }
    give_up("nobody has written " + key);
}

int run() {
    if (auto const t = setting("TRANSPORT", "tcp"); t != "tcp") give_up("no transport " + t + " here, only tcp");
    if (auto const s = setting("SECURE_CHANNEL", "noise"); s != "noise") give_up("no channel " + s + ", only noise");
    if (auto const m = setting("MUXER", "yamux"); m != "yamux") give_up("no muxer " + m + " here, only yamux");
    bool const is_dialer = setting("IS_DIALER") == "true";
    bool const is_loud = setting("DEBUG") == "true";
    auto const key = setting("TEST_KEY") + "_listener_multiaddr";

    asio::io_context io{1};
    redis through{io, setting("REDIS_ADDR", "transport-redis:6379")};
    crypto::system_random random;
    peer::node_key const own{crypto::key_pair::generate(random).value()};
    net::libp2p_transport wire{io.get_executor(), own};
    if (!is_dialer) {
        auto const where = peer::multiaddr::from_text("/ip4/" + setting("LISTENER_IP", "0.0.0.0") + "/tcp/0");
        if (!where) give_up(where.error().to_text());
        auto const at = wire.listen(where.value());
        if (!at) give_up(at.error().to_text());
        through.set(key, at.value().to_text());
        if (is_loud) std::cerr << "listening at " << at.value().to_text() << '\n';
        io.run();
        return 0;
    }
    auto const found = listener_address(io, through, key);
    if (is_loud) std::cerr << "dialling " << found << '\n';
    auto const to = peer::multiaddr::from_text(found);
    if (!to) give_up(to.error().to_text());
    dialer d{io, wire};
    d.dial(to.value());
    io.run_for(time_limit);
    return d.is_done() ? 0 : 1;
}

}  // namespace

int main() try { return run(); } catch (std::exception const& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
