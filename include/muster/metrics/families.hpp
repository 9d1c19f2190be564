// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The metrics of muster: what they are called, what they say, and by what they are told apart. docs/metrics.md shows
/// the same list.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include <muster/core/enumeration.hpp>

namespace muster::metrics {

/// What a metric is.
MUSTER_ENUMERATION(type, 0,
                   counter,   ///< Only grows.
                   gauge,     ///< How much there is.
                   histogram  ///< How values are distributed.
);

/// A family of series: one name, one help, the same labels.
struct family {
    std::string_view name;
    metrics::type type = type::counter;
    std::string_view help;
    std::array<std::string_view, 2> labels = {};  ///< Their names; empty ones are none.
};

/// All families.
inline constexpr auto families = std::to_array<family>({
    {"connection_connected_peers", type::gauge, "Peers that are connected."},
    {"connection_dialled_peers", type::gauge, "Peers that are being dialled."},
    {"connection_events_total", type::counter, "What happened to connections.", {"event"}},
    {"connection_known_peers", type::gauge, "Peers that are remembered."},
    {"connection_requests_total", type::counter, "Peers that were asked for.", {"outcome"}},
    {"connection_waiting_peers", type::gauge, "Peers that are to be dialled, now or again."},
    {"discovery_events_total", type::counter, "What happened to signers.", {"event"}},
    {"discovery_saved", type::gauge, "1 while the disk has all signers that are listed."},
    {"discovery_signers", type::gauge, "Signers that are listed."},
    {"gossip_cached_bytes", type::gauge, "Bytes of messages that can be asked for."},
    {"gossip_mesh_links", type::gauge, "Neighbours in all meshes."},
    {"gossip_peers", type::gauge, "Peers of the router."},
    {"gossip_pending_messages", type::gauge, "Messages that are being validated."},
    {"gossip_queued_bytes", type::gauge, "Bytes of the router that wait for peers to read."},
    {"libp2p_accepted_total", type::counter, "Connections that were accepted."},
    {"libp2p_connections", type::gauge, "Connections that are open."},
    {"libp2p_connections_inbound", type::gauge, "Of these, those that others opened."},
    {"libp2p_frames_received_total", type::counter, "Frames from peers."},
    {"libp2p_frames_sent_total", type::counter, "Frames to peers."},
    {"libp2p_held_bytes", type::gauge, "Received bytes that nobody has taken yet."},
    {"libp2p_peers", type::gauge, "Connected peers."},
    {"libp2p_peers_connected_total", type::counter, "Peers that came."},
    {"libp2p_peers_dialled", type::gauge, "Peers that are being dialled."},
    {"libp2p_peers_disconnected_total", type::counter, "Peers that went."},
    {"libp2p_peers_unreachable_total", type::counter, "Peers that could not be reached."},
    {"libp2p_questions_total", type::counter, "Questions of peers."},
    {"libp2p_queued_bytes", type::gauge, "Bytes that wait to be sent."},
    {"libp2p_received_bytes_total", type::counter, "Bytes from the network."},
    {"libp2p_refused_total", type::counter, "Connections that were refused."},
    {"libp2p_requests_answered_total", type::counter, "Requests of ours that were answered."},
    {"libp2p_requests_failed_total", type::counter, "Requests of ours that were not."},
    {"libp2p_sent_bytes_total", type::counter, "Bytes to the network."},
    {"p2p_cache_hits_total", type::counter, "Messages that were known already.", {"kind"}},
    {"p2p_gossip_publish_total", type::counter, "Messages of our own.", {"topic", "outcome"}},
    {"p2p_gossip_received_total", type::counter, "Messages of others.", {"topic", "outcome"}},
    {"p2p_head_sync_local", type::gauge, "Height of our own head."},
    {"p2p_head_sync_missing", type::gauge, "Blobs of our chain that are not here."},
    {"p2p_head_sync_remote", type::gauge, "Height that we catch up with."},
    {"p2p_head_sync_status", type::gauge, "0 idle, 1 syncing, 2 live."},
    {"p2p_peer_score_gauge", type::gauge, "Score of the peer whose score has changed last, in points."},
    {"p2p_reqresp_latency_seconds", type::histogram, "From a request of ours to its end."},
    {"p2p_reqresp_outcomes_total", type::counter, "How requests of ours ended.", {"protocol", "outcome"}},
    {"p2p_reqresp_requests_total", type::counter, "How questions of peers ended.", {"protocol", "outcome"}},
    {"p2p_validation_failures_total", type::counter, "Messages that were rejected.", {"reason"}},
    {"signing_early_bytes", type::gauge, "Bytes of frames for sessions to come."},
    {"signing_events_total", type::counter, "What happened to sessions.", {"event"}},
    {"signing_peers", type::gauge, "Peers that are remembered for sessions."},
    {"signing_session_seconds", type::histogram, "From the beginning of a session to its signature."},
    {"signing_sessions_ended_total", type::counter, "Sessions that are over.", {"outcome", "reason"}},
    {"signing_sessions_kept", type::gauge, "Sessions that are over and kept."},
    {"signing_sessions_open", type::gauge, "Sessions that are not over."},
    {"signing_sessions_stalled_total", type::counter, "Sessions without a signature after our share.", {"reason"}},
});

/// Bounds of the buckets of histograms, in seconds: up to a request's timeouts and retries. Ours.
inline constexpr auto bucket_bounds =
    std::to_array<double>({0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60, 120});

}  // namespace muster::metrics
