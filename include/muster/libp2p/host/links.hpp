// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The state of a host: its connections, and how they end. See host.hpp for what it is.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/core/random.hpp>
#include <muster/libp2p/host/admission.hpp>
#include <muster/libp2p/host/dialler.hpp>
#include <muster/libp2p/host/link.hpp>
#include <muster/peer/identity.hpp>

namespace muster::libp2p {

/// What a host knows of a connected peer.
struct host_peer {
    socket_id connection;
    libp2p::direction direction;
    peer::multiaddr remote;
    duration round_trip;  ///< Of the last ping; 0 before the first, which comes after `ping_interval`.
    instant last_heard;   ///< When the last byte came.
    MUSTER_FIELDS(host_peer, connection, direction, remote, round_trip, last_heard);
};

/// Gauges of a host, and counters since its beginning.
struct host_statistics {
    std::size_t connections = 0;  ///< All, at any stage.
    std::size_t inbound = 0;      ///< Of these, those that others have opened.
    std::size_t peers = 0;        ///< Connected.
    std::size_t dialling = 0;     ///< Peers.
    std::size_t held = 0;         ///< Bytes received and not consumed.
    std::size_t queued = 0;       ///< Bytes of frames and answers that wait for their streams.
    std::size_t sending = 0;      ///< Bytes that left their streams and were not taken by a socket yet.
    std::uint64_t accepted = 0;   ///< Connections.
    std::uint64_t refused = 0;    ///< Connections of either direction that were refused, or closed to make room.
    std::uint64_t bytes_in = 0;   ///< From sockets.
    std::uint64_t bytes_out = 0;  ///< To sockets.
    MUSTER_FIELDS(host_statistics, connections, inbound, peers, dialling, held, queued, sending, accepted, refused,
                  bytes_in, bytes_out);
};

namespace detail {

/// What a host holds.
template <secret_source Secret>
class host_links {
protected:
    using stage = link::stage;

    host_links(peer::node_key const& key, host_options options, std::uint64_t seed, Secret source)
        : key_{&key},
          options_{std::move(options)},
          source_{std::move(source)},
          places_{options_, seed},
          dials_{options_} {}

    [[nodiscard]] link* find(socket_id id) {
        auto const found = links_.find(id);
        return found == links_.end() ? nullptr : &found->second;
    }
    /// A connection that streams can be used on.
    [[nodiscard]] link* find_established(socket_id id) {
        auto* const l = find(id);
        return l != nullptr && l->is_established() ? l : nullptr;
    }
    [[nodiscard]] std::vector<socket_id> links_of(peer::peer_id const& who) const {
        std::vector<socket_id> out;
        for (auto const& [id, l] : links_) {
            if (l.is_established() && l.peer == who) out.push_back(id);
        }
        return out;
    }
    /// A command has left something to write: the next `wake`, which is due, writes it.
    void soil(link& l, instant now) {
        recount(l);
        if (l.outgoing.empty() || l.is_writing || std::exchange(l.is_dirty, true)) return;  // what is written goes on
        if (dirty_.empty()) dirty_since_ = now;
        dirty_.push_back(l.id);
    }

    /// Output that a socket has not taken yet is held for the peer as well.
    void recount(link& l) noexcept {
        auto const before = std::exchange(l.sending, l.outgoing.size() + l.writing);
        sending_ = sending_ - before + l.sending;
    }
    /// What a connection may hold when all hold too much together.
    [[nodiscard]] std::size_t share_of_buffers() const noexcept {
        return options_.buffers_max / std::max<std::size_t>(options_.connections_max, 1);
    }
    /// Reads again what was not read since too much was held, when that is over.
    template <class Sink>
    void read_on(link& l, instant now, Sink& out) {
        bool const is_too_much = l.held > options_.connection_buffer_max / 2 ||
                                 (held_ > options_.buffers_max && l.held > share_of_buffers() / 2);
        if (!l.paused_since || is_too_much) return;
        l.paused_since.reset();
        l.last_heard = now;
        out.push(resume_reading{l.id});
    }

