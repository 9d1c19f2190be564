// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the application is told.

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <muster/signing/frame.hpp>

namespace muster::signing {

/// A session exists, proposed by us or by another signer.
struct session_created {
    session_id session;
    std::shared_ptr<proposal const> what;
    slot self = 0;  ///< Our slot.
};
/// Another signer's proposal waits for `approve` or `decline`. No nonce exists yet.
struct approval_requested {
    session_id session;
    std::shared_ptr<proposal const> what;
};
/// A signer approved: its nonces are here.
struct nonces_received {
    session_id session;
    slot from = 0;
};
/// Everyone approved; we have signed and sent our shares.
struct nonces_complete {
    session_id session;
};
/// A signer's shares are here, not verified.
struct shares_received {
    session_id session;
    slot from = 0;
};
/// The group's signatures, one per message, verified under the aggregate key.
struct completed {
    session_id session;
    public_key aggregate_key;
    std::vector<signature> signatures;
    slot coordinator = 0;  ///< Who is elected to broadcast.
};
/// The session is over without a signature.
struct aborted {
    session_id session;
    abort_reason reason = abort_reason::cancelled;
    std::optional<slot> culprit;      ///< Whose fault it provably is, or who caused it; none when unknown.
    std::optional<slot> reported_by;  ///< Set when another signer says so and we did not see it ourselves.
    std::vector<slot> missing;        ///< On a timeout: whose contributions `reported_by`, or we, still waited for.
    std::string text;                 ///< For people.
};
/// It is our turn: broadcast, then call `notify_broadcast_complete`; or withdraw by `trigger_coordinator_failover`.
struct should_broadcast {
    session_id session;
    view_number view = 0;  ///< Which turn of the session it is.
    std::vector<signature> signatures;
};
/// Somebody says that the signature was broadcast: a claim that the application can check, and dispute.
struct broadcast_confirmed {
    session_id session;
    slot by = 0;
};
/// The signers agree that the elected one failed, or it withdrew; the next one is asked.
struct coordinator_failed {
    session_id session;
    view_number view = 0;  ///< The new one's turn.
    slot old_coordinator = 0;
    slot new_coordinator = 0;
};
/// Nobody is left to ask. Somebody must look.
struct failover_exhausted {
    session_id session;
    bool by_agreement = true;  ///< Every signer has had its turn; otherwise too few signers answered to pass it on.
};
/// Two frames that a signer signed and that contradict each other: proof for anyone.
struct equivocation_proven {
    session_id session;
    slot by = 0;
    bytes first;
    bytes second;
};
/// A peer showed a valid binding: it speaks for this signer.
struct peer_identified {
    peer_id peer;
    public_key signer;
    peer::binding binding;
};
/// A peer violated the protocol; after `limits::strikes_max` it is disconnected.
struct peer_misbehaved {
    peer_id peer;
    error why;
};

/// The journal could not be written. A session that depended on it was given up; a finished one is only forgotten by
/// the next restart.
struct journal_failed {
    session_id session;
    error why;
};

/// What the application is told.
using event = std::variant<session_created, approval_requested, nonces_received, nonces_complete, shares_received,
                           completed, aborted, should_broadcast, broadcast_confirmed, coordinator_failed,
                           failover_exhausted, equivocation_proven, peer_identified, peer_misbehaved, journal_failed>;

}  // namespace muster::signing
