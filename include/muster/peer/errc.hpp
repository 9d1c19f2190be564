// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a peer's name, address or claim was refused.

#include <cstdint>
#include <string_view>

#include <muster/core/error.hpp>

namespace muster::peer {

/// What was wrong.
enum class errc : std::uint8_t {
    invalid_peer_id = 1,  ///< Not a multihash that libp2p uses for peers.
    invalid_multiaddr,    ///< Not an address this library understands.
    invalid_binding,      ///< The signer key did not sign the peer id.
};
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "peer"; }
[[nodiscard]] constexpr std::string_view to_string(errc e) noexcept {
    switch (e) {
        case errc::invalid_peer_id: return "invalid_peer_id";
        case errc::invalid_multiaddr: return "invalid_multiaddr";
        case errc::invalid_binding: return "invalid_binding";
    }
    return "unknown";
}

}  // namespace muster::peer
