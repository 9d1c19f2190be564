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
/// The session is over, and we gave no share: no signature can come of it. One exception: a signer that restarted with
/// an older copy of its journal may not know that it gave its share, and is told `completed` when a signature turns up.
struct aborted {
    session_id session;
    abort_reason reason = abort_reason::cancelled;
    std::optional<slot> culprit;      ///< Whose fault it provably is, or who caused it; none when unknown.
    std::optional<slot> reported_by;  ///< Set when another signer says so and we did not see it ourselves.
    std::vector<slot> missing;        ///< On a timeout: whose contributions `reported_by`, or we, still waited for.
    std::string text;                 ///< For people.
};
/// No signature came in time, or somebody is at fault, after our share had been given. A share cannot be taken back:
/// the group may have its signature, or still make it. Do not sign anything that conflicts with this session.
/// `completed` follows when a signature turns up, `unresolved` when none did in `limits::session_lifetime_max`. Told
/// once more when it is found out later who is at fault, and after a restart. The fields are those of @ref aborted.
struct stalled {
    session_id session;
    abort_reason reason = abort_reason::cancelled;
    std::optional<slot> culprit;
    std::optional<slot> reported_by;
    std::vector<slot> missing;
    std::string text;
};
/// The session's lifetime is over and nobody that we reached has a signature, though our share was given: the message
/// may be signed. Somebody must look. A signature that turns up later is still told as `completed`.
/// Told again after a restart. Also told of a session that is forgotten because more than `limits::closed_sessions_max`
/// are kept: then nothing follows.
struct unresolved {
    session_id session;
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
/// Frames are dropped, and nothing is counted against their sender. Which, says the error: @p peer sends faster than
/// `limits::frames_per_second` (once a minute); a frame of it is larger than
/// `limits::frame_size_max` (once a connection); all strangers together send too fast (once a minute; @p peer was the
/// last); places are full and the oldest peer was forgotten (once a minute; @p peer took its place).
struct frames_dropped {
    peer_id peer;  ///< Whose frame it was told with.
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
                           failover_exhausted, equivocation_proven, peer_identified, peer_misbehaved, journal_failed,
                           stalled, unresolved, frames_dropped>;

}  // namespace muster::signing
