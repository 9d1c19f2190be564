// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The Noise handshake pattern XX: both sides prove static keys that neither knew before.
///
///     -> e
///     <- e, ee, s, es
///     -> s, se
///
/// *e* is an ephemeral key, *s* the static one, and a pair of letters the agreement of the initiator's key with
/// the responder's. Each message ends with a payload. Nothing here knows libp2p; see noise.hpp for that.
/// @see The Noise Protocol Framework, revision 34, sections 5.3 and 7.5.

#include <array>
#include <cstddef>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/x25519.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/libp2p/noise/cipher.hpp>
#include <muster/libp2p/role.hpp>

namespace muster::libp2p::noise {

/// One run of XX. Messages are written and read in turn, the dialer's first. Move-only.
class xx_pattern {
public:
    /// Bytes of an X25519 key on the wire.
    static constexpr std::size_t key_size = 32;

    /// A run in which this side has not yet done anything, or `no_locked_memory`.
    [[nodiscard]] static result<xx_pattern> make(role side, crypto::x25519_key static_key, crypto::x25519_key ephemeral,
                                                 byte_view prologue = {}) {
        MUSTER_TRY(auto state, symmetric_state::make(prologue));
        return xx_pattern{side, std::move(static_key), std::move(ephemeral), std::move(state)};
    }

    /// Whether the next message is ours to write. False when all three are done.
    [[nodiscard]] bool our_turn() const noexcept { return next_ < 3 && (next_ % 2 == 0) == (side_ == role::dialer); }
    /// Whether no message was written or read yet.
    [[nodiscard]] bool untouched() const noexcept { return next_ == 0; }
    /// Whether all three messages are done.
    [[nodiscard]] bool finished() const noexcept { return next_ == 3; }

    /// Appends our next message, which carries @p payload. Expects @ref our_turn.
    /// @return `crypto::errc::invalid_key` when the other side's key is of low order.
    [[nodiscard]] result<void> write(byte_view payload, bytes& out) {
        if (next_ < 2) {
            append(out, ephemeral_.public_point().view());
            state_.mix_hash(ephemeral_.public_point().view());
        }
        if (next_ == 1) {  // ee
            MUSTER_TRY(mix(ephemeral_, their_ephemeral_));
        }
        if (next_ > 0) {
            MUSTER_TRY(state_.encrypt_and_hash(static_.public_point().view(), out));
            MUSTER_TRY(mix(static_, their_ephemeral_));  // es of message 1, se of message 2
        }
        MUSTER_TRY(state_.encrypt_and_hash(payload, out));
        ++next_;
        return ok();
    }

    /// Reads the other side's next message. Expects neither @ref our_turn nor @ref finished. After an error the
    /// run is of no use.
    /// @return its payload; `malformed` when too short; `not_authentic`; `crypto::errc::invalid_key`.
    [[nodiscard]] result<bytes> read(byte_view message) {
        if (next_ < 2) {
            MUSTER_TRY(auto const e, cut(message, key_size));
            their_ephemeral_ = crypto::x25519_public::from(e);
            state_.mix_hash(e);
        }
        if (next_ == 1) {  // ee
            MUSTER_TRY(mix(ephemeral_, their_ephemeral_));
        }
        if (next_ > 0) {
            MUSTER_TRY(auto const sealed, cut(message, key_size + state_.overhead()));
            MUSTER_TRY(auto const s, state_.decrypt_and_hash(sealed));
            their_static_ = crypto::x25519_public::from(s);
            MUSTER_TRY(mix(ephemeral_, their_static_));  // es of message 1, se of message 2
        }
        MUSTER_TRY(auto payload, state_.decrypt_and_hash(message));
        ++next_;
        return payload;
    }

    /// The other side's static key, once the message that carries it was read.
    [[nodiscard]] crypto::x25519_public const& their_static() const noexcept { return their_static_; }
    /// Noise's handshake hash.
    [[nodiscard]] crypto::digest32 const& hash() const noexcept { return state_.hash(); }

    /// The keys for what follows. Expects @ref finished; call once.
    [[nodiscard]] result<cipher_pair> split() {
        MUSTER_TRY(auto keys, state_.split());
        if (side_ == role::dialer) return cipher_pair{std::move(keys.first), std::move(keys.second)};
        return cipher_pair{std::move(keys.second), std::move(keys.first)};
    }

private:
    xx_pattern(role side, crypto::x25519_key static_key, crypto::x25519_key ephemeral, symmetric_state state) noexcept
        : side_{side}, static_{std::move(static_key)}, ephemeral_{std::move(ephemeral)}, state_{std::move(state)} {}

    [[nodiscard]] result<void> mix(crypto::x25519_key const& ours, crypto::x25519_public const& theirs) {
        MUSTER_TRY(auto const shared, ours.agree(theirs));
        return state_.mix_key(shared);
    }

    /// Takes @p size bytes off the front of @p message.
    [[nodiscard]] static result<byte_view> cut(byte_view& message, std::size_t size) {
        if (message.size() < size) {
            return error{errc::malformed, text("a handshake message ends ", size - message.size(), " bytes early")};
        }
        auto const head = message.first(size);
        message = message.subspan(size);
        return head;
    }

    role side_;
    unsigned next_ = 0;  ///< Index of the message that comes next.
    crypto::x25519_key static_;
    crypto::x25519_key ephemeral_;
    crypto::x25519_public their_ephemeral_;
    crypto::x25519_public their_static_;
    symmetric_state state_;
};

}  // namespace muster::libp2p::noise
