// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a request to sign, or something a co-signer sent, was refused.

#include <cstdint>
#include <string_view>

#include <muster/core/error.hpp>

namespace muster::signing {

/// What was wrong.
enum class errc : std::uint8_t {
    invalid_roster = 1,    ///< One peer twice, or one that cannot sign frames.
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
    invalid_frame,         ///< Octets that are no frame.
    unsupported_version,   ///< A frame of another protocol version.
    frame_too_large,       ///< More octets than the limit.
    not_authentic,         ///< A signature that does not verify.
    rate_limited,          ///< More frames than a peer may send.
    failover_exhausted,    ///< Every elected signer has had its turn.
    invalid_contribution,  ///< A contribution that breaks the protocol.
    too_few_signers,       ///< Fewer signers than our limit.
    too_many_signers,      ///< More signers than our limit.
    too_many_messages,     ///< More messages than our limit.
    message_too_large,     ///< A message of more bytes than our limit.
    too_many_peers,        ///< No place is left to remember a peer in.
};
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "signing"; }
[[nodiscard]] constexpr std::string_view to_string(errc e) noexcept {
    switch (e) {
        case errc::invalid_roster: return "invalid_roster";
        case errc::invalid_proposal: return "invalid_proposal";
        case errc::unknown_roster: return "unknown_roster";
        case errc::unknown_signer: return "unknown_signer";
        case errc::invalid_binding: return "invalid_binding";
        case errc::not_in_roster: return "not_in_roster";
        case errc::expired: return "expired";
        case errc::too_many_sessions: return "too_many_sessions";
        case errc::unknown_session: return "unknown_session";
        case errc::wrong_state: return "wrong_state";
        case errc::topology_mismatch: return "topology_mismatch";
        case errc::invalid_frame: return "invalid_frame";
        case errc::unsupported_version: return "unsupported_version";
        case errc::frame_too_large: return "frame_too_large";
        case errc::not_authentic: return "not_authentic";
        case errc::rate_limited: return "rate_limited";
        case errc::failover_exhausted: return "failover_exhausted";
        case errc::invalid_contribution: return "invalid_contribution";
        case errc::too_few_signers: return "too_few_signers";
        case errc::too_many_signers: return "too_many_signers";
        case errc::too_many_messages: return "too_many_messages";
        case errc::message_too_large: return "message_too_large";
        case errc::too_many_peers: return "too_many_peers";
    }
    return "unknown";
}

}  // namespace muster::signing
