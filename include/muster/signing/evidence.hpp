// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Signed frames that are passed on, so that whoever told two stories is found out.
///
/// Idea: that another signer's shares name another transcript proves nothing by itself: it, its aggregator, or some
/// third signer may have told different things to different peers. So nobody is blamed; everyone shows the others what
/// it got, as it was signed. Two frames of one signer that contradict each other then convict it, at whoever holds
/// both.
///
/// Source: ours; BIP-327 ("Identifying disruptive signers") asks for contributions that are authenticated and the same
/// for all before it lets a signer be blamed.

#include <muster/core/effect_sink.hpp>
#include <muster/signing/contributions.hpp>
#include <muster/signing/effect.hpp>

namespace muster::signing {

/// Who shows what: the contributions as @p self got them, with @p elected as the aggregator where there is one.
struct evidence {
    contributions const& all;
    slot self;
    slot elected;

    /// @p to signed under other nonces or sums than we did: it is sent all signed frames that we have. Expects our own
    /// nonces. O(signers) frames.
    template <effect_sink<session_effect> Sink>
    void show(slot to, Sink& out) const {
        auto const& sums = all.aggregate();
        out.push(send_frame{to, *all[self].nonces});
        if (sums.what && sums.frame.empty()) out.push(send_frame{to, *sums.what});
        if (!sums.frame.empty() && to != elected) out.push(forward_frame{to, sums.frame});
        for (slot s = 0; s < all.size(); ++s) {
            if (s != to && !all[s].nonces_frame.empty()) out.push(forward_frame{to, all[s].nonces_frame});
        }
    }

    /// Shares that passed through an aggregator do not add up: every signer gets all signed frames, to find the culprit
    /// by itself. Expects our own shares. O(signers^2) frames.
    template <effect_sink<session_effect> Sink>
    void show_to_all(Sink& out) const {
        for (slot to = 0; to < all.size(); ++to) {
            if (to == self) continue;
            show(to, out);
            out.push(send_frame{to, *all[self].shares});
            for (slot s = 0; s < all.size(); ++s) {
                if (s != to && !all[s].shares_frame.empty()) out.push(forward_frame{to, all[s].shares_frame});
            }
        }
    }

    /// Two frames of @p who that contradict each other: everyone else gets both, and verifies them.
    template <effect_sink<session_effect> Sink>
    void show_contradiction(slot who, bytes const& first, bytes const& second, Sink& out) const {
        for (slot s = 0; s < all.size(); ++s) {
            if (s == self || s == who) continue;
            out.push(forward_frame{s, first});
            out.push(forward_frame{s, second});
        }
    }
};

}  // namespace muster::signing
