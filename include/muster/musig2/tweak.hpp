// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Tweaks by what they mean: BIP-32 derivation of an aggregate key, and its Taproot commitment.
///
/// A group of signers is one key; wallets derive addresses from it and commit it to script trees. Both shift
/// the key by a public scalar. Saying which is meant, instead of passing scalars around, keeps x-only and
/// plain tweaks from being mixed up, and lets an approver see what is signed for.
/// @see BIP-328 (derivation from an aggregate key), BIP-32 (CKDpub), BIP-341 (TapTweak).

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <muster/core/base58.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/musig2/backend.hpp>

namespace muster::musig2 {

/// Unhardened derivation steps from the aggregate key's synthetic extended key.
struct bip32_path {
    std::vector<std::uint32_t> steps;  ///< Each below 2^31.
    MUSTER_FIELDS(bip32_path, steps);
};

/// Taproot: the aggregate key as internal key, with or without a script tree.
struct taproot {
    std::optional<digest32> merkle_root = {};  ///< None for a key-path-only output.
    MUSTER_FIELDS(taproot, merkle_root);
};

namespace unsafe {
/// A scalar of unknown origin. BIP-327 leaves open whether adversarial tweaks are safe; know where yours
/// come from.
struct raw_tweak {
    tweak_value value;
    bool is_xonly = false;
    MUSTER_FIELDS(raw_tweak, value, is_xonly);
};
}  // namespace unsafe

/// One tweak.
using tweak = std::variant<bip32_path, taproot, unsafe::raw_tweak>;

/// BIP-328's chain code for every aggregate key: SHA256("MuSig2MuSig2MuSig2").
inline constexpr std::array<byte, 32> synthetic_chain_code{
    0x86, 0x80, 0x87, 0xca, 0x02, 0xa6, 0xf9, 0x74, 0xc4, 0x59, 0x89, 0x24, 0xc3, 0x6b, 0x57, 0x76,
    0x2d, 0x32, 0xcb, 0x45, 0x71, 0x71, 0x67, 0xe3, 0x00, 0x62, 0x2c, 0x71, 0x67, 0xe3, 0x89, 0x65};

/// BIP-328's synthetic xpub of an aggregate key, for mainnet.
[[nodiscard]] inline std::string synthetic_xpub(public_key const& aggregate) {
    bytes raw{0x04, 0x88, 0xb2, 0x1e};          // version "xpub"
    raw.insert(raw.end(), 1 + 4 + 4, byte{0});  // depth, parent fingerprint, child number
    append(raw, synthetic_chain_code);
    append(raw, aggregate.view());
    auto const checksum = crypto::sha256(crypto::sha256(raw).view());
    append(raw, checksum.view().first(4));
    return to_base58(raw);
}

namespace detail {

template <backend Backend>
[[nodiscard]] result<typename Backend::keyagg_context> apply(Backend const& b, typename Backend::keyagg_context context,
                                                             bip32_path const& path) {
    auto chain_code = synthetic_chain_code;
    for (std::uint32_t const step : path.steps) {
        if (step >= 0x8000'0000u) {
            return error{errc::hardened_step,
                         text("derivation step ", step, " is hardened; an aggregate key has no such child")};
        }
        auto data = to_bytes(context.aggregate().view());
        for (int shift = 24; shift >= 0; shift -= 8) data.push_back(static_cast<byte>(step >> shift));
        auto const i = crypto::hmac_sha512(chain_code, data);
        MUSTER_TRY(context, b.apply_tweak(context, tweak_value::from(i.view().first(32)), false));
        std::copy_n(i.octets.begin() + 32, 32, chain_code.begin());
    }
    return context;
}

template <backend Backend>
[[nodiscard]] result<typename Backend::keyagg_context> apply(Backend const& b,
                                                             typename Backend::keyagg_context const& context,
                                                             taproot const& t) {
    static crypto::hash_tag const tag{"TapTweak"};
    auto const internal = crypto::to_xonly(context.aggregate());
    auto const root = t.merkle_root ? t.merkle_root->view() : byte_view{};
    auto const hash = crypto::tagged_hash(tag, internal.view(), root);
    return b.apply_tweak(context, tweak_value{hash.octets}, true);
}

template <backend Backend>
[[nodiscard]] result<typename Backend::keyagg_context> apply(Backend const& b,
                                                             typename Backend::keyagg_context const& context,
                                                             unsafe::raw_tweak const& t) {
    return b.apply_tweak(context, t.value, t.is_xonly);
}

}  // namespace detail

/// Key aggregation with tweaks, in order.
/// @return the context, or the errors of key_agg and apply_tweak, or `tweak_order` when a derivation does not
///         come first: a synthetic extended key only exists for the untweaked aggregate.
template <backend Backend>
[[nodiscard]] result<typename Backend::keyagg_context> key_agg(Backend const& b, std::span<public_key const> keys,
                                                               std::span<tweak const> tweaks) {
    MUSTER_TRY(auto context, b.key_agg(keys));
    for (std::size_t i = 0; i < tweaks.size(); ++i) {
        if (i > 0 && std::holds_alternative<bip32_path>(tweaks[i])) {
            return error{errc::tweak_order, text("tweak ", i, " is a derivation; derive first, in one path"),
                         static_cast<std::uint32_t>(i)};
        }
        MUSTER_TRY(context, std::visit([&](auto const& t) { return detail::apply(b, context, t); }, tweaks[i]));
    }
    return context;
}

}  // namespace muster::musig2
