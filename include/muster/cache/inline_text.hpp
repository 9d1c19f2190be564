// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Text of bounded length as a key, without an allocation.
///
/// A `std::string` key of more than fifteen characters costs an allocation for every insertion, another line of memory
/// for every comparison, and 64 bytes of heap. Ids of advertisements and messages have a length that is known.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <muster/cache/hasher.hpp>

namespace muster::cache {

/// At most @p N characters. Regular, trivially copyable; hashed and compared as the text it is, so a cache with such
/// keys is asked with text of any type.
template <std::size_t N>
class inline_text {
public:
    static_assert(N < 256);
    static constexpr std::size_t size_max = N;

    constexpr inline_text() noexcept = default;
    /// Expects `fits(text)`; what is beyond is cut off.
    explicit inline_text(std::string_view text) noexcept
        : size_{static_cast<std::uint8_t>(fits(text) ? text.size() : N)} {
        if (size_ != 0) std::memcpy(octets_, text.data(), size_);
    }
    [[nodiscard]] static constexpr bool fits(std::string_view text) noexcept { return text.size() <= N; }

    [[nodiscard]] constexpr std::string_view view() const noexcept { return {octets_, size_}; }
    constexpr operator std::string_view() const noexcept { return view(); }

    friend constexpr bool operator==(inline_text const& a, inline_text const& b) noexcept {
        return a.view() == b.view();
    }
    friend constexpr bool operator==(inline_text const& a, std::string_view b) noexcept { return a.view() == b; }

private:
    std::uint8_t size_ = 0;
    char octets_[N] = {};
};
template <std::size_t N>
inline constexpr bool is_text<inline_text<N>> = true;

}  // namespace muster::cache
