// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The secret half of a nonce: how k1 and k2 are derived, and what of them is shown.
///
/// Algorithm: k_i is the tagged hash of the secret randomness and of all that makes this signing another one, reduced
/// modulo n in constant time. NonceGen's randomness is drawn, and masked with the secret key; DeterministicSign's is
/// the secret key, masked. Every step on k or on the key takes the same time whatever their values; that k is zero or
/// not, and what is published, is declassified where it is looked at.
///
/// Source: BIP-327, NonceGen and DeterministicSign.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <muster/crypto/declassify.hpp>
#include <muster/musig2/backend.hpp>
#include <muster/musig2/detail/curve.hpp>
#include <muster/musig2/detail/refusals.hpp>
#include <muster/musig2/types.hpp>

namespace muster::musig2::detail {

/// @p v as so many bytes, the highest first.
template <std::size_t Octets>
[[nodiscard]] constexpr std::array<byte, Octets> big_endian(std::uint64_t v) noexcept {
    std::array<byte, Octets> out{};
    for (std::size_t i = Octets; i-- > 0; v >>= 8) out[i] = static_cast<byte>(v);
    return out;
}

/// Whether all of @p secret is zero: all that a clock can tell of it.
[[nodiscard]] inline bool is_zero(byte_view secret) noexcept {
    byte any = 0;
    for (byte const b : secret) any = static_cast<byte>(any | b);
    crypto::declassify(any);
    return any == 0;
}

/// Whether the 32 bytes at the front of @p secret are a scalar other than zero.
[[nodiscard]] inline bool in_range(byte_view secret) noexcept {
    auto const valid = secp256k1_ec_seckey_verify(crypto::secp256k1::context(), secret.data());
    crypto::declassify(valid);
    return valid == 1;
}

/// rand = sk XOR hash(rand').
inline void mask(std::span<byte, 32> rand, byte_view secret, digest32 hash) noexcept {
    for (std::size_t i = 0; i < 32; ++i) rand[i] = static_cast<byte>(secret[i] ^ hash.octets[i]);
    crypto::wipe(hash.octets);
}

/// k_i = hash mod n, in constant time; @p k holds both.
inline void finish_nonce(crypto::sha256_hasher& hasher, byte_span k, std::size_t i) {
    auto const half = k.subspan(32 * i).first<32>();
    hasher.finish_into(half);
    reduce(half);
}

/// R1 || R2 of the secrets @p k. Expects both to be in range.
[[nodiscard]] inline pubnonce public_nonce(byte_view k) {
    pubnonce out;
    for (std::size_t half = 0; half < 2; ++half) {
        secp256k1_pubkey r;
        auto const made = secp256k1_ec_pubkey_create(crypto::secp256k1::context(), &r, k.data() + 32 * half);
        crypto::declassify(made);
        crypto::declassify(r);
        must(made == 1);
        auto const octets = crypto::serialize(r);
        std::copy(octets.octets.begin(), octets.octets.end(), out.octets.begin() + 33 * half);
    }
    return out;
}

/// k1 || k2 of NonceGen, with randomness from @p source and for the aggregate key @p aggregate, if there is one.
/// @return what the source refuses, `no_entropy` for zeros, `secret_gone`, or what guarded memory refuses.
template <secret_source Source, class Context>
[[nodiscard]] result<crypto::secret<64>> derive_nonce(Source& source, nonce_gen_input<Context> const& in,
                                                      std::optional<xonly_key> const& aggregate) {
    std::array<byte, 32> rand{};
    crypto::wipe_on_exit const wipe_rand{rand};
    MUSTER_TRY(source.fill_secret(rand));
    if (is_zero(rand)) return refuse::zero_entropy();
    if (in.secret != nullptr) {
        MUSTER_TRY(in.secret->require());
        static crypto::hash_tag const aux{"MuSig/aux"};
        mask(rand, in.secret->secret_scalar(), crypto::tagged_hash(aux, byte_view{rand}));
    }
    static crypto::hash_tag const tag{"MuSig/nonce"};
    MUSTER_TRY(auto k, crypto::secret<64>::make());
    for (byte i = 0; i < 2; ++i) {
        auto hasher = crypto::tagged_hasher(tag);
        hasher.update(rand).update(big_endian<1>(in.key.size())).update(in.key.view());
        hasher.update(big_endian<1>(aggregate ? 32 : 0));
        if (aggregate) hasher.update(aggregate->view());
        hasher.update(big_endian<1>(in.message ? 1 : 0));
        if (in.message) hasher.update(big_endian<8>(in.message->size())).update(*in.message);
        hasher.update(big_endian<4>(in.extra.size())).update(in.extra).update(big_endian<1>(i));
        finish_nonce(hasher, k.span(), i);
    }
    return k;
}

/// k1 || k2 of DeterministicSign, for the aggregate key @p aggregate. Expects @p key to have its secret.
[[nodiscard]] inline result<crypto::secret<64>> derive_deterministic_nonce(public_key const& aggregate,
                                                                           key_pair const& key,
                                                                           deterministic_sign_input const& in) {
    static crypto::hash_tag const aux{"MuSig/aux"};
    static crypto::hash_tag const tag{"MuSig/deterministic/nonce"};
    std::array<byte, 32> masked{};
    crypto::wipe_on_exit const wipe_masked{masked};
    auto const secret = key.secret_scalar();
    if (in.randomness) {
        mask(masked, secret, crypto::tagged_hash(aux, byte_view{*in.randomness}));
    } else {
        std::copy(secret.begin(), secret.end(), masked.begin());
    }
    auto const q = crypto::to_xonly(aggregate);
    MUSTER_TRY(auto k, crypto::secret<64>::make());
    for (byte i = 0; i < 2; ++i) {
        auto hasher = crypto::tagged_hasher(tag);
        hasher.update(masked).update(in.other_nonces.view()).update(q.view());
        hasher.update(big_endian<8>(in.message.size())).update(in.message).update(big_endian<1>(i));
        finish_nonce(hasher, k.span(), i);
    }
    return k;
}

}  // namespace muster::musig2::detail
