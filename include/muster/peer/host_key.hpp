// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Host keys of other peers: whose they are, and what they signed.
///
/// Keys of the kinds secp256k1, Ed25519 and RSA are understood; ECDSA over NIST curves is not. The peer id is made of
/// the canonical encoding of the key, not of the bytes that were sent, so that one key has one name however it was
/// spelled.
/// @see libp2p specs, peer-ids/peer-ids.md.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include <muster/core/enumeration.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/ed25519.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/rsa.hpp>
#include <muster/crypto/secp256k1.hpp>
#include <muster/peer/errc.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/wire/protobuf.hpp>

namespace muster::peer {

/// Kinds of host keys, numbered as on the wire.
MUSTER_ENUMERATION(key_type, 0, rsa, ed25519, secp256k1, ecdsa);

/// libp2p's PublicKey message: the kind of a key, and the key in the kind's own encoding.
struct public_key_message {
    std::uint64_t type = 0;  ///< A @ref key_type, unless the sender knows more kinds than we do.
    bytes data;
    bool operator==(public_key_message const&) const = default;
};

/// The canonical encoding: type, then data. Peer ids are made of it.
[[nodiscard]] inline bytes encode(public_key_message const& key) {
    wire::protobuf_writer out;
    out.number(1, key.type).content(2, key.data);
    return out.take();
}

/// A peer's public host key. A value.
class host_key {
public:
    /// Most bytes of a message that is read; an RSA key of 8192 bits needs 1,068.
    static constexpr std::size_t encoded_size_max = 1'200;

    /// Reads an encoded PublicKey message. Of secp256k1 and Ed25519 keys it does not check that they are points; @ref
    /// verify does.
    /// @return `invalid_key`, or `unsupported_key` for ECDSA and for kinds that are not known.
    [[nodiscard]] static result<host_key> decode(byte_view message) {
        MUSTER_TRY(auto const key, read(message));
        switch (key.type) {
            case static_cast<std::uint64_t>(key_type::ed25519):
                if (key.data.size() == 32) return host_key{crypto::ed25519_public::from(key.data)};
                return wrong_size("an Ed25519", key.data.size(), 32);
            case static_cast<std::uint64_t>(key_type::secp256k1):
                if (key.data.size() == 33) return host_key{crypto::public_key::from(key.data)};
                return wrong_size("a secp256k1", key.data.size(), 33);
            case static_cast<std::uint64_t>(key_type::rsa): {
                auto rsa = crypto::rsa_public::from_spki(key.data);
                if (!rsa) return error{errc::invalid_key, text("a host key: ", rsa.error().message())};
                return host_key{std::move(rsa).value()};
            }
            case static_cast<std::uint64_t>(key_type::ecdsa):
                return error{errc::unsupported_key,
                             "an ECDSA host key; its owner has to take one of Ed25519, secp256k1 or RSA"};
            default:
                return error{errc::unsupported_key, text("a host key of type ", key.type,
                                                         "; supported are RSA (0), Ed25519 (1) and secp256k1 (2)")};
        }
    }
    /// Our own kind of key.
    [[nodiscard]] static host_key of(crypto::public_key const& key) { return host_key{key}; }
    /// The key that @p id carries; none when the id is a hash, or what it carries is not a key.
    [[nodiscard]] static std::optional<host_key> inlined_in(peer_id const& id) {
        if (id.empty() || id.view()[0] != 0) return std::nullopt;
        auto key = decode(id.view().subspan(2));
        return key && key.value().id() == id ? std::optional{std::move(key).value()} : std::nullopt;
    }

    /// What kind it is.
    [[nodiscard]] key_type type() const noexcept {
        return std::holds_alternative<crypto::rsa_public>(key_)       ? key_type::rsa
               : std::holds_alternative<crypto::ed25519_public>(key_) ? key_type::ed25519
                                                                      : key_type::secp256k1;
    }

    /// The canonical PublicKey message.
    [[nodiscard]] bytes encoded() const {
        return encode(public_key_message{static_cast<std::uint64_t>(type()), to_bytes(data())});
    }

    /// The peer whose key this is: the key itself where its encoding has at most 42 bytes, else a hash of that.
    [[nodiscard]] peer_id id() const {
        auto const message = encoded();
        bool const fits = message.size() <= 42;
        bytes multihash{static_cast<byte>(fits ? 0x00 : 0x12), static_cast<byte>(fits ? message.size() : 32)};
        append(multihash, fits ? byte_view{message} : crypto::sha256(message).view());
        return peer_id::from_multihash(multihash).value();
    }

    /// Whether @p signature is this key's signature of @p message, by the rule of its kind.
    [[nodiscard]] bool verify(byte_view message, byte_view signature) const {
        if (auto const* const rsa = std::get_if<crypto::rsa_public>(&key_)) return rsa->verify(message, signature);
        if (auto const* const ed25519 = std::get_if<crypto::ed25519_public>(&key_)) {
            return crypto::verify_ed25519(*ed25519, message, signature);
        }
        return crypto::verify_ecdsa_der(std::get<crypto::public_key>(key_), message, signature);
    }

    bool operator==(host_key const&) const = default;

private:
    using any_key = std::variant<crypto::ed25519_public, crypto::public_key, crypto::rsa_public>;

    explicit host_key(any_key key) noexcept : key_{std::move(key)} {}

    [[nodiscard]] static error wrong_size(std::string_view kind, std::size_t size, std::size_t wanted) {
        return error{errc::invalid_key, text(kind, " host key of ", size, " bytes; it has ", wanted)};
    }

    [[nodiscard]] static result<public_key_message> read(byte_view message) {
        if (message.size() > encoded_size_max) {
            return error{errc::invalid_key, text("a host key of ", message.size(), " bytes is too long")};
        }
        std::optional<std::uint64_t> type;
        std::optional<byte_view> data;
        auto const visited = wire::for_each_field(message, [&](auto tag, std::uint64_t number, byte_view content) {
            if (tag == 1) type = number;
            if (tag == 2) data = content;
        });
        if (!visited) return error{errc::invalid_key, text("a host key is ", visited.error().message())};
        if (!type || !data) return error{errc::invalid_key, "a host key that lacks its type or its data"};
        return public_key_message{*type, to_bytes(*data)};
    }

    [[nodiscard]] byte_view data() const noexcept {
        if (auto const* const rsa = std::get_if<crypto::rsa_public>(&key_)) return rsa->spki();
        if (auto const* const ed25519 = std::get_if<crypto::ed25519_public>(&key_)) return ed25519->view();
        return std::get<crypto::public_key>(key_).view();
    }

    any_key key_;
};

}  // namespace muster::peer
