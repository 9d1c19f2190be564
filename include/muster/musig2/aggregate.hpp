// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// From shares to a signature: optimistic aggregation with identifiable abort.
///
/// Idea: the happy path pays for one BIP-340 verification, not for n share verifications. Only when that
/// fails is the culprit searched, by halving: b and e are the same for all signers, so for any set S of
/// them the sum of their equations holds exactly when their errors cancel. The whole set fails (the
/// signature is invalid), hence one of its halves fails too; follow a failing half to the end. That end is a
/// single signer whose own equation, BIP-327's PartialSigVerify, fails: blame is never false, whatever errors
/// cancel elsewhere, and everyone with the same contributions blames the same signer. O(log n) checks of
/// two multiplications.
///
/// Blame is only meaningful under BIP-327's conditions: the nonces were aggregated here, every contribution is
/// authenticated, and all signers saw the same nonces. The caller sees to them.

#include <cstdint>
#include <span>
#include <vector>

#include <muster/musig2/backend.hpp>

namespace muster::musig2 {

/// PartialSigVerify.
/// @return whether @p c is that signer's share under @p values; `unknown_position` or `invalid_pubnonce` when it cannot
///         be any signer's.
template <backend Backend>
[[nodiscard]] result<bool> partial_sig_verify(Backend const& b, typename Backend::session_values_type const& values,
                                              contribution const& c) {
    auto const parsed = b.parse_contribution(values, c);
    if (parsed) return b.adds_up(values, std::span{&parsed.value(), 1});
    if (parsed.error() == errc::invalid_psig) return false;  // s >= n: a failure, not an error
    return parsed.error();
}

/// The position of one signer of @p shares whose own equation fails.
/// Expects `!b.adds_up(values, shares)`. O(n) additions and O(log n) multiplications.
template <backend Backend>
[[nodiscard]] std::size_t bisect(Backend const& b, typename Backend::session_values_type const& values,
                                 std::span<typename Backend::parsed_contribution const> shares) {
    std::size_t first = 0;
    while (shares.size() > 1) {
        auto const half = shares.size() / 2;
        if (b.adds_up(values, shares.first(half))) {
            shares = shares.subspan(half);
            first += half;
        } else {
            shares = shares.first(half);
        }
    }
    return first;
}

/// The group's signature, verified.
///
/// @param values   of the session.
/// @param nonces   every signer's public nonce, in order of position.
/// @param shares   every signer's partial signature, in order of position.
/// @return the signature, or `invalid_psig` with the blamed position as `error::index()`.
template <backend Backend>
[[nodiscard]] result<signature> aggregate(Backend const& b, typename Backend::session_values_type const& values,
                                          std::span<pubnonce const> nonces, std::span<psig const> shares) {
    auto const n = values.context().keys().size();
    if (nonces.size() != n || shares.size() != n) {
        return error{errc::wrong_count,
                     text("need ", n, " nonces and shares, got ", nonces.size(), " and ", shares.size())};
    }
    MUSTER_TRY(auto const candidate, b.partial_sig_agg(shares, values));
    if (crypto::verify_bip340(crypto::to_xonly(values.context().aggregate()), values.message(), candidate)) {
        return candidate;
    }
    std::vector<typename Backend::parsed_contribution> parsed;
    parsed.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) {
        MUSTER_TRY(auto p, b.parse_contribution(values, {i, nonces[i], shares[i]}));
        parsed.push_back(std::move(p));
    }
    if (b.adds_up(values, parsed)) {
        return error{errc::self_check_failed,
                     "every share verifies but the signature does not: the nonces given here are not the "
                     "ones that were aggregated"};
    }
    auto const culprit =
        static_cast<std::uint32_t>(bisect(b, values, std::span<typename Backend::parsed_contribution const>{parsed}));
    return error{errc::invalid_psig, text("the partial signature of signer ", culprit, " fails its equation"), culprit};
}

}  // namespace muster::musig2
