// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Strict hexadecimal: lower case out, either case in, nothing else accepted.

#include <cstddef>
#include <string>
#include <string_view>

#include <muster/core/bytes.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/result.hpp>

namespace muster {

/// Why a text is not the hexadecimal that was asked for.
MUSTER_ENUMERATION(hex_errc, 1,
                   odd_length,  ///< A digit is missing or one too many.
                   bad_digit,   ///< A character outside 0-9, a-f, A-F.
                   wrong_size   ///< Valid hexadecimal of another number of bytes.
);
[[nodiscard]] constexpr std::string_view category_of(hex_errc) noexcept { return "hex"; }

/// Two lower-case digits per byte.
[[nodiscard]] inline std::string to_hex(byte_view view) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(view.size() * 2);
    for (byte b : view) {
        out.push_back(digits[b >> 4]);
        out.push_back(digits[b & 15]);
    }
    return out;
}
/// @copydoc to_hex
template <class Tag, std::size_t N>
[[nodiscard]] std::string to_hex(fixed_bytes<Tag, N> const& value) {
    return to_hex(value.view());
}

namespace detail {
/// The value of one hexadecimal digit, or -1.
[[nodiscard]] constexpr int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}
}  // namespace detail

/// The bytes written in @p digits. No prefix, no blanks, an even number of digits.
/// @return the bytes, or `odd_length`, or `bad_digit` with its position as index.
[[nodiscard]] inline result<bytes> from_hex(std::string_view digits) {
    if (digits.size() % 2 != 0) {
        return error{hex_errc::odd_length, text("hexadecimal needs an even number of digits, got ", digits.size())};
    }
    bytes out;
    out.reserve(digits.size() / 2);
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        int const high = detail::hex_digit(digits[i]);
        int const low = detail::hex_digit(digits[i + 1]);
        if (high < 0 || low < 0) {
            auto const at = high < 0 ? i : i + 1;
            return error{hex_errc::bad_digit, text("character ", at, " is not a hexadecimal digit"),
                         static_cast<std::uint32_t>(at)};
        }
        out.push_back(static_cast<byte>(high * 16 + low));
    }
    return out;
}

/// The fixed-size value written in @p digits, e.g. `from_hex_as<session_id>(text)`.
/// @return the value, or the errors of @ref from_hex, or `wrong_size`.
template <class Fixed>
[[nodiscard]] result<Fixed> from_hex_as(std::string_view digits) {
    MUSTER_TRY(auto raw, from_hex(digits));
    if (raw.size() != Fixed::size()) {
        return error{hex_errc::wrong_size,
                     text("expected ", Fixed::size() * 2, " hexadecimal digits, got ", digits.size())};
    }
    return Fixed::from(raw);
}

}  // namespace muster
