// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What must hold of gossip, watched from outside: the routers are asked for nothing that they could be wrong about.
///
/// A message is delivered at most once in the life of a process, never to its author, and as it was published. No graft
/// is sent while the back-off of an earlier prune, as it went over the wire, is running. And who was up all the time
/// gets it: of all pairs of message and subscriber nearly all within five heartbeats, all within fifteen.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <muster/gossip/wire/rpc.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/sim/world.hpp>

namespace muster::sim::gossip {

using message_number = std::uint64_t;

/// The judge of a run. Borrows the world.
class invariants {
public:
    /// How long a process has to be up before it counts as a subscriber.
    static constexpr duration settled_after = std::chrono::seconds{5};
    static constexpr duration soon = std::chrono::seconds{5};   ///< Five heartbeats.
    static constexpr duration late = std::chrono::seconds{15};  ///< Ten more.

    invariants(world& w, host_id nodes) : where_{&w}, lives_(nodes) {}

    [[nodiscard]] std::optional<std::string> const& breach() const noexcept { return breach_; }
    void report(std::string what) {
        if (!breach_) breach_ = std::move(what);
    }

    // ---- what happens -----------------------------------------------------------------------------------

    void boots(host_id h) { lives_[h] = {where_->now(), true}; }
    void dies(host_id h) { lives_[h].is_up = false; }
    [[nodiscard]] bool is_settled(host_id h) const {
        return lives_[h].is_up && where_->now() - lives_[h].since >= settled_after;
    }
    /// @p by publishes. Whether all get it is looked at later.
    [[nodiscard]] message_number publishes(host_id by) {
        message_number const n = messages_++;
        lives_[by].delivered.insert(n);
        std::vector<std::pair<host_id, instant>> audience;
        for (host_id h = 0; h < lives_.size(); ++h) {
            if (h != by && is_settled(h)) audience.emplace_back(h, lives_[h].since);
        }
        where_->after(soon, [this, n, audience] { count(n, audience, false); });
        where_->after(late, [this, n, audience] { count(n, audience, true); });
        return n;
    }
    void delivers(host_id to, message_number n) {
        where_->log().note(n);
        ++deliveries_;
        if (n >= messages_) report(text("host ", to, " delivers a message that nobody published"));
        if (!lives_[to].delivered.insert(n).second)
            report(text("host ", to, " delivers message ", n, " twice, or its own"));
    }
    /// A copy of a message has come over the wire.
    void hears_copies(std::size_t count) noexcept { copies_ += count; }
    /// @p from says @p said to @p to.
    void says(host_id from, peer::peer_id const& to, muster::gossip::rpc::rpc_view const& said) {
        for (auto const topic : said.grafts) {
            auto const held = lives_[from].held.find({to, std::string{topic}});
            if (held != lives_[from].held.end() && where_->now() < held->second) {
                report(text("host ", from, " grafts ", to.to_text(), " during the back-off"));
            }
        }
        hold(from, to, said);
    }
    void hears(host_id to, peer::peer_id const& from, muster::gossip::rpc::rpc_view const& said) {
        hold(to, from, said);
    }

    /// @p h is connected to the attacker @p who; that it stands on the graylist of @p h.
    void meets(host_id h, host_id who) { lives_[h].met.try_emplace(who, where_->now()); }
    void graylists(host_id h, host_id who) {
        auto const met = lives_[h].met.find(who);
        if (met == lives_[h].met.end() || !lives_[h].graylisted.insert(who).second) return;
        ++graylisted_;
        slowest_ = std::max(slowest_, where_->now() - met->second);
    }
    /// Calls `f(host, attacker)` for attackers that nodes which are up have known for @p time and never graylisted.
    template <class F>
    void for_each_spared(duration time, F f) const {
        for (host_id h = 0; h < lives_.size(); ++h) {
            for (auto const& [who, since] : lives_[h].met) {
                bool const is_known = lives_[h].is_up && where_->now() - since >= time;
                if (is_known && lives_[h].graylisted.count(who) == 0) f(h, who);
            }
        }
    }

    // ---- what came of it --------------------------------------------------------------------------------

    [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
    [[nodiscard]] std::uint64_t deliveries() const noexcept { return deliveries_; }
    /// Copies per delivery, in hundredths.
    [[nodiscard]] std::uint64_t copies_percent() const noexcept {
        return deliveries_ == 0 ? 0 : copies_ * 100 / deliveries_;
    }
    [[nodiscard]] std::uint64_t pairs() const noexcept { return pairs_; }
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

    [[nodiscard]] std::uint64_t graylisted() const noexcept { return graylisted_; }
    /// The longest that it took from meeting an attacker to the graylist.
    [[nodiscard]] duration slowest() const noexcept { return slowest_; }

private:
    struct life {
        instant since = {};
        bool is_up = false;
        std::set<message_number> delivered = {};
        std::map<std::pair<peer::peer_id, std::string>, instant> held = {};
        std::map<host_id, instant> met = {};
        std::set<host_id> graylisted = {};
    };

    void count(message_number n, std::vector<std::pair<host_id, instant>> const& audience, bool is_late) {
        for (auto const& [h, since] : audience) {
            auto const& l = lives_[h];
            if (!l.is_up || l.since != since) continue;  // not up throughout
            bool const has = l.delivered.count(n) != 0;
            if (!is_late) ++pairs_;
            if (!has) {
                ++(is_late ? lost_ : missed_);
                where_->say("host ", h, " lacks message ", n, is_late ? " for good" : "");
            }
        }
    }
    void hold(host_id h, peer::peer_id const& with, muster::gossip::rpc::rpc_view const& said) {
        for (auto const& p : said.prunes) {
            auto& until = lives_[h].held[{with, std::string{p.topic}}];
            until = std::max(until, where_->now() + std::chrono::seconds{p.backoff.value_or(60)});
        }
    }

    world* where_;
    std::vector<life> lives_;
    std::optional<std::string> breach_;
    std::uint64_t messages_ = 0;
    std::uint64_t deliveries_ = 0;
    std::uint64_t copies_ = 0;
    std::uint64_t pairs_ = 0;
    std::uint64_t missed_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t graylisted_ = 0;
    duration slowest_{};
};

}  // namespace muster::sim::gossip
