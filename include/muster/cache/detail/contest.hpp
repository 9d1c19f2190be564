// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Small caches without values, which find out by which rule a large one would miss least.
///
/// Idea: no rule is best for all traffic, but which one is best for the traffic of now can be tried out. A sample of
/// all keys, chosen by their hashes, is requested from small caches as well, one for each rule; such a model of one
/// part in thirty-two misses about as often as the large one would.
///
/// Algorithm: for each rule there is a sum of how many fewer misses its model had than the one of the rule at work,
/// never below zero. When a sum exceeds a limit, that rule takes over, and all sums begin anew. The limit is a share
/// of the model's size, so what is lost by choosing wrongly is in proportion to what it costs to fill the cache.
///
/// Source: models of sampled keys are those of Waldspurger et al. (SHARDS, FAST 2015; miniature simulations, USENIX ATC
/// 2017); letting rules compete is set dueling (Qureshi et al., ISCA 2007); the sums are Page's test for a change
/// (CUSUM, Biometrika 1954).

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <muster/cache/detail/array.hpp>
#include <muster/cache/detail/probation_queues.hpp>
#include <muster/cache/detail/tag_index.hpp>

namespace muster::cache::detail {

/// A cache of hashes. Not thread-safe.
class model {
public:
    model(std::size_t slots, regime r) : index_{slots}, hashes_{slots}, queues_{slots, r} {}

    /// Requests the key of that hash; says whether it was missed, in which case it is there now. O(1) amortised.
    [[nodiscard]] bool misses(std::uint64_t hash) noexcept {
        auto s = index_.find(hash, [&](slot_number n) { return hashes_[n] == hash; });
        if (s != no_slot) {
            queues_.on_hit(s);
            return false;
        }
        if (used_ < hashes_.size()) {
            s = used_++;
        } else {
            s = queues_.victim();
            queues_.on_evict(s, hashes_[s]);
            index_.erase(hashes_[s], s);
        }
        hashes_[s] = hash;
        index_.insert(hash, s);
        queues_.on_insert(s, hash);
        return true;
    }
    [[nodiscard]] probation_queues<true> const& queues() const noexcept { return queues_; }

private:
    tag_index index_;
    array<std::uint64_t> hashes_;
    probation_queues<true> queues_;
    slot_number used_ = 0;
};

/// Which requests go to the models: of a cache of thousands, those for one key in thirty-two.
///
/// Models of few entries judge badly: with 8 entries the rule that is chosen missed up to a fifth more than LRU does on
/// the addresses of a compiler, with 64 less. So the models of small caches are larger, up to as large as the cache,
/// and rest in between: after so many misses that whatever they hold is of now, until others would have had as many.
/// Figures are ours.
class sampling {
public:
    explicit sampling(std::size_t slots) noexcept {
        while ((shift_ < rate_shift && slots >> (shift_ + 1) >= size_min) || slots >> shift_ > size_max) ++shift_;
        size_ = slots >> shift_;
    }
    /// Entries of a model.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// Whether the models rest so long that only such rules may compete of which none is far worse than the others.
    [[nodiscard]] bool is_slow() const noexcept { return shift_ < rate_shift - 2; }
    /// Whether the request for the key of @p hash goes to the models; @p missed: by the cache.
    [[nodiscard, gnu::always_inline]] bool takes(std::uint64_t hash, bool missed) noexcept {
        if (rest_ != 0) {
            rest_misses_ -= missed ? 1u : 0u;
            rest_ = rest_misses_ == 0 ? 0 : rest_ - 1;
            return false;
        }
        // A product, since the hashes in a model must differ in all the bits that its index goes by.
        return (hash * 0x9e37'79b9'7f4a'7c15 >> 1 >> (63 - shift_)) == 0;
    }
    /// A request went to the models and was a miss for one of them; says whether what came of it counts. After a rest
    /// they have to get up to date first.
    [[nodiscard]] bool counts(bool missed) noexcept {
        if (shift_ >= rate_shift) return true;
        ++requests_;
        misses_ += missed ? 1u : 0u;
        if (has_passed(run_length)) rest();
        return has_passed(warm_up);
    }

private:
    static constexpr unsigned rate_shift = 5;
    static constexpr std::size_t size_min = 64;
    static constexpr std::size_t size_max = 4096;
    static constexpr std::size_t run_length = 16;  // how often a model is filled with misses until it rests
    static constexpr std::size_t warm_up = 2;      // of which do not count

    // Where there are few misses, little has changed.
    [[nodiscard]] bool has_passed(std::size_t times) const noexcept {
        return misses_ >= times * size_ || requests_ >= 16 * times * size_;
    }
    // So long that one request in thirty-two is taken; with fewer rules one in sixteen.
    void rest() noexcept {
        auto const times = (std::size_t{1} << (rate_shift - (is_slow() ? 1 : 0) - shift_)) - 1;
        rest_ = times * (requests_ << shift_);
        rest_misses_ = times * (run_length * size_ << shift_);
        requests_ = misses_ = 0;
    }

    unsigned shift_ = 0;  // one key in 2^shift is in the sample
    std::size_t size_ = 0;
    std::size_t requests_ = 0;  // to the models since they rested
    std::size_t misses_ = 0;
    std::size_t rest_ = 0;         // requests until they go on
    std::size_t rest_misses_ = 0;  // or misses of the cache
};

/// Which rule is the best for a cache. Not thread-safe. 3 bytes for each entry of a cache of thousands, and more in
/// small ones: about 60 at a hundred.
class contest {
public:
    explicit contest(std::size_t slots)
        : sampling_{slots},
          rules_{sampling_.is_slow() ? 2u : 3u},
          models_{model{sampling_.size(), regime::recency}, model{sampling_.size(), regime::probation},
                  model{rules_ == 3 ? sampling_.size() : 0, regime::retention}} {}

