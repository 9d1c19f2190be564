// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who of the connected peers is still there.
///
/// Idea: only received bytes prove that a peer is alive. Sending proves nothing, since a half-open link accepts data
/// for minutes. So a peer is judged by its silence alone.
///
/// Algorithm: all links are checked together at a fixed interval, the beat, which costs one pass and one deadline. A
/// peer that was silent since the last beat is pinged; one that stays silent is suspected, then dead. When our own beat
/// is late by two beats or more, we have slept, not the peers: all counts start again.
///
/// Source: the limits are ours, see @ref health_options: with pings every 10 s a link that breaks is suspected within
/// 30 s and dead within 60 s, while a machine that stalls for 20 s lives.

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include <muster/connection/events.hpp>

namespace muster::connection {

/// What becomes of the links that are watched. Part of a manager; not thread-safe.
class health {
public:
    explicit health(health_options const& o) noexcept : options_{o} {}

    /// Watches @p who from @p now on.
    void watch(peer::peer_id const& who, instant now) {
        if (options_.beat <= duration{}) return;
        if (links_.empty()) next_beat_ = saturating_add(now, options_.beat);
        links_.insert_or_assign(who, link{now, {}, false});
    }
    /// Watches @p who no more.
    void forget(peer::peer_id const& who) {
        links_.erase(who);
        if (options_.beat <= duration{}) return;
        if (links_.empty()) next_beat_.reset();
    }

    /// It was heard. Older news changes nothing; a time to come counts as now.
    /// @return whether it was suspected until now.
    [[nodiscard]] bool note(heard const& e, instant now) {
        auto const found = links_.find(e.peer);
        if (found == links_.end()) return false;
        auto& l = found->second;
        if (e.round_trip > duration{}) l.round_trip = e.round_trip;
        l.last = std::max(l.last, std::min(e.at, now));
        return now - l.last < options_.suspect_after && std::exchange(l.is_suspected, false);
    }

    /// What is to be done about silent peers.
    struct findings {
        std::vector<peer::peer_id> to_measure;
        std::vector<peer::peer_id> suspected;  ///< Now, and not before.
        std::vector<peer::peer_id> dead;
    };
    /// Looks at all links when it is time to. O(links).
    [[nodiscard]] findings beat(instant now) {
        findings out;
        if (!next_beat_ || now < *next_beat_) return out;
        bool const has_slept = now - *next_beat_ >= 2 * options_.beat;
        next_beat_ = saturating_add(now, options_.beat);
        for (auto& [who, l] : links_) {
            if (has_slept) l.last = now;
            auto const silence = now - l.last;
            if (silence >= options_.dead_after) {
                out.dead.push_back(who);
                continue;
            }
            if (silence >= options_.suspect_after && !std::exchange(l.is_suspected, true)) out.suspected.push_back(who);
            if (silence >= options_.beat) out.to_measure.push_back(who);
        }
        return out;
    }
    [[nodiscard]] deadline next_deadline() const noexcept { return next_beat_; }

    /// Adds what is known of a link to @p status.
    void describe(peer::peer_id const& who, peer_status& status) const {
        auto const found = links_.find(who);
        if (found == links_.end()) return;
        status.last_seen = found->second.last;
        status.round_trip = found->second.round_trip;
        status.is_suspected = found->second.is_suspected;
    }

private:
    struct link {
        instant last;  // when it was heard
        duration round_trip;
        bool is_suspected;
    };

    health_options options_;
    std::map<peer::peer_id, link> links_;
    deadline next_beat_;
};

}  // namespace muster::connection
