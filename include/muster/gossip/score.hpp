// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What this node thinks of each peer, from what it saw itself.
///
/// Idea: a number that good behaviour raises slowly and up to a cap, and bad behaviour lowers by the square of its
/// count. It is shown to nobody and believed from nobody. It outlives the connection when it is bad, so that hanging up
/// does not wash it off; a good one has to be earned again.
///
/// Algorithm: score(p) = cap(sum over topics of w_t (w1 P1 + w2 P2 + w3 P3 + w3b P3b + w4 P4)) + w5 P5 + w6 P6 + w7 P7
///   P1   time in the mesh, in quanta, capped          P2   first deliveries, capped, decaying
///   P3   squared deficit of deliveries in the mesh    P3b  squared deficits at the time of pruning, decaying
///   P4   squared count of invalid messages, decaying  P5   what the application says
///   P6   squared surplus of peers in one IP group     P7   squared surplus of offences, decaying
///
/// Source: gossipsub-v1.1.md, "Peer Scoring". The threshold of P7, and that only bad scores are retained, are
/// go-libp2p-pubsub's.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/gossip/options.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::gossip {

/// Scores of peers. Holds no clock: times come with the calls. Not thread-safe.
class score_book {
    struct topic_record {
        std::size_t topic = 0;
        bool is_in_mesh = false;
        bool is_active = false;  // in the mesh for longer than the activation
        instant grafted = {};
        duration in_mesh{};
        double first_deliveries = 0;
        double mesh_deliveries = 0;
        double mesh_failures = 0;
        double invalid = 0;
    };

public:
    /// What is recorded of one peer. Its address is stable until the book forgets it.
    class entry {
        friend score_book;
        std::vector<topic_record> topics;
        std::string ip_group;
        std::size_t* group = nullptr;  ///< How many share it; null for one that does not count.
        double application = 0;
        double offences = 0;
        bool is_connected = false;
        deadline forget_at = {};  // where it is retained
    };

    explicit score_book(score_options const& o) : options_{o} {}

    /// How peers of the topic @p name are judged from now on. @return its number. O(topics).
    std::size_t set_topic(std::string_view name, topic_score_options const& o) {
        for (std::size_t i = 0; i < topics_.size(); ++i) {
            if (topics_[i].first != name) continue;
            topics_[i].second = o;
            return i;
        }
        topics_.emplace_back(std::string{name}, o);
        return topics_.size() - 1;
    }

    // ---- peers ------------------------------------------------------------------------------------------

    /// @p who is connected. O(log n).
    [[nodiscard]] entry& connect(peer::peer_id const& who, std::string_view ip_group) {
        auto& e = entries_[who];
        if (e.forget_at) retained_.erase({*std::exchange(e.forget_at, {}), who});
        e.is_connected = true;
        if (e.ip_group != ip_group) {
            leave_group(e);
            e.ip_group = ip_group;
            bool const counts = !ip_group.empty() && options_.colocation_whitelist.count(e.ip_group) == 0;
            e.group = counts ? &groups_[e.ip_group] : nullptr;
            if (counts) ++*e.group;
        }
        return e;
    }
    /// @p who is gone. A bad score is retained; when there are too many, the oldest is not any more. O(log n).
    void disconnect(peer::peer_id const& who, instant now) {
        auto const found = entries_.find(who);
        if (found == entries_.end()) return;
        auto& e = found->second;
        for (auto& t : e.topics) {
            t.first_deliveries = 0;
            if (t.is_in_mesh) leave_mesh(t);
            t.mesh_deliveries = 0;
        }
        e.is_connected = false;
        if (score(e) >= 0) return erase(found);
        e.forget_at = saturating_add(now, options_.retain);
        retained_.emplace(*e.forget_at, who);
        if (retained_.size() > options_.retained_max) erase(entries_.find(retained_.begin()->second));
    }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    /// Disconnected peers that are remembered.
    [[nodiscard]] std::size_t retained() const noexcept { return retained_.size(); }

    // ---- what they do -----------------------------------------------------------------------------------

    void graft(entry& e, std::size_t topic, instant now) {
        auto& t = of(e, topic);
        t.is_in_mesh = true;
        t.is_active = false;
        t.grafted = now;
        t.in_mesh = {};
        t.mesh_deliveries = 0;
    }
    void prune(entry& e, std::size_t topic) {
        auto& t = of(e, topic);
        if (t.is_in_mesh) leave_mesh(t);
    }
    /// The first to send a message that is valid.
    void deliver_first(entry& e, std::size_t topic) {
        auto& t = of(e, topic);
        auto const& o = topics_[topic].second;
        t.first_deliveries = std::min(t.first_deliveries + 1, o.first_deliveries_cap);
        deliver_in_mesh(t, o);
    }
    /// Another one, while the message was validated or within the window after that.
    void deliver_again(entry& e, std::size_t topic) { deliver_in_mesh(of(e, topic), topics_[topic].second); }
    void deliver_invalid(entry& e, std::size_t topic) { of(e, topic).invalid += 1; }
    /// The same of a peer that is gone by now: hanging up in time must not help. O(log n).
    void deliver_invalid(peer::peer_id const& who, std::size_t topic, instant now) {
        auto& e = entries_[who];
        deliver_invalid(e, topic);
        if (!e.is_connected && !e.forget_at) disconnect(who, now);
    }
    /// Anything else that is held against a peer: P7.
    void offend(entry& e, double count) noexcept { e.offences += count; }
    /// What the application says: P5. Expects a number.
    void rate(entry& e, double score) noexcept { e.application = score == score ? score : 0; }
    /// How long after validation another delivery counts.
    [[nodiscard]] duration window(std::size_t topic) const noexcept {
        return topics_[topic].second.mesh_deliveries_window;
    }

