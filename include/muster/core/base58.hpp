// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Base58 with Bitcoin's alphabet, as libp2p peer ids and extended keys are written.
///
/// Schoolbook base conversion, quadratic in the length; inputs are bounded so that a stranger's text
/// cannot buy time with it.
/// @see Bitcoin `base58.cpp`; the multibase table's `base58btc`.

#include <cstddef>
#include <string>
#include <string_view>

#include <muster/core/bytes.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/result.hpp>

namespace muster {

/// Why a text is not base58.
MUSTER_ENUMERATION(base58_errc, 1,
                   bad_character,  ///< A character outside the alphabet (0, O, I and l are not in it).
                   too_long        ///< More characters than @ref base58_size_max.
);
[[nodiscard]] constexpr std::string_view category_of(base58_errc) noexcept { return "base58"; }

/// Longest text that is decoded, in characters; an extended key has 111, a peer id 53. Ours.
inline constexpr std::size_t base58_size_max = 256;

namespace detail {
inline constexpr std::string_view base58_alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Rewrites @p number, big-endian digits of base @p From, as little-endian digits of base @p To.
template <unsigned From, unsigned To>
[[nodiscard]] bytes convert_base(byte_view number) {
    bytes digits;
    for (byte carry_in : number) {
        unsigned carry = carry_in;
        for (byte& digit : digits) {
            carry += digit * From;
            digit = static_cast<byte>(carry % To);
            carry /= To;
        }
        for (; carry != 0; carry /= To) digits.push_back(static_cast<byte>(carry % To));
    }
    return digits;
}
}  // namespace detail

/// @p view in base58; each leading zero byte is a leading `1`.
[[nodiscard]] inline std::string to_base58(byte_view view) {
    std::string out;
    for (std::size_t i = 0; i < view.size() && view[i] == 0; ++i) out.push_back('1');
    auto const digits = detail::convert_base<256, 58>(view.subspan(out.size()));
    for (auto d = digits.rbegin(); d != digits.rend(); ++d) {
        out.push_back(detail::base58_alphabet[*d]);
    }
    return out;
}

/// The bytes written in @p encoded.
/// @return the bytes, or `bad_character` with its position as index, or `too_long`.
[[nodiscard]] inline result<bytes> from_base58(std::string_view encoded) {
    if (encoded.size() > base58_size_max) {
        return error{base58_errc::too_long,
                     text("base58 text has ", encoded.size(), " characters, at most ", base58_size_max)};
    }
    bytes number;
    std::size_t zeros = 0;
    for (std::size_t i = 0; i < encoded.size(); ++i) {
        auto const digit = detail::base58_alphabet.find(encoded[i]);
        if (digit == std::string_view::npos) {
            return error{base58_errc::bad_character, text("character ", i, " is not in the base58 alphabet"),
                         static_cast<std::uint32_t>(i)};
        }
        if (digit == 0 && number.empty()) {
            ++zeros;
        } else {
            number.push_back(static_cast<byte>(digit));
        }
    }
    auto const little_endian = detail::convert_base<58, 256>(number);
    bytes out(zeros, 0);
    out.insert(out.end(), little_endian.rbegin(), little_endian.rend());
    return out;
}

}  // namespace muster
