// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The name of a machine: a multihash of its public key, as libp2p defines it.
///
/// Keys of at most 42 bytes when encoded (secp256k1, Ed25519) are inlined: the "hash" is the key itself, so
/// whoever knows the peer id can check its signatures. Larger keys (RSA) are hashed with SHA-256.
/// @see libp2p specs, "Peer Ids and Keys"; multiformats/multihash.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <muster/core/base58.hpp>
#include <muster/core/hex.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/secp256k1.hpp>
#include <muster/peer/errc.hpp>

namespace muster::peer {

/// A libp2p peer id. Regular, totally ordered by its bytes, trivially copyable. The default is no peer.
class peer_id {
public:
    /// Most bytes: the identity multihash of a 42-byte key.
    static constexpr std::size_t size_max = 44;

    constexpr peer_id() noexcept = default;

    /// The peer whose host key is the secp256k1 key @p key.
    [[nodiscard]] static peer_id of(crypto::public_key const& key) noexcept {
        peer_id id;
        for (byte b : secp256k1_prefix) id.octets_[id.size_++] = b;
        for (byte b : key.octets) id.octets_[id.size_++] = b;
        return id;
    }

    /// The peer named by a multihash.
    /// @return `invalid_peer_id` unless it is an identity multihash of at most 42 bytes or a SHA-256 one.
    [[nodiscard]] static result<peer_id> from_multihash(byte_view multihash) {
        bool const identity = multihash.size() >= 3 && multihash.size() <= size_max && multihash[0] == 0x00 &&
                              multihash[1] == multihash.size() - 2;
        bool const sha256 = multihash.size() == 34 && multihash[0] == 0x12 && multihash[1] == 32;
        if (!identity && !sha256) {
            return error{errc::invalid_peer_id,
                         text("the multihash ", to_hex(multihash.first(std::min<std::size_t>(multihash.size(), 8))),
                              "... of ", multihash.size(), " bytes names no peer")};
        }
        peer_id id;
        for (byte b : multihash) id.octets_[id.size_++] = b;
        return id;
    }

    /// The peer written as @p encoded in base58, e.g. `16Uiu2HA...` (secp256k1) or `12D3Koo...` (Ed25519).
    [[nodiscard]] static result<peer_id> from_text(std::string_view encoded) {
        MUSTER_TRY(auto const multihash, from_base58(encoded));
        return from_multihash(multihash);
    }

    /// The multihash.
    [[nodiscard]] constexpr byte_view view() const noexcept { return byte_view{octets_}.first(size_); }
    /// The multihash in base58.
    [[nodiscard]] std::string to_text() const { return to_base58(view()); }
    /// Whether this names no peer.
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }

    /// The host key, when it is inlined and of type secp256k1.
    [[nodiscard]] std::optional<crypto::public_key> secp256k1_key() const noexcept {
        if (size_ != secp256k1_prefix.size() + 33 || !equal(view().first(secp256k1_prefix.size()), secp256k1_prefix)) {
            return std::nullopt;
        }
        return crypto::public_key::from(view().last(33));
    }

    constexpr auto operator<=>(peer_id const&) const = default;

private:
    /// Multihash code identity, its length, then libp2p's PublicKey message: Type = Secp256k1, Data of 33.
    static constexpr std::array<byte, 6> secp256k1_prefix{0x00, 0x25, 0x08, 0x02, 0x12, 0x21};

    std::array<byte, size_max> octets_{};
    std::uint8_t size_ = 0;
};

}  // namespace muster::peer
