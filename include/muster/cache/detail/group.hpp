// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Sixteen tags that are compared at once.
///
/// SSE2 belongs to every x86-64, so the same code is made whatever `-march` a translation unit is compiled for;
/// elsewhere a plain loop does. The two are in namespaces of their own, so that they could not be confused even by
/// a linker that sees both; the loop is there everywhere, so that tests can hold one beside the other.

#include <bit>
#include <cstdint>
#include <cstring>

#include <muster/core/version.hpp>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace muster::cache::detail {

/// The tag of a hash: its low @p Bits bits, of which 0 is kept for a free place.
template <unsigned Bits>
[[nodiscard]] constexpr std::uint32_t tag_of(std::uint64_t hash) noexcept {
    auto const low = static_cast<std::uint32_t>(hash) & ((1u << Bits) - 1);
    return low == 0 ? 1 : low;
}

#if defined(__SSE2__)
inline namespace sse2 {

/// Bit i of the result says whether byte i of the sixteen at @p octets is @p wanted, which is below 256. It is spread
/// by a product, since g++ 12 spreads a byte through memory, where the load waits for all stores before it.
[[nodiscard, gnu::always_inline]] inline std::uint32_t match16(std::uint8_t const* octets,
                                                               std::uint32_t wanted) noexcept {
    auto const there = _mm_loadu_si128(reinterpret_cast<__m128i const*>(octets));
    auto const equal = _mm_cmpeq_epi8(there, _mm_set1_epi32(static_cast<int>(wanted * 0x0101'0101u)));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(equal));
}

/// As above, of sixteen words; @p wanted is below 65536.
[[nodiscard, gnu::always_inline]] inline std::uint32_t match16(std::uint16_t const* words,
                                                               std::uint32_t wanted) noexcept {
    auto const all = _mm_set1_epi32(static_cast<int>(wanted * 0x0001'0001u));
    auto const low = _mm_cmpeq_epi16(_mm_loadu_si128(reinterpret_cast<__m128i const*>(words)), all);
    auto const high = _mm_cmpeq_epi16(_mm_loadu_si128(reinterpret_cast<__m128i const*>(words + 8)), all);
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
}
/// The least of the sixteen bytes at @p octets.
[[nodiscard, gnu::always_inline]] inline std::uint8_t least16(std::uint8_t const* octets) noexcept {
    auto v = _mm_loadu_si128(reinterpret_cast<__m128i const*>(octets));
    v = _mm_min_epu8(v, _mm_srli_si128(v, 8));
    v = _mm_min_epu8(v, _mm_srli_si128(v, 4));
    v = _mm_min_epu8(v, _mm_srli_si128(v, 2));
    v = _mm_min_epu8(v, _mm_srli_si128(v, 1));
    return static_cast<std::uint8_t>(_mm_cvtsi128_si32(v));
}
/// Takes @p amount from each of the sixteen bytes at @p octets, none of which is less.
inline void lower16(std::uint8_t* octets, std::uint32_t amount) noexcept {
    auto const v = _mm_loadu_si128(reinterpret_cast<__m128i const*>(octets));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(octets),
                     _mm_sub_epi8(v, _mm_set1_epi32(static_cast<int>(amount * 0x0101'0101u))));
}

}  // namespace sse2
#endif

#if defined(__SSE2__)
namespace plain {
#else
inline namespace plain {
#endif

/// As those above, wherever there is no SSE2. @{
template <class Tag>
[[nodiscard, gnu::always_inline]] inline std::uint32_t match16(Tag const* tags, std::uint32_t wanted) noexcept {
    std::uint32_t mask = 0;
    for (unsigned i = 0; i < 16; ++i) mask |= static_cast<std::uint32_t>(tags[i] == wanted) << i;
    return mask;
}
[[nodiscard, gnu::always_inline]] inline std::uint8_t least16(std::uint8_t const* octets) noexcept {
    auto least = octets[0];
    for (unsigned i = 1; i < 16; ++i) least = octets[i] < least ? octets[i] : least;
    return least;
}
inline void lower16(std::uint8_t* octets, std::uint32_t amount) noexcept {
    for (unsigned i = 0; i < 16; ++i) octets[i] = static_cast<std::uint8_t>(octets[i] - amount);
}
/// @}

}  // namespace plain

}  // namespace muster::cache::detail
