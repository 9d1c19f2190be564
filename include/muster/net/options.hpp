// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Bounds and times of the libp2p transport.

#include <chrono>
#include <cstddef>

#include <muster/core/time.hpp>

namespace muster::net {

/// Everything a stranger can make us hold or wait for has a bound here. Defaults are ours unless said otherwise.
struct transport_options {
    std::size_t frame_size_max = 64u << 10;             ///< Octets of one frame, either way.
    std::size_t send_queue_max = 1u << 20;              ///< Octets waiting per stream before `congested`.
    std::size_t connections_max = 256;                  ///< All connections; a quarter is kept for those we dial.
    std::size_t pending_inbound_max = 32;               ///< Accepted, not yet authenticated; the oldest makes room.
    std::size_t inbound_streams_max = 16;               ///< Per connection.
    duration setup_timeout = std::chrono::seconds{10};  ///< From the first octet to an authenticated peer.
    duration dial_timeout = std::chrono::seconds{10};   ///< For one address, until the socket is connected.
    duration ping_interval = std::chrono::seconds{10};  ///< js-libp2p's connection monitor uses 10 s as well.
    duration ping_timeout = std::chrono::seconds{20};   ///< Without an answer the connection is half-open: closed.
};

}  // namespace muster::net
