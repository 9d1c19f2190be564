// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Noise's CipherState and SymmetricState, with ChaCha20-Poly1305, SHA-256 and X25519.
///
/// The symmetric state keeps two things: *h*, a hash of everything both sides have said, which every encryption
/// authenticates, and *ck*, a key into which every shared secret is mixed. From ck come the key of the
/// handshake's own encryptions and, at the end, one key per direction.
/// @see The Noise Protocol Framework, revision 34, sections 5.1 and 5.2.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/aead.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/secret.hpp>
#include <muster/libp2p/errc.hpp>

namespace muster::libp2p::noise {

/// Bytes by which a ciphertext exceeds its plaintext.
inline constexpr std::size_t tag_size = crypto::aead::tag_size;

/// A key in one direction and the number of messages it has protected. Movable.
class cipher {
public:
    /// This nonce is reserved by Noise, so a key protects 2^64 - 1 messages and then no more.
    static constexpr std::uint64_t nonce_reserved = std::numeric_limits<std::uint64_t>::max();

    /// @param key    32 bytes, which the caller wipes.
    /// @param nonce  the first message's number; only tests start elsewhere than at 0.
    explicit cipher(byte_view key, std::uint64_t nonce = 0) : aead_{key}, nonce_{nonce} {}

    /// Appends the ciphertext of @p plain to @p out, or returns `nonces_exhausted`.
    [[nodiscard]] result<void> seal(byte_view associated, byte_view plain, bytes& out) {
        MUSTER_TRY(require_nonce());
        aead_.seal(encoded(nonce_++), associated, plain, out);
        return ok();
    }

    /// Appends the plaintext of @p sealed to @p out.
    /// @return `not_authentic`, and the nonce is not used up; or `nonces_exhausted`.
    [[nodiscard]] result<void> open(byte_view associated, byte_view sealed, bytes& out) {
        MUSTER_TRY(require_nonce());
        if (!aead_.open(encoded(nonce_), associated, sealed, out)) {
            return error{errc::not_authentic,
                         text("Noise message ", nonce_, " of ", sealed.size(), " bytes does not authenticate")};
        }
        ++nonce_;
        return ok();
    }

private:
    [[nodiscard]] result<void> require_nonce() const {
        if (nonce_ != nonce_reserved) return ok();
        return error{errc::nonces_exhausted, "the connection has sent 2^64 - 1 messages; open another"};
    }

    /// Four zero bytes, then the number in little-endian order.
    [[nodiscard]] static crypto::aead::nonce encoded(std::uint64_t number) noexcept {
        crypto::aead::nonce out{};
        for (std::size_t i = 0; i < 8; ++i) out[4 + i] = static_cast<byte>(number >> (8 * i));
        return out;
    }

    crypto::aead aead_;
    std::uint64_t nonce_;
};

/// The keys of the two directions, named from the point of view of their owner.
struct cipher_pair {
    cipher outgoing;
    cipher incoming;
};

/// The state that both sides compute alike during a handshake. Move-only; ck lives in guarded memory.
class symmetric_state {
public:
    /// The name of the one Noise protocol spoken here. It is 32 bytes long and so its own first h and ck.
    static constexpr std::string_view protocol_name = "Noise_XX_25519_ChaChaPoly_SHA256";
    static_assert(protocol_name.size() == 32);

    /// The state before the first message, or `no_locked_memory`.
    [[nodiscard]] static result<symmetric_state> make(byte_view prologue) {
        MUSTER_TRY(auto ck, crypto::secret<32>::copy_of(as_bytes(protocol_name)));
        symmetric_state state{std::move(ck)};
        state.mix_hash(prologue);
        return state;
    }

    /// h = SHA-256(h || data).
    void mix_hash(byte_view data) { h_ = crypto::sha256_hasher{}.update(h_.view()).update(data).finish(); }

    /// Mixes a shared secret into ck and starts a new key.
    [[nodiscard]] result<void> mix_key(crypto::secret<32> const& shared) {
        MUSTER_TRY(auto const derived, derive(shared.view()));
        MUSTER_TRY(ck_, crypto::secret<32>::copy_of(derived.view().first(32)));
        cipher_.emplace(derived.view().last(32));
        return ok();
    }

    /// Appends @p plain to @p out, encrypted once there is a key.
    [[nodiscard]] result<void> encrypt_and_hash(byte_view plain, bytes& out) {
        auto const at = out.size();
        if (cipher_) {
            MUSTER_TRY(cipher_->seal(h_.view(), plain, out));
        } else {
            append(out, plain);
        }
        mix_hash(byte_view{out}.subspan(at));
        return ok();
    }

    /// The plaintext of @p received, or `not_authentic`.
    [[nodiscard]] result<bytes> decrypt_and_hash(byte_view received) {
        bytes plain;
        if (cipher_) {
            MUSTER_TRY(cipher_->open(h_.view(), received, plain));
        } else {
            plain = to_bytes(received);
        }
        mix_hash(received);
        return plain;
    }

    /// Bytes by which encrypt_and_hash would lengthen its input now.
    [[nodiscard]] std::size_t overhead() const noexcept { return cipher_ ? tag_size : 0; }

    /// The keys of the two directions; the initiator's first. Wipes ck.
    [[nodiscard]] result<std::pair<cipher, cipher>> split() {
        MUSTER_TRY(auto const derived, derive({}));
        ck_.reset();
        cipher_.reset();
        return std::pair{cipher{derived.view().first(32)}, cipher{derived.view().last(32)}};
    }

    /// h: after the handshake, a name of this very exchange.
    [[nodiscard]] crypto::digest32 const& hash() const noexcept { return h_; }

private:
    explicit symmetric_state(crypto::secret<32> ck) noexcept
        : h_{crypto::digest32::from(as_bytes(protocol_name))}, ck_{std::move(ck)} {}

    /// Noise's HKDF with two outputs, which is RFC 5869 with ck as salt and no info.
    [[nodiscard]] result<crypto::secret<64>> derive(byte_view input) const {
        MUSTER_TRY(ck_.require());
        MUSTER_TRY(auto out, crypto::secret<64>::make());
        crypto::hkdf_sha256(ck_.view(), input, {}, out.span());
        return out;
    }

    crypto::digest32 h_;
    crypto::secret<32> ck_;
    std::optional<cipher> cipher_;
};

}  // namespace muster::libp2p::noise
