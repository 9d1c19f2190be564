// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The router's parameters. Where the source is a version, it is the specification's recommended value: "1.0" is
/// gossipsub-v1.0.md, "1.1" gossipsub-v1.1.md, "1.2" gossipsub-v1.2.md; "go" is go-libp2p-pubsub, "js" is
/// js-libp2p's gossipsub, where the specification gives none.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/gossip/errc.hpp>
#include <muster/gossip/wire/rpc.hpp>

namespace muster::gossip {

/// How peers of one topic are judged. Weights times values are summed; see score.hpp.
struct topic_score_options {
    double weight = 1;  ///< Of this topic among all. Ours.

    double time_in_mesh_weight = 0.03;                        ///< P1, per quantum. Ours: 9 points at most.
    duration time_in_mesh_quantum = std::chrono::seconds{1};  ///< Ours.
    double time_in_mesh_cap = 300;                            ///< Quanta. Ours.

    double first_deliveries_weight = 1;     ///< P2. js.
    double first_deliveries_decay = 0.977;  ///< Half of it is gone after 30 s. Ours.
    double first_deliveries_cap = 50;       ///< Messages. Ours.

    double mesh_deliveries_weight = 0;      ///< P3: negative to use it. Off, since only the application knows the rate.
    double mesh_deliveries_decay = 0.977;   ///< Ours.
    double mesh_deliveries_threshold = 20;  ///< Messages that a mesh peer has to deliver, as they decay. js.
    double mesh_deliveries_cap = 100;       ///< Messages. js.
    duration mesh_deliveries_window = std::chrono::milliseconds{10};  ///< After the first one that counts. js.
    duration mesh_deliveries_activation = std::chrono::seconds{5};    ///< In the mesh before P3 applies. js.

    double mesh_failure_weight = 0;     ///< P3b: negative to use it. Off, with P3.
    double mesh_failure_decay = 0.977;  ///< Ours.

    double invalid_weight = -10;  ///< P4, per squared count: one costs the mesh, three the graylist. Ours.
    double invalid_decay = 0.99;  ///< Half of it is gone after 69 s. Ours.
};

/// How peers are judged as a whole, and what follows.
struct score_options {
    double topics_cap = 100;  ///< Most that topics together can give; 0 for no limit. Ours.

    double application_weight = 1;  ///< P5. Ours.

    double colocation_weight = -5;                    ///< P6, per squared surplus. js.
    std::size_t colocation_threshold = 10;            ///< Peers of one IP group that cost nothing. js.
    std::set<std::string> colocation_whitelist = {};  ///< IP groups that may be shared: one's own NAT, a data centre.

    double behaviour_weight = -10;   ///< P7, per squared surplus. js.
    double behaviour_threshold = 6;  ///< Offences that cost nothing. go, as Ethereum configures it.
    double behaviour_decay = 0.9;    ///< Per interval. Ours: ten times the offences of one interval add up.

    duration decay_interval = std::chrono::seconds{1};  ///< js.
    double decay_to_zero = 0.1;                         ///< Counters below it are 0. js.
    duration retain = std::chrono::hours{1};            ///< How long a bad score outlives the connection. js.
    std::size_t retained_max = 10'000;                  ///< Of these; the oldest is forgotten for a new one. Ours.

    double gossip_threshold = -10;             ///< Below it no gossip either way. js.
    double publish_threshold = -50;            ///< Below it nothing that we publish. js.
    double graylist_threshold = -80;           ///< Below it nothing at all. js.
    double exchange_threshold = 10;            ///< From it on peer exchange is believed. js.
    double opportunistic_graft_threshold = 5;  ///< A mesh whose median is below it looks for better peers. Ours.
};

/// Of one topic.
struct topic_options {
    bool validates = false;                                    ///< Whether messages wait for the application's word.
    duration validation_time_limit = std::chrono::seconds{5};  ///< Then they are ignored. Ours.
    topic_score_options score = {};
};

/// The shape of meshes.
struct mesh_options {
    std::size_t d = 6;        ///< D: wanted size of a mesh. 1.0.
    std::size_t d_low = 4;    ///< D_low: below it peers are grafted. 1.0.
    std::size_t d_high = 12;  ///< D_high: above it peers are pruned. 1.0.
    std::size_t d_score = 4;  ///< D_score: best peers that a pruning keeps. 1.1.
    std::size_t d_out = 2;    ///< D_out: peers in a mesh that we dialled; below d_low and at most d / 2. 1.1.

    duration prune_backoff = std::chrono::minutes{1};         ///< Before a pruned peer is grafted again. 1.1.
    duration unsubscribe_backoff = std::chrono::seconds{10};  ///< The same after leaving a topic. go.
    duration backoff_slack = std::chrono::seconds{2};         ///< Longer that we wait ourselves. go: two heartbeats.
    duration backoff_max = std::chrono::hours{1};             ///< Longest that a peer can ask for. Ours.
    std::size_t backoffs_max = 10'000;                        ///< Remembered in all; then the first to end goes. Ours.
    duration graft_flood = std::chrono::seconds{10};          ///< A graft this soon after a prune counts twice. go.

    duration opportunistic_interval = std::chrono::minutes{1};  ///< 1.1.
    std::size_t opportunistic_grafts = 2;                       ///< 1.1.

