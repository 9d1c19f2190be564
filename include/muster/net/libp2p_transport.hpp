// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The real network: libp2p over TCP on Boost.Asio, as a `transport`.
///
/// TCP carries multistream-select, Noise XX and yamux; the protocol logic is the pure machine in libp2p/, here are
/// the sockets, the time limits and the peers. Every protocol has one long-lived stream per peer and direction,
/// with frames behind their length.
///
/// When two peers dial each other at once there are two connections for a moment. Both ends keep the one that was
/// dialled by the lexicographically smaller peer id, so they agree without a word. Of two connections dialled by
/// the same side the newer one is kept: the older is what a restarted peer left behind. The other connection is
/// retired: each end sends what it had queued there, and receives until the other has done so.

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <muster/crypto/system_random.hpp>
#include <muster/net/detail/link.hpp>
#include <muster/transport/transport.hpp>

namespace muster::net {

/// A libp2p peer on TCP.
///
/// Not thread-safe: every member, and every handler, belongs to the executor's one thread or strand. Attach protocols
/// before listening or connecting: a connection accepts those that were attached when it began. Destroy or
/// `close()` it on the executor; work that is pending then ends by itself.
class libp2p_transport {
public:
    /// @param host  the own key; borrowed.
    libp2p_transport(boost::asio::any_io_executor executor, peer::node_key const& host, transport_options options = {})
        : core_{std::make_shared<core>(std::move(executor), host, options)} {}
    libp2p_transport(libp2p_transport const&) = delete;
    libp2p_transport& operator=(libp2p_transport const&) = delete;
    ~libp2p_transport() { close(); }

    /// Accepts connections at @p address (ip4 or ip6, tcp; port 0 for any free one).
    /// @return the address with the port it got and our peer id; `no_address` for what cannot be listened on.
    [[nodiscard]] result<peer::multiaddr> listen(peer::multiaddr const& address) { return core_->listen(address); }

    [[nodiscard]] peer::peer_id const& local() const noexcept { return core_->host.id(); }
    [[nodiscard]] bool is_connected(peer::peer_id const& who) const { return core_->active.count(who) != 0; }
    /// Peers with a connection.
    [[nodiscard]] std::vector<peer::peer_id> connected_peers() const {
        std::vector<peer::peer_id> out;
        for (auto const& [who, l] : core_->active) out.push_back(who);
        return out;
    }

    void attach(std::string_view protocol, transport::event_handler handler) {
        core_->handlers[std::string{protocol}] = std::move(handler);
    }
    void detach(std::string_view protocol) { core_->handlers.erase(std::string{protocol}); }

    [[nodiscard]] result<void> connect(peer::peer_id const& who, std::span<peer::multiaddr const> addresses) {
        return core_->connect(who, addresses);
    }
    void disconnect(peer::peer_id const& who) { core_->disconnect(who); }
    [[nodiscard]] result<void> send(peer::peer_id const& who, std::string_view protocol, bytes const& frame) {
        return core_->send(who, protocol, frame);
    }
    void close() { core_->close(); }

private:
    using tcp = boost::asio::ip::tcp;
    using link = detail::link;

    /// The state, kept alive by pending handlers.
    struct core final : detail::link_owner, std::enable_shared_from_this<core> {
        core(boost::asio::any_io_executor e, peer::node_key const& h, transport_options o)
            : executor{std::move(e)}, host{h}, options{o}, sweep_timer{executor} {}

        // ---- listening ----------------------------------------------------------------------------------

        [[nodiscard]] result<peer::multiaddr> listen(peer::multiaddr const& address) {
            auto const endpoint = endpoint_of(address);
            if (!endpoint) {
                return error{transport::errc::no_address,
                             text(address.to_text(), " is not an IP address with a TCP port")};
            }
            auto acceptor = std::make_shared<tcp::acceptor>(executor);
            boost::system::error_code ec;
            acceptor->open(endpoint->protocol(), ec);
            if (!ec) acceptor->set_option(tcp::acceptor::reuse_address{true}, ec);
            if (!ec) acceptor->bind(*endpoint, ec);
            if (!ec) acceptor->listen(boost::asio::socket_base::max_listen_connections, ec);
            if (ec) {
                return error{transport::errc::no_address,
                             text("cannot listen on ", address.to_text(), ": ", ec.message())};
            }
            auto const bound = acceptor->local_endpoint(ec);
            auto const family = bound.address().is_v6() ? "/ip6/" : "/ip4/";
            MUSTER_TRY(auto where,
                       peer::multiaddr::from_text(text(family, bound.address().to_string(), "/tcp/", bound.port())));
            acceptors.push_back(acceptor);
            accept(acceptor);
            return where.with_peer(host.id());
        }