    /// The key of @p hash was requested, where @p at_work is the rule, and @p missed or not; says whether that should
    /// change to the rule of @ref winner. O(1) amortised.
    [[nodiscard, gnu::always_inline]] bool decides(std::uint64_t hash, bool missed, regime at_work) noexcept {
        return sampling_.takes(hash, missed) && judges(hash, at_work);
    }
    /// The queues of the model that has won last.
    [[nodiscard]] probation_queues<true> const& winner() const noexcept { return models_[winner_].queues(); }

private:
    [[nodiscard, gnu::noinline]] bool judges(std::uint64_t hash, regime at_work) noexcept {
        std::array<std::int64_t, 3> missed{};
        for (std::size_t i = 0; i < rules_; ++i) missed[i] = models_[i].misses(hash) ? 1 : 0;
        auto const of_work = missed[static_cast<std::size_t>(at_work)];
        if (!sampling_.counts(of_work != 0)) return false;
        std::size_t best = 0;
        for (std::size_t i = 0; i < rules_; ++i) {
            ahead_[i] = std::max(ahead_[i] + of_work - missed[i], std::int64_t{0});
            if (ahead_[i] - limit(i) > ahead_[best] - limit(best)) best = i;
        }
        if (ahead_[best] <= limit(best)) return false;
        ahead_ = {};
        has_decided_ = true;
        winner_ = best;
        return true;
    }
    // Where requests go to and fro, retention is ahead of LRU by up to the size of the cache, before LRU catches up at
    // the turn. The other limits are ours: a seventh or a third do as well, and a first decision that is taken sooner
    // saves short runs.
    [[nodiscard]] std::int64_t limit(std::size_t rule) const noexcept {
        auto const size = static_cast<std::int64_t>(sampling_.size());
        if (static_cast<regime>(rule) == regime::retention) return size;
        return has_decided_ ? size / 4 : size / 10;
    }

    sampling sampling_;
    std::size_t rules_;  // in the order of regime
    std::array<model, 3> models_;
    std::array<std::int64_t, 3> ahead_{};
    std::size_t winner_ = static_cast<std::size_t>(regime::probation);
    bool has_decided_ = false;
};

}  // namespace muster::cache::detail
