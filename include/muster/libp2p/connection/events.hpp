// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What happens on a libp2p connection, and the bounds of one.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/libp2p/yamux/frame.hpp>
#include <muster/libp2p/yamux/stream.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/transport/direction.hpp>

namespace muster::libp2p {

using yamux::stream_id;

using transport::direction;

/// How a stream ended.
MUSTER_ENUMERATION(
    end_of_stream, 0,
    finished,  ///< Both sides said that they are done.
    reset,     ///< The other side broke it off, or broke the rules of its negotiation; or the connection is gone.
    refused,   ///< The other side speaks none of the protocols that were proposed.
    late       ///< No protocol was agreed on in time.
);

/// The other side has proved who it is, and streams can be opened.
struct established {
    peer::peer_id peer;
    MUSTER_FIELDS(established, peer);
};
/// A protocol was agreed on; the stream carries it from here on.
struct stream_ready {
    stream_id id;
    std::string protocol;
    libp2p::direction direction;
    MUSTER_FIELDS(stream_ready, id, protocol, direction);
};
/// Bytes arrived, in order; say `consume` when done with them.
struct stream_data {
    stream_id id;
    bytes octets;
    MUSTER_FIELDS(stream_data, id, octets);
};
/// A write that was cut short may go on.
struct stream_writable {
    stream_id id;
    MUSTER_FIELDS(stream_writable, id);
};
/// The other side sends no more on the stream. It may still read.
struct stream_half_closed {
    stream_id id;
    MUSTER_FIELDS(stream_half_closed, id);
};
/// The stream is gone; no event names it again.
struct stream_closed {
    stream_id id;
    end_of_stream reason;
    MUSTER_FIELDS(stream_closed, id, reason);
};
/// A ping of ours came back.
struct ping_answered {
    std::uint32_t opaque;
    MUSTER_FIELDS(ping_answered, opaque);
};
/// The other side accepts no new streams and means to end the connection; 0 is the normal reason.
struct gone_away {
    std::uint32_t code;
    MUSTER_FIELDS(gone_away, code);
};
/// The connection is over, its streams with it. Send what output is left and close the socket.
struct failed {
    error reason;
    MUSTER_FIELDS(failed, reason);
};

/// What happened.
using connection_event = std::variant<established, stream_ready, stream_data, stream_writable, stream_half_closed,
                                      stream_closed, ping_answered, gone_away, failed>;

/// What a connection has to send. What its commands leave is sealed together, when the socket can take it: a message of
/// Noise costs 18 bytes and two thirds of a microsecond, however little it carries.
struct connection_output {
    bytes clear;  ///< As it goes to the socket, ahead of the rest.
    bytes plain;  ///< Of the streams; not sealed yet.

    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return clear.size() + plain.size(); }
};

/// What a connection offers, and its bounds.
struct connection_options {
    std::vector<std::string> protocols;  ///< Accepted on streams that the other side opens.
    yamux::options streams;              ///< Bounds of the multiplexer.
    /// How long a stream may take to agree on a protocol; noticed by the next `wake` after it. Ours.
    duration negotiation_timeout = std::chrono::seconds{10};
};

/// How far a connection has come. Its owner sets a time limit to everything before `established`.
enum class stage : std::uint8_t {
    negotiating,  ///< Agreeing on a protocol, in the clear or in the channel.
    handshaking,  ///< Proving who is who.
    established,  ///< Carrying streams.
    failed,       ///< Over.
};

}  // namespace muster::libp2p
