// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// From a hash to a slot: an open-addressing table that never grows, and never needs tombstones.
///
/// Idea: a miss should wait for one line, a hit for two before its entry. Slots are grouped by fifteen; a group has
/// sixteen bytes of tags, apart from its slot numbers, so that the tags of a million entries fit into a second-level
/// cache. Fifteen bytes are a tag each, eight bits of the hash or 0 for a free place; the last one counts the
/// keys that wanted this group and had to go on. A miss ends at the first group that nobody had to pass, or nobody of
/// its kind: the sixteenth word of a line of slot numbers is eight counts of four bits, and three bits of the hash say
/// which is whose.
///
/// A tag is wrong one time in 255, which at ten tags a group would be a look into a wrong entry, a line from far away,
/// in every twenty-fifth miss. So the bits that a slot number does not need hold more of the hash.
///
/// Algorithm: the home group is the hash scaled to the number of groups, which is prime; from there a key steps by a
/// stride of its own (double hashing), so that it would come past every group exactly once, and no pattern of
/// keys clusters. Erasing takes the counts along the way back, so a table that is full and in use for years is as fast
/// as on its first day. A count that cannot go on, at 255 or 15, stays there and costs a probe.
///
/// Source: groups with overflow counts are folly's F14 (Bronson and Shi, 2019); tags compared at once by SSE2 are
/// Abseil's (Kulukundis, 2017); ours are the split of tags and slots, the kinds, the fixed size and the prime stride.
/// After four times as many insertions as entries a miss looks at 1.01 groups at a load of 0.56 and at 1.11 at 0.72;
/// without kinds it would be 1.06 and 1.5.

#include <bit>
#include <cstddef>
#include <cstdint>

#include <muster/cache/detail/array.hpp>
#include <muster/cache/detail/group.hpp>

namespace muster::cache {

/// Numbers an entry of a cache.
using slot_number = std::uint32_t;
/// No entry.
inline constexpr slot_number no_slot = 0xffff'ffff;
/// The most entries of any cache: numbers beyond are used for the ends of lists.
inline constexpr std::size_t slots_max = 0xffff'fff0;

namespace detail {

/// The high half of a product: scales a hash to [0, n).
[[nodiscard]] inline std::uint64_t scale(std::uint64_t hash, std::uint64_t n) noexcept {
    __extension__ using wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<wide>(hash) * n) >> 64);
}

/// The smallest prime that is at least @p n.
[[nodiscard]] constexpr std::size_t prime_from(std::size_t n) noexcept {
    if (n <= 2) return 2;
    for (n |= 1;; n += 2) {
        bool prime = true;
        for (std::size_t d = 3; d * d <= n && prime; d += 2) prime = n % d != 0;
        if (prime) return n;
    }
}

/// Maps hashes to slots. Holds no keys: whoever asks compares them. Not thread-safe.
class tag_index {
public:
    static constexpr std::size_t group_size = 15;
    /// How full the table is, in percent, when it holds what it was made for.
    static constexpr std::size_t default_load = 56;

    /// A table for @p entries_max entries: about 5.3 bytes each, divided by the load.
    explicit tag_index(std::size_t entries_max, std::size_t load_percent = default_load)
        : tag_index{entries_max, load_percent, entries_max} {}
    /// The same, where slots are numbered below @p slots.
    tag_index(std::size_t entries_max, std::size_t load_percent, std::size_t slots)
        : groups_{prime_from((entries_max * 100 / load_percent + group_size - 1) / group_size)},
          slot_bits_{static_cast<std::uint32_t>((std::uint64_t{1} << std::bit_width(slots)) - 1)},
          far_{groups_ * sizeof(slot_group) > far_size},
          is_crowded_{load_percent > crowded_load},
          tags_{groups_},
          slots_{groups_} {}

    // What follows is inlined by force: left to itself, g++ 12 calls a function with the key in memory, which costs a
    // third of a hit.

