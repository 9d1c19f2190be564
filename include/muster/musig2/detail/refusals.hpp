// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What BIP-327's functions refuse, in words: the same from every backend.

#include <cstddef>
#include <cstdint>
#include <span>

#include <muster/core/hex.hpp>
#include <muster/musig2/types.hpp>

namespace muster::musig2::detail::refuse {

[[nodiscard]] inline std::uint32_t at(std::size_t i) noexcept { return static_cast<std::uint32_t>(i); }

[[nodiscard]] inline error no_keys() { return {errc::no_keys, "key aggregation needs at least one public key"}; }
[[nodiscard]] inline error pubkey(public_key const& key, std::size_t i) {
    return {errc::invalid_pubkey, text("public key ", i, " (", to_hex(key), ") is not a compressed point of secp256k1"),
            at(i)};
}
[[nodiscard]] inline error keys_cancel() {
    return {errc::aggregate_is_infinity, "the public keys cancel each other out"};
}
[[nodiscard]] inline error large_tweak(tweak_value const& t) {
    return {errc::tweak_out_of_range, text("tweak ", to_hex(t), " must be less than n")};
}
[[nodiscard]] inline error cancelling_tweak(tweak_value const& t) {
    return {errc::tweak_to_infinity, text("tweak ", to_hex(t), " takes the aggregate key to infinity")};
}
[[nodiscard]] inline error zero_entropy() {
    return {errc::no_entropy, "the random source returned 32 zeros; it is broken"};
}
[[nodiscard]] inline error zero_nonce() { return {errc::secnonce_out_of_range, "a derived nonce is zero; draw again"}; }
[[nodiscard]] inline error nonce(std::size_t i) {
    return {errc::invalid_pubnonce, text("public nonce ", i, " is not two points"), at(i)};
}
[[nodiscard]] inline error aggregate_nonce(aggnonce const& n) {
    return {errc::invalid_aggnonce, text("aggregate nonce ", to_hex(n), " is not two points")};
}
[[nodiscard]] inline error used_nonce() {
    return {errc::nonce_consumed, "the secret nonce was used, moved away or inherited through fork"};
}
[[nodiscard]] inline error nonce_of_other(public_key const& made_for, public_key const& key) {
    return {errc::key_mismatch, text("the secret nonce was made for ", to_hex(made_for), ", not for ", to_hex(key))};
}
[[nodiscard]] inline error large_share(std::uint32_t position) {
    return {errc::invalid_psig, text("partial signature of signer ", position, " is not below n"), position};
}
[[nodiscard]] inline error own_share() {
    return {errc::self_check_failed, "the own partial signature does not verify; not released"};
}

/// Where @p key stands in @p keys, or `not_a_signer`.
[[nodiscard]] inline result<std::uint32_t> position_of(std::span<public_key const> keys, public_key const& key) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (keys[i] == key) return at(i);
    }
    return error{errc::not_a_signer,
                 text("the signer's public key ", to_hex(key), " must be included in the list of public keys")};
}

}  // namespace muster::musig2::detail::refuse
