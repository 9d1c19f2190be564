// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What was evicted lately, remembered by a fingerprint of 16 bits.
///
/// A ghost belongs into one line of thirty-one fingerprints, and the oldest of its line makes room for it: no ages, no
/// search, and a ghost is forgotten when about as many have followed as the table was made for. A key that was never
/// evicted is taken for a ghost once in two thousand times. Each kind of ghost needs a table of its own: in a common
/// one the kind that is evicted often would push the other out, and the policy that is steered by their balance would
/// run away.

#include <bit>
#include <cstddef>
#include <cstdint>

#include <muster/cache/detail/tag_index.hpp>

namespace muster::cache::detail {

/// About 2 bytes for each ghost. Not thread-safe.
class ghosts {
public:
    /// Remembers about the last @p window.
    explicit ghosts(std::size_t window) : lines_{window / places + 1} {}

    /// Remembers the key of that hash. O(1).
    void add(std::uint64_t hash) noexcept {
        auto& l = line_of(hash);
        auto const at = std::size_t{l.cursor()};
        auto& oldest = l.prints[at];
        l.cursor() = static_cast<std::uint16_t>(at + 1 < places ? at + 1 : 0);
        alive_ += oldest == 0 ? 1u : 0u;
        oldest = static_cast<std::uint16_t>(tag_of<16>(hash));
    }
    /// Forgets the key of that hash; says whether it was remembered. O(1).
    [[nodiscard]] bool take(std::uint64_t hash) noexcept {
        auto& l = line_of(hash);
        auto const matches = l.matches(hash);
        if (matches == 0) return false;
        l.prints[std::countr_zero(matches)] = 0;
        --alive_;
        return true;
    }
    /// Whether the key of that hash is remembered. O(1).
    [[nodiscard]] bool contains(std::uint64_t hash) const noexcept { return lines_[place_of(hash)].matches(hash) != 0; }
    /// How many are remembered.
    [[nodiscard]] std::size_t alive() const noexcept { return alive_; }

private:
    static constexpr std::size_t places = 31;

    struct alignas(line_size) line {
        std::uint16_t prints[places + 1];  // 0 for none; the last is where the next one goes
        [[nodiscard]] std::uint16_t& cursor() noexcept { return prints[places]; }
        [[nodiscard]] std::uint32_t matches(std::uint64_t hash) const noexcept {
            auto const print = tag_of<16>(hash);
            return (match16(prints, print) | match16(prints + 16, print) << 16) & ~(1u << places);
        }
    };

    [[nodiscard]] std::size_t place_of(std::uint64_t hash) const noexcept {
        return static_cast<std::size_t>(scale(hash, lines_.size()));
    }
    [[nodiscard]] line& line_of(std::uint64_t hash) noexcept { return lines_[place_of(hash)]; }

    array<line> lines_;
    std::size_t alive_ = 0;
};

}  // namespace muster::cache::detail
