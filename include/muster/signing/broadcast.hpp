// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Whose turn it is to broadcast the signature, and whether somebody has.
///
/// The turn passes down the election's list, once per failover, to its end and no further. Anyone may claim to
/// have broadcast; a claim counts from the moment on at which it is, or was, the claimant's turn.

#include <optional>
#include <utility>
#include <vector>

#include <muster/signing/election.hpp>

namespace muster::signing {

/// The walk down the list of one session. Not thread-safe.
class broadcast_turns {
public:
    /// @param order  every slot once; not empty. See @ref election_order.
    explicit broadcast_turns(std::vector<slot> order) : order_{std::move(order)}, claimed_(order_.size()) {}

    [[nodiscard]] std::vector<slot> const& order() const noexcept { return order_; }
    /// Who was elected, before any failover.
    [[nodiscard]] slot elected() const noexcept { return order_.front(); }
    /// Whose turn it is.
    [[nodiscard]] slot holder() const noexcept { return order_[view_]; }
    /// Whether the last signer's turn has been passed on, to nobody.
    [[nodiscard]] bool is_exhausted() const noexcept { return exhausted_; }
    /// Who has broadcast, if anybody is believed to.
    [[nodiscard]] std::optional<slot> confirmed_by() const noexcept { return confirmed_by_; }

    /// Passes the turn on; false when nobody is left, and from then on.
    [[nodiscard]] bool pass_on() noexcept {
        exhausted_ = exhausted_ || view_ + 1 == order_.size();
        if (!exhausted_) ++view_;
        return !exhausted_;
    }

    /// Remembers that @p who claims to have broadcast.
    void claim(slot who) { claimed_[who] = true; }
    /// The first signer in the list whose turn has come and who claims to have broadcast.
    [[nodiscard]] std::optional<slot> credible_claim() const {
        for (std::size_t view = 0; view <= view_; ++view) {
            if (claimed_[order_[view]]) return order_[view];
        }
        return std::nullopt;
    }
    /// Settles that @p who has broadcast.
    void confirm(slot who) noexcept { confirmed_by_ = who; }

private:
    std::vector<slot> order_;
    std::vector<bool> claimed_;  // per slot
    std::size_t view_ = 0;       // index into order_
    bool exhausted_ = false;
    std::optional<slot> confirmed_by_;
};

}  // namespace muster::signing
