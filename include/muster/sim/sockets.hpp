// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Simulated sockets: a byte stream between two hosts, under the whole libp2p stack.
///
/// Bytes arrive whole and in order, late, or not at all; see internet.hpp for what becomes of packets. A host that
/// loses power says nothing: who writes to it learns it by a reset when it is up again, or after the last
/// retransmission while it is down.

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/libp2p/sockets.hpp>
#include <muster/sim/internet.hpp>
#include <muster/transport/errc.hpp>

namespace muster::sim {

/// One process's sockets on an internet; models libp2p::sockets. A handle: copies are the same sockets.
class sockets {
public:
    /// @param ips  of the host, routed to it already; sockets are opened from the first one of the family.
    sockets(internet& net, host_id on, std::vector<std::string> ips)
        : state_{std::make_shared<state>(net, on, std::move(ips))} {}

    void attach(libp2p::socket_user* user) {
        state_->user = user;
        if (user == nullptr) state_->close(true);
    }
    /// The host loses power: nobody is told, and nothing happens here any more.
    void vanish() {
        state_->user = nullptr;
        state_->close(false);
    }
    void perform(libp2p::socket_effect& e) {
        std::visit([&](auto& v) { state_->perform(v); }, e);
    }
    void arm(deadline at) { state_->arm(at); }
    void turn() {
        state_->on_host([s = state_] {
            if (s->user != nullptr) s->user->on_turn();
        });
    }
    [[nodiscard]] instant now() const noexcept { return state_->net->world_->now(); }

private:
    struct state;
    /// One side of a connection.
    struct end {
        std::weak_ptr<state> peer{};
        libp2p::socket_id peers = 0;
        host_id to = 0;
        std::shared_ptr<internet::way> way = std::make_shared<internet::way>();
        std::deque<bytes> inbox{};
        std::size_t unread = 0;
        bool is_paused = false;
        bool is_told = false;     // a delivery is under way
        bool has_ended = false;   // the other side has closed
        bool peer_waits = false;  // for room here
    };

    struct state : std::enable_shared_from_this<state> {
        state(internet& n, host_id h, std::vector<std::string> own) : net{&n}, on{h}, ips{std::move(own)} {}

        // What happens here, as long as this process runs.
        void on_host(world::action what) { net->world_->after_on(on, duration{0}, std::move(what)); }
        template <class Event>
        void tell(Event e) {
            if (user != nullptr) user->on_socket(libp2p::socket_event{std::move(e)});
        }

        void perform(libp2p::listen& e) {
            auto opened = listen(e);
            opened ? tell(std::move(opened).value()) : tell(libp2p::listen_failed{e.listener, opened.error()});
        }
        void perform(libp2p::unlisten& e) {
            auto const found = places.find(e.listener);
            if (found == places.end()) return;
            for (auto const& place : found->second) net->listeners_.erase(place);
            places.erase(found);
        }
        [[nodiscard]] result<libp2p::listening> listen(libp2p::listen const& e) {
            auto const& address = e.at;
            if (!libp2p::is_socket_address(address)) {
                return error{muster::transport::errc::no_address,
                             text(address.to_text(), " is no IP address with a TCP port")};
            }
            auto const ip = *address.host();
            bool const is_any = ip == "0.0.0.0" || ip == "::";
            auto const port = *address.tcp_port() == 0 ? net->next_port_++ : *address.tcp_port();
            libp2p::listening out{e.listener, {}, !is_any};
            std::vector<std::pair<std::string, std::uint16_t>> wanted;
            for (auto const& own : ips) {
                if (is_any ? (own.find(':') == std::string::npos) != (ip == "0.0.0.0") : own != ip) continue;
                auto const taken = net->listeners_.find({own, port});
                if (taken != net->listeners_.end() && !taken->second.expired())
                    return error{muster::transport::errc::no_address, text(own, ":", port, " is taken")};
                wanted.emplace_back(own, port);
                out.where.push_back(address_of(own, port));
            }
            if (wanted.empty())
                return error{muster::transport::errc::no_address, text(ip, " is no address of this host")};
            for (auto const& place : wanted) net->listeners_[place] = this->shared_from_this();
            places[e.listener] = std::move(wanted);
            return out;
        }

