// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What guardians at work tell, and their bounds.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <variant>

#include <muster/core/error.hpp>
#include <muster/core/time.hpp>
#include <muster/identity/guardian_effects.hpp>
#include <muster/identity/lineage.hpp>

namespace muster::node {

/// Bounds of @ref guardians.
struct guardians_options {
    std::chrono::milliseconds delay = std::chrono::hours{72};  ///< As identity::guardian_desk::options::delay.
    duration poll_each = std::chrono::seconds{30};             ///< Guardians are asked for shares. Ours.
    std::size_t questions_burst = 32;                          ///< Of one peer at once. Ours.
    duration question_each = std::chrono::seconds{1};          ///< Of one peer at the steady rate. Ours.
    std::size_t counted_peers_max = 256;                       ///< Of whom that is counted; others have to wait. Ours.
    std::int32_t forgery_points = 10;  ///< What a peer loses that sends what no honest one does. Ours.
};

/// A peer has shown who it is.
struct introduced {
    peer::peer_id peer;
    identity::user_id user;
    crypto::public_key signer;
    identity::lineage line;  ///< Which leads to the key of @ref peer; checked.
    bool operator==(introduced const&) const = default;
};
/// All guardians together have given enough.
struct recovered {
    identity::restored what;
    bool operator==(recovered const& o) const { return what.key_file == o.what.key_file && what.bad == o.what.bad; }
};
/// What is kept of guardians cannot be written down.
struct guardians_not_kept {
    error why;
    bool operator==(guardians_not_kept const&) const = default;
};
/// What there is to tell.
using guardian_news =
    std::variant<introduced, recovered, guardians_not_kept, identity::desk::ask_to_keep, identity::desk::ask_person,
                 identity::desk::request_approved, identity::desk::request_closed, identity::desk::penalise,
                 identity::watch::recovery_begun, identity::watch::standing_changed, identity::watch::reissue_needed>;

}  // namespace muster::node
