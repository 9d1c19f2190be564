// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What is looked at beside an honest signer: the contributions it sends and gets, and whether an outsider moves it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include <muster/sim/network.hpp>
#include <muster/sim/signing/invariants.hpp>
#include <muster/sim/trace.hpp>

namespace muster::sim::signing {

/// A word that changes when the state of any session of @p c does. O(sessions and their signers).
template <class Coordinator>
[[nodiscard]] std::uint64_t fingerprint(Coordinator const& c) {
    trace all;
    for (auto const& id : c.sessions()) {
        auto const* const s = c.find(id);
        all.note(id.view());
        all.note(static_cast<std::uint64_t>(s->at()) | std::uint64_t{s->view()} << 8 | (s->is_confirmed() ? 128u : 0u));
        for (muster::signing::slot n = 0; n < s->plan().roster.size(); ++n) {
            bool const has_claimed = s->turns().has_claimed(n);
            all.note((s->has_nonces(n) ? 1u : 0u) | (s->has_shares(n) ? 2u : 0u) | (has_claimed ? 4u : 0u) |
                     std::uint64_t{s->turns().vote_of(n)} << 8);
            if (auto const& epoch = s->epoch_of(n)) all.note(epoch->view());
        }
        if (auto const kept = s->snapshot()) all.note(encode(*kept));
        auto const next = s->next_deadline();
        all.note(next ? static_cast<std::uint64_t>(next->time_since_epoch().count()) : 0);
    }
    return all.hash();
}

/// Watches an honest signer. Borrows all. Not thread-safe.
class signer_watch final : public wire_tap {
public:
    /// @param state  the signer's @ref fingerprint, which frames of @p outsider must not change.
    signer_watch(transport& wire, safety_invariants& invariants, std::optional<peer_id> outsider,
                 std::function<std::uint64_t()> state)
        : wire_{&wire}, invariants_{&invariants}, outsider_{std::move(outsider)}, state_{std::move(state)} {
        wire_->tap(this);
    }
    signer_watch(signer_watch const&) = delete;
    signer_watch& operator=(signer_watch const&) = delete;
    ~signer_watch() override { wire_->tap(nullptr); }

    result<void> outgoing(peer_id const& to, std::string_view protocol, bytes frame) override {
        invariants_->evidence().note(wire_->host(), frame);
        auto const f = muster::signing::parse_frame(frame, muster::signing::protocol_limits());
        bool const is_share = f && f.value().header.what == muster::signing::kind::shares &&
                              muster::signing::is_authentic(f.value(), wire_->local());
        if (is_share) invariants_->gives_share(wire_->host(), f.value().header.session);
        return wire_->send_as_is(to, protocol, std::move(frame));
    }
    bool incoming(peer_id const& from, bytes const& frame) override {
        if (from == outsider_) {
            before_ = state_();
        } else {
            invariants_->evidence().note(wire_->host(), frame);
        }
        return true;
    }
    void handled(peer_id const& from) override {
        if (from == outsider_ && state_() != before_) {
            invariants_->report(text("an outsider changed the state of host ", wire_->host()));
        }
    }

private:
    transport* wire_;
    safety_invariants* invariants_;
    std::optional<peer_id> outsider_;
    std::function<std::uint64_t()> state_;
    std::uint64_t before_ = 0;
};

}  // namespace muster::sim::signing
