// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a peer's name, address, key or claim was refused.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::peer {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   invalid_peer_id,    ///< Not a multihash that libp2p uses for peers.
                   invalid_multiaddr,  ///< Not an address this library understands.
                   invalid_binding,    ///< The signer key did not sign the peer id.
                   invalid_key,        ///< A host key that is not encoded as its kind wants.
                   unsupported_key,    ///< A host key of a kind whose signatures are not verified here.
                   malformed,          ///< Not an envelope, or not a record.
                   too_large,          ///< More bytes or entries than an envelope or a record may have.
                   wrong_type,         ///< An envelope that carries something else than was asked for.
                   not_signed,         ///< The key did not sign this, or signed it for another purpose.
                   wrong_peer,         ///< A record of another peer than the one that signed it.
                   not_canonical,      ///< A second spelling of a record, of which one is accepted.
                   not_yet_issued,     ///< A record from the future.
                   expired,            ///< A record whose time is over, or one that wants to live for too long.
                   full                ///< As many peers are known as may be.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "peer"; }

}  // namespace muster::peer
