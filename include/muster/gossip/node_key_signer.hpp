// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Signs messages with this node's key, and verifies those of nodes whose id contains their key: secp256k1 and Ed25519.
///
/// A secp256k1 key signs with ECDSA over SHA-256 in DER, an Ed25519 key as RFC 8032 says. A message may repeat a key
/// that the id contains; it must then be that key. Ids that are only a hash of their key (RSA) are not verified here.
/// @see libp2p specs, peer-ids/peer-ids.md, "Key Types".

#include <array>
#include <optional>

#include <muster/crypto/ed25519.hpp>
#include <muster/crypto/secp256k1.hpp>
#include <muster/gossip/sign_policy.hpp>
#include <muster/peer/identity.hpp>

namespace muster::gossip {

/// A @ref message_signer over a node key, which must outlive it.
class node_key_signer {
public:
    explicit node_key_signer(peer::node_key const& key) noexcept : key_{&key} {}

    [[nodiscard]] peer::peer_id const& id() const noexcept { return key_->id(); }
    [[nodiscard]] byte_view key() const noexcept { return {}; }
    [[nodiscard]] result<bytes> sign(byte_view content) const { return key_->sign_handshake(content); }

    /// About 50 us for secp256k1, 160 us for Ed25519.
    [[nodiscard]] bool verify(peer::peer_id const& author, std::optional<byte_view> key, byte_view content,
                              byte_view signature) const {
        if (key && !key->empty() && !equal(*key, contained_key(author))) return false;
        if (auto const point = author.secp256k1_key()) return crypto::verify_ecdsa_der(*point, content, signature);
        auto const encoded = contained_key(author);
        if (encoded.size() != ed25519_prefix.size() + 32 || !equal(encoded.first(4), ed25519_prefix)) return false;
        return crypto::verify_ed25519(crypto::ed25519_public::from(encoded.last(32)), content, signature);
    }

private:
    /// libp2p's PublicKey message: Type = Ed25519, Data of 32.
    static constexpr std::array<byte, 4> ed25519_prefix{0x08, 0x01, 0x12, 0x20};

    // The encoded key within an id: what follows the identity multihash's code and length.
    [[nodiscard]] static byte_view contained_key(peer::peer_id const& id) noexcept {
        auto const multihash = id.view();
        return multihash.size() > 2 && multihash[0] == 0x00 ? multihash.subspan(2) : byte_view{};
    }

    peer::node_key const* key_;
};
static_assert(message_signer<node_key_signer>);

}  // namespace muster::gossip
