// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A network of gossiping nodes as a seed draws it.

#include <cstddef>
#include <cstdint>
#include <string>

#include <muster/core/enumeration.hpp>
#include <muster/gossip/options.hpp>
#include <muster/sim/faults.hpp>
#include <muster/sim/random.hpp>

namespace muster::sim::gossip {

/// What the attackers of a run do, beside being in the network.
MUSTER_ENUMERATION(attack, 0,
                   none,              ///< There are none.
                   ihave_flood,       ///< Announce hundreds of ids a second that do not exist.
                   broken_promises,   ///< Announce what they have heard of, and send it to nobody.
                   invalid_messages,  ///< Send messages that validators reject.
                   spam_grafts,       ///< Graft again and again, whatever the answer.
                   sybils,            ///< Share one address, are many, and forward nothing.
                   censors,           ///< Are in the meshes and forward nothing.
                   eclipse,           ///< Ten for one, all of them around one subscriber, forwarding nothing.
                   cold_boot          ///< Are there, and connected to everyone, before the honest ones are.
);

/// Defaults: a hundred nodes in a good world.
struct group_options {
    host_id nodes = 100;  ///< Honest ones.
    gossip::attack attack = attack::none;
    host_id attackers = 0;
    std::size_t dials = 10;                                ///< Connections that a node begins.
    ratio loss = {};                                       ///< Packets sent again, by a stream that hides it.
    ratio churn = {};                                      ///< Nodes that go down in a minute.
    duration delay_least = std::chrono::milliseconds{10};  ///< One way.
    duration delay_most = std::chrono::milliseconds{100};
    std::uint64_t uplink_bytes_per_second = 6'250'000;           ///< Of a node, shared by its peers: 50 Mbit/s.
    std::size_t message_size = 256;                              ///< Bytes of data; at least 8.
    duration between_messages = std::chrono::milliseconds{200};  ///< In the whole network.
    duration chaos = std::chrono::seconds{60};
    muster::gossip::options router = router_options();

    /// As the defaults, with caches of a size for many nodes in one process.
    [[nodiscard]] static muster::gossip::options router_options() {
        muster::gossip::options o;
        o.seen_max = 4096;
        return o;
    }
    /// Loss of 5 % and churn of 10 % a minute; every other network sends messages of 16 KiB.
    [[nodiscard]] static group_options from_seed(std::uint64_t seed) {
        group_options o;
        o.loss = {5, 100};
        o.churn = {10, 100};
        if (seed % 2 == 1) o.message_size = 16u << 10;
        return o;
    }

    /// The same with attackers of that kind: a fifth as many as honest nodes; ten for each neighbour that the one whom
    /// they eclipse has.
    [[nodiscard]] group_options under(gossip::attack a) const {
        auto o = *this;
        o.attack = a;
        o.attackers = a == attack::none ? 0 : a == attack::eclipse ? 200 : nodes / 5;
        return o;
    }

    /// In one line, as a failure prints it.
    [[nodiscard]] std::string to_text() const {
        return text("nodes=", nodes, " attack=", to_string(attack), " attackers=", attackers, " loss=", loss.of, "/",
                    loss.in, " churn=", churn.of, "/", churn.in, " size=", message_size);
    }
};

}  // namespace muster::sim::gossip
