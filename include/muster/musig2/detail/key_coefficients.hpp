// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// KeyAggCoeff: the factor by which each signer's key enters the aggregate key, so that nobody can choose a key that
/// cancels another one.
///
/// Algorithm: a_i is the hash of the whole list and of the key; the second distinct key and those that equal it have
/// the coefficient one, which saves a multiplication each.
///
/// Source: BIP-327, KeyAggCoeff and GetSecondKey.

#include <span>
#include <vector>

#include <muster/musig2/detail/curve.hpp>
#include <muster/musig2/types.hpp>

namespace muster::musig2::detail {

/// KeyAggCoeff for every key.
[[nodiscard]] inline std::vector<scalar> key_coefficients(std::span<public_key const> keys) {
    static crypto::hash_tag const list_tag{"KeyAgg list"};
    static crypto::hash_tag const coefficient_tag{"KeyAgg coefficient"};
    public_key second;  // GetSecondKey: zeros when all keys are equal
    for (auto const& key : keys) {
        if (key != keys[0]) {
            second = key;
            break;
        }
    }
    auto list = crypto::tagged_hasher(list_tag);
    for (auto const& key : keys) list.update(key.view());
    auto const hash = list.finish();
    std::vector<scalar> out;
    out.reserve(keys.size());
    for (auto const& key : keys) {
        out.push_back(key == second ? one() : scalar_of(crypto::tagged_hash(coefficient_tag, hash.view(), key.view())));
    }
    return out;
}

}  // namespace muster::musig2::detail
