// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How far the others are: several peers are asked, and what they say is weighed.
///
/// Algorithm: of the heights that are told, the one that more than half of those asked have reached. So the smaller
/// part can neither raise it beyond what an honest peer has, nor hold it back. What is implausibly far ahead has no
/// vote. One peer or two are not waited for alone: whoever connects first would decide. And who could not show what it
/// has claimed is not taken for the furthest one for a while.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/feed/types.hpp>

namespace muster::feed {

/// A part of catch_up: one round of questions after another, and what was said last. A value.
class head_vote {
public:
    using errand_number = std::uint64_t;

    /// @param ahead_max  heights further above our own than this have no vote.
    /// @param few        fewer votes than these ...
    /// @param few_wait   ... wait so long for more.
    head_vote(std::uint64_t ahead_max, std::size_t few, duration few_wait) noexcept
        : ahead_max_{ahead_max}, few_{few}, few_wait_{few_wait} {}

    // ---- a round ----------------------------------------------------------------------------------------

    void begin() {
        told_.clear();
        close();
    }
    void ask(errand_number e, peer_id const& who) {
        asked_.emplace(e, who);
        is_open_ = true;
    }
    /// Whether a round is to be decided: nobody is being asked any more, and its votes are enough or, where few wait
    /// for more (@p waits), have waited.
    [[nodiscard]] bool is_ready(instant now, bool waits) {
        if (!is_open_ || !is_over()) return false;
        if (!waits || told_.empty() || told_.size() >= few_) return true;
        if (!few_until_) few_until_ = saturating_add(now, few_wait_);
        return *few_until_ <= now;
    }
    /// It is decided, or not wanted any more.
    void close() noexcept {
        is_open_ = false;
        few_until_.reset();
    }
    /// When few votes have waited.
    [[nodiscard]] deadline next_deadline() const noexcept { return is_over() ? few_until_ : std::nullopt; }
    /// How many votes the last round had that was counted.
    [[nodiscard]] std::size_t counted() const noexcept { return counted_; }
    [[nodiscard]] bool owns(errand_number e) const { return asked_.count(e) != 0; }
    /// Nobody is being asked any more.
    [[nodiscard]] bool is_over() const noexcept { return asked_.empty(); }
    [[nodiscard]] std::size_t asked() const noexcept { return asked_.size(); }
    [[nodiscard]] bool has_votes() const noexcept { return !told_.empty(); }
    /// @p e has ended; with an answer, where there was one.
    void end(errand_number e, peer_id const& who, std::optional<height> h, height local) {
        asked_.erase(e);
        if (!h) return;
        claim(who, *h);
        if (*h <= local || *h - local <= ahead_max_) told_[who] = *h;
    }
    bool drop(errand_number e) { return asked_.erase(e) != 0; }
    /// @p who is gone. @return what it was being asked by.
    [[nodiscard]] std::vector<errand_number> forget(peer_id const& who) {
        std::vector<errand_number> out;
        for (auto const& [e, p] : asked_) {
            if (p == who) out.push_back(e);
        }
        for (auto const e : out) asked_.erase(e);
        told_.erase(who);
        claims_.erase(who);
        doubts_.erase(who);
        return out;
    }
    /// All that are being asked, which are no longer.
    [[nodiscard]] std::vector<errand_number> drop_all() {
        std::vector<errand_number> out;
        for (auto const& [e, p] : asked_) out.push_back(e);
        asked_.clear();
        return out;
    }
    /// What came of a round.
    struct result_type {
        height agreed = 0;      ///< What more than half have reached.
        height furthest = 0;    ///< What somebody who is trusted has reached, ...
        peer_id furthest_peer;  ///< ... and who.
    };
    /// Ends the round. Expects votes.
    [[nodiscard]] result_type count(instant now) {
        std::erase_if(doubts_, [&](auto const& d) { return d.second <= now; });
        counted_ = told_.size();
        std::vector<height> all;
        result_type out;
        for (auto const& [who, h] : told_) {
            all.push_back(h);
            if (h < out.furthest || doubts_.count(who) != 0) continue;
            out.furthest = h;
            out.furthest_peer = who;
        }
        std::sort(all.begin(), all.end(), std::greater<>{});
        out.agreed = all[all.size() / 2];
        told_.clear();
        return out;
    }

    // ---- claims -----------------------------------------------------------------------------------------

    void claim(peer_id const& who, height h) { claims_.insert_or_assign(who, h); }
    void unclaim(peer_id const& who) { claims_.erase(who); }
    /// Until @p until it is not the furthest one.
    void doubt(peer_id const& who, instant until) { doubts_.insert_or_assign(who, until); }
    /// What @p who has said last.
    [[nodiscard]] std::optional<height> claim_of(peer_id const& who) const {
        auto const found = claims_.find(who);
        return found == claims_.end() ? std::nullopt : std::optional{found->second};
    }

private:
    std::uint64_t ahead_max_;
    std::size_t few_;
    duration few_wait_;
    deadline few_until_ = {};
    bool is_open_ = false;  ///< A round that nothing was decided by.
    std::size_t counted_ = 0;
    std::map<errand_number, peer_id> asked_;
    std::map<peer_id, height> told_;     ///< In this round.
    std::map<peer_id, height> claims_;   ///< Of connected peers; the network's bound.
    std::map<peer_id, instant> doubts_;  ///< Likewise.
};

}  // namespace muster::feed
