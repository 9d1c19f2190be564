// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a wallet shows of another one that is online.
///
/// Everything but the peer is a claim, and worth as much as what it came in: a record that the peer has signed proves
/// that the peer says so. Whoever decodes one keeps to the bounds, and drops what does not.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/core/time.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::peer {

/// A peer that is online, as it presents itself. A value. Bounds are ours.
struct presence {
    static constexpr std::size_t addresses_max = 8;              ///< Of each list.
    static constexpr std::size_t wallet_address_size_max = 128;  ///< Bytes.
    static constexpr std::size_t nickname_size_max = 64;         ///< Bytes of UTF-8.
    static constexpr std::size_t avatar_size_max = 256;          ///< Bytes.

    peer_id peer;
    std::vector<multiaddr> addresses;              ///< Of kind `direct`; at most @ref addresses_max.
    std::vector<multiaddr> relay_addresses;        ///< Of kind `relay`; at most @ref addresses_max.
    std::optional<multiaddr> webrtc_address = {};  ///< Of kind `webrtc`.
    std::string wallet_address;                    ///< At most @ref wallet_address_size_max.
    std::string nickname;  ///< As it calls itself, empty when it does not; at most @ref nickname_size_max.
    std::string avatar;    ///< Where its picture is found, never the picture; at most @ref avatar_size_max.
    timestamp created{};
    timestamp expires{};  ///< Not shown from here on; at most two hours after @ref created.
    MUSTER_FIELDS(presence, peer, addresses, relay_addresses, webrtc_address, wallet_address, nickname, avatar, created,
                  expires);
};

}  // namespace muster::peer