        void accept(std::shared_ptr<tcp::acceptor> const& acceptor) {
            acceptor->async_accept(
                [self = shared_from_this(), acceptor](boost::system::error_code const& ec, tcp::socket socket) {
                    if (self->closed || ec == boost::asio::error::operation_aborted) return;
                    if (!ec) {
                        self->on_accepted(std::move(socket));
                        return self->accept(acceptor);
                    }
                    // Out of descriptors, most likely: trying again at once would spin.
                    auto const pause =
                        std::make_shared<boost::asio::steady_timer>(self->executor, std::chrono::milliseconds{100});
                    pause->async_wait([self, acceptor, pause](boost::system::error_code const&) {
                        if (!self->closed) self->accept(acceptor);
                    });
                });
        }

        void on_accepted(tcp::socket socket) {
            std::size_t inbound = 0, pending = 0;
            std::shared_ptr<link> oldest;  // of those being set up: it makes room, so silence cannot shut the door
            for (auto const& l : links) {
                if (l->outbound()) continue;
                ++inbound;
                if (l->is_established()) continue;
                ++pending;
                if (!oldest || l->began() < oldest->began()) oldest = l;
            }
            if (pending >= options.pending_inbound_max && oldest) {
                links.erase(oldest);
                oldest->abandon();
            }
            if (inbound >= options.connections_max - options.connections_max / 4) return;  // the rest is for dialling
            crypto::system_random random;
            auto machine = libp2p::connection::listen(host, random, connection_options());
            if (machine) add_link(std::move(socket), std::move(machine).value(), false);
        }

        // ---- dialling -----------------------------------------------------------------------------------

        /// One peer being dialled: its addresses are tried one after another.
        struct dial {
            peer::peer_id who;
            std::deque<peer::multiaddr> addresses;
            std::shared_ptr<tcp::resolver> resolver;
            std::shared_ptr<tcp::socket> socket;
            std::shared_ptr<link> setting_up;
            instant attempt_began;
            std::string last_failure = "no usable address";
        };

        [[nodiscard]] result<void> connect(peer::peer_id const& who, std::span<peer::multiaddr const> addresses) {
            if (closed) return error{transport::errc::closed, "this transport was closed"};
            if (active.count(who) != 0 || dials.count(who) != 0) return ok();
            if (who == host.id()) return error{transport::errc::no_address, "a peer does not connect to itself"};
            if (addresses.empty()) {
                return error{transport::errc::no_address, text("no address is known for ", who.to_text())};
            }
            if (links.size() + dials.size() >= options.connections_max) {
                return error{transport::errc::congested,
                             text("all ", options.connections_max, " connections are in use")};
            }
            auto d = std::make_shared<dial>();
            d->who = who;
            d->addresses.assign(addresses.begin(), addresses.end());
            dials.emplace(who, d);
            boost::asio::post(executor, [self = shared_from_this(), d] { self->try_next(d); });
            sweep_later();
            return ok();
        }

        [[nodiscard]] bool is_current(std::shared_ptr<dial> const& d) const {
            auto const found = dials.find(d->who);
            return !closed && found != dials.end() && found->second == d;
        }

        void try_next(std::shared_ptr<dial> const& d) {
            if (!is_current(d)) return;
            if (d->addresses.empty()) {
                dials.erase(d->who);
                return tell(transport::connect_failed{d->who, error{transport::errc::unreachable, d->last_failure}});
            }
            auto const address = d->addresses.front();
            d->addresses.pop_front();
            d->attempt_began = clock.now();
            auto const name = address.host();
            auto const port = address.tcp_port();
            if (!name || !port || address.is_relayed()) return try_next(d);
            if (auto const endpoint = endpoint_of(address)) return open_socket(d, address, *endpoint);
            d->resolver = std::make_shared<tcp::resolver>(executor);
            d->resolver->async_resolve(
                *name, std::to_string(*port),
                [self = shared_from_this(), d, address](boost::system::error_code const& ec,
                                                        tcp::resolver::results_type const& found) {
                    if (!self->is_current(d)) return;
                    if (ec || found.empty()) return self->attempt_failed(d, address, ec.message());
                    self->open_socket(d, address, found.begin()->endpoint());
                });
        }

        void open_socket(std::shared_ptr<dial> const& d, peer::multiaddr const& address, tcp::endpoint const& to) {
            d->socket = std::make_shared<tcp::socket>(executor);
            d->socket->async_connect(to, [self = shared_from_this(), d, address](boost::system::error_code const& ec) {
                if (!self->is_current(d)) return;
                if (ec) return self->attempt_failed(d, address, ec.message());
                crypto::system_random random;
                auto machine = libp2p::connection::dial(self->host, random, d->who, self->connection_options());
                if (!machine) return self->attempt_failed(d, address, machine.error().to_text());
                d->setting_up = self->add_link(std::move(*d->socket), std::move(machine).value(), true);
            });
        }

