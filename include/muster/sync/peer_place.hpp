// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where a peer is in all chains, and what is on the way to it.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/sync/message.hpp>

namespace muster::sync {

/// What an outbox knows of one peer. A dot of sequence 0 stands for the evidence against its chain.
struct peer_place {
    /// Something that was sent and not acknowledged.
    struct flight {
        instant again;  ///< When it is sent again.
        duration wait;
        std::uint32_t tries = 0;
    };
    /// Entries that were shown because theirs have other names.
    struct contest {
        std::uint64_t sequence = 0;
        instant again;
    };

    bool is_here = false;
    bool has_told = false;  ///< Since it is here.
    instant ask_again{};    ///< Until it has.
    version_vector theirs;
    std::vector<run> beyond;  ///< That they have beyond a gap.
    std::map<dot, flight> on_the_way;
    std::set<actor> stuck;                  ///< Chains with an entry that they do not take.
    std::set<actor> full;                   ///< Chains of which they take no more.
    std::map<actor, std::uint64_t> faults;  ///< Where they know that chains part.
    std::map<actor, contest> contested;  ///< Chains of which they have another story; at most @ref summary::chains_max.
    bool is_quota_told = false;
    actor turn;  ///< Whose chain goes first.

    /// Whatever was on the way went with the connection, and what was not taken then may be taken now.
    void begin() {
        is_here = true;
        has_told = is_quota_told = false;
        on_the_way.clear();
        stuck.clear();
        full.clear();
        contested.clear();
    }
    /// Takes note of what they say. Also when it is less than before: somebody has restored an old copy.
    void take(summary const& told) {
        theirs = told.ends;
        beyond = told.more;
        has_told = true;
        full = {told.full.begin(), told.full.end()};
        faults.clear();
        for (auto const& at : told.faults) faults[at.by] = at.sequence;
        land();
    }
    /// What they have, or have no use for, is not on the way any more: nobody waits for it.
    void land() {
        std::erase_if(on_the_way,
                      [&](auto const& f) { return f.first.sequence != 0 && (has(f.first) || !takes(f.first.by)); });
    }
    /// Whether they have the entry at @p at.
    [[nodiscard]] bool has(dot const& at) const noexcept {
        if (theirs.contains(at)) return true;
        return std::any_of(beyond.begin(), beyond.end(), [&](run const& r) {
            return r.by == at.by && r.first <= at.sequence && at.sequence <= r.last;
        });
    }
    /// Whether they know that the chain parts at @p at, or before.
    [[nodiscard]] bool knows_fault(dot const& at) const noexcept {
        auto const found = faults.find(at.by);
        return found != faults.end() && found->second <= at.sequence;
    }
    /// Whether entries of @p by are of use to them now.
    [[nodiscard]] bool takes(actor const& by) const noexcept {
        return !stuck.contains(by) && !full.contains(by) && !contested.contains(by);
    }
    /// The chain was cut here: what was sent of it, and is there, is another matter now.
    void forget(actor const& by) {
        std::erase_if(on_the_way, [&](auto const& f) { return f.first.by == by; });
        stuck.erase(by);
    }
};

}  // namespace muster::sync
