// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a peer's name, address or claim was refused.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::peer {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   invalid_peer_id,    ///< Not a multihash that libp2p uses for peers.
                   invalid_multiaddr,  ///< Not an address this library understands.
                   invalid_binding     ///< The signer key did not sign the peer id.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "peer"; }

}  // namespace muster::peer
