// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Reads the canonical encoding that `writer` writes, from bytes that a stranger may have sent.
///
/// Idea: a decoder is a straight line. Each read returns a value; after the first failure every further
/// read returns zero or nothing, and `finish()` reports that first failure with its offset. A reader never
/// looks past the end, and never lets a length be used before it was checked against what is left, so
/// no allocation follows from an unchecked number.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/wire/errc.hpp>
#include <muster/wire/varint.hpp>

namespace muster::wire {

/// A cursor over borrowed bytes. The bytes must outlive it and every view it returns.
class reader {
public:
    explicit reader(byte_view in) noexcept : in_{in} {}

    [[nodiscard]] std::uint8_t u8() { return static_cast<std::uint8_t>(big_endian(1)); }
    [[nodiscard]] std::uint16_t u16() { return static_cast<std::uint16_t>(big_endian(2)); }
    [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(big_endian(4)); }
    [[nodiscard]] std::uint64_t u64() { return big_endian(8); }
    [[nodiscard]] std::int64_t i64() { return static_cast<std::int64_t>(big_endian(8)); }

    /// The next @p count bytes.
    [[nodiscard]] byte_view raw(std::size_t count) {
        if (error_ || count > remaining()) {
            fail(errc::truncated, text(count, " bytes wanted, ", remaining(), " left"));
            return {};
        }
        auto const view = in_.subspan(at_, count);
        at_ += count;
        return view;
    }

    /// The next value of fixed size; all zero after a failure.
    template <class Fixed>
    [[nodiscard]] Fixed fixed() {
        return Fixed::from(raw(Fixed::size()));
    }

    /// Bytes behind their length, which is at most @p size_max.
    [[nodiscard]] byte_view sized(std::size_t size_max) { return raw(length(size_max)); }

    /// Text behind its length, which is at most @p size_max bytes. Not checked to be UTF-8.
    [[nodiscard]] std::string sized_text(std::size_t size_max) {
        auto const view = sized(size_max);
        return {view.begin(), view.end()};
    }

    /// How many elements follow: at most @p count_max, each of at least @p element_size_min bytes (> 0),
    /// so that the count is bounded by the input as well. Safe to reserve.
    [[nodiscard]] std::size_t count(std::size_t count_max, std::size_t element_size_min) {
        auto const n = length(count_max);
        if (n > remaining() / element_size_min) {
            fail(errc::truncated, text(n, " elements promised, ", remaining(), " bytes left"));
            return 0;
        }
        return n;
    }

    /// An enumerator of @p Enum, which runs from @p first to @p last without gaps.
    template <class Enum>
    [[nodiscard]] Enum enumerator(Enum first, Enum last) {
        auto const value = u8();
        if (!error_ && (value < static_cast<std::uint8_t>(first) || value > static_cast<std::uint8_t>(last))) {
            fail(errc::bad_value, text("value ", value, " is not defined here"));
        }
        return error_ ? first : static_cast<Enum>(value);
    }

    /// Marks the input as wrong for a reason of the caller's; the first mark wins.
    void fail(errc code, std::string message) {
        if (!error_) error_.emplace(code, text(message, " at offset ", at_));
    }

    [[nodiscard]] bool ok() const noexcept { return !error_; }
    [[nodiscard]] std::size_t remaining() const noexcept { return in_.size() - at_; }
    [[nodiscard]] std::size_t offset() const noexcept { return at_; }

    /// Success when everything was read and nothing failed; else the first failure, or `trailing`.
    [[nodiscard]] result<void> finish() {
        if (!error_ && remaining() != 0) fail(errc::trailing, text(remaining(), " bytes left over"));
        if (error_) return *error_;
        return muster::ok();
    }

private:
    std::size_t length(std::size_t limit) {
        if (error_) return 0;
        auto const parsed = parse_varint(in_.subspan(at_));
        if (!parsed) {
            error_ = parsed.error();
            return 0;
        }
        if (!parsed.value()) {
            fail(errc::truncated, "length cut short");
            return 0;
        }
        if (parsed.value()->value > limit) {
            fail(errc::too_large, text("length ", parsed.value()->value, " exceeds ", limit));
            return 0;
        }
        at_ += parsed.value()->size;
        return static_cast<std::size_t>(parsed.value()->value);
    }

    std::uint64_t big_endian(std::size_t octets) {
        std::uint64_t v = 0;
        for (byte b : raw(octets)) v = v << 8 | b;
        return v;
    }

    byte_view in_;
    std::size_t at_ = 0;
    std::optional<error> error_;
};

}  // namespace muster::wire
