// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a session is about, and what makes its nonces fresh: fixed before it begins.

#include <cstdint>
#include <memory>

#include <muster/core/time.hpp>
#include <muster/musig2/backend.hpp>
#include <muster/signing/frame.hpp>
#include <muster/signing/proposal.hpp>

namespace muster::signing {

/// What a session is about; fixed when it is made.
template <musig2::backend Backend>
struct session_terms {
    session_id id;
    roster_id roster;                            ///< Of the plan's roster.
    std::shared_ptr<proposal const> plan;        ///< Checked against the limits.
    typename Backend::keyagg_context group;      ///< Of the plan's keys and tweaks.
    slot self = 0;                               ///< Our index in the roster.
    boot_epoch epoch;                            ///< Ours.
    instant expires;                             ///< The plan's expiry, on our clock, clamped.
    instant ends = instant::max();               ///< When its lifetime is over: `limits::session_lifetime_max`.
    timestamp created{};                         ///< When it was made, for the journal.
    [[no_unique_address]] Backend backend = {};  ///< Computes.
};

/// What makes each nonce of a signer another one even where its source of randomness repeats itself: see
/// `session::approve`.
struct nonce_freshness {
    timestamp wall{};          ///< The time of day.
    std::uint64_t number = 0;  ///< Of nonces before it; with a journal never the same twice.
};

}  // namespace muster::signing
