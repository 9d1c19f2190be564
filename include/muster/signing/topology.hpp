// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How contributions travel: everyone to everyone, or through the elected signer.
///
/// `mesh` needs no signer in the middle: n(n-1) frames a round, every signer aggregates and can blame. `aggregator` is
/// a star around the elected signer: 2(n-1) frames a round, linear in messages and bytes. Its signers sign under a
/// nonce that the aggregator added up. A wrong sum cannot forge anything; signing fails, the aggregator passes on
/// everyone's signed frames, and each signer does the sums itself and names the culprit, which may be the aggregator.

#include <concepts>

#include <muster/signing/proposal.hpp>

namespace muster::signing {

/// A rule for who sends contributions to whom.
///
/// Semantics: `id` is what a proposal says. `talk(from, to, elected)` tells whether @p from sends its nonces and shares
/// to @p to. `signs_under_aggregator(self, elected)` tells whether @p self waits for the aggregate nonce of the elected
/// signer. All signers must come to the same answers. O(1).
template <class T>
concept topology = requires(slot s) {
    { T::id } -> std::convertible_to<topology_id>;
    { T::talk(s, s, s) } -> std::same_as<bool>;
    { T::signs_under_aggregator(s, s) } -> std::same_as<bool>;
};

/// Everyone to everyone.
struct mesh {
    static constexpr topology_id id = topology_id::mesh;
    [[nodiscard]] static constexpr bool talk(slot, slot, slot) noexcept { return true; }
    [[nodiscard]] static constexpr bool signs_under_aggregator(slot, slot) noexcept { return false; }
};
static_assert(topology<mesh>);

/// A star around the elected signer.
struct aggregator {
    static constexpr topology_id id = topology_id::aggregator;
    [[nodiscard]] static constexpr bool talk(slot, slot to, slot elected) noexcept { return to == elected; }
    [[nodiscard]] static constexpr bool signs_under_aggregator(slot self, slot elected) noexcept {
        return self != elected;
    }
};
static_assert(topology<aggregator>);

}  // namespace muster::signing
