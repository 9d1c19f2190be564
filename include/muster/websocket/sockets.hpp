// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Sockets of a libp2p network that speak WebSocket where the address says `/ws`, and bare TCP elsewhere.
///
/// Idea: a WebSocket is a stream of bytes once more. What is written goes out as a binary message, and the payloads of
/// what comes are bytes in their order, wherever messages begin and end; Noise and yamux run on that. Browsers, and
/// whatever lies behind a proxy that speaks HTTP alone, reach a node so.
///
/// A connection is told of when its upgrade is done. Until then it counts here, against a bound of its own: nobody can
/// hold more than that with half a request. Text, compression and other subprotocols are not spoken.
///
/// @see RFC 6455; libp2p's `specs/websockets`. WebSocket itself is Boost.Beast's.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <muster/libp2p/host/admission.hpp>
#include <muster/libp2p/sockets.hpp>
#include <muster/net/acceptors.hpp>
#include <muster/net/sockets.hpp>

namespace muster::websocket {

/// Bounds of @ref sockets. All ours.
struct socket_options {
    std::size_t upgrading_max = 128;             ///< Accepted, not yet upgraded; the oldest of the source that has most
                                                 ///< of them gives way.
    std::size_t ending_max = 64;                 ///< That write what they had, and say goodbye; the oldest is cut off.
    std::chrono::milliseconds patience{10'000};  ///< For an upgrade, and for an end.
    std::size_t request_size_max = 8192;         ///< Bytes of an upgrade's request, with its cookies and the like.
};

/// Models libp2p::sockets, with WebSocket. Movable. Not thread-safe: belongs to the executor's one thread or strand.
class sockets {
public:
    static constexpr bool has_websocket = true;  ///< See libp2p::sockets.

    explicit sockets(boost::asio::any_io_executor executor, socket_options o = {})
        : tcp_{executor, 2, 4}, state_{std::make_shared<state>(std::move(executor), o)} {}
    sockets(sockets&&) = default;
    sockets& operator=(sockets&&) = delete;
    ~sockets() {
        if (state_) attach(nullptr);
    }

    void attach(libp2p::socket_user* user) {
        state_->user = user;
        tcp_.attach(user);
        if (user == nullptr) state_->close();
    }
    void perform(libp2p::socket_effect& e) {
        if (!std::visit([&](auto& v) { return state_->perform(v); }, e)) tcp_.perform(e);
    }
    void arm(deadline at) { tcp_.arm(at); }
    void turn() { tcp_.turn(); }
    [[nodiscard]] instant now() const noexcept { return tcp_.now(); }
    /// Connections that wait for their upgrade, and those that end: both bounded. @{
    [[nodiscard]] std::size_t upgrading() const noexcept { return state_->upgrading.size(); }
    [[nodiscard]] std::size_t ending() const noexcept { return state_->ending.size(); }
    /// @}

private:
    using tcp = boost::asio::ip::tcp;
    using boost_error = boost::system::error_code;
    using stream = boost::beast::websocket::stream<boost::beast::tcp_stream>;

    /// What is read before a WebSocket is one.
    struct upgrade {
        explicit upgrade(std::size_t size_max) : buffer{size_max} {
            request.header_limit(static_cast<std::uint32_t>(size_max));
        }
        boost::beast::flat_buffer buffer;
        boost::beast::http::request_parser<boost::beast::http::empty_body> request;
    };
    /// A WebSocket. Lives as long as a handler of it is pending.
    struct wire {
        wire(libp2p::socket_id of, boost::beast::tcp_stream s)
            : id{of}, socket{std::move(s)}, limit{socket.get_executor()} {}
        libp2p::socket_id id;
        stream socket;
        boost::asio::steady_timer limit;  // of its end
        libp2p::source_prefix from{};     // of one that was accepted
        std::optional<upgrade> asked{};   // while it is read
        bytes writing;
        std::array<byte, 8u << 10> input;
        bool is_upgraded = false, is_paused = false, is_reading = false, is_writing = false, is_open = true;
    };
    using wire_ptr = std::shared_ptr<wire>;

