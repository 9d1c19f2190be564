// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a person decides about being found, and about finding others. Read and written by json/discovery.hpp.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/discovery/signer_advertisement.hpp>
#include <muster/peer/multiaddr.hpp>

namespace muster::discovery {

/// What a wallet shows of itself, to everybody, while it is online: all that is set, and nothing when nothing is; the
/// nickname also with a signer's advertisement. Sizes are those of peer::presence.
struct presence_settings {
    std::optional<std::string> nickname = {};
    std::optional<std::string> avatar = {};  ///< Where its picture is found.
    std::optional<std::string> wallet_address = {};
    MUSTER_FIELDS(presence_settings, nickname, avatar, wallet_address);
};

/// What a signer signs for, and on which terms; see signer_advertisement.
struct offer_settings {
    std::vector<std::string> capabilities = {};
    std::vector<transaction_type> types = {};
    std::uint64_t amount_from = 0;
    std::uint64_t amount_to = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t fee = 0;
    MUSTER_FIELDS(offer_settings, capabilities, types, amount_from, amount_to, fee);
};

/// The defaults are those of lotus-sdk.
struct settings {
    bool auto_connect = false;                          ///< Begin at start: bootstrap, subscribe, advertise.
    std::vector<peer::multiaddr> bootstrap_peers = {};  ///< Each ends with the peer's id; dialled first.
    bool enable_dht = true;                             ///< Taken, but there is no DHT yet: nothing follows from it.
    bool enable_gossip = true;         ///< Off: nothing is subscribed to or published; peers are asked for signers.
    bool advertise_as_signer = false;  ///< While online, and gossip is enabled.
    presence_settings presence = {};
    offer_settings offer = {};
    MUSTER_FIELDS(settings, auto_connect, bootstrap_peers, enable_dht, enable_gossip, advertise_as_signer, presence,
                  offer);
};

}  // namespace muster::discovery
