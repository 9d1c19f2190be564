// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The keys of one seed, and the statement that ties two of them together.
///
/// A machine has a *node key*, its libp2p host key, which also signs session frames and actions; a *signer key* for
/// MuSig2; an *agreement key* (X25519), to which others encrypt; and a *backup key*, under which it encrypts what it
/// hands to others to keep. All are derived from one seed by HKDF under different labels, so one backup restores all
/// and none reveals another. The signer key signs exactly one thing outside MuSig2: the *binding*, a BIP-340 signature
/// over the peer id, which says that this node speaks for this signer.
///
/// Node, agreement and backup key can be exchanged: they are those of an *epoch*, which is in the label. The signer key
/// stays, since what a group owns hangs on it, and binds the peer id of the new epoch.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <muster/crypto/secp256k1.hpp>
#include <muster/crypto/x25519.hpp>
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

/// The keys of a machine. Move-only.
struct key_set {
    node_key node;                 ///< Its name on the network.
    crypto::key_pair signer;       ///< Its share of the group's key.
    crypto::x25519_key agreement;  ///< What others encrypt to it with.
    crypto::secret<32> backup;     ///< What it encrypts with that others keep.
};

/// How often the keys of a seed that can be exchanged have been. The first ones are of epoch 0.
using key_epoch = std::uint32_t;

/// Derives the keys of @p epoch from @p seed, always the same way.
/// @return `secret_gone`, or (one chance in 2^127) `invalid_secret`: use another seed, or the next epoch.
[[nodiscard]] inline result<key_set> derive_keys(crypto::secret<32> const& seed, key_epoch epoch = 0) {
    MUSTER_TRY(seed.require());
    auto const derive = [&](std::string_view label) -> result<crypto::secret<32>> {
        MUSTER_TRY(auto out, crypto::secret<32>::make());
        crypto::hkdf_sha256(as_bytes("muster/keys/v1"), seed.view(), as_bytes(label), out.span());
        return out;
    };
    // The labels of epoch 0 have no number, as those of seeds that are older than epochs.
    auto const of_epoch = [&](std::string_view label) {
        return derive(epoch == 0 ? text(label) : text(label, "/", epoch));
    };
    MUSTER_TRY(auto node_secret, of_epoch("node"));
    MUSTER_TRY(auto signer_secret, derive("signer"));
    MUSTER_TRY(auto agreement_secret, of_epoch("agreement"));
    MUSTER_TRY(auto backup, of_epoch("backup"));
    MUSTER_TRY(auto node, crypto::key_pair::from_secret(node_secret));
    MUSTER_TRY(auto signer, crypto::key_pair::from_secret(signer_secret));
    MUSTER_TRY(auto agreement, crypto::x25519_key::from_secret(std::move(agreement_secret)));
    return key_set{node_key{std::move(node)}, std::move(signer), std::move(agreement), std::move(backup)};
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
