// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Which messages and contents have had their verdict: duplicates are told apart in two stages.
///
/// A message is recorded by its bytes as soon as it comes, so that the same bytes cost little the second time. What it
/// contains is recorded only with a final verdict: a wrong version of a record does not keep the right one out.

#include <algorithm>
#include <cstddef>

#include <muster/cache/seen_cache.hpp>
#include <muster/core/random.hpp>
#include <muster/core/time.hpp>
#include <muster/feed/types.hpp>

namespace muster::feed {

/// Two filters of the same bounds. Not thread-safe.
class seen_messages {
public:
    /// @param seed  for the hashes of the filters.
    seen_messages(std::size_t ids_max, duration time_to_live, std::uint64_t seed)
        : messages_{make(ids_max, time_to_live, seed)}, contents_{make(ids_max, time_to_live, seed + 1)} {}

    /// Records a message; false when it was known.
    [[nodiscard]] bool record_message(digest const& id, instant now) { return messages_.record(id, now); }
    /// It may come again: it has had no verdict.
    void forget_message(digest const& id, instant now) { (void)messages_.forget(id, now); }
    /// Records what was accepted.
    void record_content(digest const& id, instant now) { (void)contents_.record(id, now); }
    /// It may be accepted again: the chain below has changed.
    void forget_content(digest const& id, instant now) { (void)contents_.forget(id, now); }
    [[nodiscard]] bool is_final(digest const& id, instant now) { return contents_.contains(id, now); }

private:
    using filter = cache::seen_cache<cache::seen_defaults<instant>>;
    [[nodiscard]] static filter make(std::size_t ids_max, duration ttl, std::uint64_t seed) {
        splitmix64 draw{seed};
        filter::options o;
        o.ids_max = ids_max;
        o.time_to_live = ttl;
        for (auto& word : o.secret.words) word = draw();
        return filter{o};
    }

    filter messages_;
    filter contents_;
};

}  // namespace muster::feed
