// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Gossip as the preconfirmation protocol has it: how messages are named and signed, and how peers are scored.
///
/// Source: taiko-mono, packages/preconfirmation-p2p/docs/specification.md, section 7.1, and the values of Kona's router
/// that it builds on.

#include <array>
#include <chrono>

#include <muster/crypto/hash.hpp>
#include <muster/feed/options.hpp>
#include <muster/feed/preconf/types.hpp>
#include <muster/gossip/node_key_signer.hpp>
#include <muster/gossip/options.hpp>
#include <muster/gossip/router.hpp>
#include <muster/node/feed_node.hpp>

namespace muster::node {

/// The first 20 bytes of SHA-256 of four zeros and the data. The topic is not in it.
struct id_of_preconf_data {
    [[nodiscard]] gossip::message_id operator()(gossip::rpc::message_view const& m) const {
        static constexpr std::array<byte, 4> domain{};
        auto const whole = crypto::sha256_hasher{}.update(domain).update(m.data).finish();
        return gossip::message_id{whole.view().first(20)};
    }
};
static_assert(gossip::message_id_function<id_of_preconf_data>);

/// The policies of a router of the protocol: every message is signed, and strictly checked.
struct preconf_gossip_policies : gossip::defaults {
    using signing = gossip::strict_sign<gossip::node_key_signer>;
    using message_ids = id_of_preconf_data;
};

/// The router's parameters for a feed with @p o.
[[nodiscard]] inline gossip::options preconf_gossip_options(feed::options const& o) {
    gossip::options out;
    out.heartbeat = o.network.heartbeat;
    out.mesh.d = o.network.mesh_size;
    out.mesh.d_low = o.network.mesh_low;
    out.mesh.d_high = o.network.mesh_high;
    out.mesh.d_score = std::min(out.mesh.d_score, out.mesh.d);
    out.mesh.d_out = std::min({out.mesh.d_out, out.mesh.d / 2, out.mesh.d_low == 0 ? 0 : out.mesh.d_low - 1});
    out.gossip.d_lazy = o.network.mesh_lazy;
    out.gossip.history = 12;
    out.gossip.history_announced = 3;
    // A list of transactions is up to 2 MiB; frames up to 10 MiB, as Kona has it.
    out.limits.message_size_max = feed::preconf::list_overhead + feed::preconf::tx_list_size_max + 1024;
    out.limits.size_max = feed::preconf::gossip_size_max;
    out.flood_publish = false;
    out.seen_time_to_live = std::chrono::seconds{120};
    auto& s = out.score;
    s.gossip_threshold = -1;
    s.publish_threshold = -2;
    s.graylist_threshold = -5;
    s.exchange_threshold = 0;
    s.opportunistic_graft_threshold = 0.5;
    s.colocation_weight = 0;
    s.behaviour_weight = 0;
    s.decay_interval = std::chrono::seconds{10};
    s.decay_to_zero = 0.1;
    s.retain = std::chrono::seconds{3600};
    return out;
}
/// How a feed stands on it: one point of the specification's score is 20 of the feed's.
[[nodiscard]] inline feed_node_options preconf_node_options() {
    feed_node_options out;
    out.score_per_point = 1.0 / 20;
    auto& s = out.topics.score;
    s.weight = 1;
    s.time_in_mesh_weight = 0;
    s.time_in_mesh_quantum = std::chrono::seconds{1};
    s.time_in_mesh_cap = 3600;
    s.first_deliveries_weight = 0.5;
    s.first_deliveries_decay = 0.999;
    s.first_deliveries_cap = 20;
    s.mesh_deliveries_weight = 0;
    s.mesh_failure_weight = 0;
    s.invalid_weight = -2;
    s.invalid_decay = 0.99;
    return out;
}

}  // namespace muster::node