        void perform(libp2p::resolve& e) {
            libp2p::resolved out{e.query, {}, {}};
            if (auto const found = net->names_.find(e.name); found != net->names_.end()) {
                for (auto const& ip : found->second) {
                    bool const is_six = ip.find(':') != std::string::npos;
                    bool const fits = e.family == libp2p::family::any || (e.family == libp2p::family::ip6) == is_six;
                    if (fits) out.found.push_back(address_of(ip, e.port));
                }
            } else {
                out.why = "no such name";
            }
            on_host([s = this->shared_from_this(), out] { s->tell(out); });
        }
        void perform(libp2p::open_socket& e) {
            auto const ip = *e.to.host();
            auto const route = net->routes_.find(ip);
            if (route == net->routes_.end()) return;  // nobody answers
            auto const source = e.from ? *e.from->host() : source_for(ip);
            auto const from = address_of(source, net->next_port_++);
            auto const listener = net->listeners_.find({ip, *e.to.tcp_port()});
            auto const there =
                listener == net->listeners_.end() ? nullptr : std::static_pointer_cast<state>(listener->second.lock());
            auto const to = there ? there->on : route->second.front();
            auto& mine = ends[e.socket];
            mine.to = to;
            auto const fail = [s = this->shared_from_this(), id = e.socket](char const* why) {
                s->on_host([s, id, why] {
                    if (s->ends.erase(id) != 0)
                        s->tell(libp2p::dial_failed{id, error{muster::transport::errc::unreachable, why}});
                });
            };
            net->carry(
                on, to, 60, mine.way,
                [s = this->shared_from_this(), id = e.socket, weak = std::weak_ptr{there}, from, fail] {
                    auto const peer = weak.lock();
                    if (!peer || peer->user == nullptr) return fail("connection refused");
                    peer->accept(s, id, from);
                },
                [] {});
        }
        // A connection has reached us.
        void accept(std::shared_ptr<state> const& other, libp2p::socket_id theirs, peer::multiaddr const& from) {
            next_accepted += 2;
            auto const id = next_accepted;
            auto& mine = ends[id];
            mine.peer = other;
            mine.peers = theirs;
            mine.to = other->on;
            on_host([s = this->shared_from_this(), id, from] { s->tell(libp2p::accepted{id, from}); });
            net->carry(
                on, other->on, 60, mine.way,
                [other, theirs, s = this->weak_from_this(), id] {
                    other->on_host([other, theirs, s, id] {
                        auto const found = other->ends.find(theirs);
                        if (found == other->ends.end()) return;
                        found->second.peer = s;
                        found->second.peers = id;
                        other->tell(libp2p::dialled{theirs});
                    });
                },
                [] {});
        }

        void perform(libp2p::write_socket& e) {
            auto const found = ends.find(e.socket);
            if (found == ends.end()) return;
            auto& mine = found->second;
            for (byte_view rest{e.content}; !rest.empty();) {
                auto const part = rest.first(std::min(rest.size(), net->limits_.segment));
                rest = rest.subspan(part.size());
                send(e.socket, mine, to_bytes(part), rest.empty());
            }
        }
        void send(libp2p::socket_id id, end& mine, bytes part, bool is_last) {
            auto const size = part.size();
            net->carry(
                on, mine.to, size, mine.way,
                [s = this->shared_from_this(), id, peer = mine.peer, theirs = mine.peers, is_last,
                 content = std::move(part)] {
                    auto const other = peer.lock();
                    if (!other || other->user == nullptr || other->ends.count(theirs) == 0) {
                        return s->lose(id, "reset by the peer");
                    }
                    other->take(theirs, content, is_last);
                },
                [s = this->shared_from_this(), id] { s->lose(id, "timed out"); });
        }
        // Bytes have come; whoever wrote them may go on when there is room for more.
        void take(libp2p::socket_id id, bytes const& content, bool is_last) {
            auto& mine = ends.at(id);
            mine.unread += content.size();
            mine.inbox.push_back(content);
            mine.peer_waits = mine.peer_waits || is_last;
            if (mine.unread <= net->limits_.receive_buffer) release_writer(mine);
            deliver(id);
        }
        void release_writer(end& mine) {
            if (!std::exchange(mine.peer_waits, false)) return;
            auto const other = mine.peer.lock();
            if (!other) return;
            other->on_host([other, theirs = mine.peers] {
                if (other->ends.count(theirs) != 0) other->tell(libp2p::written{theirs});
            });
        }
        void deliver(libp2p::socket_id id) {
            auto const found = ends.find(id);
            if (found == ends.end() || found->second.is_paused || std::exchange(found->second.is_told, true)) return;
            on_host([s = this->shared_from_this(), id] {
                auto at = s->ends.find(id);
                if (at == s->ends.end()) return;
                at->second.is_told = false;
                while (at != s->ends.end() && !at->second.is_paused && !at->second.inbox.empty()) {
                    auto const content = std::move(at->second.inbox.front());
                    at->second.inbox.pop_front();
                    at->second.unread -= content.size();
                    if (at->second.unread <= s->net->limits_.receive_buffer) s->release_writer(at->second);
                    s->net->world_->log().note(content);
                    s->tell(libp2p::socket_bytes{id, content});
                    at = s->ends.find(id);
                }
                if (at == s->ends.end() || !at->second.inbox.empty() || !at->second.has_ended) return;
                s->ends.erase(at);
                s->tell(libp2p::socket_closed{id, error{muster::transport::errc::peer_failed, "closed by the peer"}});
            });
        }

