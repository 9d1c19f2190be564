// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Sends a message to many: a small one to all at once, a large one to one peer after another.
///
/// Idea: idontwant spares a copy only if it arrives before the copy leaves. Who forwards a large message to the whole
/// mesh at once is always too early. So the first peer gets it at once, and each further one a little later, by when
/// most have it from somewhere else and have said so. What that adds to the way of a message is some intervals, not
/// one for each peer: every peer that has it sends as well, so their number doubles with each interval.
///
/// The flood of an own message goes to many peers outside the mesh, and those do not tell us what they have. It waits
/// for some turns: if by then a peer of the mesh has the message from others, it spreads, and the flood is spared;
/// else the mesh may consist of peers that forward nothing, and all get it at once. Whoever fakes that makes us as
/// good as a node that does not flood.
///
/// Peers without gossipsub 1.2 get theirs at once; so do all when `turns_max` messages or `turns_bytes_max` bytes wait.
///
/// Source: idontwant is that of gossipsub-v1.2.md; sending to a mesh in turn is ours. The specification leaves open
/// when a message is forwarded.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/gossip/detail/neighbours.hpp>

namespace muster::gossip::detail {

/// What is sent in turn. Not thread-safe.
class courier {
public:
    explicit courier(neighbours& all) : all_{all}, options_{all.limits.gossip} {}

    /// Sends @p frame, whose data has @p size bytes, to @p to: subscribers of @p t. O(peers).
    void send(topic_state const& t, peer_list to, traffic kind, shared_frame const& frame, std::uint64_t hash,
              std::size_t size, instant now) {
        if (!is_large(size) || is_full(frame->size())) {
            for (auto* const p : to) all_.post(*p, kind, frame, hash);
            return;
        }
        all_.shuffle(to);
        round r{t.name, {}, {}, kind, frame, hash, saturating_add(now, options_.turn_interval)};
        bool has_begun = false;
        for (auto* const p : to) {
            if (p->version != version::v1_2 || p->is_explicit) {
                all_.post(*p, kind, frame, hash);
            } else if (kind == traffic::own && t.is_joined && !contains(t.mesh, *p)) {
                r.flood.push_back(p->id);
            } else if (wants(*p, hash)) {
                if (std::exchange(has_begun, true)) {
                    r.left.push_back(p->id);
                } else {
                    all_.post(*p, kind, frame, hash);
                }
            }
        }
        if (!has_begun) flood(t, r);
        if (r.left.empty() && r.flood.empty()) return;
        bytes_ += frame->size();
        rounds_.push_back(std::move(r));
    }
    /// Whether data of that size is sent in turn.
    [[nodiscard]] bool is_large(std::size_t size) const noexcept {
        return size >= options_.idontwant_size_min && options_.turn_interval > duration{0};
    }
    /// Whose turn it is gets its copy.
    void wake(instant now) {
        for (auto n = rounds_.size(); n > 0 && rounds_.front().due <= now; --n) {
            auto r = std::move(rounds_.front());
            rounds_.pop_front();
            if (!serve_one(r)) {
                bytes_ -= r.frame->size();
                continue;
            }
            r.due = saturating_add(now, options_.turn_interval);
            rounds_.push_back(std::move(r));
        }
    }
    /// All wait equally long, so the first is due first.
    [[nodiscard]] deadline next_deadline() const {
        return rounds_.empty() ? deadline{} : deadline{rounds_.front().due};
    }

private:
    struct round {
        std::string topic;
        std::vector<peer_id> left;   // the last is next
        std::vector<peer_id> flood;  // who gets it if it does not spread
        traffic kind;
        shared_frame frame;
        std::uint64_t hash;
        instant due;
        std::size_t turns = 0;
        bool is_declined = false;  // by one whose turn has come
    };

    [[nodiscard]] bool is_full(std::size_t size) const noexcept {
        return rounds_.size() >= options_.turns_max || bytes_ + size > options_.turns_bytes_max;
    }
    [[nodiscard]] static bool wants(peer_state const& p, std::uint64_t hash) { return p.unwanted.count(hash) == 0; }
    // Sends to the next one if it still wants it; says whether others are left. The turn of one that does not is not
    // given to the next: else all who have the message would turn to the last who lack it at the same time.
    [[nodiscard]] bool serve_one(round& r) {
        auto const* const t = all_.find_topic(r.topic);
        if (t == nullptr) return false;
        if (!r.left.empty()) {
            auto* const p = all_.find(r.left.back());
            r.left.pop_back();
            r.is_declined = r.is_declined || (p != nullptr && !wants(*p, r.hash));
            post(*t, p, r);
        }
        if (++r.turns == options_.flood_turn && !r.flood.empty()) {
            if (!spreads(r)) flood(*t, r);
            r.flood.clear();
        }
        return !r.left.empty() || !r.flood.empty();
    }
    [[nodiscard]] bool spreads(round const& r) {
        return r.is_declined || std::any_of(r.left.begin(), r.left.end(), [&](peer_id const& who) {
                   auto const* const p = all_.find(who);
                   return p != nullptr && !wants(*p, r.hash);
               });
    }
    void flood(topic_state const& t, round& r) {
        for (auto const& who : r.flood) post(t, all_.find(who), r);
        r.flood.clear();
    }
    void post(topic_state const& t, peer_state* p, round const& r) {
        if (p != nullptr && neighbours::is_subscribed(*p, t)) all_.post(*p, r.kind, r.frame, r.hash);
    }

    neighbours& all_;
    gossip_options const& options_;
    std::deque<round> rounds_;
    std::size_t bytes_ = 0;  // of their frames
};

}  // namespace muster::gossip::detail
