// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Bytes: views, owned strings of them, and fixed-size values that cannot be mixed up.
///
/// A public key, a partial signature and a session id are all "some bytes"; `fixed_bytes` gives each
/// its own type, so that passing one where the other belongs does not compile. All of them compare
/// lexicographically, which is the order BIP-327's KeySort and every canonical encoding here use.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include <muster/core/version.hpp>

namespace muster {

/// One byte.
using byte = std::uint8_t;
/// Borrowed bytes; never outlives what it points at.
using byte_view = std::span<byte const>;
/// Borrowed bytes that may be written.
using byte_span = std::span<byte>;
/// Owned bytes.
using bytes = std::vector<byte>;

namespace detail {
/// Whether @p N bytes are the same at both places.
template <std::size_t N>
[[nodiscard]] inline bool equal_octets(void const* a, void const* b) noexcept {
    auto const* const p = static_cast<byte const*>(a);
    auto const* const q = static_cast<byte const*>(b);
    std::uint64_t difference = 0;
    for (std::size_t at = 0; at + 8 <= N; at += 8) {
        std::uint64_t x, y;
        std::memcpy(&x, p + at, 8);
        std::memcpy(&y, q + at, 8);
        difference |= x ^ y;
    }
    for (std::size_t at = N - N % 8; at < N; ++at) difference |= static_cast<std::uint64_t>(p[at] ^ q[at]);
    return difference == 0;
}
}  // namespace detail

/// A value of exactly @p N bytes whose meaning is named by @p Tag.
///
/// Raw bytes do not convert to it; @ref from says so where they are meant.
/// Regular, totally ordered (lexicographic), trivially copyable. Not for secrets: see crypto/secret.hpp.
template <class Tag, std::size_t N>
struct fixed_bytes {
    static constexpr std::size_t size_in_bytes = N;  ///< Bytes in the value.
    /// Names itself, and no type derived from it: equal values are equal bytes, so caches may hash and codecs write
    /// them.
    using compared_by_bytes = fixed_bytes;

    std::array<byte, N> octets{};  ///< The value, most significant byte first where it is a number.

    /// Copies @p source. Expects `source.size() == N`; a decoder checks before it calls.
    [[nodiscard]] static constexpr fixed_bytes from(byte_view source) noexcept {
        fixed_bytes value;
        for (std::size_t i = 0; i < N && i < source.size(); ++i) value.octets[i] = source[i];
        return value;
    }

    [[nodiscard]] constexpr byte const* data() const noexcept { return octets.data(); }
    [[nodiscard]] constexpr byte* data() noexcept { return octets.data(); }
    [[nodiscard]] static constexpr std::size_t size() noexcept { return N; }
    [[nodiscard]] constexpr byte_view view() const noexcept { return octets; }

    /// True when every byte is zero.
    [[nodiscard]] constexpr bool is_zero() const noexcept { return *this == fixed_bytes{}; }

    constexpr auto operator<=>(fixed_bytes const&) const = default;
    /// In words: a call of memcmp, which g++ 12 makes of 32 bytes, costs a look-up more than the comparison itself.
    friend constexpr bool operator==(fixed_bytes const& a, fixed_bytes const& b) noexcept {
        if (std::is_constant_evaluated()) return a.octets == b.octets;
        return detail::equal_octets<N>(a.octets.data(), b.octets.data());
    }
};

/// The bytes of a text, borrowed like the text itself.
[[nodiscard]] inline byte_view as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<byte const*>(text.data()), text.size()};
}

/// Appends @p tail to @p head.
inline void append(bytes& head, byte_view tail) { head.insert(head.end(), tail.begin(), tail.end()); }

/// Empties @p content and gives its memory back, which `content = {}` would keep.
inline void discard(bytes& content) noexcept { bytes{}.swap(content); }

/// A copy of the bytes in @p view.
[[nodiscard]] inline bytes to_bytes(byte_view view) { return {view.begin(), view.end()}; }

/// Whether two views hold the same bytes. Not constant time: never for secrets.
[[nodiscard]] inline bool equal(byte_view a, byte_view b) noexcept {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// Order of two views, byte by byte, the shorter first on a tie.
[[nodiscard]] inline std::strong_ordering compare(byte_view a, byte_view b) noexcept {
    auto const common = a.size() < b.size() ? a.size() : b.size();
    auto const order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
    return order == 0 ? a.size() <=> b.size() : order <=> 0;
}

}  // namespace muster
