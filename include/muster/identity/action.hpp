// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What somebody has done, said by themselves: an entry in a chain of their own that anybody can check.
///
/// Idea: what is passed on from hand to hand has to carry its own proof, and the proof has to cover everything: who, on
/// which network, of which type, in which place of which order, when, until when, and what. So all of it is under the
/// signature, and the payload under its hash. The entries of an author are a chain: each has a number and the hash of
/// the one before. Two that are signed in one place of it prove to everybody that their author has told two stories.
///
/// Who restores an old copy of what they have does not know what they have said since, and would contradict themselves;
/// so a chain belongs to a *life* of its author, a random number that is drawn where a chain is begun.
///
/// Layout, 324 bytes, integers big-endian: version (1), network (32), type (2), author's user id (32), their node key
/// (33), life (8), sequence (8), hash of the action before (32, zeros for the first), hybrid time (8), expiry (8, Unix
/// milliseconds), payload's length (4) and hash (32), then the signature (64), BIP-340 by the node key over the hash of
/// all before it. There is one encoding: all fields have a fixed size, and no value has two spellings. What names an
/// action, in a chain too, is the hash of what is signed: the signature is no part of it, since an author can make
/// many.
///
/// @see libp2p RFC 0002 for the domain; "Secure Scuttlebutt", Tarr et al., ICN 2019, for chains and their forks.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <muster/core/fields.hpp>
#include <muster/core/hybrid_time.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/identity/errc.hpp>
#include <muster/identity/user_id.hpp>
#include <muster/peer/authenticated.hpp>
#include <muster/peer/identity.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::identity {

struct network_id_tag;
/// Which network an action is for: the hash of its name, or of the wallet it is about. Another one's are refused.
using network_id = fixed_bytes<network_id_tag, 32>;
struct action_id_tag;
/// The hash of an action.
using action_id = fixed_bytes<action_id_tag, 32>;

/// What an action is about. Whoever defines payloads takes a number of their own.
enum class action_type : std::uint16_t {};

/// An action, as its author describes it. A claim until it was verified.
struct action {
    static constexpr std::uint8_t version = 1;
    static constexpr std::size_t signed_size = 1 + 32 + 2 + 32 + 33 + 8 + 8 + 32 + 8 + 8 + 4 + 32;
    static constexpr std::size_t size = signed_size + 64;       ///< Bytes of every action, without its payload.
    static constexpr std::size_t payload_size_max = 64u << 10;  ///< Bytes. Ours.

    network_id network;
    action_type type{};
    user_id author;              ///< Whoever they are now: the hash of their first key.
    crypto::public_key key;      ///< The node key that they sign with now.
    std::uint64_t life = 0;      ///< Of the author; each has a chain.
    std::uint64_t sequence = 0;  ///< From 1; one more than that of the action before.
    action_id previous;          ///< Zeros for the first.
    hybrid_time time;
    timestamp expires{};
    std::uint32_t payload_size = 0;
    crypto::digest32 payload_hash;
    crypto::signature signature{};
    bool operator==(action const&) const = default;

    /// Sets what is said of the payload.
    void describe(byte_view payload) {
        payload_size = static_cast<std::uint32_t>(payload.size());
        payload_hash = crypto::sha256(payload);
    }
    /// Whether @p payload is the one that was signed.
    [[nodiscard]] bool is_about(byte_view payload) const {
        return payload.size() == payload_size && crypto::sha256(payload) == payload_hash;
    }
    /// The hash of all that is signed. It names the action. O(1), two blocks of SHA-256 and its tag.
    [[nodiscard]] action_id id() const { return action_id::from(digest().view()); }

    /// Signs it. Expects that @p author's key is the one in it. @return `not_signed` when it is not; or `secret_gone`.
    [[nodiscard]] result<void> sign(peer::node_key const& with) {
        if (with.public_key() != key) {
            return error{errc::not_signed,
                         text("the key ", to_hex(with.public_key()), " cannot sign for ", to_hex(key))};
        }
        MUSTER_TRY(signature, with.sign(digest()));
        return ok();
    }
    [[nodiscard]] bytes encoded() const {
        auto out = wire::writer{signed_bytes()};
        return out.raw(signature.view()).take();
    }
    /// Reads what @ref encoded writes. Nothing dear is done.
    /// @return `malformed`, `too_large` for a payload, `unsupported_version`.
    [[nodiscard]] static result<action> decode(byte_view all);

    /// Whether the key in it made the signature. About 45 us.
    [[nodiscard]] bool is_signed() const {
        return crypto::verify_bip340(crypto::to_xonly(key), digest().view(), signature);
    }

private:
    template <class Authors>
    friend class action_verifier;

    [[nodiscard]] peer::authenticated<action> authenticated() const { return {peer::peer_id::of(key), *this}; }
    [[nodiscard]] crypto::digest32 digest() const {
        static crypto::hash_tag const tag{"muster/action/v1"};
        return crypto::tagged_hash(tag, signed_bytes());
    }
    [[nodiscard]] bytes signed_bytes() const {
        wire::writer out;
        out.u8(version).raw(network.view()).u16(static_cast<std::uint16_t>(type)).raw(author.view()).raw(key.view());
        out.u64(life).u64(sequence).raw(previous.view()).u64(time.bits).i64(to_unix_millis(expires));
        out.u32(payload_size).raw(payload_hash.view());
        return out.take();
    }
};

inline result<action> action::decode(byte_view all) {
    if (all.empty() || all[0] != version) {
        return error{errc::unsupported_version,
                     text("an action of version ", all.empty() ? 0 : all[0], "; wanted is ", version)};
    }
    if (all.size() != size) {
        return error{errc::malformed, text("an action of ", all.size(), " bytes; it has to have ", size)};
    }
    action out;
    wire::reader in{all.subspan(1)};
    out.network = in.fixed<network_id>();
    out.type = action_type{in.u16()};
    out.author = in.fixed<user_id>();
    out.key = in.fixed<crypto::public_key>();
    out.life = in.u64();
    out.sequence = in.u64();
    out.previous = in.fixed<action_id>();
    out.time.bits = in.u64();
    out.expires = from_unix_millis(in.i64());
    out.payload_size = in.u32();
    out.payload_hash = in.fixed<crypto::digest32>();
    out.signature = in.fixed<crypto::signature>();
    if (out.payload_size > payload_size_max) {
        return error{errc::too_large, text("an action with ", out.payload_size, " bytes; at most ", payload_size_max)};
    }
    if (out.sequence == 0 || out.sequence == UINT64_MAX || (out.sequence == 1) != out.previous.is_zero()) {
        return error{errc::malformed, text("an action of sequence ", out.sequence, " after ", to_hex(out.previous))};
    }
    if (out.key.octets[0] != 2 && out.key.octets[0] != 3) {
        return error{errc::malformed, text("an action by ", to_hex(out.key), ", which is no compressed point")};
    }
    return out;
}

}  // namespace muster::identity
