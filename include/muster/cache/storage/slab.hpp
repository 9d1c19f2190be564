// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Storage that keeps every entry at its place in one block of memory.
///
/// All memory is taken when the cache is made; afterwards nothing is allocated, moved or rehashed. Free places are a
/// chain through the block, the last one freed is the first one used, so an insertion writes where a removal has just
/// read.

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <muster/cache/detail/tag_index.hpp>

namespace muster::cache {

/// The default storage. 9.5 bytes an entry beside keys and values.
struct slab {
    /// Any entry may be evicted for any other.
    static constexpr bool global = true;

    template <class Key, class Value>
    class store {
    public:
        explicit store(std::size_t capacity) : capacity_{capacity}, index_{capacity}, nodes_{capacity} {}

        [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
        /// Slots are below this.
        [[nodiscard]] std::size_t slots() const noexcept { return capacity_; }

        template <class K, class Equal>
        [[nodiscard, gnu::always_inline]] slot_number find(std::uint64_t hash, K const& key, Equal const& equal) const {
            return index_.find(hash, [&](slot_number s) { return equal(nodes_[s].held.key, key); });
        }
        void prefetch(std::uint64_t hash) const noexcept { index_.prefetch(hash); }
        void prefetch_entry(std::uint64_t hash) const noexcept {
            index_.for_each_match(hash, [&](slot_number s) { detail::prefetch(nodes_.at(s)); });
        }

        /// Whether entries are likely to be outside the processor's first cache.
        [[nodiscard]] bool is_far() const noexcept { return capacity_ > far_size / sizeof(node); }
        /// Asks for the entry at @p s.
        void prefetch_slot(slot_number s) const noexcept {
            auto const* const octets = reinterpret_cast<char const*>(nodes_.at(s));
            detail::prefetch(octets);
            detail::prefetch(octets + sizeof(node) - 1);
        }

        /// A free place, of which there must be one. It is the caller's, who fills it or gives it back.
        [[nodiscard]] slot_number take() noexcept {
            if (free_ == no_slot) return used_++;
            return std::exchange(free_, nodes_[free_].next_free);
        }
        void give_back(slot_number s) noexcept {
            ::new (static_cast<void*>(&nodes_.at(s)->next_free)) slot_number{free_};
            free_ = s;
        }
        /// Expects a place of the caller's.
        void insert_at(slot_number s, std::uint64_t hash, Key&& key, Value&& value) noexcept {
            ::new (static_cast<void*>(&nodes_.at(s)->held)) entry{std::move(key), std::move(value)};
            index_.insert(hash, s);
        }
        /// The place is the caller's then.
        void erase(std::uint64_t hash, slot_number s) noexcept {
            index_.erase(hash, s);
            nodes_[s].held.~entry();
        }

        [[nodiscard]] Key const& key(slot_number s) const noexcept { return nodes_[s].held.key; }
        [[nodiscard]] Value& value(slot_number s) noexcept { return nodes_[s].held.value; }
        [[nodiscard]] Value const& value(slot_number s) const noexcept { return nodes_[s].held.value; }

    private:
        struct entry {
            Key key;
            Value value;
        };
        // An entry, or a link of the chain of free places.
        union node {
            node() {}
            ~node() {}
            entry held;
            slot_number next_free;
        };

        static constexpr std::size_t far_size = std::size_t{64} << 10;  // bytes; a first-level cache of our day

        std::size_t capacity_;
        detail::tag_index index_;
        detail::raw_array<node> nodes_;
        slot_number used_ = 0;  // places ever used
        slot_number free_ = no_slot;
    };
};

}  // namespace muster::cache
