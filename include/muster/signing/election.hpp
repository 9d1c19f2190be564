// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who broadcasts, and who takes over when nothing happens.
///
/// Every signer computes the same list of slots from the proposal alone; its head is the elected coordinator and
/// failover goes through the list to its end. Lists are of *slots*, the only index space there is; slot 0 is a
/// slot like any other. Two methods look at keys, and both are salted by the session id, so that keys cannot be ground
/// in advance to win the first place in every session. The initiator, whose salt is in the id, can still try salts
/// until it likes the winner: the place is a duty, not a privilege to rely on. The other two methods are plain
/// positions in an order that the initiator has chosen; where it chose none, and slots are sorted by key, it does not
/// propose them.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <muster/signing/proposal.hpp>

namespace muster::signing {

namespace detail {

/// A number below @p n that the session id chooses; the bias is below 2^-56.
[[nodiscard]] inline std::size_t salted_start(session_id const& id, std::size_t n) {
    static crypto::hash_tag const tag{"muster/election/start/v1"};
    auto const hash = crypto::tagged_hash(tag, id.view());
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8; ++i) word = word << 8 | hash.octets[i];
    return static_cast<std::size_t>(word % n);
}

/// Sorts @p slots by key, the lower slot first where keys are equal.
template <class Key>
void sort_slots(std::vector<slot>& slots, std::vector<Key> const& keys) {
    std::sort(slots.begin(), slots.end(), [&](slot a, slot b) {
        return std::pair{keys[a], a} < std::pair{keys[b], b};
    });
}

}  // namespace detail

/// All slots in the order in which they are asked to broadcast.
///
/// - lexicographic: by public key, as a ring that begins at a place chosen by the session id.
/// - hash_based: by the tagged hash of session id and public key (rendezvous hashing).
/// - first_signer: 0, 1, ..., n-1. last_signer: n-1, ..., 1, 0.
/// O(n log n). Expects a roster that is not empty.
[[nodiscard]] inline std::vector<slot> election_order(election_method method, session_id const& id,
                                                      std::vector<member> const& roster) {
    std::vector<slot> order(roster.size());
    std::iota(order.begin(), order.end(), slot{0});
    switch (method) {
        case election_method::lexicographic: {
            std::vector<public_key> keys;
            for (auto const& m : roster) keys.push_back(m.signer);
            detail::sort_slots(order, keys);
            auto const start = static_cast<std::ptrdiff_t>(detail::salted_start(id, order.size()));
            std::rotate(order.begin(), order.begin() + start, order.end());
            break;
        }
        case election_method::hash_based: {
            static crypto::hash_tag const tag{"muster/election/rank/v1"};
            std::vector<digest32> ranks;
            for (auto const& m : roster) ranks.push_back(crypto::tagged_hash(tag, id.view(), m.signer.view()));
            detail::sort_slots(order, ranks);
            break;
        }
        case election_method::first_signer: break;
        case election_method::last_signer: std::reverse(order.begin(), order.end()); break;
    }
    return order;
}

}  // namespace muster::signing
