// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Eviction by queues: new entries are on probation, and only what is asked for again gets into the main queue.
///
/// S3-FIFO (Yang et al., SOSP 2023): a new entry joins the probation queue, or the main one if it was evicted lately.
/// When room is needed and probation holds more than its share, its oldest entry moves to the main queue if it was hit
/// often enough, and is evicted otherwise; else the oldest of the main queue goes round again as often as it was
/// hit, up to three times. Hits only count, so they are as cheap as SIEVE's.
///
/// The right share of probation depends on the traffic: scans want it small, bursts want it large, and a fixed tenth
/// loses up to half of LRU's hits on some. The adaptive variant steers it as ARC does (Megiddo and Modha, FAST 2003):
/// a miss on what probation had evicted makes it larger, a miss on what the main queue had evicted makes it smaller,
/// each weighted by the balance of the two histories.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <muster/cache/detail/ghosts.hpp>
#include <muster/cache/detail/slot_lists.hpp>

namespace muster::cache {

namespace detail {

/// The two queues; @p Adaptive says whether the share of probation is steered.
template <bool Adaptive>
class probation_queues {
public:
    explicit probation_queues(std::size_t slots)
        : capacity_{slots},
          target_{slots / 10},
          lists_{slots, 2},
          state_{slots},
          evicted_new_{slots},
          evicted_{Adaptive ? slots : 0} {}

    void on_insert(slot_number s, std::uint64_t hash) noexcept {
        bool const was_new = evicted_new_.take(hash);
        bool const was_old = Adaptive && !was_new && evicted_.take(hash);
        if (Adaptive && was_new) lengthen();
        if (Adaptive && was_old) shorten();
        enqueue(s, was_new || was_old ? main : probation, 0);
    }
    void on_hit(slot_number s) noexcept {
        if ((state_[s] & hits) < hits_max) ++state_[s];
    }
    void on_erase(slot_number s) noexcept { leave(s); }
    void on_evict(slot_number s, std::uint64_t hash) noexcept {
        if ((state_[s] & in_main) == 0) {
            evicted_new_.add(hash);
        } else if constexpr (Adaptive) {
            evicted_.add(hash);
        }
        leave(s);
    }
    /// Expects at least one entry. O(1) amortised over the hits.
    [[nodiscard]] slot_number victim() noexcept {
        for (;;) {
            auto const oldest_new = lists_.back(probation);
            if (oldest_new != no_slot && (in_probation_ > target_ || lists_.empty(main))) {
                if ((state_[oldest_new] & hits) < promoted_at) return oldest_new;
                leave(oldest_new);
                enqueue(oldest_new, main, 0);
                continue;
            }
            auto const oldest = lists_.back(main);
            if ((state_[oldest] & hits) == 0) return oldest;
            --state_[oldest];
            lists_.move(main, oldest);
        }
    }
    /// Probation first, then the main queue; the oldest of each first.
    template <class F>
    void for_each(F f) const {
        lists_.for_each(probation, f);
        lists_.for_each(main, f);
    }

private:
    static constexpr std::size_t probation = 0;
    static constexpr std::size_t main = 1;
    static constexpr std::uint8_t hits = 0x03;
    static constexpr std::uint8_t hits_max = 3;
    static constexpr std::uint8_t promoted_at = 2;
    static constexpr std::uint8_t in_main = 0x80;

    void enqueue(slot_number s, std::size_t queue, std::uint8_t hit_count) noexcept {
        state_[s] = static_cast<std::uint8_t>(hit_count | (queue == main ? in_main : 0));
        lists_.push(queue, s);
        in_probation_ += queue == probation ? 1u : 0u;
    }
    void leave(slot_number s) noexcept {
        lists_.unlink(s);
        in_probation_ -= (state_[s] & in_main) == 0 ? 1u : 0u;
    }

    // By how much one history outweighs the other.
    [[nodiscard]] static std::size_t weight(ghosts const& of, ghosts const& against) noexcept {
        return std::max<std::size_t>(of.alive() / std::max<std::size_t>(against.alive(), 1), 1);
    }
    void lengthen() noexcept {
        target_ =
            std::min(target_ + weight(evicted_, evicted_new_), std::max<std::size_t>(capacity_ - capacity_ / 10, 1));
    }
    void shorten() noexcept {
        auto const step = weight(evicted_new_, evicted_);
        target_ = std::max(target_ > step ? target_ - step : 0, std::max<std::size_t>(capacity_ / 100, 1));
    }

    std::size_t capacity_;
    std::size_t target_;  // entries that probation may hold when room is needed
    std::size_t in_probation_ = 0;
    slot_lists lists_;
    array<std::uint8_t> state_;  // hits, and which queue
    ghosts evicted_new_;         // from probation
    ghosts evicted_;             // from the main queue; only when steering
};

}  // namespace detail

/// S3-FIFO with a tenth on probation. 11 octets an entry.
class s3_fifo : public detail::probation_queues<false> {
    using probation_queues::probation_queues;
};

/// S3-FIFO whose probation is steered by what it should not have evicted. 13 octets an entry.
class adaptive_s3_fifo : public detail::probation_queues<true> {
    using probation_queues::probation_queues;
};

}  // namespace muster::cache