    struct state : std::enable_shared_from_this<state> {
        state(boost::asio::any_io_executor e, socket_options with) : executor{std::move(e)}, o{with} {}

        // Each says whether it was for a WebSocket. ---------------------------------------------------------------

        bool perform(libp2p::listen& e) {
            auto const kind = libp2p::kind_of_socket(e.at);
            if (kind == libp2p::socket_kind::tcp) return false;
            auto const opened =
                kind == libp2p::socket_kind::websocket
                    ? listeners.open(e.listener, e.at, "/ws")
                    : net::acceptors::refusal(e.at, "it is not an IP address with a TCP port and nothing more but /ws");
            if (opened) {
                user->on_socket(opened.value());
            } else {
                user->on_socket(libp2p::listen_failed{e.listener, opened.error()});
            }
            return true;
        }
        bool perform(libp2p::unlisten& e) { return listeners.close(e.listener); }
        bool perform(libp2p::resolve&) { return false; }
        bool perform(libp2p::open_socket& e) {
            if (libp2p::kind_of_socket(e.to) != libp2p::socket_kind::websocket) return false;
            auto const w = add(e.socket, boost::beast::tcp_stream{executor});
            connect(w, *net::endpoint_of(e.to), e.from ? net::endpoint_of(*e.from) : std::nullopt);
            return true;
        }
        bool perform(libp2p::write_socket& e) {
            auto const w = find(e.socket);
            if (!w) return false;
            w->writing = std::move(e.content);
            w->is_writing = true;
            w->socket.async_write(boost::asio::buffer(w->writing),
                                  [self = shared_from_this(), w](boost_error const& ec, std::size_t) {
                                      w->is_writing = false;
                                      if (!w->is_open) return self->say_goodbye(w);  // what was written last is out
                                      if (self->user == nullptr) return;
                                      if (ec) return self->lose(w, ec);
                                      self->user->on_socket(libp2p::written{w->id});
                                  });
            return true;
        }
        bool perform(libp2p::pause_reading& e) {
            auto const w = find(e.socket);
            if (w) w->is_paused = true;
            return w != nullptr;
        }
        bool perform(libp2p::resume_reading& e) {
            auto const w = find(e.socket);
            if (!w) return false;
            w->is_paused = false;
            read(w);
            return true;
        }
        bool perform(libp2p::close_socket& e) {
            auto const w = find(e.socket);
            if (w) forget(w);
            return w != nullptr;
        }

        // ---- from a connection to a WebSocket -------------------------------------------------------------------

