// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who says that it is subscribed to what, both ways.
///
/// A peer's topics are bounded in number, and how fast they change is too. What we say is said on connecting and at
/// each change; a peer that was told nothing for a while, since it read nothing, is told everything again.

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

#include <muster/gossip/detail/mesh_keeper.hpp>
#include <muster/gossip/detail/neighbours.hpp>
#include <muster/gossip/wire/rpc.hpp>

namespace muster::gossip::detail {

/// Subscriptions, ours and theirs.
class subscriptions {
public:
    subscriptions(neighbours& all, mesh_keeper& meshes) noexcept : all_{all}, meshes_{meshes} {}

    /// Topics that we are subscribed to.
    [[nodiscard]] std::size_t size() const noexcept { return joined_; }

    // ---- ours -------------------------------------------------------------------------------------------

    void join(topic_state& t) {
        t.is_joined = true;
        ++joined_;
        left_.erase(t.name);
        for (auto& [who, p] : all_.peers) all_.say(p).subscriptions.emplace_back(t.name, true);
    }
    void leave(topic_state& t) {
        t.is_joined = false;
        --joined_;
        for (auto& [who, p] : all_.peers) all_.say(p).subscriptions.emplace_back(t.name, false);
        if (left_.size() >= all_.limits.topics_max && !left_.empty()) left_.erase(left_.begin());
        left_.insert(t.name);
    }
    void tell_all(peer_state& p) {
        for (auto const& [name, t] : all_.topics) {
            if (t.is_joined) all_.say(p).subscriptions.emplace_back(name, true);
        }
    }
    /// What @p p was told is not known any more: everything, also what it should forget.
    void tell_again(peer_state& p) {
        for (auto const& name : left_) all_.say(p).subscriptions.emplace_back(name, false);
        tell_all(p);
    }

    // ---- theirs -----------------------------------------------------------------------------------------

    void on_subscriptions(peer_state& p, rpc::rpc_view const& rpc, instant now) {
        if (rpc.subscriptions.empty()) return;
        if (!p.subscription_changes.allow(now, rpc.subscriptions.size())) {
            return all_.offend(p, offence::subscription_flood);
        }
        bool has_too_many = false;
        for (auto const& s : rpc.subscriptions) {
            if (s.topic.empty()) continue;
            if (s.subscribe) {
                has_too_many |= !enter(p, s.topic);
            } else if (auto* const t = all_.find_topic(s.topic)) {
                quit(p, *t, now);
            }
        }
        if (has_too_many) all_.offend(p, offence::too_many_topics);
    }

private:
    // False when the peer has too many topics.
    [[nodiscard]] bool enter(peer_state& p, std::string_view topic) {
        auto* t = all_.find_topic(topic);
        if (t != nullptr && neighbours::is_subscribed(p, *t)) return true;
        if (p.topics.size() >= all_.limits.topics_per_peer_max) return false;
        if (t == nullptr) t = &all_.topic(topic);
        t->subscribers.push_back(&p);
        p.topics.push_back(t);
        return true;
    }
    void quit(peer_state& p, topic_state& t, instant now) {
        if (std::erase(p.topics, &t) == 0) return;
        meshes_.unlink(t, p, prune_reason::left, now);
        remove(t.subscribers, p);
        remove(t.fanout, p);
        all_.release(t);
    }

    neighbours& all_;
    mesh_keeper& meshes_;
    std::set<std::string> left_;  // topics that were left, for peers that may not know it
    std::size_t joined_ = 0;
};

}  // namespace muster::gossip::detail
