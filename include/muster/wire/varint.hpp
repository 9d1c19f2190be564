// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Unsigned variable-length integers (LEB128), in the shortest form only.
///
/// @see multiformats/unsigned-varint: seven bits per byte, least significant first, at most nine bytes,
/// minimal encoding required.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/wire/errc.hpp>

namespace muster::wire {

/// Most bytes of one varint: 63 bits, as multiformats/unsigned-varint limits it.
inline constexpr std::size_t varint_size_max = 9;
/// Bytes of the varint of @p value.
[[nodiscard]] constexpr std::size_t varint_size(std::uint64_t value) noexcept {
    return value == 0 ? 1 : (static_cast<std::size_t>(std::bit_width(value)) + 6) / 7;
}

/// A decoded varint and how many bytes it took.
struct varint {
    std::uint64_t value = 0;
    std::size_t size = 0;
    bool operator==(varint const&) const = default;
};

/// Appends @p value. Expects `value < 2^63`.
inline void append_varint(bytes& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<byte>(value | 0x80));
    out.push_back(static_cast<byte>(value));
}

/// The varint at the start of @p in; `nullopt` when more bytes are needed to tell.
/// @return `not_canonical` for a padded spelling, `too_large` beyond 63 bits.
[[nodiscard]] inline result<std::optional<varint>> parse_varint(byte_view in) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
        if (i == varint_size_max) return error{errc::too_large, "varint of more than 9 bytes"};
        value |= static_cast<std::uint64_t>(in[i] & 0x7f) << (7 * i);
        if ((in[i] & 0x80) == 0) {
            if (i > 0 && in[i] == 0) {
                return error{errc::not_canonical, "varint is padded with a zero byte"};
            }
            return std::optional{varint{value, i + 1}};
        }
    }
    if (in.size() >= varint_size_max) return error{errc::too_large, "varint of more than 9 bytes"};
    return std::optional<varint>{};
}

}  // namespace muster::wire
