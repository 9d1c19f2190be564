// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The bounds and times of signing.

#include <chrono>
#include <cstddef>
#include <optional>

#include <muster/core/time.hpp>

namespace muster::signing {

/// Everything a peer can make us hold or wait for has a bound here. All defaults are ours.
struct limits {
    std::size_t signers_min = 2;                  ///< Fewer need no coordination.
    std::size_t signers_max = 128;                ///< Raise together with `frame_size_max`: about 140 bytes each.
    std::size_t messages_max = 64;                ///< Messages signed in one session.
    std::size_t message_size_max = 32u << 10;     ///< Bytes of one message shown to the approver.
    std::size_t frame_size_max = 64u << 10;       ///< Bytes; what is larger a transport may refuse before.
    std::size_t open_sessions_max = 64;           ///< Being worked on; those that have stalled are not counted.
    std::size_t open_sessions_reserved = 16;      ///< Of them, kept free for our own proposals.
    std::size_t open_sessions_per_peer_max = 16;  ///< Of them, proposed by one peer.
    bool known_initiators_only = true;            ///< Others than the registry knows are refused unasked.
    std::size_t closed_sessions_max = 256;        ///< Kept to answer questions, stalled ones among them, also in
                                                  ///< the journal; see @ref session_store for which one goes first.
    std::size_t rosters_max = 32;                 ///< Groups remembered, so that a proposal can name one.
    std::size_t tombstones_max = 4096;            ///< Ids that must not open again; the oldest goes first.
    std::size_t early_frames_per_peer_max = 16;   ///< For sessions not proposed yet; more are dropped.
    std::size_t early_octets_per_peer_max = 16u << 10;  ///< Of them; the oldest goes first.
    std::size_t peers_max = 256;                        ///< Registered signers' machines that are remembered:
                                                        ///< early frames, epochs, strikes.
    std::size_t strangers_max = 64;                     ///< The same for all other peers; the oldest makes room.
    std::size_t strikes_max = 16;                       ///< Violations before a peer is disconnected.
    std::size_t frames_burst_max = 1024;                ///< Frames a peer may send at once ...
    std::size_t frames_per_second = 256;                ///< ... and then at this rate, 1 to 10^9; more are dropped.
    duration session_lifetime_max = std::chrono::hours{24};  ///< A later expiry is clamped to this. A session whose
                                                             ///< share was given is `unresolved` when it is over.
    duration round_timeout =
        std::chrono::seconds{60};  ///< From the own contribution to the last; an aggregator waits no
                                   ///< longer than from when it heard of the proposal. Since
                                   ///< a nonce is an approval, leave people time.
    duration retry_interval = std::chrono::seconds{10};         ///< Between requests for what is missing.
    duration stuck_session_timeout = std::chrono::minutes{10};  ///< Without progress, then cleaned up;
                                                                ///< and the longest between two questions of a
                                                                ///< session that has stalled.
    std::optional<duration> broadcast_timeout = {};             ///< Until failover; none: the application decides.
    std::size_t failover_attempts_max = 8;  ///< Broadcast timeouts in one view until it counts as stuck there.
};

/// What any machine of this protocol version may say; bytes beyond it are malformed. Below it a machine's own `limits`
/// decide what it takes part in, and what is beyond those is declined, not punished. Ours.
[[nodiscard]] inline limits protocol_limits() {
    limits l;
    l.signers_min = 2;
    l.signers_max = 4096;
    l.messages_max = 4096;
    l.message_size_max = 1u << 20;
    l.frame_size_max = 1u << 20;
    return l;
}

}  // namespace muster::signing