    // ---- what follows -----------------------------------------------------------------------------------

    /// The score of a peer. O(topics of the peer).
    [[nodiscard]] double score(entry const& e) const {
        double sum = 0;
        for (auto const& t : e.topics) sum += topics_[t.topic].second.weight * of_topic(t, topics_[t.topic].second);
        if (options_.topics_cap > 0) sum = std::min(sum, options_.topics_cap);
        sum += options_.application_weight * e.application;
        sum += options_.colocation_weight * colocation(e);
        double const surplus = std::max(e.offences - options_.behaviour_threshold, 0.0);
        return sum + options_.behaviour_weight * surplus * surplus;
    }
    /// The score of @p who, connected or remembered; 0 for a stranger. O(log n).
    [[nodiscard]] double score(peer::peer_id const& who) const {
        auto const found = entries_.find(who);
        return found == entries_.end() ? 0 : score(found->second);
    }

    /// Calls f(peer, score) for all that are connected or remembered. O(peers * topics).
    template <class F>
    void for_each(F f) const {
        for (auto const& [who, e] : entries_) f(who, score(e));
    }

    /// One interval has passed. O(peers * topics).
    void decay(instant now) {
        while (!retained_.empty() && retained_.begin()->first <= now) erase(entries_.find(retained_.begin()->second));
        for (auto& [who, e] : entries_) {
            if (!e.is_connected) continue;  // what is retained does not decay: it would pay to stay away
            for (auto& t : e.topics) decay(t, now);
            shrink(e.offences, options_.behaviour_decay);
        }
    }

private:
    using iterator = std::map<peer::peer_id, entry>::iterator;

    [[nodiscard]] topic_record& of(entry& e, std::size_t topic) {
        for (auto& t : e.topics) {
            if (t.topic == topic) return t;
        }
        e.topics.push_back({});
        e.topics.back().topic = topic;
        return e.topics.back();
    }
    [[nodiscard]] static double deficit(topic_record const& t, topic_score_options const& o) noexcept {
        if (!t.is_active || t.mesh_deliveries >= o.mesh_deliveries_threshold) return 0;
        double const d = o.mesh_deliveries_threshold - t.mesh_deliveries;
        return d * d;
    }
    [[nodiscard]] static double of_topic(topic_record const& t, topic_score_options const& o) noexcept {
        double sum = 0;
        if (t.is_in_mesh) {
            auto const quanta = static_cast<double>(t.in_mesh / std::max(o.time_in_mesh_quantum, duration{1}));
            sum += o.time_in_mesh_weight * std::min(quanta, o.time_in_mesh_cap);
        }
        sum += o.first_deliveries_weight * t.first_deliveries;
        sum += o.mesh_deliveries_weight * deficit(t, o);
        sum += o.mesh_failure_weight * t.mesh_failures;
        sum += o.invalid_weight * t.invalid * t.invalid;
        return sum;
    }
    [[nodiscard]] double colocation(entry const& e) const {
        if (e.group == nullptr || *e.group <= options_.colocation_threshold) return 0;
        auto const surplus = static_cast<double>(*e.group - options_.colocation_threshold);
        return surplus * surplus;
    }

    static void deliver_in_mesh(topic_record& t, topic_score_options const& o) noexcept {
        if (t.is_in_mesh) t.mesh_deliveries = std::min(t.mesh_deliveries + 1, o.mesh_deliveries_cap);
    }
    void leave_mesh(topic_record& t) {
        t.mesh_failures += deficit(t, topics_[t.topic].second);
        t.is_in_mesh = false;
        t.is_active = false;
    }
    void shrink(double& counter, double factor) const noexcept {
        counter *= factor;
        if (counter < options_.decay_to_zero) counter = 0;
    }
    void decay(topic_record& t, instant now) const {
        auto const& o = topics_[t.topic].second;
        shrink(t.first_deliveries, o.first_deliveries_decay);
        shrink(t.mesh_deliveries, o.mesh_deliveries_decay);
        shrink(t.mesh_failures, o.mesh_failure_decay);
        shrink(t.invalid, o.invalid_decay);
        if (!t.is_in_mesh) return;
        t.in_mesh = std::max(now - t.grafted, duration{0});
        if (t.in_mesh > o.mesh_deliveries_activation) t.is_active = true;
    }

    void leave_group(entry& e) {
        if (e.group != nullptr && --*e.group == 0) groups_.erase(e.ip_group);
        e.group = nullptr;
    }
    void erase(iterator i) {
        leave_group(i->second);
        if (i->second.forget_at) retained_.erase({*i->second.forget_at, i->first});
        entries_.erase(i);
    }

    score_options options_;
    std::vector<std::pair<std::string, topic_score_options>> topics_;
    std::map<peer::peer_id, entry> entries_;
    std::map<std::string, std::size_t> groups_;             // peers of each IP group, connected or remembered
    std::set<std::pair<instant, peer::peer_id>> retained_;  // by the time at which they are forgotten
};

}  // namespace muster::gossip
