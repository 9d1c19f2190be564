// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What goes into a libp2p host, and what comes out.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/error.hpp>
#include <muster/libp2p/connection/events.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::libp2p {

/// Names a socket. The host numbers those that it opens, with odd numbers; who owns the sockets numbers those that were
/// accepted, with even ones. A number is used once.
using socket_id = std::uint64_t;

/// A stream of a connection.
struct stream_ref {
    socket_id connection = 0;
    stream_id stream = 0;
    auto operator<=>(stream_ref const&) const = default;
};

/// Which addresses a name may stand for.
enum class family : std::uint8_t { any, ip4, ip6 };

// ---- what happens to sockets: into the host -----------------------------------------------------------------

/// Somebody has connected to one of our listeners.
struct accepted {
    socket_id socket;
    peer::multiaddr remote;
    bool operator==(accepted const&) const = default;
};
/// A socket that was to be opened is.
struct dialled {
    socket_id socket;
    bool operator==(dialled const&) const = default;
};
/// A socket could not be opened.
struct dial_failed {
    socket_id socket;
    error why;
    bool operator==(dial_failed const&) const = default;
};
/// A name stands for these IP addresses with TCP ports; when there are none, `why` says the reason.
struct resolved {
    std::uint64_t query;
    std::vector<peer::multiaddr> found;
    std::string why;
    bool operator==(resolved const&) const = default;
};
/// Bytes came in; they are the caller's.
struct socket_bytes {
    socket_id socket;
    byte_view content;
};
/// What was to be written is.
struct written {
    socket_id socket;
    bool operator==(written const&) const = default;
};
/// A socket is gone, by itself.
struct socket_closed {
    socket_id socket;
    error why;
    bool operator==(socket_closed const&) const = default;
};
/// What a host is told.
using socket_event = std::variant<accepted, dialled, dial_failed, resolved, socket_bytes, written, socket_closed>;

// ---- what is to be done to sockets: out of the host ---------------------------------------------------------

/// Answer with @ref resolved, whatever happens.
struct resolve {
    std::uint64_t query;
    std::string name;
    libp2p::family family;
    std::uint16_t port;
    bool operator==(resolve const&) const = default;
};
/// Connect to an IP address and TCP port, where possible from the IP address @p from; answer with @ref dialled or @ref
/// dial_failed.
struct open_socket {
    socket_id socket;
    peer::multiaddr to;
    std::optional<peer::multiaddr> from;
    bool operator==(open_socket const&) const = default;
};
/// Write, and answer with @ref written or @ref socket_closed. One at a time per socket.
struct write_socket {
    socket_id socket;
    bytes content;
    bool operator==(write_socket const&) const = default;
};
/// Read no more before @ref resume_reading. A new socket reads at once.
struct pause_reading {
    socket_id socket;
    bool operator==(pause_reading const&) const = default;
};
/// @see pause_reading
struct resume_reading {
    socket_id socket;
    bool operator==(resume_reading const&) const = default;
};
/// Close; no event names the socket again.
struct close_socket {
    socket_id socket;
    bool operator==(close_socket const&) const = default;
};

// ---- what happens to peers and streams: out of the host, to its services ------------------------------------

/// A connection to a peer is the one in use. At most one per peer at a time.
struct peer_connected {
    peer::peer_id peer;
    socket_id connection;
    libp2p::direction direction;
    peer::multiaddr remote;
    bool operator==(peer_connected const&) const = default;
};
/// A peer has no connection in use any more. Streams of the old one may live on for a while: see @ref leaving.
struct peer_disconnected {
    peer::peer_id peer;
    error why;
    bool operator==(peer_disconnected const&) const = default;
};
/// A peer that was to be connected cannot be.
struct peer_unreachable {
    peer::peer_id peer;
    error why;
    bool operator==(peer_unreachable const&) const = default;
};
/// A connection is to end: finish its streams. It is closed when it has none, or before long.
struct leaving {
    socket_id connection;
    peer::peer_id peer;
    bool operator==(leaving const&) const = default;
};
/// A stream has agreed on a protocol and can be used.
struct stream_opened {
    stream_ref stream;
    peer::peer_id peer;
    std::string protocol;
    libp2p::direction direction;
    bool operator==(stream_opened const&) const = default;
};
/// Bytes of a stream; say `consume` when done with them.
struct stream_bytes {
    stream_ref stream;
    bytes content;
    bool operator==(stream_bytes const&) const = default;
};
/// A write that was cut short may go on.
struct stream_ready_again {
    stream_ref stream;
    bool operator==(stream_ready_again const&) const = default;
};
/// The peer sends no more on a stream.
struct stream_ended {
    stream_ref stream;
    bool operator==(stream_ended const&) const = default;
};
/// A stream is gone, or never came to be. No event names it again.
struct stream_gone {
    stream_ref stream;
    end_of_stream reason;
    bool operator==(stream_gone const&) const = default;
};

/// What a host wants done, and what it tells.
using host_effect = std::variant<resolve, open_socket, write_socket, pause_reading, resume_reading, close_socket,
                                 peer_connected, peer_disconnected, peer_unreachable, leaving, stream_opened,
                                 stream_bytes, stream_ready_again, stream_ended, stream_gone>;

}  // namespace muster::libp2p