        void attempt_failed(std::shared_ptr<dial> const& d, peer::multiaddr const& address, std::string const& why) {
            d->last_failure = text(address.to_text(), ": ", why);
            d->setting_up.reset();
            d->socket.reset();
            boost::asio::post(executor, [self = shared_from_this(), d] { self->try_next(d); });
        }

        // ---- connections --------------------------------------------------------------------------------

        [[nodiscard]] libp2p::connection_options connection_options() const {
            libp2p::connection_options out;
            for (auto const& [protocol, handler] : handlers) out.protocols.push_back(protocol);
            out.streams.inbound_streams_max = options.inbound_streams_max;
            return out;
        }

        std::shared_ptr<link> add_link(tcp::socket socket, libp2p::connection machine, bool outbound) {
            auto l =
                std::make_shared<link>(std::move(socket), std::move(machine), outbound, options, *this, clock.now());
            links.insert(l);
            l->start();
            sweep_later();
            return l;
        }

        void on_established(std::shared_ptr<link> const& which) override {
            auto const& who = which->peer();
            auto const dialled = dials.find(who);
            if (dialled != dials.end() && dialled->second->setting_up == which) dials.erase(dialled);
            auto const known = active.find(who);
            if (who == host.id())
                return which->end(error{transport::errc::no_address, "a peer does not connect to itself"});
            if ((known != active.end() && !replaces(*which, *known->second))) {
                return which->retire(clock.now());
            }
            if (known != active.end()) {
                // One that is still being retired has had its chance; or a peer could fill all places with them.
                abandon_retiring(who);
                retire(known->second, "replaced by another connection");
            }
            active.emplace(who, which);
            dials.erase(who);
            tell(transport::connected{who});
        }

        void abandon_retiring(peer::peer_id const& who) {
            std::erase_if(links, [&](auto const& l) {
                bool const retiring = l->is_retiring() && l->peer() == who;
                if (retiring) l->abandon();
                return retiring;
            });
        }
        void retire(std::shared_ptr<link> l, std::string why) {
            active.erase(l->peer());
            tell(transport::disconnected{l->peer(), error{transport::errc::closed, std::move(why)}});
            l->retire(clock.now());
        }
        void on_leaving(std::shared_ptr<link> const& which) override {
            retire(which, "the peer closes the connection");
        }

        /// Whether a new connection to the same peer is the one to keep.
        [[nodiscard]] bool replaces(link const& fresh, link const& old) const {
            if (fresh.outbound() == old.outbound()) return true;
            bool const we_are_smaller = host.id() < fresh.peer();
            return fresh.outbound() == we_are_smaller;
        }

        void on_frame(link& which, std::string const& protocol, byte_view frame) override {
            auto const found = active.find(which.peer());
            if (found == active.end() || !(found->second.get() == &which || which.is_retiring())) return;
            queue.emplace_back(protocol, transport::received{which.peer(), to_bytes(frame)});
            deliver_later();
        }
        void on_writable(link& which) override {
            if (!which.is_retiring()) tell(transport::writable{which.peer()});
        }

        void on_ended(std::shared_ptr<link> const& which, error const& why) override {
            links.erase(which);
            for (auto const& [who, d] : dials) {
                if (d->setting_up != which) continue;
                d->last_failure = why.to_text();
                d->setting_up.reset();
                boost::asio::post(executor, [self = shared_from_this(), d = d] { self->try_next(d); });
                return;
            }
            auto const known = active.find(which->peer());
            if (known == active.end() || known->second != which) return;
            active.erase(known);
            tell(transport::disconnected{which->peer(), why});
        }

        void disconnect(peer::peer_id const& who) {
            error const why{transport::errc::closed, "disconnected on purpose"};
            if (auto const dialled = dials.find(who); dialled != dials.end()) {
                auto const d = dialled->second;
                dials.erase(dialled);
                if (d->setting_up) {
                    links.erase(d->setting_up);
                    d->setting_up->abandon();
                }
                boost::system::error_code ignored;
                if (d->socket) d->socket->close(ignored);
                if (d->resolver) d->resolver->cancel();
                tell(transport::connect_failed{who, why});
            }
            abandon_retiring(who);
            if (auto const found = active.find(who); found != active.end()) {
                auto const l = found->second;
                l->end(why);
            }
            // What it had sent is not delivered any more.
            std::erase_if(queue, [&](auto const& item) {
                auto const* const r = std::get_if<transport::received>(&item.second);
                return r != nullptr && r->peer == who;
            });
        }

