// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What peers have earned in a feed: `peer::reputation`, by the rules of the protocol's specification.
///
/// One bad burst is not a bad peer: failures within a window cost at most so much; and a peer is banned only when it
/// has stood below the threshold for a while, without healing. Both are judged by time alone, so that a peer that falls
/// silent is banned as well, and a ban ends by itself.
/// @see taiko-mono, packages/preconfirmation-p2p/docs/specification.md, section 7.1; one point of it is 20 here.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/peer/reputation.hpp>

namespace muster::feed {

/// The rules.
struct score_options {
    duration half_life = std::chrono::seconds{66};  ///< 0.9 in 10 s, as the specification has it.
    std::int32_t grey_below = -40;                  ///< Its -2: not asked any more, and not listened to first.
    std::int32_t ban_below = -100;                  ///< Its -5.
    std::int32_t score_max = 200;                   ///< Its 10, also downwards.
    duration sustained = std::chrono::seconds{30};  ///< Below the threshold, before there is a ban.
    std::int32_t window_cost_max = 80;              ///< Its -4: what failures of one window cost at most.
    duration window = std::chrono::seconds{10};
    duration ban = std::chrono::hours{1};  ///< How long one lasts. Ours.
    std::size_t peers_max = 4096;          ///< Ours.
};

/// Scores and bans. A value; not thread-safe.
class peer_scores {
public:
    using peer_id = peer::peer_id;

    explicit peer_scores(score_options const& o = {})
        : options_{o},
          scores_{{.half_life = o.half_life,
                   .cut_below = o.grey_below,
                   .ban_below = -o.score_max,  // bans are this one's to decide
                   .score_max = o.score_max,
                   .ban = o.ban,
                   .peers_max = o.peers_max}} {}

    /// Takes @p points, as far as the window allows. O(log peers).
    void penalise(peer_id const& who, std::int32_t points, instant now) {
        if (is_banned(who, now) || points <= 0) return;
        if (windows_.size() >= options_.peers_max && windows_.count(who) == 0) drop_old_windows(now);
        auto& w = windows_[who];
        if (w.spent == 0 || now - w.began >= options_.window) w = {now, 0};
        auto const allowed = std::min(points, options_.window_cost_max - w.spent);
        auto const floor = options_.score_max + scores_.score(who, now);  // the reputation bans below: never reached
        auto const taken = std::min(allowed, floor);
        w.spent += allowed;
        if (taken > 0) (void)scores_.penalise(who, taken, now);
        watch(who, now);
    }
    void reward(peer_id const& who, std::int32_t points, instant now) {
        if (is_banned(who, now)) return;
        (void)scores_.reward(who, points, now);
        watch(who, now);
    }
    /// Points of @p who.
    [[nodiscard]] std::int32_t score(peer_id const& who, instant now) const { return scores_.score(who, now); }
    [[nodiscard]] bool is_banned(peer_id const& who, instant now) const {
        auto const found = bans_.find(who);
        return found != bans_.end() && now < found->second;
    }
    /// Whether it is better not to ask it.
    [[nodiscard]] bool is_grey(peer_id const& who, instant now) const {
        return scores_.score(who, now) < options_.grey_below;
    }

    /// Who is banned from now on, and whose ban has ended.
    struct changes {
        std::vector<peer_id> banned;
        std::vector<peer_id> lifted;
    };
    /// To be called when the next deadline comes; early or late is harmless. O(peers that are watched).
    [[nodiscard]] changes wake(instant now) {
        changes out;
        for (auto at = breaches_.begin(); at != breaches_.end();) {
            bool const is_healed = scores_.score(at->first, now) > options_.ban_below;
            bool const is_due = now - at->second > options_.sustained;
            if (!is_healed && is_due) {
                out.banned.push_back(at->first);
                bans_.insert_or_assign(at->first, saturating_add(now, options_.ban));
            }
            at = is_healed || is_due ? breaches_.erase(at) : std::next(at);
        }
        for (auto at = bans_.begin(); at != bans_.end();) {
            if (at->second > now) {
                ++at;
                continue;
            }
            out.lifted.push_back(at->first);
            scores_.forgive(at->first);
            (void)scores_.penalise(at->first, -options_.grey_below, now);  // the next offence makes it grey
            at = bans_.erase(at);
        }
        return out;
    }
    [[nodiscard]] deadline next_deadline() const {
        deadline out;
        for (auto const& [who, since] : breaches_) {
            out = earlier(out, saturating_add(since, options_.sustained + duration{1}));
        }
        for (auto const& [who, until] : bans_) out = earlier(out, until);
        return out;
    }
    [[nodiscard]] std::size_t banned() const noexcept { return bans_.size(); }
    /// Peers of whom anything is remembered beside their scores.
    [[nodiscard]] std::size_t watched() const noexcept { return breaches_.size() + windows_.size() + bans_.size(); }

private:
    struct cost_window {
        instant began = {};
        std::int32_t spent = 0;
    };

    // Below the threshold a breach begins, above it ends.
    void watch(peer_id const& who, instant now) {
        if (scores_.score(who, now) > options_.ban_below) {
            breaches_.erase(who);
        } else if (breaches_.size() < options_.peers_max) {
            breaches_.try_emplace(who, now);
        }
    }
    void drop_old_windows(instant now) {
        std::erase_if(windows_, [&](auto const& w) { return now - w.second.began >= options_.window; });
        if (windows_.size() >= options_.peers_max) windows_.erase(windows_.begin());
    }

    score_options options_;
    peer::reputation scores_;
    std::map<peer_id, cost_window> windows_;  ///< Who has failed lately.
    std::map<peer_id, instant> breaches_;     ///< Who stands below the threshold, and since when.
    std::map<peer_id, instant> bans_;         ///< Until when. At most as many as breaches in the length of a ban.
};

}  // namespace muster::feed
