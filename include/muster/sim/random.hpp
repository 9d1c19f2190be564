// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Randomness of a simulation: one seed, many independent streams, integers only.
///
/// Every concern draws from a stream of its own, named by a label and an index. So a fault that is switched off, or a
/// host that is added, leaves all other draws as they were, and a failure can be made smaller one fault at a time.
/// No distribution of `<random>` and no floating point: they differ between libraries.
///
/// Source: labels hashed with FNV-1a, streams of SplitMix64 (see core/random.hpp).

#include <cstdint>
#include <string_view>

#include <muster/core/random.hpp>
#include <muster/core/time.hpp>

namespace muster::sim {

/// One word of two: a bijection of either while the other is fixed.
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
    return splitmix64{a ^ splitmix64{b}()}();
}

/// The seed of the stream named @p label.
[[nodiscard]] constexpr std::uint64_t stream_seed(std::uint64_t seed, std::string_view label,
                                                  std::uint64_t index = 0) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (char const c : label) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return mixed(mixed(seed, hash), index);
}

/// An independent stream: the same for the same seed, label and index on every compiler.
[[nodiscard]] constexpr splitmix64 stream(std::uint64_t seed, std::string_view label,
                                          std::uint64_t index = 0) noexcept {
    return splitmix64{stream_seed(seed, label, index)};
}

/// A probability: `of` cases in `in`. Expects `in > 0`.
struct ratio {
    std::uint32_t of = 0;
    std::uint32_t in = 100;
    bool operator==(ratio const&) const = default;
};

/// True in @p p of all cases. Draws once whatever @p p is.
template <random_source S>
[[nodiscard]] constexpr bool chance(S& source, ratio p) {
    return uniform(source, p.in) < p.of;
}

/// A number from @p least to @p most, both included. Expects `least <= most`, and not the whole range.
template <random_source S>
[[nodiscard]] constexpr std::uint64_t between(S& source, std::uint64_t least, std::uint64_t most) {
    return least + uniform(source, most - least + 1);
}

/// A span of time from @p least to @p most, both included. Expects `0 <= least <= most`.
template <random_source S>
[[nodiscard]] constexpr duration between(S& source, duration least, duration most) {
    auto const width = static_cast<std::uint64_t>((most - least).count());
    return least + duration{static_cast<duration::rep>(uniform(source, width + 1))};
}

}  // namespace muster::sim