        [[nodiscard]] result<void> send(peer::peer_id const& who, std::string_view protocol, byte_view frame) {
            if (closed) return error{transport::errc::closed, "this transport was closed"};
            if (frame.size() > options.frame_size_max) {
                return error{transport::errc::too_large,
                             text("frame of ", frame.size(), " octets, at most ", options.frame_size_max)};
            }
            auto const found = active.find(who);
            if (found == active.end()) {
                return error{transport::errc::not_connected,
                             text("not connected to ", who.to_text(), "; connect first")};
            }
            return found->second->send(protocol, frame);
        }

        // ---- time ---------------------------------------------------------------------------------------

        // One timer looks at all connections once a second, as long as there are any: limits of seconds do not
        // need better, and nothing has to be armed per connection.
        void sweep_later() {
            if (std::exchange(sweeping, true)) return;
            sweep_timer.expires_after(std::chrono::seconds{1});
            sweep_timer.async_wait([self = shared_from_this()](boost::system::error_code const& ec) {
                self->sweeping = false;
                if (ec || self->closed) return;
                self->sweep();
            });
        }

        void sweep() {
            auto const now = clock.now();
            auto const all = links;
            for (auto const& l : all) l->tick(now);
            auto const dialling = dials;
            for (auto const& [who, d] : dialling) {
                if (!d->setting_up && now - d->attempt_began >= options.dial_timeout) {
                    if (d->resolver) d->resolver->cancel();
                    boost::system::error_code ignored;
                    if (d->socket) d->socket->close(ignored);  // its handler goes on to the next address
                }
            }
            if (!links.empty() || !dials.empty()) sweep_later();
        }

        // ---- events -------------------------------------------------------------------------------------

        void tell(transport::event what) {
            queue.emplace_back(std::string{}, std::move(what));
            deliver_later();
        }
        void deliver_later() {
            if (std::exchange(delivering, true)) return;
            boost::asio::post(executor, [self = shared_from_this()] { self->deliver(); });
        }
        void deliver() {
            delivering = false;
            auto const again = std::shared_ptr<void>{nullptr, [this](void*) {
                                                         if (!queue.empty() && !closed)
                                                             deliver_later();  // a handler threw: the rest is not lost
                                                     }};
            while (!queue.empty() && !closed) {
                auto const [protocol, what] = std::move(queue.front());
                queue.pop_front();
                std::vector<std::string> names{protocol};
                if (protocol.empty()) {
                    names.clear();
                    for (auto const& [name, handler] : handlers) names.push_back(name);
                }
                for (auto const& name : names) {
                    auto const found = handlers.find(name);  // an earlier handler may have detached it
                    if (found == handlers.end() || closed) continue;
                    auto const handler = found->second;  // it may detach itself
                    handler(what);
                }
            }
        }

        void close() {
            if (std::exchange(closed, true)) return;
            boost::system::error_code ignored;
            for (auto const& a : acceptors) a->close(ignored);
            for (auto const& [who, d] : dials) {
                if (d->socket) d->socket->close(ignored);
                if (d->resolver) d->resolver->cancel();
            }
            for (auto const& l : links) l->abandon();
            sweep_timer.cancel();
            acceptors.clear();
            dials.clear();
            active.clear();
            links.clear();
            queue.clear();
            handlers.clear();
        }

        [[nodiscard]] static std::optional<tcp::endpoint> endpoint_of(peer::multiaddr const& address) {
            auto const name = address.host();
            auto const port = address.tcp_port();
            if (!name || !port) return std::nullopt;
            boost::system::error_code ec;
            auto const ip = boost::asio::ip::make_address(*name, ec);
            if (ec) return std::nullopt;
            return tcp::endpoint{ip, *port};
        }

        boost::asio::any_io_executor executor;
        peer::node_key const& host;
        transport_options options;
        system_clock clock;
        std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
        std::map<peer::peer_id, std::shared_ptr<dial>> dials;
        std::set<std::shared_ptr<link>> links;                  // all
        std::map<peer::peer_id, std::shared_ptr<link>> active;  // the one in use, per peer
        std::map<std::string, transport::event_handler> handlers;
        std::deque<std::pair<std::string, transport::event>> queue;
        boost::asio::steady_timer sweep_timer;
        bool sweeping = false;
        bool delivering = false;
        bool closed = false;
    };

    std::shared_ptr<core> core_;
};
static_assert(transport::transport<libp2p_transport>);

}  // namespace muster::net
