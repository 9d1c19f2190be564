// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Two kinds of randomness that are different concepts on purpose.
///
/// `random_source` is reproducible: jitter, sampling, simulation; a seed replays it bit for bit on every
/// compiler (the distributions of `<random>` do not, so draws here are specified). `secret_source` makes keys
/// and nonces; it can fail, and no seeded model of it ships but the one that simulations replay.

#include <concepts>
#include <cstdint>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>

namespace muster {

/// A source of uniform 64-bit words. Anyone may predict it. O(1), does not fail.
template <class S>
concept random_source = requires(S& source) {
    { source() } -> std::same_as<std::uint64_t>;
};

/// A source of bytes that nobody can predict.
///
/// Semantics: on success every byte of the span is fresh and independent; on failure the span's
/// contents must not be used. Its output is never used for anything visible such as jitter.
template <class S>
concept secret_source = requires(S& source, byte_span out) {
    { source.fill_secret(out) } -> std::same_as<result<void>>;
};

/// SplitMix64: one word of state, for jitter and simulation, never for keys or nonces.
/// @see Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
class splitmix64 {
public:
    explicit constexpr splitmix64(std::uint64_t seed) noexcept : state_{seed} {}

    constexpr std::uint64_t operator()() noexcept {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

private:
    std::uint64_t state_;
};
static_assert(random_source<splitmix64>);
static_assert(!secret_source<splitmix64>);

/// A uniform integer in [0, bound); rejection keeps it unbiased. Expects `bound > 0`.
template <random_source S>
[[nodiscard]] constexpr std::uint64_t uniform(S& source, std::uint64_t bound) {
    std::uint64_t const reject_below = (0 - bound) % bound;
    for (;;) {
        std::uint64_t const word = source();
        if (word >= reject_below) return word % bound;
    }
}

}  // namespace muster
