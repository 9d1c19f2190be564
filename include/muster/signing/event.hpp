// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the application is told.

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/signing/frame.hpp>

namespace muster::signing {

/// A session exists, proposed by us or by another signer.
struct session_created {
    session_id session;
    std::shared_ptr<proposal const> what;
    slot self = 0;  ///< Our slot.
    static constexpr auto fields =
        field_list{"session_created", field{"session", &session_created::session},
                   field{"proposal", &session_created::what}, field{"slot", &session_created::self}};
    friend bool operator==(session_created const& a, session_created const& b) { return have_equal_fields(a, b); }
};
/// Another signer's proposal waits for `approve` or `decline`. No nonce exists yet.
struct approval_requested {
    session_id session;
    std::shared_ptr<proposal const> what;
    static constexpr auto fields = field_list{"approval_requested", field{"session", &approval_requested::session},
                                              field{"proposal", &approval_requested::what}};
    friend bool operator==(approval_requested const& a, approval_requested const& b) { return have_equal_fields(a, b); }
};
/// A signer approved: its nonces are here.
struct nonces_received {
    session_id session;
    slot from = 0;
    MUSTER_FIELDS(nonces_received, session, from);
};
/// Everyone approved; we have signed and sent our shares.
struct nonces_complete {
    session_id session;
    MUSTER_FIELDS(nonces_complete, session);
};
/// A signer's shares are here, not verified.
struct shares_received {
    session_id session;
    slot from = 0;
    MUSTER_FIELDS(shares_received, session, from);
};
/// The group's signatures, one per message, verified under the aggregate key.
struct completed {
    session_id session;
    public_key aggregate_key;
    std::vector<signature> signatures;
    slot coordinator = 0;  ///< Who is elected to broadcast.
    static constexpr auto fields =
        field_list{"completed", field{"session", &completed::session},
                   shown_field{"aggregate_key", &completed::aggregate_key, crypto::to_xonly},
                   field{"signatures", &completed::signatures}, field{"coordinator", &completed::coordinator}};
    bool operator==(completed const&) const = default;
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
    MUSTER_FIELDS(aborted, session, reason, culprit, reported_by, missing, text);
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
    MUSTER_FIELDS(stalled, session, reason, culprit, reported_by, missing, text);
};
/// The session's lifetime is over and nobody that we reached has a signature, though our share was given: the message
/// may be signed. Somebody must look. A signature that turns up later is still told as `completed`.
/// Told again after a restart. Also told of a session that is forgotten because more than `limits::closed_sessions_max`
/// are kept: then nothing follows.
struct unresolved {
    session_id session;
    MUSTER_FIELDS(unresolved, session);
};
/// It is our turn: broadcast, then call `notify_broadcast_complete`; or withdraw by `trigger_coordinator_failover`.
struct should_broadcast {
    session_id session;
    view_number view = 0;  ///< Which turn of the session it is.
    std::vector<signature> signatures;
    MUSTER_FIELDS(should_broadcast, session, view, signatures);
};
/// Somebody says that the signature was broadcast: a claim that the application can check, and dispute.
struct broadcast_confirmed {
    session_id session;
    slot by = 0;
    MUSTER_FIELDS(broadcast_confirmed, session, by);
};
/// The signers agree that the elected one failed, or it withdrew; the next one is asked.
struct coordinator_failed {
    session_id session;
    view_number view = 0;  ///< The new one's turn.
    slot old_coordinator = 0;
    slot new_coordinator = 0;
    static constexpr auto fields = field_list{
        "coordinator_failed", field{"session", &coordinator_failed::session}, field{"view", &coordinator_failed::view},
        field{"old", &coordinator_failed::old_coordinator}, field{"new", &coordinator_failed::new_coordinator}};
    bool operator==(coordinator_failed const&) const = default;
};
/// Nobody is left to ask. Somebody must look.
struct failover_exhausted {
    session_id session;
    bool by_agreement = true;  ///< Every signer has had its turn; otherwise too few signers answered to pass it on.
    MUSTER_FIELDS(failover_exhausted, session, by_agreement);
};
/// Two frames that a signer signed and that contradict each other: proof for anyone.
struct equivocation_proven {
    session_id session;
    slot by = 0;
    bytes first;
    bytes second;
    MUSTER_FIELDS(equivocation_proven, session, by, first, second);
};
/// A peer showed a valid binding: it speaks for this signer.
struct peer_identified {
    peer_id peer;
    public_key signer;
    peer::binding binding;
    MUSTER_FIELDS(peer_identified, peer, signer, binding);
};
/// A peer violated the protocol; after `limits::strikes_max` it is disconnected.
struct peer_misbehaved {
    peer_id peer;
    error why;
    MUSTER_FIELDS(peer_misbehaved, peer, why);
};
/// Frames are dropped, and nothing is counted against their sender. Which, says the error: @p peer sends faster than
/// `limits::frames_per_second` (once a minute); a frame of it is larger than
/// `limits::frame_size_max` (once a connection); all strangers together send too fast (once a minute; @p peer was the
/// last); places are full and the oldest peer was forgotten (once a minute; @p peer took its place).
struct frames_dropped {
    peer_id peer;  ///< Whose frame it was told with.
    error why;
    MUSTER_FIELDS(frames_dropped, peer, why);
};

/// The journal could not be written. A session that depended on it was given up; a finished one is only forgotten by
/// the next restart.
struct journal_failed {
    session_id session;
    error why;
    MUSTER_FIELDS(journal_failed, session, why);
};

/// What the application is told.
using event = std::variant<session_created, approval_requested, nonces_received, nonces_complete, shares_received,
                           completed, aborted, should_broadcast, broadcast_confirmed, coordinator_failed,
                           failover_exhausted, equivocation_proven, peer_identified, peer_misbehaved, journal_failed,
                           stalled, unresolved, frames_dropped>;

}  // namespace muster::signing
