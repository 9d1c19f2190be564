// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Whom own messages go to: with flood publishing to all peers of the topic, else to the mesh, or, where the topic is
/// not subscribed to, to a few peers that are kept for a while after the last publication.
///
/// Source: gossipsub-v1.0.md, "Fanout maintenance"; gossipsub-v1.1.md, "Flood Publishing".

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string_view>

#include <muster/gossip/detail/neighbours.hpp>

namespace muster::gossip::detail {

/// Audiences of own messages.
class fanout {
public:
    explicit fanout(neighbours& all) noexcept : all_{all} {}

    /// Whether publishing to @p topic would need a place that there is none of. O(topics).
    [[nodiscard]] bool is_full(std::string_view topic) {
        auto const* const t = all_.find_topic(topic);
        if (all_.limits.flood_publish || (t != nullptr && (t->is_joined || t->fanout_until))) return false;
        auto const running = std::count_if(all_.topics.begin(), all_.topics.end(),
                                           [](auto const& each) { return each.second.fanout_until.has_value(); });
        return static_cast<std::size_t>(running) >= all_.limits.topics_max;
    }
    /// Whom a message of @p t goes to that is published now. O(subscribers).
    [[nodiscard]] peer_list audience(topic_state& t, instant now) {
        peer_list out;
        if (all_.limits.flood_publish) {
            std::copy_if(t.subscribers.begin(), t.subscribers.end(), std::back_inserter(out),
                         [&](auto const* p) { return p->is_explicit || is_good(*p); });
            return out;
        }
        if (!t.is_joined) {
            t.fanout_until = saturating_add(now, all_.limits.fanout_time_to_live);
            fill(t);
        }
        out = t.is_joined ? t.mesh : t.fanout;
        for (auto* const p : all_.explicit_peers) {
            if (neighbours::is_subscribed(*p, t)) out.push_back(p);
        }
        return out;
    }
    /// A heartbeat of a topic that is not subscribed to; false when its time is over.
    [[nodiscard]] bool tend(topic_state& t, instant now) {
        if (*t.fanout_until <= now) {
            t.fanout_until = {};
            t.fanout.clear();
            return false;
        }
        std::erase_if(t.fanout, [&](auto const* p) { return !is_good(*p); });
        fill(t);
        return true;
    }

private:
    [[nodiscard]] bool is_good(peer_state const& p) const {
        return all_.score(p) >= all_.limits.score.publish_threshold;
    }
    void fill(topic_state& t) {
        if (t.fanout.size() >= all_.limits.mesh.d) return;
        peer_list some;
        for (auto* const p : t.subscribers) {
            if (!p->is_explicit && !contains(t.fanout, *p) && is_good(*p)) some.push_back(p);
        }
        all_.shuffle(some);
        for (auto* const p : some) {
            if (t.fanout.size() == all_.limits.mesh.d) return;
            t.fanout.push_back(p);
        }
    }

    neighbours& all_;
};

}  // namespace muster::gossip::detail