    /// The slot under @p hash for which @p is_it holds, or @ref no_slot.
    template <class Equal>
    [[nodiscard, gnu::always_inline]] slot_number find(std::uint64_t hash, Equal is_it) const {
        auto const group = home(hash);
        detail::prefetch(&slots_[group]);  // on its way while the tags are compared
        auto const found = find_in(group, hash, is_it);
        if (found != no_slot || !is_passed(group, hash)) [[likely]]
            return found;
        return find_further(group, hash, is_it);
    }

    /// Files @p slot under @p hash. Expects fewer entries than the table was made for.
    [[gnu::always_inline]] void insert(std::uint64_t hash, slot_number slot) noexcept {
        auto const group = home(hash);
        auto const free = match16(tags_[group].octets, 0) & places;
        if (free == 0) [[unlikely]]
            return insert_further(group, hash, slot);
        file(group, std::countr_zero(free), hash, slot);
    }

    /// Takes out @p slot, which was filed under @p hash.
    [[gnu::always_inline]] void erase(std::uint64_t hash, slot_number slot) noexcept {
        auto& tags = tags_[home(hash)];
        auto const matches = match16(tags.octets, tag_of<8>(hash)) & places;
        // Nobody had to go on, so it is here; with one candidate its number need not be looked at. That branch is hard
        // to foresee: it pays where the line with the number is far away, and only there.
        if (far_ && tags.passed() == 0 && std::has_single_bit(matches)) {
            tags.octets[std::countr_zero(matches)] = 0;
            return;
        }
        auto const filed = slot | (more_of(hash) & ~slot_bits_);
        for (auto group = home(hash); !erase_in(group, hash, filed); group = next(group, hash)) {
            unpass(group, hash);
        }
    }

    /// Asks for the lines that @ref find will look at.
    void prefetch(std::uint64_t hash) const noexcept {
        auto const group = home(hash);
        detail::prefetch(&tags_[group]);
        detail::prefetch(&slots_[group]);
    }

    /// Calls @p f for the slots in the home group whose tag fits: nearly always the one that @ref find will find.
    template <class F>
    void for_each_match(std::uint64_t hash, F f) const {
        auto const group = home(hash);
        for (auto matches = match16(tags_[group].octets, tag_of<8>(hash)) & places; matches != 0;
             matches &= matches - 1) {
            auto const filed = slots_[group].numbers[std::countr_zero(matches)];
            if (is_under(filed, hash)) f(filed & slot_bits_);
        }
    }

    /// Groups that a key had to pass and has not left since, by either count. O(n); for tests and benchmarks.
    [[nodiscard]] std::size_t passed_groups() const noexcept {
        std::size_t count = 0;
        for (std::size_t g = 0; g < groups_; ++g) count += tags_[g].passed() != 0 || slots_[g].passed != 0 ? 1u : 0u;
        return count;
    }

private:
    static constexpr std::size_t far_size = std::size_t{512} << 10;  // bytes; half of a second-level cache of our day
    // At a load of 0.56 one group in twenty is passed by some key, at 0.73 every third. Ours: at 0.73 a seen-cache of
    // ten thousand ids guesses wrong half as often without the first count.
    static constexpr std::size_t crowded_load = 65;
    static constexpr std::uint32_t places = (1u << group_size) - 1;

    struct alignas(16) tag_group {
        std::uint8_t octets[16];
        [[nodiscard]] std::uint8_t passed() const noexcept { return octets[group_size]; }
    };
    struct alignas(line_size) slot_group {
        slot_number numbers[group_size];
        std::uint32_t passed;  // by kind of hash, four bits each
    };

    template <class Equal>
    [[nodiscard, gnu::always_inline]] slot_number find_in(std::size_t group, std::uint64_t hash, Equal is_it) const {
        for (auto matches = match16(tags_[group].octets, tag_of<8>(hash)) & places; matches != 0;
             matches &= matches - 1) {
            auto const filed = slots_[group].numbers[std::countr_zero(matches)];
            if (is_under(filed, hash) && is_it(filed & slot_bits_)) [[likely]]
                return filed & slot_bits_;
        }
        return no_slot;
    }
    void file(std::size_t group, int place, std::uint64_t hash, slot_number slot) noexcept {
        tags_[group].octets[place] = static_cast<std::uint8_t>(tag_of<8>(hash));
        slots_[group].numbers[place] = slot | (more_of(hash) & ~slot_bits_);
    }

