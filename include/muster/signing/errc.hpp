// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a request to sign, or something a co-signer sent, was refused.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::signing {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   invalid_roster,        ///< One peer twice, or one that cannot sign frames.
                   invalid_proposal,      ///< A proposal that contradicts itself.
                   unknown_roster,        ///< A proposal that leaves out a roster which is not known here.
                   unknown_signer,        ///< The registry does not know that public key.
                   invalid_binding,       ///< A roster entry whose signer never named that peer.
                   not_in_roster,         ///< We, or the sender, are not among the signers.
                   expired,               ///< The proposal's time is over.
                   too_many_sessions,     ///< No slot is free.
                   unknown_session,       ///< No session of that id, or it was cleaned up.
                   wrong_state,           ///< The session is not where the request makes sense.
                   topology_mismatch,     ///< The proposal wants another topology than ours.
                   invalid_frame,         ///< Bytes that are no frame.
                   unsupported_version,   ///< A frame of another protocol version.
                   frame_too_large,       ///< More bytes than the limit.
                   not_authentic,         ///< A signature that does not verify.
                   rate_limited,          ///< More frames than a peer may send.
                   failover_exhausted,    ///< Every elected signer has had its turn.
                   invalid_contribution,  ///< A contribution that breaks the protocol.
                   too_few_signers,       ///< Fewer signers than our limit.
                   too_many_signers,      ///< More signers than our limit.
                   too_many_messages,     ///< More messages than our limit.
                   message_too_large,     ///< A message of more bytes than our limit.
                   too_many_peers         ///< No place is left to remember a peer in.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "signing"; }

}  // namespace muster::signing
