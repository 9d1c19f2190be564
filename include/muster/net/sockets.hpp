// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// TCP sockets, time and turns of a Boost.Asio event loop, for a libp2p network.

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include <muster/libp2p/sockets.hpp>
#include <muster/net/acceptors.hpp>
#include <muster/net/asio_timers.hpp>
#include <muster/net/clock.hpp>
#include <muster/net/resolver.hpp>
#include <muster/transport/errc.hpp>

namespace muster::net {

/// Models libp2p::sockets. Movable. Not thread-safe: belongs to the executor's one thread or strand.
class sockets {
public:
    /// @param first, step  number the sockets that are accepted, evenly: for who has sockets of another kind as well.
    explicit sockets(boost::asio::any_io_executor executor, libp2p::socket_id first = 2, libp2p::socket_id step = 2)
        : state_{std::make_shared<state>(std::move(executor), first, step)} {}
    sockets(sockets&&) = default;
    sockets& operator=(sockets&&) = delete;
    ~sockets() {
        if (state_) attach(nullptr);
    }

    void attach(libp2p::socket_user* user) {
        state_->user = user;
        if (user == nullptr) state_->close();
    }
    void perform(libp2p::socket_effect& e) {
        std::visit([&](auto& v) { state_->perform(v); }, e);
    }
    void arm(deadline at) { state_->arm(at); }
    void turn() { state_->turn(); }
    [[nodiscard]] instant now() const noexcept { return system_clock{}.now(); }

private:
    using tcp = boost::asio::ip::tcp;
    using boost_error = boost::system::error_code;

    /// A socket. Lives as long as a handler of it is pending.
    struct wire {
        wire(libp2p::socket_id of, tcp::socket s) : id{of}, socket{std::move(s)} {}
        libp2p::socket_id id;
        tcp::socket socket;
        std::optional<tcp::endpoint> bound_to{};  // while connecting
        bool is_paused = false;
        bool is_reading = false;
        bool is_open = true;
    };
    using wire_ptr = std::shared_ptr<wire>;

    struct state : std::enable_shared_from_this<state> {
        state(boost::asio::any_io_executor e, libp2p::socket_id first, libp2p::socket_id step)
            : executor{std::move(e)},
              timer{executor},
              names{std::make_unique<resolver>(executor)},
              next_accepted{first},
              accepted_step{step} {
            timer.attach(wake_function::of<&state::wake>(*this));
        }

        // ---- listening ----------------------------------------------------------------------------------

        void perform(libp2p::listen& e) {
            auto const opened =
                libp2p::is_socket_address(e.at)
                    ? listeners.open(e.listener, e.at)
                    : acceptors::refusal(e.at, "it is not an IP address with a TCP port and nothing more");
            if (opened) return user->on_socket(opened.value());
            user->on_socket(libp2p::listen_failed{e.listener, opened.error()});
        }
        void perform(libp2p::unlisten& e) { listeners.close(e.listener); }
        void on_accepted(tcp::socket socket, tcp::endpoint const& remote) {
            auto const id = next_accepted;
            next_accepted += accepted_step;
            begin(add(id, std::move(socket)), libp2p::accepted{id, address_of(remote)});
        }

        // ---- what is to be done -------------------------------------------------------------------------

        void perform(libp2p::resolve& e) {
            names->look_up(e.name, e.family, [weak = this->weak_from_this(), e](auto found, std::string why) {
                auto const self = weak.lock();
                if (!self || self->user == nullptr) return;
                libp2p::resolved out{e.query, {}, std::move(why)};
                for (auto const& ip : found) out.found.push_back(address_of({ip, e.port}));
                self->user->on_socket(std::move(out));
            });
        }
        void perform(libp2p::open_socket& e) {
            auto const w = add(e.socket, tcp::socket{executor});
            w->bound_to = e.from ? endpoint_of(*e.from) : std::nullopt;
            connect(w, *endpoint_of(e.to));
        }
        void connect(wire_ptr const& w, tcp::endpoint const& to) {
            boost_error ec;
            w->socket.open(to.protocol(), ec);
            if (!ec && w->bound_to) {
                w->bound_to->port(0);
                w->socket.bind(*w->bound_to, ec);
            }
            w->socket.async_connect(to, [self = shared_from_this(), w, to](boost_error const& failed) {
                if (self->user == nullptr || !w->is_open) return;
                boost_error ignored;
                // As new: one that has waited to be writable wakes us at every wait for it to be readable.
                if (!failed) w->socket.assign(to.protocol(), w->socket.release(ignored), ignored);
                if (!failed) return self->begin(w, libp2p::dialled{w->id});
                // The bound address may have no route to the target: retry, and let the system choose the source.
                if (std::exchange(w->bound_to, std::nullopt)) {
                    w->socket.close(ignored);
                    return self->connect(w, to);
                }
                self->forget(w);
                self->user->on_socket(
                    libp2p::dial_failed{w->id, error{transport::errc::unreachable, failed.message()}});
            });
        }
        void perform(libp2p::write_socket& e) {
            auto const found = wires.find(e.socket);
            if (found == wires.end()) return;
            auto const w = found->second;
            boost_error ignored;  // what fails fails again below
            auto const size = w->socket.write_some(boost::asio::buffer(e.content), ignored);
            if (size == e.content.size()) return user->on_socket(libp2p::written{w->id});
            auto const all = std::make_shared<bytes>(std::move(e.content));
            boost::asio::async_write(w->socket, boost::asio::buffer(*all) + size,
                                     [self = shared_from_this(), w, all](boost_error const& ec, std::size_t) {
                                         if (self->user == nullptr || !w->is_open) return;
                                         if (ec) return self->lose(w, ec);
                                         self->user->on_socket(libp2p::written{w->id});
                                     });
        }
        void perform(libp2p::pause_reading& e) {
            if (auto const found = wires.find(e.socket); found != wires.end()) found->second->is_paused = true;
        }
        void perform(libp2p::resume_reading& e) {
            auto const found = wires.find(e.socket);
            if (found == wires.end()) return;
            found->second->is_paused = false;
            read(found->second);
        }
        void perform(libp2p::close_socket& e) {
            if (auto const found = wires.find(e.socket); found != wires.end()) forget(found->second);
        }