        void perform(libp2p::pause_reading& e) {
            if (auto const found = ends.find(e.socket); found != ends.end()) found->second.is_paused = true;
        }
        void perform(libp2p::resume_reading& e) {
            auto const found = ends.find(e.socket);
            if (found == ends.end()) return;
            found->second.is_paused = false;
            deliver(e.socket);
        }
        void perform(libp2p::close_socket& e) {
            auto const found = ends.find(e.socket);
            if (found == ends.end()) return;
            say_goodbye(found->second);
            ends.erase(found);
        }
        void say_goodbye(end& mine) {
            net->carry(
                on, mine.to, 60, mine.way,
                [peer = mine.peer, theirs = mine.peers] {
                    auto const other = peer.lock();
                    if (!other) return;
                    auto const found = other->ends.find(theirs);
                    if (found == other->ends.end()) return;
                    found->second.has_ended = true;
                    other->deliver(theirs);
                },
                [] {});
        }
        void lose(libp2p::socket_id id, char const* why) {
            on_host([s = this->shared_from_this(), id, why] {
                if (s->ends.erase(id) == 0) return;
                s->tell(libp2p::socket_closed{id, error{muster::transport::errc::peer_failed, why}});
            });
        }
        void close(bool says_goodbye) {
            for (auto& [id, e] : ends) {
                if (says_goodbye) say_goodbye(e);
            }
            ends.clear();
            std::erase_if(net->listeners_, [&](auto const& l) { return l.second.lock().get() == this; });
            places.clear();
        }

        void arm(deadline at) {
            auto const number = ++armed;
            if (!at) return;
            net->world_->after_on(on, std::max(*at - net->world_->now(), duration{0}),
                                  [s = this->shared_from_this(), number] {
                                      if (s->armed == number && s->user != nullptr) s->user->on_turn();
                                  });
        }

        [[nodiscard]] std::string source_for(std::string const& target) const {
            bool const is_six = target.find(':') != std::string::npos;
            auto const found = std::find_if(ips.begin(), ips.end(), [&](std::string const& ip) {
                return (ip.find(':') != std::string::npos) == is_six;
            });
            return found == ips.end() ? std::string{is_six ? "::1" : "127.0.0.1"} : *found;
        }
        [[nodiscard]] static peer::multiaddr address_of(std::string const& ip, std::uint16_t port) {
            bool const is_six = ip.find(':') != std::string::npos;
            return peer::multiaddr::from_text(text(is_six ? "/ip6/" : "/ip4/", ip, "/tcp/", port)).value();
        }

        internet* net;
        host_id on;
        std::vector<std::string> ips;
        libp2p::socket_user* user = nullptr;
        std::map<libp2p::socket_id, end> ends;
        std::map<libp2p::listener_id, std::vector<std::pair<std::string, std::uint16_t>>> places;  // by listener
        libp2p::socket_id next_accepted = 0;
        std::uint64_t armed = 0;
    };

    std::shared_ptr<state> state_;
};
static_assert(libp2p::sockets<sockets>);

}  // namespace muster::sim