    bool exchanges_peers = true;    ///< Whether prunes recommend other peers. Ours; off in go and js.
    std::size_t exchange_max = 16;  ///< Peers in a prune that are sent, and followed up. go.
};

/// Announcements, and what is asked for on hearing them.
struct gossip_options {
    std::size_t d_lazy = 6;                                   ///< D_lazy: peers that hear announcements, at least. 1.0.
    double factor = 0.25;                                     ///< Part of the others that hear them. 1.1.
    std::size_t history = 5;                                  ///< Heartbeats for which messages can be asked for. 1.0.
    std::size_t history_announced = 3;                        ///< Heartbeats for which they are announced. 1.0.
    std::size_t history_bytes_max = 64u << 20;                ///< Of messages kept; then the oldest goes. Ours.
    std::size_t ihave_messages_max = 10;                      ///< That are heeded, per peer and heartbeat. go.
    std::size_t ihave_ids_max = 5000;                         ///< Asked for, and announced, per peer and heartbeat. go.
    std::size_t retransmissions_max = 3;                      ///< Of one message to one peer that asks. go.
    duration promise_time_limit = std::chrono::seconds{3};    ///< Within which what was announced has to come. go.
    std::size_t idontwant_size_min = 1024;                    ///< Bytes of data from which idontwant is said. go.
    std::size_t idontwant_messages_max = 10;                  ///< That are heeded, per peer and heartbeat. go.
    std::size_t idontwant_ids_max = 512;                      ///< Likewise, of ids. js.
    std::size_t idontwant_heartbeats = 3;                     ///< For which one is remembered. go.
    duration turn_interval = std::chrono::milliseconds{300};  ///< Between peers that get a large message in turn; with
                                                              ///< zero all get it at once. Ours.
    std::size_t flood_turn = 3;  ///< After so many turns an own message that was not seen to spread is flooded. Ours.
    std::size_t turns_bytes_max = 16u << 20;  ///< Bytes of these; what is more goes to all at once. Ours.
    std::size_t turns_max = 256;              ///< Messages that are sent so at a time. Ours.
};

/// All of a router.
struct options {
    duration heartbeat = std::chrono::seconds{1};               ///< 1.0.
    duration first_heartbeat = std::chrono::milliseconds{100};  ///< After the first event. go.
    duration fanout_time_to_live = std::chrono::seconds{60};    ///< Since the last publication. 1.0.
    duration seen_time_to_live = std::chrono::minutes{2};       ///< 1.0.
    std::size_t seen_max = 1u << 16;                            ///< Ids remembered, 16 bytes each. Ours.
    bool flood_publish = true;  ///< Whether own messages go to all peers of the topic. 1.1. Large ones go to the mesh
                                ///< in turn first, and to the others unless they were seen to spread.
    duration explicit_check = std::chrono::minutes{5};  ///< Between looks whether they are connected. 1.1.
    std::size_t explicit_peers_max = 64;                ///< Ours.

    mesh_options mesh = {};
    gossip_options gossip = {};
    score_options score = {};
    rpc::rpc_limits limits = {};

    std::size_t topics_max = 1024;              ///< Subscribed to, and published to without. Ours.
    std::size_t topics_per_peer_max = 256;      ///< Of one peer that are remembered. Ours; js remembers all.
    std::size_t subscriptions_per_second = 50;  ///< Changes by one peer at a steady rate, ... Ours.
    std::size_t subscriptions_burst = 1024;     ///< ... and at once. Ours.
    std::size_t empty_rpcs_per_second = 5;      ///< From one peer that cost nothing; twenty at once. Ours.
    std::size_t outbound_bytes_max = 4u << 20;  ///< Waiting for one peer; all our subscriptions must fit. Ours.
    std::size_t pending_max = 2048;             ///< Messages being validated, ... Ours.
    std::size_t pending_per_peer_max = 256;     ///< ... of which from one peer. Ours.
    std::size_t pending_bytes_max = 32u << 20;  ///< Of these, in all. Ours.
    std::size_t deliveries_max = 4096;          ///< Of which is known who sent them, for P3. Ours.

    /// Whether the parameters fit each other.
    /// @return `limit_exceeded` with what does not.
    [[nodiscard]] result<void> check() const {
        auto const refuse = [](std::string_view what) { return error{errc::limit_exceeded, std::string{what}}; };
        if (mesh.d_low > mesh.d || mesh.d > mesh.d_high) return refuse("d_low <= d <= d_high must hold");
        if (mesh.d != 0 && mesh.d_out >= mesh.d_low) return refuse("d_out must be below d_low");
        if (mesh.d_out > mesh.d / 2) return refuse("d_out must be at most d / 2");
        if (mesh.d_score > mesh.d) return refuse("d_score must be at most d");
        if (heartbeat <= duration{0}) return refuse("the heartbeat must be positive");
        if (gossip.history_announced > gossip.history) return refuse("history_announced must be at most history");
        if (gossip.factor < 0 || gossip.factor > 1) return refuse("the gossip factor must be in [0, 1]");
        if (score.gossip_threshold > 0 || score.publish_threshold > score.gossip_threshold ||
            score.graylist_threshold > score.publish_threshold) {
            return refuse("graylist_threshold <= publish_threshold <= gossip_threshold <= 0 must hold");
        }
        if (score.exchange_threshold < 0 || score.opportunistic_graft_threshold < 0) {
            return refuse("exchange_threshold and opportunistic_graft_threshold must not be negative");
        }
        return ok();
    }
};

}  // namespace muster::gossip