    // Whether a key like @p hash may have had to pass @p group. Mostly the first count says that none had; in a crowded
    // table it says so every other time, which no processor foresees.
    [[nodiscard]] bool is_passed(std::size_t group, std::uint64_t hash) const noexcept {
        return (is_crowded_ || tags_[group].passed() != 0) && (slots_[group].passed >> kind_shift(hash) & 15) != 0;
    }
    void pass(std::size_t group, std::uint64_t hash) noexcept {
        if (tags_[group].passed() != 255) ++tags_[group].octets[group_size];
        auto const one = 1u << kind_shift(hash);
        if ((slots_[group].passed & 15 * one) != 15 * one) slots_[group].passed += one;
    }
    void unpass(std::size_t group, std::uint64_t hash) noexcept {
        if (tags_[group].passed() != 255) --tags_[group].octets[group_size];
        auto const one = 1u << kind_shift(hash);
        if ((slots_[group].passed & 15 * one) != 15 * one) slots_[group].passed -= one;
    }
    [[nodiscard]] static unsigned kind_shift(std::uint64_t hash) noexcept {
        return static_cast<unsigned>(hash >> 8) % 8 * 4;
    }

    // The ways beyond the home group are rare, and kept out of the callers' code. What compares is handed on by value:
    // were its address taken here, each call would write it to memory first.
    template <class Equal>
    [[nodiscard, gnu::noinline, gnu::cold]] slot_number find_further(std::size_t group, std::uint64_t hash,
                                                                     Equal is_it) const {
        for (std::size_t seen = 1; seen < groups_; ++seen) {
            group = next(group, hash);
            auto const found = find_in(group, hash, is_it);
            if (found != no_slot || !is_passed(group, hash)) return found;
        }
        return no_slot;
    }
    [[gnu::noinline]] void insert_further(std::size_t group, std::uint64_t hash, slot_number slot) noexcept {
        for (std::uint32_t free = 0; free == 0;) {
            pass(group, hash);
            group = next(group, hash);
            free = match16(tags_[group].octets, 0) & places;
            if (free != 0) file(group, std::countr_zero(free), hash, slot);
        }
    }
    [[nodiscard]] bool erase_in(std::size_t group, std::uint64_t hash, std::uint32_t filed) noexcept {
        for (auto matches = match16(tags_[group].octets, tag_of<8>(hash)) & places; matches != 0;
             matches &= matches - 1) {
            auto const place = std::countr_zero(matches);
            if (slots_[group].numbers[place] != filed) continue;
            tags_[group].octets[place] = 0;
            return true;
        }
        return false;
    }

    [[nodiscard]] static std::uint32_t more_of(std::uint64_t hash) noexcept {
        return static_cast<std::uint32_t>(hash) & ~0xffu;
    }
    [[nodiscard]] bool is_under(std::uint32_t filed, std::uint64_t hash) const noexcept {
        return ((filed ^ more_of(hash)) & ~slot_bits_) == 0;
    }
    [[nodiscard]] std::size_t home(std::uint64_t hash) const noexcept {
        return static_cast<std::size_t>(scale(hash, groups_));
    }
    // The low half of the hash, turned up, scales to a stride in [1, groups).
    [[nodiscard]] std::size_t next(std::size_t group, std::uint64_t hash) const noexcept {
        auto const after = group + 1 + static_cast<std::size_t>(scale(hash << 32, groups_ - 1));
        return after - (after < groups_ ? 0 : groups_);
    }

    std::size_t groups_;
    std::uint32_t slot_bits_;  // the bits of a slot number; the others are the hash's
    bool far_;                 // whether slot numbers are outside the processor's own caches
    bool is_crowded_;          // whether many groups are passed
    array<tag_group> tags_;
    array<slot_group> slots_;
};

}  // namespace detail
}  // namespace muster::cache
