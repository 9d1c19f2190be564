// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What happens in a yamux session.

#include <cstdint>
#include <variant>

#include <muster/core/bytes.hpp>
#include <muster/libp2p/yamux/frame.hpp>

namespace muster::libp2p::yamux {

/// The other side opened a stream.
struct stream_opened {
    stream_id id;
    bool operator==(stream_opened const&) const = default;
};
/// Payload arrived, in order; say `consume` when done with it. A view of what was fed, valid during that call.
struct data {
    stream_id id;
    byte_view content;
    bool operator==(data const& other) const { return id == other.id && equal(content, other.content); }
};
/// A stream whose write was cut short may go on.
struct window_opened {
    stream_id id;
    bool operator==(window_opened const&) const = default;
};
/// The other side sends no more on the stream. If this side has closed it as well, the stream is over.
struct half_closed {
    stream_id id;
    bool operator==(half_closed const&) const = default;
};
/// The other side ended the stream at once, or never accepted it.
struct reset {
    stream_id id;
    bool operator==(reset const&) const = default;
};
/// A ping of ours came back.
struct ping_answered {
    std::uint32_t opaque;
    bool operator==(ping_answered const&) const = default;
};
/// The other side accepts no new streams; see @ref go_away_code.
struct gone_away {
    std::uint32_t code;
    bool operator==(gone_away const&) const = default;
};

/// What happened.
using event = std::variant<stream_opened, data, window_opened, half_closed, reset, ping_answered, gone_away>;

}  // namespace muster::libp2p::yamux
