// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The order in which the addresses of a peer are tried.
///
/// Idea: an address that does not answer says so late or never, so the next one is tried while it is waited for; and
/// the first one that leads to the peer wins. Machines with a broken IPv6 are common, so the families take turns.
///
/// Algorithm: addresses are sorted so that IPv6 and IPv4 alternate, IPv6 first, and begun a stagger apart, or at once
/// when one fails. Names are looked up side by side; what they stand for joins the others. A peer is unreachable when
/// nothing is left to wait for.
///
/// Source: RFC 8305, Happy Eyeballs Version 2.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/libp2p/host/events.hpp>
#include <muster/libp2p/host/options.hpp>
#include <muster/libp2p/sockets.hpp>
#include <muster/transport/errc.hpp>

namespace muster::libp2p {

/// The peers that are being dialled. Not thread-safe.
class dialler {
public:
    /// @p o must outlive it.
    explicit dialler(host_options const& o) noexcept : options_{&o} {}

    /// What is to be tried now.
    struct attempt {
        peer::peer_id peer;
        peer::multiaddr to;
    };

    [[nodiscard]] bool is_dialling(peer::peer_id const& who) const { return dials_.count(who) != 0; }
    [[nodiscard]] std::size_t size() const noexcept { return dials_.size(); }

    /// Begins with @p who, who is not being dialled. Addresses beyond the bound are left out.
    template <effect_sink<host_effect> Sink>
    void begin(peer::peer_id const& who, std::span<peer::multiaddr const> addresses, instant now, Sink& out) {
        auto& d = dials_[who];
        d.next_attempt = now;
        for (auto const& a : addresses) add(who, d, a, now, out);
        sort(d);
    }
    /// A name stands for these addresses. Late news are ignored.
    void resolved(libp2p::resolved const& e) {
        auto const found = queries_.find(e.query);
        if (found == queries_.end()) return;
        auto& d = dials_.at(found->second.peer);
        if (e.found.empty()) d.last_failure = text(found->second.name, ": ", e.why.empty() ? "no address" : e.why);
        for (auto const& a : e.found) add_candidate(d, a, found->second.kind);
        sort(d);
        end_query(found);
    }
    /// The next attempt that is due, if one is. Say @ref started for it.
    [[nodiscard]] std::optional<attempt> next(instant now) {
        for (auto& [who, d] : dials_) {
            if (d.waiting.empty() || now < d.next_attempt) continue;
            attempt out{who, d.waiting.front()};
            d.waiting.pop_front();
            d.next_attempt = saturating_add(now, options_->dial_stagger);
            return out;
        }
        return std::nullopt;
    }
    /// An attempt that @ref next gave is under way on that socket.
    void started(peer::peer_id const& who, socket_id socket) { dials_.at(who).sockets.insert(socket); }
    /// An attempt has come to nothing.
    void failed(peer::peer_id const& who, socket_id socket, std::string why, instant now) {
        auto const found = dials_.find(who);
        if (found == dials_.end() || found->second.sockets.erase(socket) == 0) return;
        found->second.last_failure = std::move(why);
        found->second.next_attempt = now;
    }
    /// Ends dialling @p who. @return the sockets of its other attempts.
    [[nodiscard]] std::set<socket_id> end(peer::peer_id const& who) {
        auto const found = dials_.find(who);
        if (found == dials_.end()) return {};
        std::erase_if(queries_, [&](auto const& q) { return q.second.peer == who; });
        auto sockets = std::move(found->second.sockets);
        dials_.erase(found);
        return sockets;
    }
    /// Names that nobody answers for are given up.
    void wake(instant now) {
        for (auto q = queries_.begin(); q != queries_.end();) {
            auto const next = std::next(q);
            if (now >= q->second.ends) {
                dials_.at(q->second.peer).last_failure = text(q->second.name, ": no name server answers");
                end_query(q);
            }
            q = next;
        }
    }
    /// A peer that nothing is left to try for, and why; it is not being dialled any more.
    [[nodiscard]] std::optional<std::pair<peer::peer_id, error>> take_unreachable() {
        for (auto d = dials_.begin(); d != dials_.end(); ++d) {
            if (!d->second.waiting.empty() || !d->second.sockets.empty() || d->second.queries != 0) continue;
            std::pair out{d->first, error{transport::errc::unreachable, std::move(d->second.last_failure)}};
            dials_.erase(d);
            return out;
        }
        return std::nullopt;
    }
    [[nodiscard]] deadline next_deadline() const {
        deadline out;
        for (auto const& [who, d] : dials_) {
            if (!d.waiting.empty()) out = earlier(out, d.next_attempt);
        }
        for (auto const& [id, q] : queries_) out = earlier(out, q.ends);
        return out;
    }

private:
    struct dial {
        std::deque<peer::multiaddr> waiting;
        std::set<peer::multiaddr> known;  // all that were ever waiting
        std::set<socket_id> sockets;
        std::size_t queries = 0;
        instant next_attempt;
        std::string last_failure = "no usable address";
    };
    struct query {
        peer::peer_id peer;
        std::string name;
        socket_kind kind;
        instant ends;
    };

