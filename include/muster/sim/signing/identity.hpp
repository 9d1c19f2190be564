// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who the machines of a simulated group are: keys from a seed, and keys that somebody has ground.
///
/// A grinder wants to be elected. It cannot choose session ids, since they hash other signers' salts, so it tries many
/// keys against ids of its own making and keeps the one that would have been elected most often, by the very rules that
/// elections follow. Where keys decide, that key wins everything; where the id salts them, it wins no more than its
/// share.

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <muster/core/error.hpp>
#include <muster/peer/identity.hpp>
#include <muster/signing/election.hpp>
#include <muster/sim/random.hpp>
#include <muster/sim/signing/witness.hpp>

namespace muster::sim::signing {

/// The keys of the machine whose secret is drawn from @p key_seed.
[[nodiscard]] inline peer::key_set keys_from(std::uint64_t key_seed) {
    replayed_entropy source{key_seed};
    auto secret = crypto::secret<32>::generate(source);
    return peer::derive_keys(std::move(secret).value()).value();
}

/// The key seed, of @p candidates_max drawn from @p draw, whose signer key is elected most often beside @p others.
[[nodiscard]] inline std::uint64_t grind_key_seed(splitmix64 draw,
                                                  std::vector<muster::signing::public_key> const& others,
                                                  int candidates_max = 50) {
    constexpr int elections = 40;
    using enum muster::signing::election_method;
    std::vector<muster::signing::session_id> ids(elections);
    for (auto& id : ids) {
        for (auto& octet : id.octets) octet = static_cast<byte>(draw());
    }
    std::vector<muster::signing::member> roster{{}};
    for (auto const& key : others) roster.push_back({key, {}, {}});
    auto const wins = [&](std::uint64_t key_seed) {
        roster[0].signer = keys_from(key_seed).signer.public_key();
        std::ptrdiff_t n = 0;
        for (auto const method : {lexicographic, hash_based}) {
            n += std::count_if(ids.begin(), ids.end(), [&](muster::signing::session_id const& id) {
                return muster::signing::election_order(method, id, roster).front() == 0;
            });
        }
        return n;
    };
    std::pair<std::ptrdiff_t, std::uint64_t> best{-1, 0};
    for (int i = 0; i < candidates_max; ++i) {
        auto const key_seed = draw();
        best = std::max(best, {wins(key_seed), key_seed});
    }
    return best.second;
}

}  // namespace muster::sim::signing
