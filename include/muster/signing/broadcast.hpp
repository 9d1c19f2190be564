// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Whose turn it is to broadcast the signature, by agreement, and whether somebody has.
///
/// A *view* is a place in the election's list: in view v the v-th signer of the list should broadcast. Signers vote for
/// views: "at least view v + 1". The turn passes on when the signer whose turn it is votes so itself, which is its
/// withdrawal, or when a majority of the others does. Votes only rise, and the view is a function of the votes alone:
/// signers that have seen the same votes are in the same view, in whatever order they saw them, and one that was cut
/// off catches up by being shown the signed votes. The view after the last signer's is the end: all had their turn.
///
/// Anyone may claim to have broadcast; a claim counts from the moment on at which it is, or was, the claimant's turn.
///
/// Source: view changes with certificates of signed votes as in PBFT (Castro and Liskov, OSDI 1999). Agreement on one
/// value is not needed here, since to broadcast a signature twice is to broadcast it once; so a majority of the others
/// does instead of 2f + 1 of 3f + 1, and two signers can do without one that has died.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <muster/signing/election.hpp>

namespace muster::signing {

/// A place in the list of those who are asked to broadcast; the number of signers stands for its end.
using view_number = std::uint32_t;

/// The turns of one session's signers. Not thread-safe.
class broadcast_turns {
public:
    /// @param order  every slot once; not empty. See @ref election_order.
    explicit broadcast_turns(std::vector<slot> order)
        : order_{std::move(order)}, votes_(order_.size()), claimed_(order_.size()), disputed_(order_.size()) {}

    [[nodiscard]] std::vector<slot> const& order() const noexcept { return order_; }
    /// Who was elected, before any failover.
    [[nodiscard]] slot elected() const noexcept { return order_.front(); }
    /// Where in the list we are.
    [[nodiscard]] view_number view() const noexcept { return view_; }
    /// Whose turn it is; after the last one's turn that of nobody, and this the last one.
    [[nodiscard]] slot holder() const noexcept { return order_[std::min<std::size_t>(view_, order_.size() - 1)]; }
    /// Whether the last signer's turn has been passed on, to nobody.
    [[nodiscard]] bool is_exhausted() const noexcept { return view_ == order_.size(); }
    /// Who has broadcast, if anybody is believed to.
    [[nodiscard]] std::optional<slot> confirmed_by() const noexcept { return confirmed_by_; }

    /// How many others must agree to pass by the signer whose turn it is: a majority of them.
    [[nodiscard]] std::size_t quorum() const noexcept { return (order_.size() - 1) / 2 + 1; }
    /// The highest view that @p who has voted for; 0 when it has not.
    [[nodiscard]] view_number vote_of(slot who) const noexcept { return votes_[who]; }
    /// Records that @p who wants at least view @p v, at most the end of the list; false when that is no news.
    bool vote(slot who, view_number v) noexcept {
        v = std::min(v, static_cast<view_number>(order_.size()));
        if (v <= votes_[who]) return false;
        votes_[who] = v;
        return true;
    }
    /// Passes the turn on by one when the votes are there for it. O(n).
    [[nodiscard]] bool pass_on() noexcept {
        if (is_exhausted()) return false;
        auto const wants_more = [this](slot s) { return votes_[s] > view_; };
        auto const others =
            std::count_if(order_.begin(), order_.end(), [&](slot s) { return s != holder() && wants_more(s); });
        if (!wants_more(holder()) && static_cast<std::size_t>(others) < quorum()) return false;
        ++view_;
        return true;
    }

    /// Remembers that @p who claims to have broadcast, unless that was disputed.
    void claim(slot who) { claimed_[who] = !disputed_[who]; }
    /// Whether @p who claims to have broadcast, and that is not disputed.
    [[nodiscard]] bool has_claimed(slot who) const noexcept { return claimed_[who]; }
    [[nodiscard]] bool is_disputed(slot who) const noexcept { return disputed_[who]; }
    /// @p who has not broadcast, whatever it claims.
    void dispute(slot who) {
        disputed_[who] = true;
        claimed_[who] = false;
        if (confirmed_by_ == who) confirmed_by_.reset();
    }
    /// The first signer in the list whose turn has come and who claims to have broadcast.
    [[nodiscard]] std::optional<slot> credible_claim() const {
        for (std::size_t view = 0; view <= view_ && view < order_.size(); ++view) {
            if (claimed_[order_[view]]) return order_[view];
        }
        return std::nullopt;
    }
    /// Settles that @p who has broadcast.
    void confirm(slot who) noexcept { confirmed_by_ = who; }

private:
    std::vector<slot> order_;
    std::vector<view_number> votes_;  // per slot
    std::vector<bool> claimed_;       // per slot
    std::vector<bool> disputed_;      // per slot
    view_number view_ = 0;
    std::optional<slot> confirmed_by_;
};

}  // namespace muster::signing
