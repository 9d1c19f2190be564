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
#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>
#include <muster/core/fields.hpp>
#include <muster/libp2p/connection/events.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::libp2p {

/// Names a socket. The host numbers those that it opens, with odd numbers; who owns the sockets numbers those that were
/// accepted, with even ones. A number is used once.
using socket_id = std::uint64_t;
/// Names a listener. The host numbers them; a number is used once.
using listener_id = std::uint64_t;

/// A stream of a connection.
struct stream_ref {
    socket_id connection = 0;
    stream_id stream = 0;
    auto operator<=>(stream_ref const&) const = default;
    MUSTER_FIELDS(stream_ref, connection, stream);
};

/// Which addresses a name may stand for.
MUSTER_ENUMERATION(family, 0, any, ip4, ip6);

// ---- what happens to sockets: into the host -----------------------------------------------------------------

/// Somebody has connected to one of our listeners.
struct accepted {
    socket_id socket;
    peer::multiaddr remote;
    MUSTER_FIELDS(accepted, socket, remote);
};
/// A socket that was to be opened is.
struct dialled {
    socket_id socket;
    MUSTER_FIELDS(dialled, socket);
};
/// A socket could not be opened.
struct dial_failed {
    socket_id socket;
    error why;
    MUSTER_FIELDS(dial_failed, socket, why);
};
/// A name stands for these IP addresses with TCP ports; when there are none, `why` says the reason.
struct resolved {
    std::uint64_t query;
    std::vector<peer::multiaddr> found;
    std::string why;
    MUSTER_FIELDS(resolved, query, found, why);
};
/// Bytes came in; they are the caller's.
struct socket_bytes {
    socket_id socket;
    byte_view content;
    static constexpr auto fields =
        field_list{"socket_bytes", field{"socket", &socket_bytes::socket}, field{"content", &socket_bytes::content}};
    friend bool operator==(socket_bytes const& a, socket_bytes const& b) { return have_equal_fields(a, b); }
};
/// What was to be written is.
struct written {
    socket_id socket;
    MUSTER_FIELDS(written, socket);
};
/// A socket is gone, by itself.
struct socket_closed {
    socket_id socket;
    error why;
    MUSTER_FIELDS(socket_closed, socket, why);
};
/// A listener that was to be opened is.
struct listening {
    listener_id listener;
    std::vector<peer::multiaddr> where;  ///< With the port that it got; of an unspecified address the machine's own.
    bool is_specific;                    ///< Whether it listens on one address alone.
    MUSTER_FIELDS(listening, listener, where, is_specific);
};
/// A listener could not be opened.
struct listen_failed {
    listener_id listener;
    error why;
    MUSTER_FIELDS(listen_failed, listener, why);
};
/// What a host is told.
using socket_event = std::variant<accepted, dialled, dial_failed, resolved, socket_bytes, written, socket_closed,
                                  listening, listen_failed>;

// ---- what is to be done to sockets: out of the host ---------------------------------------------------------

/// Answer with @ref resolved, whatever happens.
struct resolve {
    std::uint64_t query;
    std::string name;
    libp2p::family family;
    std::uint16_t port;
    MUSTER_FIELDS(resolve, query, name, family, port);
};
/// Connect to an IP address and TCP port, where possible from the IP address @p from; answer with @ref dialled or @ref
/// dial_failed.
struct open_socket {
    socket_id socket;
    peer::multiaddr to;
    std::optional<peer::multiaddr> from;
    MUSTER_FIELDS(open_socket, socket, to, from);
};
/// Write, and answer with @ref written or @ref socket_closed. One at a time per socket.
struct write_socket {
    socket_id socket;
    bytes content;
    MUSTER_FIELDS(write_socket, socket, content);
};
/// Read no more before @ref resume_reading. A new socket reads at once.
struct pause_reading {
    socket_id socket;
    MUSTER_FIELDS(pause_reading, socket);
};
/// @see pause_reading
struct resume_reading {
    socket_id socket;
    MUSTER_FIELDS(resume_reading, socket);
};
/// Close; no event names the socket again.
struct close_socket {
    socket_id socket;
    MUSTER_FIELDS(close_socket, socket);
};
/// Accept connections at an IP address and TCP port; answer at once, with @ref listening or @ref listen_failed.
struct listen {
    listener_id listener;
    peer::multiaddr at;
    MUSTER_FIELDS(listen, listener, at);
};
/// Accept no more there; what was accepted lives on.
struct unlisten {
    listener_id listener;
    MUSTER_FIELDS(unlisten, listener);
};
/// What is to be done to sockets.
using socket_effect =
    std::variant<resolve, open_socket, write_socket, pause_reading, resume_reading, close_socket, listen, unlisten>;

// ---- what happens to peers and streams: out of the host, to its services ------------------------------------

/// A connection to a peer is the one in use. At most one per peer at a time.
struct peer_connected {
    peer::peer_id peer;
    socket_id connection;
    libp2p::direction direction;
    peer::multiaddr remote;
    MUSTER_FIELDS(peer_connected, peer, connection, direction, remote);
};
/// A peer has no connection in use any more. Streams of the old one may live on for a while: see @ref leaving.
struct peer_disconnected {
    peer::peer_id peer;
    error why;
    MUSTER_FIELDS(peer_disconnected, peer, why);
};
/// A peer that was to be connected cannot be.
struct peer_unreachable {
    peer::peer_id peer;
    error why;
    MUSTER_FIELDS(peer_unreachable, peer, why);
};
/// A connection is to end: finish its streams. It is closed when it has none, or before long.
struct leaving {
    socket_id connection;
    peer::peer_id peer;
    MUSTER_FIELDS(leaving, connection, peer);
};
/// A stream has agreed on a protocol and can be used.
struct stream_opened {
    stream_ref stream;
    peer::peer_id peer;
    std::string protocol;
    libp2p::direction direction;
    MUSTER_FIELDS(stream_opened, stream, peer, protocol, direction);
};
/// Bytes of a stream; say `consume` when done with them.
struct stream_bytes {
    stream_ref stream;
    bytes content;
    MUSTER_FIELDS(stream_bytes, stream, content);
};
/// A write that was cut short may go on.
struct stream_ready_again {
    stream_ref stream;
    MUSTER_FIELDS(stream_ready_again, stream);
};
/// The peer sends no more on a stream.
struct stream_ended {
    stream_ref stream;
    MUSTER_FIELDS(stream_ended, stream);
};
/// A stream is gone, or never came to be. No event names it again.
struct stream_gone {
    stream_ref stream;
    end_of_stream reason;
    MUSTER_FIELDS(stream_gone, stream, reason);
};

/// The addresses that we listen on are others now.
struct addresses_changed {
    MUSTER_FIELDS(addresses_changed);
};
/// A listener that was wanted did not come to be.
struct not_listening {
    listener_id listener;
    error why;
    MUSTER_FIELDS(not_listening, listener, why);
};

/// What a host wants done, and what it tells: a @ref socket_effect, or news.
using host_effect =
    std::variant<resolve, open_socket, write_socket, pause_reading, resume_reading, close_socket, listen, unlisten,
                 addresses_changed, not_listening, peer_connected, peer_disconnected, peer_unreachable, leaving,
                 stream_opened, stream_bytes, stream_ready_again, stream_ended, stream_gone>;

}  // namespace muster::libp2p