        // ---- reading, ends, turns, addresses ------------------------------------------------------------

        void read(wire_ptr const& w) {
            if (w->is_paused || !w->is_open || std::exchange(w->is_reading, true)) return;
            // Waits without a buffer: one of them serves all sockets.
            w->socket.async_wait(tcp::socket::wait_read, [self = shared_from_this(), w](boost_error const& ec) {
                w->is_reading = false;
                if (self->user == nullptr || !w->is_open) return;
                if (ec) return self->lose(w, ec);
                // Where the user's code throws, the turn that was asked for comes by itself.
                std::unique_ptr<state, void (*)(state*)> const end{
                    self.get(), [](state* s) { std::exchange(s->asked, {}).value_or(false) ? s->turn() : void(); }};
                self->asked = false;
                self->take(w);
                self->read(w);
                if (*std::exchange(self->asked, {})) self->wake();
            });
        }
        void take(wire_ptr const& w) {
            // Some at a time, so that others have their turn.
            for (int more = 4; more != 0 && w->is_open && !w->is_paused && user != nullptr; --more) {
                boost_error ec;
                auto const size = w->socket.read_some(boost::asio::buffer(*input), ec);
                if (ec == boost::asio::error::would_block) return;
                if (ec) return lose(w, ec);
                user->on_socket(libp2p::socket_bytes{w->id, byte_view{*input}.first(size)});
                if (size < input->size()) return;
            }
        }

        wire_ptr add(libp2p::socket_id id, tcp::socket socket) {
            return wires[id] = std::make_shared<wire>(id, std::move(socket));
        }
        void begin(wire_ptr const& w, libp2p::socket_event const& e) {
            boost_error ignored;
            w->socket.set_option(tcp::no_delay{true}, ignored);
            w->socket.non_blocking(true, ignored);
            try {
                user->on_socket(e);
            } catch (...) {
                if (std::holds_alternative<libp2p::accepted>(e)) forget(w);  // nobody knows of it
                read(w);
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
            close(*w);
            wires.erase(w->id);
        }
        // What was written last shall arrive: bytes that nobody has read would have it thrown away.
        void close(wire& w) {
            w.is_open = false;
            boost_error ec;
            w.socket.non_blocking(true, ec);
            if (!ec) w.socket.shutdown(tcp::socket::shutdown_send, ec);
            for (int more = 4; more != 0 && !ec; --more) w.socket.read_some(boost::asio::buffer(*input), ec);
            w.socket.close(ec);
        }
        void close() {
            listeners.close();
            for (auto const& [id, w] : wires) close(*w);
            timer.disarm();
            wires.clear();
            names = std::make_unique<resolver>(executor);
        }

        void arm(deadline at) { at ? timer.arm(*at) : timer.disarm(); }
        void turn() {
            if (asked) return void(asked = true);
            boost::asio::post(executor, [self = shared_from_this()] { self->wake(); });
        }
        void wake() {
            if (user != nullptr) user->on_turn();
        }

        boost::asio::any_io_executor executor;
        libp2p::socket_user* user = nullptr;
        asio_timers timer;
        std::unique_ptr<resolver> names;
        acceptors listeners{executor,
                            [this](tcp::socket s, tcp::endpoint const& from) { on_accepted(std::move(s), from); }};
        std::map<libp2p::socket_id, wire_ptr> wires;
        libp2p::socket_id next_accepted, accepted_step;
        std::optional<bool> asked;  // for a turn; while a read is handled, at whose end it comes
        std::unique_ptr<std::array<byte, 64u << 10>> input = std::make_unique<std::array<byte, 64u << 10>>();
    };

    std::shared_ptr<state> state_;
};
static_assert(libp2p::sockets<sockets>);

}  // namespace muster::net
