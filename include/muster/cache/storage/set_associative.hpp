// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Storage where a key may only live in one set of a few places, as in the caches of a processor.
///
/// There is no index: the hash names the set, sixteen tags are compared at once, and the entry is there. It is the
/// cheapest storage by far, and approximate: an entry is evicted when its set is full, though others may have room.
/// Below about 200 entries the sets differ too much; use @ref slab or @ref inline_array there.
/// @see TigerBeetle, set_associative_cache.zig, for sixteen ways with tags and counts.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <muster/cache/detail/tag_index.hpp>

namespace muster::cache {

/// Sets of @p Ways places. Three bytes an entry beside keys and values, with the byte that `clock` keeps.
template <unsigned Ways = 16>
struct set_associative {
    static_assert(Ways >= 1 && Ways <= 16);
    /// Room for an entry is made in its own set.
    static constexpr bool global = false;

    template <class Key, class Value>
    class store {
    public:
        /// Rounds @p capacity down to whole sets; below one set it is exact.
        explicit store(std::size_t capacity)
            : ways_{capacity < Ways ? static_cast<slot_number>(capacity) : Ways},
              sets_{ways_ == 0 ? 0 : capacity / ways_},
              tags_{sets_},
              entries_{slots()} {}

        [[nodiscard]] std::size_t capacity() const noexcept { return sets_ * ways_; }
        [[nodiscard]] std::size_t slots() const noexcept { return sets_ * Ways; }

        template <class K, class Equal>
        [[nodiscard, gnu::always_inline]] slot_number find(std::uint64_t hash, K const& key, Equal const& equal) const {
            if (sets_ == 0) return no_slot;
            auto const set = set_of(hash);
            for (auto matches = detail::match16(tags_[set].words, detail::tag_of<16>(hash)); matches != 0;
                 matches &= matches - 1) {
                auto const s = slot_of(set, std::countr_zero(matches));
                if (equal(entries_[s].key, key)) return s;
            }
            return no_slot;
        }
        void prefetch(std::uint64_t hash) const noexcept { detail::prefetch(tags_.data() + set_of(hash)); }
        void prefetch_entry(std::uint64_t hash) const noexcept {
            if (sets_ == 0) return;
            auto const set = set_of(hash);
            for (auto m = detail::match16(tags_[set].words, detail::tag_of<16>(hash)); m != 0; m &= m - 1) {
                detail::prefetch(entries_.at(slot_of(set, std::countr_zero(m))));
            }
        }

        /// The places where @p hash may live, and a free one of them or `no_slot`.
        struct candidates {
            slot_number first;
            slot_number count;
            slot_number free;
        };
        [[nodiscard]] candidates candidates_for(std::uint64_t hash) const noexcept {
            auto const set = set_of(hash);
            auto const free = free_places(set);
            return {slot_of(set, 0), ways_, free == 0 ? no_slot : slot_of(set, std::countr_zero(free))};
        }

        /// Expects @p s to be a candidate for @p hash, and free. Looking for the place again would wait for the
        /// eviction that has just written there.
        void insert_at(slot_number s, std::uint64_t hash, Key&& key, Value&& value) noexcept {
            tags_[s / Ways].words[s % Ways] = static_cast<std::uint16_t>(detail::tag_of<16>(hash));
            ::new (static_cast<void*>(entries_.at(s))) entry{std::move(key), std::move(value)};
        }
        /// The place is free then.
        void erase(std::uint64_t, slot_number s) noexcept {
            tags_[s / Ways].words[s % Ways] = 0;
            entries_[s].~entry();
        }

        [[nodiscard]] Key const& key(slot_number s) const noexcept { return entries_[s].key; }
        [[nodiscard]] Value& value(slot_number s) noexcept { return entries_[s].value; }
        [[nodiscard]] Value const& value(slot_number s) const noexcept { return entries_[s].value; }

    private:
        struct entry {
            Key key;
            Value value;
        };
        // Words, since a wrong tag costs a look at an entry that is far away.
        struct alignas(32) tag_group {
            std::uint16_t words[16];
        };

        [[nodiscard]] std::size_t set_of(std::uint64_t hash) const noexcept {
            return static_cast<std::size_t>(detail::scale(hash, sets_));
        }
        [[nodiscard]] slot_number slot_of(std::size_t set, int way) const noexcept {
            return static_cast<slot_number>(set * Ways) + static_cast<slot_number>(way);
        }
        [[nodiscard]] std::uint32_t free_places(std::size_t set) const noexcept {
            return detail::match16(tags_[set].words, 0) & ((1u << ways_) - 1);
        }

        slot_number ways_;  // in use; fewer than Ways only in a cache of fewer entries
        std::size_t sets_;
        detail::array<tag_group> tags_;
        detail::raw_array<entry> entries_;
    };
};

}  // namespace muster::cache