        void on_accepted(tcp::socket socket, tcp::endpoint const& remote) {
            if (upgrading.size() >= o.upgrading_max) give_up(crowding());
            auto const w = std::make_shared<wire>(next_accepted, boost::beast::tcp_stream{std::move(socket)});
            next_accepted += 4;
            w->from = libp2p::source_prefix::of(net::address_of(remote));
            upgrading[w->id] = w;
            // Beast's own reader of requests has room for 1,536 bytes, and cookies take more.
            w->asked.emplace(o.request_size_max);
            w->socket.next_layer().expires_after(o.patience);
            boost::beast::http::async_read(w->socket.next_layer(), w->asked->buffer, w->asked->request,
                                           [self = shared_from_this(), w, remote](boost_error const& ec, std::size_t) {
                                               if (ec || self->user == nullptr || !w->is_open) return self->give_up(w);
                                               self->accept(w, remote);
                                           });
        }
        void accept(wire_ptr const& w, tcp::endpoint const& remote) {
            set_up(*w, boost::beast::role_type::server);
            w->socket.async_accept(w->asked->request.get(),
                                   [self = shared_from_this(), w, remote](boost_error const& ec) {
                                       bool const is_early = w->asked->buffer.size() != 0;  // frames before our answer
                                       w->asked.reset();
                                       if (ec || is_early || self->user == nullptr || !w->is_open)
                                           return self->give_up(w);
                                       self->upgrading.erase(w->id);
                                       self->wires[w->id] = w;
                                       self->begin(w, libp2p::accepted{w->id, net::address_of(remote, "/ws")});
                                   });
        }
        // The oldest of the source that holds most places, so that nobody takes those of others.
        [[nodiscard]] wire_ptr crowding() const {
            std::map<libp2p::source_prefix, std::size_t> held;
            for (auto const& [id, w] : upgrading) ++held[w->from];
            auto const most = std::max_element(held.begin(), held.end(),
                                               [](auto const& a, auto const& b) { return a.second < b.second; });
            return std::find_if(upgrading.begin(), upgrading.end(),
                                [&](auto const& u) { return u.second->from == most->first; })
                ->second;
        }
        void give_up(wire_ptr const& w) {
            upgrading.erase(w->id);
            cut(*w);
        }
        void connect(wire_ptr const& w, tcp::endpoint const& to, std::optional<tcp::endpoint> from) {
            boost_error ec;
            auto& lowest = w->socket.next_layer();
            lowest.socket().open(to.protocol(), ec);
            if (!ec && from) {
                from->port(0);
                lowest.socket().bind(*from, ec);
            }
            lowest.expires_never();  // whoever dials has a time limit
            lowest.async_connect(to, [self = shared_from_this(), w, to, from](boost_error const& failed) {
                if (self->user == nullptr || !w->is_open) return;
                boost_error ignored;
                // The bound address may have no route to the target: retry, and let the system choose the source.
                if (failed && from) {
                    w->socket.next_layer().socket().close(ignored);
                    return self->connect(w, to, std::nullopt);
                }
                if (failed) return self->fail(w, failed.message());
                self->shake_hands(w, to);
            });
        }
        void shake_hands(wire_ptr const& w, tcp::endpoint const& to) {
            set_up(*w, boost::beast::role_type::client);
            auto const ip = to.address().to_string();
            auto const host = to.address().is_v6() ? text("[", ip, "]:", to.port()) : text(ip, ":", to.port());
            w->socket.async_handshake(host, "/", [self = shared_from_this(), w](boost_error const& ec) {
                if (self->user == nullptr || !w->is_open) return;
                if (ec) return self->fail(w, text("no WebSocket: ", ec.message()));
                self->begin(w, libp2p::dialled{w->id});
            });
        }
        void set_up(wire& w, boost::beast::role_type role) const {
            boost_error ignored;
            w.socket.next_layer().socket().set_option(tcp::no_delay{true}, ignored);
            w.socket.next_layer().expires_never();
            auto limits = boost::beast::websocket::stream_base::timeout::suggested(role);
            limits.handshake_timeout = o.patience;
            limits.idle_timeout = boost::beast::websocket::stream_base::none();  // pings of libp2p see to that
            limits.keep_alive_pings = false;
            w.socket.set_option(limits);
            w.socket.read_message_max(0);  // nobody here holds a message: it is taken as it comes
            w.socket.auto_fragment(false);
            w.socket.binary(true);
        }
        void begin(wire_ptr const& w, libp2p::socket_event const& e) {
            w->is_upgraded = true;
            try {
                user->on_socket(e);
            } catch (...) {
                if (std::holds_alternative<libp2p::accepted>(e)) forget(w);  // nobody knows of it
                read(w);
                throw;
            }
            read(w);
        }
        void fail(wire_ptr const& w, std::string const& why) {
            forget(w);
            user->on_socket(libp2p::dial_failed{w->id, error{transport::errc::unreachable, why}});
        }

        // ---- reading, and ends ----------------------------------------------------------------------------------

