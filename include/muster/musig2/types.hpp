// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// BIP-327's values and the reasons for refusing them.
///
/// Values that travel are fixed byte strings, each a type of its own; being one does not make it valid. A
/// secret nonce is not among them: it has no encoding.
/// @see BIP-327, https://github.com/bitcoin/bips/blob/master/bip-0327.mediawiki

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>
#include <muster/crypto/secp256k1.hpp>

namespace muster::musig2 {

using crypto::digest32;
using crypto::key_pair;
using crypto::public_key;
using crypto::signature;
using crypto::xonly_key;

struct pubnonce_tag;
/// A signer's public nonce: R1 || R2, both compressed points.
using pubnonce = fixed_bytes<pubnonce_tag, 66>;
struct aggnonce_tag;
/// The sum of all public nonces; a half of 33 zero bytes stands for the point at infinity.
using aggnonce = fixed_bytes<aggnonce_tag, 66>;
struct psig_tag;
/// A partial signature: a scalar below the group order.
using psig = fixed_bytes<psig_tag, 32>;
struct tweak_value_tag;
/// A scalar by which an aggregate key is shifted.
using tweak_value = fixed_bytes<tweak_value_tag, 32>;

/// Why BIP-327 refuses. Where one contribution is at fault, `error::index()` is its signer's position.
MUSTER_ENUMERATION(errc, 1,
                   invalid_pubkey,         ///< A signer's public key is not a point.
                   invalid_pubnonce,       ///< A signer's public nonce is not two points.
                   invalid_psig,           ///< A signer's partial signature is out of range or fails its equation.
                   invalid_aggnonce,       ///< The aggregator's nonce is not two points or infinities.
                   invalid_aggothernonce,  ///< The others' aggregate nonce is not two points.
                   no_keys,                ///< An empty list of keys.
                   aggregate_is_infinity,  ///< The keys add up to the point at infinity.
                   tweak_out_of_range,     ///< A tweak not below the group order.
                   tweak_to_infinity,      ///< Key and tweak add up to the point at infinity.
                   tweak_order,            ///< Derivation after a Taproot or raw tweak has no meaning.
                   hardened_step,          ///< A hardened derivation step, which needs a secret nobody has.
                   not_a_signer,           ///< The signer's key is not in the list, or not at the given position.
                   key_mismatch,           ///< The secret nonce was made for another key.
                   secnonce_out_of_range,  ///< The secret nonce is zero or not below the order: used, or corrupted.
                   no_entropy,             ///< The random source failed or returned zeros.
                   nonce_consumed,         ///< The secret nonce was used, moved away, or inherited through fork.
                   equivocation,           ///< A second, different contribution for the same position.
                   unknown_position,       ///< A position outside the list of signers.
                   wrong_count,            ///< Not one contribution per message.
                   incomplete,             ///< A contribution is still missing.
                   unsupported_message,    ///< The secret nonce does not sign messages of that length.
                   self_check_failed  ///< Our own result does not verify: a computation error; nothing was released.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "musig2"; }

/// What is signed. Bytes do not convert to it: the caller says how they are meant.
class message {
public:
    /// A digest computed elsewhere, signed as it is. BIP-340's and Bitcoin's usual case.
    [[nodiscard]] static message digest(digest32 const& d) { return message{to_bytes(d.view())}; }
    /// The BIP-340 tagged hash of @p content under @p tag: keeps the signatures of one purpose from being
    /// valid for another.
    [[nodiscard]] static message tagged(std::string_view tag, byte_view content) {
        return digest(crypto::tagged_hash(crypto::hash_tag{tag}, content));
    }
    /// Bytes of any length, signed as they are, as BIP-327 and BIP-340 allow.
    [[nodiscard]] static message verbatim(bytes content) { return message{std::move(content)}; }

    [[nodiscard]] byte_view view() const noexcept { return content_; }
    bool operator==(message const&) const = default;

private:
    explicit message(bytes content) noexcept : content_{std::move(content)} {}

    bytes content_;
};

/// BIP-327's KeySort: @p keys in lexicographic order of their bytes. Duplicates stay.
[[nodiscard]] inline std::vector<public_key> key_sort(std::vector<public_key> keys) {
    std::sort(keys.begin(), keys.end());
    return keys;
}

}  // namespace muster::musig2
