// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Two keys from one seed, and the statement that ties them together.
///
/// A machine has a *node key*, its libp2p host key, which also signs session frames, and a *signer key* for
/// MuSig2. Both are derived from one seed by HKDF under different labels, so one backup restores both and
/// neither reveals the other. The signer key signs exactly one thing outside MuSig2: the *binding*, a BIP-340
/// signature over the peer id, which says that this node speaks for this signer.

#include <string_view>
#include <utility>

#include <muster/crypto/secp256k1.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::peer {

/// The signature of a signer key over a peer id.
using binding = crypto::signature;

/// A secp256k1 host key. Move-only.
class node_key {
public:
    explicit node_key(crypto::key_pair pair) noexcept : pair_{std::move(pair)}, id_{peer_id::of(pair_.public_key())} {}

    [[nodiscard]] peer_id const& id() const noexcept { return id_; }
    [[nodiscard]] crypto::public_key const& public_key() const noexcept { return pair_.public_key(); }

    /// Signs a digest that was tagged with its purpose. BIP-340.
    [[nodiscard]] result<crypto::signature> sign(crypto::digest32 const& digest) const {
        return pair_.sign_bip340(digest.view());
    }
    /// Signs a message as libp2p's security handshakes want it: ECDSA over SHA-256, DER.
    [[nodiscard]] result<bytes> sign_handshake(byte_view message) const { return pair_.sign_ecdsa_der(message); }

private:
    crypto::key_pair pair_;
    peer_id id_;
};

/// Whether @p sig is @p who's signature of @p digest, as @ref node_key::sign makes it. About 45 us.
/// False for a peer whose id does not carry a secp256k1 key.
[[nodiscard]] inline bool verify(peer_id const& who, crypto::digest32 const& digest, crypto::signature const& sig) {
    auto const key = who.secp256k1_key();
    return key && crypto::verify_bip340(crypto::to_xonly(*key), digest.view(), sig);
}

/// The two keys of a machine.
struct key_set {
    node_key node;            ///< Its name on the network.
    crypto::key_pair signer;  ///< Its share of the group's key.
};

/// Derives both keys from @p seed, always the same way.
/// @return `secret_gone`, or (one chance in 2^127) `invalid_secret`: use another seed.
[[nodiscard]] inline result<key_set> derive_keys(crypto::secret<32> const& seed) {
    MUSTER_TRY(seed.require());
    auto const derive = [&](std::string_view label) -> result<crypto::key_pair> {
        MUSTER_TRY(auto scalar, crypto::secret<32>::make());
        crypto::hkdf_sha256(as_bytes("muster/keys/v1"), seed.view(), as_bytes(label), scalar.span());
        return crypto::key_pair::from_secret(scalar);
    };
    MUSTER_TRY(auto node, derive("node"));
    MUSTER_TRY(auto signer, derive("signer"));
    return key_set{node_key{std::move(node)}, std::move(signer)};
}

namespace detail {
[[nodiscard]] inline crypto::digest32 binding_digest(peer_id const& id) {
    static crypto::hash_tag const tag{"muster/binding/v1"};
    return crypto::tagged_hash(tag, id.view());
}
}  // namespace detail

/// States that @p id speaks for @p signer.
[[nodiscard]] inline result<binding> bind(crypto::key_pair const& signer, peer_id const& id) {
    return signer.sign_bip340(detail::binding_digest(id).view());
}

/// Whether @p signer stated that @p id speaks for it. About 45 us.
[[nodiscard]] inline bool verify_binding(crypto::public_key const& signer, peer_id const& id, binding const& b) {
    return crypto::is_valid(signer) &&
           crypto::verify_bip340(crypto::to_xonly(signer), detail::binding_digest(id).view(), b);
}

}  // namespace muster::peer