        void read(wire_ptr const& w) {
            if (w->is_paused || !w->is_open || !w->is_upgraded || std::exchange(w->is_reading, true)) return;
            w->socket.async_read_some(boost::asio::buffer(w->input),
                                      [self = shared_from_this(), w](boost_error const& ec, std::size_t size) {
                                          w->is_reading = false;
                                          if (self->user == nullptr || !w->is_open) return;
                                          if (ec) return self->lose(w, ec);
                                          self->take(w, size);
                                      });
        }
        void take(wire_ptr const& w, std::size_t size) {
            if (w->socket.got_text()) return lose(w, boost::beast::websocket::error::bad_opcode);
            try {
                if (size != 0) user->on_socket(libp2p::socket_bytes{w->id, byte_view{w->input}.first(size)});
            } catch (...) {
                read(w);  // it goes on, whatever the user's code throws
                throw;
            }
            read(w);
        }
        void lose(wire_ptr const& w, boost_error const& ec) {
            forget(w);
            user->on_socket(libp2p::socket_closed{
                w->id, error{transport::errc::peer_failed, text("connection lost: ", ec.message())}});
        }
        void forget(wire_ptr const& w) {
            w->is_open = false;
            wires.erase(w->id);
            end(w);
        }
        // What was written last shall arrive, and the other side hear a goodbye, within a time: who does not read would
        // keep the socket for ever. Beast has no limit for a goodbye that waits for a write.
        void end(wire_ptr const& w) {
            if (!w->is_upgraded || !w->socket.is_open()) return cut(*w);
            if (ending.size() >= o.ending_max) gone(ending.begin()->second);
            ending[w->id] = w;
            w->limit.expires_after(o.patience);
            w->limit.async_wait([self = shared_from_this(), w](boost_error const& cancelled) {
                if (!cancelled) self->gone(w);
            });
            if (!w->is_writing) say_goodbye(w);
        }
        void say_goodbye(wire_ptr const& w) {
            if (ending.count(w->id) == 0) return;  // cut already
            w->socket.async_close(boost::beast::websocket::close_code::normal,
                                  [self = shared_from_this(), w](boost_error const&) { self->gone(w); });
        }
        void gone(wire_ptr w) {
            ending.erase(w->id);
            w->limit.cancel();
            cut(*w);
        }
        // As bare TCP does: unread bytes would have the last ones thrown away.
        static void cut(wire& w) {
            w.is_open = false;
            auto& socket = w.socket.next_layer().socket();
            boost_error ec;
            socket.non_blocking(true, ec);
            if (!ec) socket.shutdown(tcp::socket::shutdown_send, ec);
            std::array<byte, 4096> unread;
            for (int more = 16; more != 0 && !ec; --more) socket.read_some(boost::asio::buffer(unread), ec);
            w.socket.next_layer().close();
        }
        void close() {
            listeners.close();
            for (auto const& [id, w] : std::exchange(upgrading, {})) cut(*w);  // those that end have their time limit
            for (auto const& [id, w] : std::map{wires}) forget(w);
        }

        [[nodiscard]] wire_ptr find(libp2p::socket_id id) const {
            auto const found = wires.find(id);
            return found == wires.end() ? nullptr : found->second;
        }
        wire_ptr add(libp2p::socket_id id, boost::beast::tcp_stream socket) {
            return wires[id] = std::make_shared<wire>(id, std::move(socket));
        }

        boost::asio::any_io_executor executor;
        libp2p::socket_user* user = nullptr;
        net::acceptors listeners{executor,
                                 [this](tcp::socket s, tcp::endpoint const& from) { on_accepted(std::move(s), from); }};
        std::map<libp2p::socket_id, wire_ptr> wires;
        std::map<libp2p::socket_id, wire_ptr> upgrading;
        std::map<libp2p::socket_id, wire_ptr> ending;
        socket_options o;
        libp2p::socket_id next_accepted = 4;  // bare ones have the other even numbers
    };

    net::sockets tcp_;
    std::shared_ptr<state> state_;
};
static_assert(libp2p::sockets<sockets>);

}  // namespace muster::websocket
