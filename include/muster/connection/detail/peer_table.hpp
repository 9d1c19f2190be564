// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a manager remembers of peers: how many, and when each is to be looked at again.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <muster/connection/events.hpp>
#include <muster/core/backoff.hpp>

namespace muster::connection::detail {

/// Where a peer is on its way to be connected.
enum class stage : std::uint8_t { resting, queued, dialling, pausing };

struct known_peer {
    std::vector<peer::multiaddr> addresses;
    std::string nickname;
    bool is_told = false;     // somebody has said where it is
    bool is_hearsay = false;  // and that was a stranger
    bool is_up = false;
    bool is_leaving = false;  // up, and told to end
    connection::kind kind = connection::kind::none;
    peer::multiaddr remote;  // while it is up
    instant up_since{};
    stage at = stage::resting;
    std::size_t attempts = 0;
    std::size_t attempts_max = 0;  // of whoever waits for it
    deadline gives_up;             // none: never
    std::optional<backoff> waits;
    bool is_kept = false;
    std::optional<backoff> keep_waits;
    deadline due;
    deadline last_attempt;
    deadline last_seen;
    instant learned{};
    std::optional<error> why;
    std::set<ticket> tickets;  // whoever waits for it
    std::map<std::string, int, std::less<>> tags;
    std::set<std::string, std::less<>> protections;

    [[nodiscard]] bool is_wanted() const { return is_kept || !tickets.empty() || !protections.empty(); }
    [[nodiscard]] bool is_idle() const { return !is_up && at == stage::resting && !is_wanted(); }
    [[nodiscard]] long use() const {
        long sum = 0;
        for (auto const& [name, value] : tags) sum += value;
        return sum;
    }
};

/// Peers by id, and those with a deadline by time. Bounded.
class peer_table {
public:
    using map = std::map<peer::peer_id, known_peer>;

    explicit peer_table(std::size_t size_max) noexcept : size_max_{size_max} {}

    [[nodiscard]] known_peer* find(peer::peer_id const& who) {
        auto const found = known_.find(who);
        return found == known_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] known_peer const* find(peer::peer_id const& who) const {
        auto const found = known_.find(who);
        return found == known_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] known_peer& at(peer::peer_id const& who) { return known_.at(who); }
    [[nodiscard]] map const& all() const noexcept { return known_; }

    /// The one that was told of longest ago makes room, if it is neither connected nor wanted, and before it those that
    /// have only come by themselves; nullptr when none is.
    /// O(log n), or O(n) when a place must be found.
    [[nodiscard]] known_peer* find_or_add(peer::peer_id const& who, instant now) {
        if (auto* const p = find(who)) return p;
        if (known_.size() >= size_max_) {
            auto oldest = known_.end();
            for (auto at = known_.begin(); at != known_.end(); ++at) {
                if (!at->second.is_idle()) continue;
                auto const rank = [](known_peer const& p) { return std::pair{p.is_told && !p.is_hearsay, p.learned}; };
                if (oldest == known_.end() || rank(at->second) < rank(oldest->second)) oldest = at;
            }
            if (oldest == known_.end()) return nullptr;
            known_.erase(oldest);
        }
        auto& p = known_[who];
        p.learned = now;
        return &p;
    }

    void set_deadline(peer::peer_id const& who, known_peer& p, deadline at) {
        if (p.due) due_.erase({*p.due, who});
        p.due = at;
        if (at) due_.insert({*at, who});
    }
    [[nodiscard]] deadline next_deadline() const { return due_.empty() ? deadline{} : deadline{due_.begin()->first}; }
    /// Who is due at @p now, the earliest first; none when nobody is.
    [[nodiscard]] std::optional<peer::peer_id> due(instant now) const {
        if (due_.empty() || due_.begin()->first > now) return std::nullopt;
        return due_.begin()->second;
    }

    /// Connected peers that may be ended at @p now to make room, the least useful first, and among equals the youngest,
    /// since a connection that has lived longer will. @p next becomes the time at which a further one may be.
    [[nodiscard]] std::vector<peer::peer_id> dispensable(instant now, duration grace, deadline& next) const {
        struct candidate {
            long use;
            instant since;
            peer::peer_id who;
        };
        std::vector<candidate> found;
        for (auto const& [who, p] : known_) {
            if (!p.is_up || p.is_leaving || p.is_wanted()) continue;
            auto const from = saturating_add(p.up_since, grace);
            if (from > now) {
                next = earlier(next, from);
            } else {
                found.push_back({p.use(), p.up_since, who});
            }
        }
        std::sort(found.begin(), found.end(),
                  [](auto const& a, auto const& b) { return a.use != b.use ? a.use < b.use : a.since > b.since; });
        std::vector<peer::peer_id> out;
        for (auto& c : found) out.push_back(std::move(c.who));
        return out;
    }

private:
    std::size_t size_max_;
    map known_;
    std::set<std::pair<instant, peer::peer_id>> due_;  // when a dial or a wait ends
};

}  // namespace muster::connection::detail
