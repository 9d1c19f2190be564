// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Writes values in the one canonical encoding: big-endian integers, varint lengths.
///
/// Every value has exactly one spelling, so that a hash or a signature over an encoding is a hash or a
/// signature over the value. `reader` is its inverse.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/wire/varint.hpp>

namespace muster::wire {

/// Appends encoded values to bytes it owns. Only allocation can fail.
class writer {
public:
    writer() = default;
    /// Continues after @p head.
    explicit writer(bytes head) noexcept : out_{std::move(head)} {}

    writer& u8(std::uint8_t v) { return big_endian(v, 1); }
    writer& u16(std::uint16_t v) { return big_endian(v, 2); }
    writer& u32(std::uint32_t v) { return big_endian(v, 4); }
    writer& u64(std::uint64_t v) { return big_endian(v, 8); }
    /// Two's complement, eight bytes.
    writer& i64(std::int64_t v) { return u64(static_cast<std::uint64_t>(v)); }
    /// A length or a count, as a varint.
    writer& size(std::size_t v) {
        append_varint(out_, v);
        return *this;
    }
    /// Bytes whose number the reader knows.
    writer& raw(byte_view v) {
        append(out_, v);
        return *this;
    }
    /// A length, then the bytes.
    writer& sized(byte_view v) { return size(v.size()).raw(v); }
    /// @copydoc sized
    writer& sized(std::string_view v) { return sized(as_bytes(v)); }

    [[nodiscard]] byte_view view() const noexcept { return out_; }
    /// What was written; the writer is empty afterwards.
    [[nodiscard]] bytes take() noexcept { return std::exchange(out_, {}); }

private:
    writer& big_endian(std::uint64_t v, unsigned octets) {
        for (unsigned i = octets; i-- > 0;) out_.push_back(static_cast<byte>(v >> (8 * i)));
        return *this;
    }

    bytes out_;
};

}  // namespace muster::wire
