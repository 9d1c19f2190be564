// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The bounds of a yamux session, and the state of one of its streams.

#include <cstddef>
#include <cstdint>
#include <utility>

#include <muster/libp2p/yamux/frame.hpp>

namespace muster::libp2p::yamux {

/// The window that every stream starts with, in bytes of payload (spec.md, "Flow Control").
inline constexpr std::uint32_t window_size = 256 * 1024;

/// Bounds of a session. The defaults are ours unless said otherwise.
struct options {
    std::size_t inbound_streams_max = 256;      ///< Streams of the other side alive at once; more are reset.
    std::size_t outbound_streams_max = 1024;    ///< Streams of this side alive at once; `open` refuses more.
    std::size_t ack_backlog_max = 256;          ///< Own streams not yet accepted (yamux/README.md, "ACK backlog").
    std::size_t pings_max = 16;                 ///< Own pings not yet answered.
    std::size_t frame_payload_max = 32 * 1024;  ///< Payload of one frame sent, in bytes.
    std::size_t output_size_max = 1024 * 1024;  ///< Bytes pending from which on writes are refused.
    std::size_t reply_size_max = 64 * 1024;     ///< Further bytes of answers until a peer that never reads is cut.
};

/// What a session knows of one stream. For the session alone.
struct stream {
    std::uint32_t send_window = window_size;
    std::uint32_t receive_window = window_size;  ///< What the other side may still send.
    std::uint32_t unconsumed = 0;                ///< Received, and not yet consumed.
    std::uint32_t credit = 0;                    ///< Consumed, and not yet given back.
    bool unacknowledged = false;                 ///< Ours, and not yet accepted.
    bool owes_ack = false;                       ///< Theirs, and nothing was sent on it yet.
    bool we_closed = false;
    bool they_closed = false;
    bool abandoned = false;
    bool starved = false;  ///< A write was cut short and waits to be told.
    bool queued = false;   ///< Is in `blocked_`.

    /// The flag that accepts the stream, on the first frame sent on it.
    [[nodiscard]] std::uint16_t take_ack() noexcept {
        return std::exchange(owes_ack, false) ? flag::ack : std::uint16_t{0};
    }
};

}  // namespace muster::libp2p::yamux
