// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who must not be grafted yet, and who must not graft us.
///
/// A prune starts a back-off on both sides. The two clocks start at different times, so whoever grafts waits a little
/// longer than whoever judges: a graft is early before the back-off's end, and ours is sent some slack after it.
/// Back-offs outlive connections, are remembered up to a bound, and are never made shorter. Beyond the bound the one
/// that would end first is forgotten.
///
/// Source: gossipsub-v1.1.md, "PRUNE Backoff and Peer Exchange".

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <muster/core/time.hpp>
#include <muster/gossip/options.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::gossip {

/// Back-offs per topic and peer. Not thread-safe.
class backoff_book {
public:
    explicit backoff_book(mesh_options const& o) noexcept
        : slack_{o.backoff_slack}, longest_{o.backoff_max}, size_max_{o.backoffs_max} {}

    /// What a peer's number of seconds means: any number can come, the largest of all too.
    [[nodiscard]] duration clamped(std::uint64_t seconds) const noexcept {
        auto const most =
            static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(longest_).count());
        return std::chrono::seconds{static_cast<std::int64_t>(std::min(seconds, most))};
    }
    /// Starts a back-off, or makes it longer. O(log n).
    void add(std::string_view topic, peer::peer_id const& who, duration by, instant now) {
        auto const until = saturating_add(now, std::clamp(by, duration{0}, longest_));
        key const k{std::string{topic}, who};
        auto const [at, is_new] = ends_.try_emplace(k, until);
        if (!is_new) {
            if (at->second >= until) return;
            order_.erase({at->second, k});
            at->second = until;
        }
        order_.emplace(until, k);
        if (ends_.size() > size_max_) erase_first();
    }
    /// Whether we may not graft @p who. O(log n).
    [[nodiscard]] bool holds_us(std::string_view topic, peer::peer_id const& who, instant now) const {
        auto const at = ends_.find(key{std::string{topic}, who});
        return at != ends_.end() && now < saturating_add(at->second, slack_);
    }
    /// When @p who may graft us again, where that is not yet. O(log n).
    [[nodiscard]] deadline holds_peer(std::string_view topic, peer::peer_id const& who, instant now) const {
        auto const at = ends_.find(key{std::string{topic}, who});
        return at != ends_.end() && now < at->second ? deadline{at->second} : std::nullopt;
    }
    /// Forgets what is over. O(those).
    void expire(instant now) {
        while (!order_.empty() && saturating_add(order_.begin()->first, slack_) <= now) erase_first();
    }
    [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }

private:
    using key = std::pair<std::string, peer::peer_id>;

    void erase_first() {
        ends_.erase(order_.begin()->second);
        order_.erase(order_.begin());
    }

    duration slack_;
    duration longest_;
    std::size_t size_max_;
    std::map<key, instant> ends_;
    std::set<std::pair<instant, key>> order_;
};

}  // namespace muster::gossip
