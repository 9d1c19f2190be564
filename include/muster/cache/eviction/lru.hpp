// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Eviction in the order of last use, and two relatives that spend less on each hit.

#include <cstddef>
#include <cstdint>

#include <muster/cache/detail/slot_lists.hpp>

namespace muster::cache {

namespace detail {

/// What the policies below have in common: one list, given up from its old end.
class list_order {
public:
    void on_insert(slot_number s, std::uint64_t) noexcept { lists_.push(0, s); }
    void on_hit(slot_number) noexcept {}
    void on_erase(slot_number s) noexcept { lists_.unlink(s); }
    void on_evict(slot_number s, std::uint64_t) noexcept { lists_.unlink(s); }
    [[nodiscard]] slot_number victim() const noexcept { return lists_.back(0); }
    /// An entry that will be evicted a few evictions from now, if nothing is hit before; or @ref no_slot. A hint, for
    /// asking for its memory.
    [[nodiscard]] slot_number scout() noexcept { return scout_.advance(lists_); }
    template <class F>
    void for_each(F f) const {
        lists_.for_each(0, f);
    }

protected:
    explicit list_order(std::size_t slots) : lists_{slots, 1} {}
    ~list_order() = default;
    void renew(slot_number s) noexcept { lists_.move(0, s); }

private:
    slot_lists lists_;
    list_scout scout_;
};

}  // namespace detail

/// Evicts the entry that was used longest ago. Exact. 8 bytes an entry.
class lru : public detail::list_order {
public:
    explicit lru(std::size_t slots) : list_order{slots} {}
    void on_hit(slot_number s) noexcept { renew(s); }
};

/// Evicts the entry that was inserted longest ago. 8 bytes an entry.
class fifo : public detail::list_order {
public:
    explicit fifo(std::size_t slots) : list_order{slots} {}
};

/// LRU that leaves an entry where it is while it is still among the newest: a hit writes only when the entry was not
/// promoted within the last @p Percent of the capacity in insertions and promotions. 12 bytes an entry; with 25
/// percent the hit ratio falls by less than 0.1 points.
template <unsigned Percent = 25>
class lazy_lru : public detail::list_order {
public:
    static_assert(Percent < 100, "at 100 percent nothing would ever be promoted");

    /// @param already  where the count of insertions and promotions begins, for tests of what happens when it wraps.
    explicit lazy_lru(std::size_t slots, std::uint32_t already = 0)
        : list_order{slots},
          promoted_{slots},
          patience_{static_cast<std::uint32_t>(slots * Percent / 100)},
          count_{already} {}

    void on_insert(slot_number s, std::uint64_t hash) noexcept {
        promoted_[s] = ++count_;
        list_order::on_insert(s, hash);
    }
    void on_hit(slot_number s) noexcept {
        if (count_ - promoted_[s] <= patience_) return;  // also right when the count has wrapped
        promoted_[s] = ++count_;
        renew(s);
    }

private:
    detail::array<std::uint32_t> promoted_;  // the count when the slot was last made the newest
    std::uint32_t patience_;
    std::uint32_t count_;
};

}  // namespace muster::cache
