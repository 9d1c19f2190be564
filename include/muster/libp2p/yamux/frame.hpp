// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// yamux frames: a header of twelve bytes and, for data alone, a payload.
///
/// Version (8 bits, always 0), type (8), flags (16), stream (32), length (32), all big-endian. What the length
/// counts depends on the type: bytes of payload, credit, an opaque value to echo, or a code.
/// @see hashicorp/yamux, spec.md, "Framing"; libp2p specs, yamux/README.md.

#include <array>
#include <cstddef>
#include <cstdint>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/wire/reader.hpp>

namespace muster::libp2p::yamux {

/// The name of a stream: odd when the dialer opened it, even when the listener did. 0 is the session.
using stream_id = std::uint32_t;

/// Bytes of a header.
inline constexpr std::size_t header_size = 12;

/// What a frame is for.
enum class frame_type : std::uint8_t { data = 0, window_update = 1, ping = 2, go_away = 3 };

/// Flags of a frame; they combine.
namespace flag {
inline constexpr std::uint16_t syn = 1;  ///< Opens a stream; asks, on a ping.
inline constexpr std::uint16_t ack = 2;  ///< Accepts a stream; answers, on a ping.
inline constexpr std::uint16_t fin = 4;  ///< The sender will send no more on the stream.
inline constexpr std::uint16_t rst = 8;  ///< The stream is over, both ways, at once.
}  // namespace flag

/// Why a session ends.
enum class go_away_code : std::uint32_t { normal = 0, protocol_error = 1, internal_error = 2 };

/// A frame without its payload.
struct header {
    frame_type type = frame_type::data;
    std::uint16_t flags = 0;
    stream_id stream = 0;
    std::uint32_t length = 0;

    [[nodiscard]] bool has(std::uint16_t f) const noexcept { return (flags & f) != 0; }
    bool operator==(header const&) const = default;
};

/// Appends @p h as it is sent.
inline void append_header(bytes& out, header const& h) {
    auto const at = [](std::uint32_t v, int shift) { return static_cast<byte>(v >> shift); };
    // At once and without memory of its own: every frame has one.
    append(out, std::array<byte, header_size>{0, static_cast<byte>(h.type), at(h.flags, 8), at(h.flags, 0),
                                              at(h.stream, 24), at(h.stream, 16), at(h.stream, 8), at(h.stream, 0),
                                              at(h.length, 24), at(h.length, 16), at(h.length, 8), at(h.length, 0)});
}

/// The header in @p octets. Expects `octets.size() == header_size`. Unknown flags are kept.
/// @return `violation` for an unknown version or type.
[[nodiscard]] inline result<header> parse_header(byte_view octets) {
    wire::reader in{octets};
    auto const version = in.u8();
    auto const type = in.u8();
    header h;
    h.flags = in.u16();
    h.stream = in.u32();
    h.length = in.u32();
    MUSTER_TRY(in.finish());
    if (version != 0 || type > static_cast<std::uint8_t>(frame_type::go_away)) {
        return error{errc::violation, text("a yamux frame of version ", version, " and type ", type)};
    }
    h.type = static_cast<frame_type>(type);
    return h;
}

}  // namespace muster::libp2p::yamux