    template <class Sink>
    void add(peer::peer_id const& who, dial& d, peer::multiaddr const& a, instant now, Sink& out) {
        using protocol = peer::address_protocol;
        auto const kind = kind_of_socket(a);
        bool const is_spoken = kind == socket_kind::tcp || (kind == socket_kind::websocket && options_->has_websocket);
        if (is_spoken && begins_with_ip(a)) return add_candidate(d, a, kind);
        if (!is_spoken || *a.tcp_port() == 0) {
            d.last_failure = text(a.to_text(),
                                  " cannot be dialled here: give an IP address or a name with a TCP port and "
                                  "nothing more",
                                  options_->has_websocket ? " but /ws" : "");
            return;
        }
        if (d.queries == options_->dial_addresses_max) return;
        auto const first = a.components().front().protocol;
        auto const which = first == protocol::dns4 ? family::ip4 : first == protocol::dns6 ? family::ip6 : family::any;
        ++d.queries;
        queries_[++last_query_] = {who, a.to_text(), kind, saturating_add(now, options_->resolve_timeout)};
        out.push(resolve{last_query_, *a.host(), which, *a.tcp_port()});
    }
    void add_candidate(dial& d, peer::multiaddr const& a, socket_kind kind) {
        auto const ip = spelt(a, kind);
        if (d.known.size() >= options_->dial_addresses_max || *ip.tcp_port() == 0) return;
        if (d.known.insert(ip).second) d.waiting.push_back(ip);
    }
    // Without the peer, so that the same address is dialled once.
    [[nodiscard]] static peer::multiaddr spelt(peer::multiaddr const& a, socket_kind kind) {
        return peer::multiaddr::from_text(text(a.to_text().starts_with("/ip6/") ? "/ip6/" : "/ip4/", *a.host(), "/tcp/",
                                               *a.tcp_port(), kind == socket_kind::websocket ? "/ws" : ""))
            .value();
    }
    // The families take turns, IPv6 first; within each the order is that in which they were given.
    static void sort(dial& d) {
        std::deque<peer::multiaddr> six, four, out;
        for (auto& a : d.waiting) (a.to_text().starts_with("/ip6/") ? six : four).push_back(std::move(a));
        while (!six.empty() || !four.empty()) {
            for (auto* const of : {&six, &four}) {
                if (of->empty()) continue;
                out.push_back(std::move(of->front()));
                of->pop_front();
            }
        }
        d.waiting = std::move(out);
    }
    void end_query(std::map<std::uint64_t, query>::iterator q) {
        --dials_.at(q->second.peer).queries;
        queries_.erase(q);
    }

    host_options const* options_;
    std::map<peer::peer_id, dial> dials_;
    std::map<std::uint64_t, query> queries_;
    std::uint64_t last_query_ = 0;
};

}  // namespace muster::libp2p
