// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Doubly linked lists of slots: every slot is on at most one list, and carries no pointer.
///
/// Links are 32-bit numbers in an array of their own. Each list has a sentinel behind the slots, so nothing is a
/// special case, and the eight bytes a slot of a million entries stay in a cache that their keys and values would
/// never fit into.

#include <cstddef>
#include <cstdint>

#include <muster/cache/detail/tag_index.hpp>

namespace muster::cache::detail {

/// Lists over the slots of one cache. Not thread-safe. Every operation is O(1).
class slot_lists {
public:
    /// @p lists empty lists over @p slots slots.
    slot_lists(std::size_t slots, std::size_t lists)
        : first_sentinel_{static_cast<slot_number>(slots)}, links_{slots + lists} {
        for (auto s = first_sentinel_; s < slots + lists; ++s) links_[s] = {s, s};
    }

    [[nodiscard]] bool empty(std::size_t list) const noexcept { return back(list) == no_slot; }
    /// The oldest slot of @p list, or @ref no_slot.
    [[nodiscard]] slot_number back(std::size_t list) const noexcept { return real(links_[sentinel(list)].newer); }
    /// The newest slot of @p list, or @ref no_slot.
    [[nodiscard]] slot_number front(std::size_t list) const noexcept { return real(links_[sentinel(list)].older); }
    /// Asks for the links of the slot after @p s.
    void prefetch_newer(slot_number s) const noexcept { detail::prefetch(&links_[links_[s].newer]); }
    /// The slot pushed after @p s on the same list, or @ref no_slot.
    [[nodiscard]] slot_number newer(slot_number s) const noexcept { return real(links_[s].newer); }

    /// Makes @p s the newest of @p list. Expects it on no list.
    void push(std::size_t list, slot_number s) noexcept {
        auto const end = sentinel(list);
        auto const newest = links_[end].older;
        links_[s] = {newest, end};
        links_[newest].newer = s;
        links_[end].older = s;
    }
    /// Takes @p s off its list.
    void unlink(slot_number s) noexcept {
        auto const [older, newer] = links_[s];
        links_[older].newer = newer;
        links_[newer].older = older;
    }
    /// Makes @p s the newest of @p list; it may have been on any.
    void move(std::size_t list, slot_number s) noexcept {
        unlink(s);
        push(list, s);
    }

    /// Orders @p list so that for no slot `comes_before(next, slot)` holds; equal ones stay as they are. Merges runs
    /// that double in length: O(n log n), without memory.
    template <class Before>
    void sort(std::size_t list, Before comes_before) noexcept {
        for (std::size_t width = 1; merge_runs(list, width, comes_before) > 1; width *= 2) {
        }
    }

    /// Calls @p f for every slot of @p list, the oldest first. It may unlink that slot.
    template <class F>
    void for_each(std::size_t list, F f) const {
        for (auto s = links_[sentinel(list)].newer; s < first_sentinel_;) {
            auto const next = links_[s].newer;
            f(s);
            s = next;
        }
    }

private:
    struct link {
        slot_number older;
        slot_number newer;
    };

    // Takes the list apart into runs of @p width and merges each two; says how many merged runs that made.
    template <class Before>
    std::size_t merge_runs(std::size_t list, std::size_t width, Before& comes_before) noexcept {
        auto const end = sentinel(list);
        auto left = links_[end].newer;
        links_[end] = {end, end};
        std::size_t merged = 0;
        for (; left != end; ++merged) {
            auto right = left;
            std::size_t left_size = 0, right_size = width;
            for (; left_size < width && right != end; ++left_size) right = links_[right].newer;
            while (left_size > 0 || (right_size > 0 && right != end)) {
                bool const takes_right =
                    left_size == 0 || (right_size > 0 && right != end && comes_before(right, left));
                auto& taken = takes_right ? right : left;
                --(takes_right ? right_size : left_size);
                auto const s = taken;
                taken = links_[s].newer;
                push(list, s);
            }
            left = right;
        }
        return merged;
    }

    [[nodiscard]] slot_number sentinel(std::size_t list) const noexcept {
        return first_sentinel_ + static_cast<slot_number>(list);
    }
    [[nodiscard]] slot_number real(slot_number s) const noexcept { return s < first_sentinel_ ? s : no_slot; }

    slot_number first_sentinel_;
    array<link> links_;
};

/// Walks a few entries ahead of the old end of a list, so that an entry's memory can be asked for before it is evicted.
/// It may lose its way when entries move; then it begins again at the end.
class list_scout {
public:
    [[nodiscard]] slot_number advance(slot_lists const& lists) noexcept {
        if (at_ != no_slot && ++steps_ % restart_interval != 0) at_ = lists.newer(at_);
        if (at_ == no_slot || steps_ % restart_interval == 0) {
            at_ = lists.back(0);
            for (unsigned i = 0; i < distance && at_ != no_slot; ++i) at_ = lists.newer(at_);
        }
        if (at_ != no_slot) lists.prefetch_newer(at_);
        return at_;
    }

private:
    static constexpr unsigned distance = 8;  // evictions: memory answers in less than that
    static constexpr unsigned restart_interval = 128;

    slot_number at_ = no_slot;
    std::uint32_t steps_ = 0;
};

}  // namespace muster::cache::detail
