// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Host keys of other peers: whose they are, and what they signed.
///
/// Keys of kind secp256k1 and Ed25519 are understood. The peer id is made of the canonical encoding of
/// the key, not of the octets that were sent, so that one key has one name however it was spelled.
/// @see libp2p specs, peer-ids/peer-ids.md.

#include <utility>

#include <muster/core/result.hpp>
#include <muster/crypto/ed25519.hpp>
#include <muster/crypto/secp256k1.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/libp2p/protobuf.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::libp2p {

/// A peer's public host key. A value.
class host_key {
public:
    /// Reads an encoded PublicKey message. Does not check that the key is a point; @ref verify does.
    /// @return `malformed`, or `bad_identity` for a kind or size of key that is not supported.
    [[nodiscard]] static result<host_key> decode(byte_view message) {
        MUSTER_TRY(auto key, decode_public_key(message));
        bool const secp256k1 = key.type == static_cast<std::uint64_t>(key_type::secp256k1) && key.data.size() == 33;
        bool const ed25519 = key.type == static_cast<std::uint64_t>(key_type::ed25519) && key.data.size() == 32;
        if (!secp256k1 && !ed25519) {
            return error{errc::bad_identity,
                         text("a host key of type ", key.type, " with ", key.data.size(),
                              " octets; supported are Ed25519 (1, 32 octets) and secp256k1 (2, 33 octets)")};
        }
        return host_key{std::move(key)};
    }
    /// Our own kind of key.
    [[nodiscard]] static host_key of(crypto::public_key const& key) {
        return host_key{{static_cast<std::uint64_t>(key_type::secp256k1), to_bytes(key.view())}};
    }

    /// The canonical PublicKey message.
    [[nodiscard]] bytes encoded() const { return encode(key_); }

    /// The peer whose key this is.
    [[nodiscard]] result<peer::peer_id> id() const {
        auto const message = encoded();
        bytes multihash{0x00, static_cast<byte>(message.size())};
        append(multihash, message);
        return peer::peer_id::from_multihash(multihash);
    }

    /// Whether @p signature is this key's signature of @p message, by the rule of its kind.
    [[nodiscard]] bool verify(byte_view message, byte_view signature) const {
        if (key_.type == static_cast<std::uint64_t>(key_type::ed25519)) {
            return crypto::verify_ed25519(crypto::ed25519_public::from(key_.data), message, signature);
        }
        return crypto::verify_ecdsa_der(crypto::public_key::from(key_.data), message, signature);
    }

    bool operator==(host_key const&) const = default;

private:
    explicit host_key(public_key_message key) noexcept : key_{std::move(key)} {}

    public_key_message key_;
};

}  // namespace muster::libp2p
