// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Second chances: a hit is a small count, and the hand that looks for a victim takes it back.
///
/// `clock` sweeps over the places in their order and evicts the first entry whose count is 0, taking one from each
/// it passes (Corbató 1968; counts as in TigerBeetle's set-associative cache). `sieve` keeps entries in the order of
/// insertion and never moves them; its hand goes from old to new and starts over (Zhang et al., NSDI 2024).

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <muster/cache/detail/group.hpp>
#include <muster/cache/detail/slot_lists.hpp>

namespace muster::cache {

/// Generalised CLOCK with @p Bits bits of count. One byte an entry. Also works within a set.
template <unsigned Bits = 2>
class clock {
public:
    static_assert(Bits >= 1 && Bits <= 7);

    explicit clock(std::size_t slots) : state_{slots} {}

    void on_insert(slot_number s, std::uint64_t) noexcept { state_[s] = occupied; }
    /// Within a set a newcomer begins with a count, where there are more than one: otherwise it would be the only one
    /// without, so the next victim again, and the others would never grow old.
    void on_insert_among(slot_number s) noexcept { state_[s] = Bits == 1 ? occupied : occupied + 1; }
    void on_hit(slot_number s) noexcept {
        if (state_[s] < occupied + most) ++state_[s];
    }
    void on_erase(slot_number s) noexcept { state_[s] = 0; }
    void on_evict(slot_number s, std::uint64_t) noexcept { on_erase(s); }

    /// Expects at least one entry. O(1) amortised over the hits.
    [[nodiscard]] slot_number victim() noexcept {
        for (;;) {
            auto const s = hand_;
            hand_ = s + 1 < state_.size() ? s + 1 : 0;
            if (state_[s] == occupied) return s;
            if (state_[s] > occupied) --state_[s];
        }
    }
    /// The victim among @p count slots from @p first on, at most 16 and all of them in use: one of those with the
    /// lowest count, which is taken from all.
    [[nodiscard]] slot_number victim_among(slot_number first, slot_number count) noexcept {
        // Begins somewhere else each time, or low places would live shorter.
        auto const turn = turn_ = (turn_ + 1) % 16;
        auto* const set = state_.data() + first;
        if (count == 16) [[likely]] {
            auto const least = detail::least16(set);
            detail::lower16(set, static_cast<std::uint32_t>(least - occupied));
            auto const idle = detail::match16(set, occupied);
            auto const from_turn = std::rotr(idle | idle << 16, static_cast<int>(turn));
            return first + (turn + static_cast<slot_number>(std::countr_zero(from_turn))) % 16;
        }
        auto const least = *std::min_element(set, set + count);
        for (slot_number i = 0; i < count; ++i) set[i] = static_cast<std::uint8_t>(set[i] - (least - occupied));
        auto i = turn % count;
        while (set[i] != occupied) i = i + 1 < count ? i + 1 : 0;
        return first + i;
    }
    /// By count, the lowest first; among equal ones, from the hand on.
    template <class F>
    void for_each(F f) const {
        for (unsigned wanted = occupied; wanted <= occupied + most; ++wanted) {
            for (std::size_t i = 0; i < state_.size(); ++i) {
                auto const s = static_cast<slot_number>((hand_ + i) % state_.size());
                if (state_[s] == wanted) f(s);
            }
        }
    }

private:
    static constexpr std::uint8_t occupied = 0x80;
    static constexpr std::uint8_t most = (1u << Bits) - 1;

    detail::array<std::uint8_t> state_;  // 0 for a free place
    slot_number hand_ = 0;
    slot_number turn_ = 0;  // within sets
};

/// SIEVE. 9 bytes an entry; a hit writes one of them.
class sieve {
public:
    explicit sieve(std::size_t slots) : lists_{slots, 1}, visited_{slots} {}

    void on_insert(slot_number s, std::uint64_t) noexcept {
        visited_[s] = 0;
        lists_.push(0, s);
    }
    void on_hit(slot_number s) noexcept { visited_[s] = 1; }
    void on_erase(slot_number s) noexcept {
        if (s == hand_) hand_ = lists_.newer(s);
        lists_.unlink(s);
    }
    void on_evict(slot_number s, std::uint64_t) noexcept { on_erase(s); }
    /// Expects at least one entry.
    [[nodiscard]] slot_number victim() noexcept {
        for (;;) {
            if (hand_ == no_slot) hand_ = lists_.back(0);
            if (visited_[hand_] == 0) return hand_;
            visited_[hand_] = 0;
            hand_ = lists_.newer(hand_);
        }
    }
    template <class F>
    void for_each(F f) const {
        lists_.for_each(0, f);
    }

private:
    detail::slot_lists lists_;
    detail::array<std::uint8_t> visited_;
    slot_number hand_ = no_slot;  // the next to be judged; none: the oldest
};

}  // namespace muster::cache
