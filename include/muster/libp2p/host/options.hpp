// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Bounds and times of a libp2p host.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include <muster/core/time.hpp>
#include <muster/libp2p/connection/events.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::libp2p {

/// What a gater decides about.
struct gate {
    /// How far a connection has come.
    enum class stage : std::uint8_t {
        accepted,  ///< Somebody connects; nobody knows who.
        secured,   ///< The peer has proved who it is.
        upgraded,  ///< It could be used from here on.
    };
    stage at = stage::accepted;
    libp2p::direction direction = libp2p::direction::inbound;
    peer::multiaddr remote;              ///< As the network sees it.
    std::optional<peer::peer_id> who{};  ///< None before it is secured.
};

/// Bounds on what a stranger can make us hold or wait for. Defaults are ours unless said otherwise.
struct host_options {
    std::size_t frame_size_max = 64u << 10;  ///< Bytes of one frame, either way.
    std::size_t send_queue_max = 1u << 20;   ///< Bytes waiting per stream before `congested`.

    std::size_t connections_max = 256;            ///< All connections; others open three quarters of it at most.
    std::size_t pending_inbound_max = 128;        ///< Accepted, not yet authenticated.
    std::size_t connections_per_prefix_max = 16;  ///< That have said anything, of one source: a /32 (IPv4) or /56
                                                  ///< (IPv6).
    std::size_t inbound_rate = 20;                ///< First words per second and source; bursts of as many.
    std::size_t connections_per_peer_max = 2;     ///< The one in use, and one that is being replaced.

    std::size_t inbound_streams_max = 256;         ///< Per connection.
    std::size_t streams_per_protocol_max = 64;     ///< Opened by the peer, per connection.
    std::size_t requests_per_peer_max = 64;        ///< Of ours, at a time; a peer of the same build accepts no more.
    std::size_t connection_buffer_max = 4u << 20;  ///< Bytes that one connection may make us hold, either way.
    std::size_t buffers_max = 64u << 20;           ///< The same of all connections.

    std::size_t dial_addresses_max = 16;                     ///< Of one peer, with those that its names stand for.
    duration dial_stagger = std::chrono::milliseconds{250};  ///< Between attempts (RFC 8305, section 8).
    duration dial_timeout = std::chrono::seconds{10};        ///< For one address, until the socket is connected.
    duration resolve_timeout = std::chrono::seconds{5};      ///< For one name.
    duration setup_timeout = std::chrono::seconds{10};       ///< From a socket to an authenticated peer.
    duration stream_timeout = std::chrono::seconds{10};      ///< From a stream to its protocol.
    duration linger =
        std::chrono::seconds{1};  ///< How long a connection that was replaced stays open without a stream.
    duration ping_interval = std::chrono::seconds{10};  ///< js-libp2p's connection monitor uses 10 s as well.
    duration ping_timeout = std::chrono::seconds{50};   ///< Silence beyond a ping's interval: the connection is dead.
                                                        ///< So long it may also leave us with what it has begun, while
                                                        ///< too much is held to read on.
    duration write_timeout = std::chrono::minutes{5};   ///< For the peer to take what was written at once, a megabyte
                                                        ///< at most.

    /// Of our first signed peer record; each change of where we listen adds one. Others remember the greatest that they
    /// have seen, so it has to be greater than in the last run: Unix milliseconds are what others use. 0 is 1, and on
    /// net::libp2p_transport the time.
    std::uint64_t record_sequence = 0;

    /// Whether the sockets speak WebSocket as well. A network sets it as its sockets say.
    bool has_websocket = false;

    /// Refuses connections by returning false. It is asked up to three times for a connection, of either direction:
    /// when it was accepted, where `who` is not known yet, secured, and upgraded. Whoever admits by peer says
    ///
    ///     return !g.who || *g.who == friend_id;
    ///
    /// The other side sees a connection that ends. An empty function refuses nothing. Must not call back. What it
    /// throws comes out of the event loop, and ends nothing but what it was asked about.
    std::function<bool(gate const&)> gater{};
};

}  // namespace muster::libp2p
