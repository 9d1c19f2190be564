// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The seam between MuSig2's rules and the arithmetic: who computes BIP-327's functions.
///
/// A backend is a stateless value with BIP-327's functions under BIP-327's names. `portable` computes them
/// with the public API of any libsecp256k1 from 0.2.0, `native` with the library's own musig module where it has one.
/// Rounds, sessions and the coordinator only know the concept.

#include <concepts>
#include <optional>
#include <span>
#include <utility>

#include <muster/musig2/types.hpp>

namespace muster::musig2 {

/// What NonceGen mixes in besides fresh randomness. All but the key are optional; give all you have: each
/// is one more reason why two signings with a broken random source still differ.
template <class Context>
struct nonce_gen_input {
    public_key key;                         ///< pk: the signer's key; the nonce works with no other.
    key_pair const* secret = nullptr;       ///< sk, borrowed for the call.
    Context const* group = nullptr;         ///< Gives aggpk, after tweaks; borrowed for the call.
    std::optional<byte_view> message = {};  ///< m; an empty message is not an absent one.
    byte_view extra = {};                   ///< extra_in: whatever makes this signing unique.
};

/// What DeterministicSign needs. Only one signer of a group may sign this way, after all others' nonces.
struct deterministic_sign_input {
    aggnonce other_nonces;                                ///< aggothernonce; no half may be infinity.
    byte_view message;                                    ///< m.
    std::optional<std::array<byte, 32>> randomness = {};  ///< rand; hardens against fault attacks.
};

/// One signer's part of a signing: who, with which nonce, gave what.
struct contribution {
    std::uint32_t position = 0;  ///< Index in the list of keys.
    pubnonce nonce;
    psig share;
};

/// BIP-327's functions.
///
/// Semantics: as the BIP defines them, with its errors as `errc` and the blamed signer as `error::index()`.
/// - `key_agg(keys)`: KeyAgg, keys in the order given.
/// - `apply_tweak(context, t, is_xonly)`: ApplyTweak; @p context is unchanged whatever happens.
/// - `nonce_gen(source, input)`: NonceGen; refuses randomness that is all zero.
/// - `nonce_agg(pubnonces)`: NonceAgg.
/// - `session_values(context, aggnonce, message)`: GetSessionValues.
/// - `sign(secnonce&&, key, values)`: Sign, with its final check of the own result; the secret nonce is
///   wiped whatever happens.
/// - `parse_contribution(values, c)`: decodes a share once; `adds_up(values, shares)`: whether the *sum* of
///   some signers' equations holds, which for one signer is PartialSigVerify. An honest set always adds up.
/// - `partial_sig_agg(psigs, values)`: PartialSigAgg; the result is not verified.
/// - `deterministic_sign(context, key, input)`: DeterministicSign.
/// - `secnonce::usable()`: false when it was used, moved from, or inherited through fork.
/// Contexts and values are cheap to copy and immutable. Functions are thread-safe.
template <class B>
concept backend =
    std::copyable<B> && std::copyable<typename B::keyagg_context> && std::copyable<typename B::session_values_type> &&
    std::copyable<typename B::parsed_contribution> && std::movable<typename B::secnonce> &&
    !std::copyable<typename B::secnonce> &&
    requires(B const& b, std::span<public_key const> keys, typename B::keyagg_context const& context,
             typename B::session_values_type const& values, typename B::secnonce& nonce, key_pair const& key,
             std::span<typename B::parsed_contribution const> parsed, crypto::system_random& source) {
    { std::as_const(nonce).usable() } -> std::same_as<bool>;
    { context.aggregate() } -> std::convertible_to<public_key>;
    { context.keys() } -> std::convertible_to<std::span<public_key const>>;
    { b.key_agg(keys) } -> std::same_as<result<typename B::keyagg_context>>;
    { b.apply_tweak(context, tweak_value{}, true) } -> std::same_as<result<typename B::keyagg_context>>;
    {
        b.nonce_gen(source, nonce_gen_input<typename B::keyagg_context>{})
        } -> std::same_as<result<std::pair<typename B::secnonce, pubnonce>>>;
    { b.nonce_agg(std::span<pubnonce const>{}) } -> std::same_as<result<aggnonce>>;
    { b.session_values(context, aggnonce{}, byte_view{}) } -> std::same_as<result<typename B::session_values_type>>;
    { b.sign(std::move(nonce), key, values) } -> std::same_as<result<psig>>;
    { b.parse_contribution(values, contribution{}) } -> std::same_as<result<typename B::parsed_contribution>>;
    { b.adds_up(values, parsed) } -> std::same_as<bool>;
    { b.partial_sig_agg(std::span<psig const>{}, values) } -> std::same_as<result<signature>>;
    {
        b.deterministic_sign(context, key, deterministic_sign_input{})
        } -> std::same_as<result<std::pair<pubnonce, psig>>>;
};

}  // namespace muster::musig2
