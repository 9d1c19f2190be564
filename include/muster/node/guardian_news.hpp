// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What guardians at work tell, and their bounds.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <variant>

#include <muster/core/error.hpp>
#include <muster/core/rate_limiter.hpp>
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

/// How much each peer may ask. Bounded; not thread-safe.
class question_accounts {
public:
    explicit question_accounts(guardians_options const& o) noexcept : options_{o} {}
    /// Whether @p who may ask once more; counts it. O(log peers).
    [[nodiscard]] bool allow(peer::peer_id const& who, instant now) {
        if (peers_.size() >= options_.counted_peers_max && peers_.count(who) == 0) {
            std::erase_if(peers_, [&](auto const& a) { return a.second.is_idle(now); });
            if (peers_.size() >= options_.counted_peers_max) return false;
        }
        rate_limiter const fresh{options_.question_each, options_.questions_burst};
        return peers_.try_emplace(who, fresh).first->second.allow(now);
    }

private:
    guardians_options options_;
    std::map<peer::peer_id, rate_limiter> peers_;
};

/// A peer has shown who it is.
struct introduced {
    peer::peer_id peer;
    identity::user_id user;
    crypto::public_key signer;
    identity::lineage line;  ///< Which leads to the key of @ref peer; checked.
    bool operator==(introduced const&) const = default;
};
/// Somebody who has introduced themselves: where they are now, and what is sealed for.
struct introduced_person {
    peer::peer_id peer;
    crypto::public_key key;
    crypto::x25519_public agreement;
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