    template <class Sink>
    void use(link& l, instant now, Sink& out) {
        l.at = stage::active;
        l.since = l.last_ping = now;
        l.idle_since.reset();
        active_[l.peer] = l.id;
        out.push(peer_connected{l.peer, l.id, l.way, l.remote});
    }
    /// The one in use is gone: another one that lives, and that the peer may take to be the one in use, is used again.
    template <class Sink>
    void use_another(peer::peer_id const& who, instant now, Sink& out) {
        link* newest = nullptr;
        for (auto& [id, l] : links_) {
            if (l.at == stage::leaving && l.peer == who && !l.is_left && (!newest || newest->since < l.since))
                newest = &l;
        }
        if (newest != nullptr) use(*newest, now, out);
    }

    // Where others see us from is where we listen, as long as that can reach the target.
    [[nodiscard]] std::optional<peer::multiaddr> source_for(peer::multiaddr const& to) const {
        auto const path = to.components();
        for (auto const& [id, l] : listeners_) {
            if (!l.is_specific) continue;
            auto const own = l.where.front().components();
            bool const is_like =
                own.front().protocol == path.front().protocol && is_loopback(own.front()) == is_loopback(path.front());
            if (is_like) return l.where.front();
        }
        return std::nullopt;
    }
    [[nodiscard]] static bool is_loopback(peer::multiaddr::component const& ip) {
        if (ip.protocol == peer::address_protocol::ip4) return ip.value[0] == 127;
        return std::all_of(ip.value.begin(), ip.value.end() - 1, [](byte b) { return b == 0; }) && ip.value.back() == 1;
    }

    // ---- ends -------------------------------------------------------------------------------------------

    /// Services and dials are told that a connection is over.
    template <class Sink>
    void tell_end(link& l, error const& why, instant now, Sink& out) {
        places_.leave(l.id);
        held_ -= std::exchange(l.held, 0);
        queued_ -= std::exchange(l.queued, 0);
        for (auto const& [id, s] : std::exchange(l.streams, {})) {
            out.push(stream_gone{{l.id, id}, end_of_stream::reset});
        }
        if (l.at == stage::active) {
            active_.erase(l.peer);
            out.push(peer_disconnected{l.peer, why});
            use_another(l.peer, now, out);
        }
        if (l.way == direction::outbound && (l.at == stage::opening || l.at == stage::upgrading)) {
            dials_.failed(l.peer, l.id, text(l.remote.to_text(), ": ", why.to_text()), now);
        }
    }
    /// A connection whose socket is gone.
    template <class Sink>
    void forget(socket_id id, error const& why, instant now, Sink& out) {
        auto& l = links_.at(id);
        tell_end(l, error{transport::errc::peer_failed, why.message()}, now, out);
        sending_ -= l.sending;
        links_.erase(id);
    }
    /// Ends a connection at once.
    template <class Sink>
    void end(socket_id id, error const& why, instant now, Sink& out) {
        tell_end(links_.at(id), why, now, out);
        drop(id, out);
    }
    template <class Sink>
    void drop(socket_id id, Sink& out) {
        out.push(close_socket{id});
        sending_ -= links_.at(id).sending;
        links_.erase(id);
    }

    static constexpr duration sweep_interval = std::chrono::seconds{1};
    static constexpr std::size_t output_size_max = 256u << 10;  // a connection's; ours: what a window admits
    static constexpr std::size_t pings_max = 64;                // ours: at the default interval more than ten minutes

    peer::node_key const* key_;
    host_options options_;
    [[no_unique_address]] Secret source_;
    std::vector<std::string> protocols_;
    std::map<listener_id, listening> listeners_;
    listener_id last_listener_ = 0;
    std::set<peer::peer_id> protected_;
    admission places_;
    dialler dials_;
    std::map<socket_id, link> links_;
    std::map<peer::peer_id, socket_id> active_;
    std::vector<socket_id> dirty_;
    instant dirty_since_{};
    instant sweep_at_{};
    socket_id next_socket_ = 1;
    std::size_t held_ = 0;
    std::size_t queued_ = 0;
    std::size_t sending_ = 0;
    host_statistics counted_;
};

}  // namespace detail
}  // namespace muster::libp2p
