// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The one place that decides whom to dial.
///
/// Idea: whoever needs a peer asks for it here and hears once what came of it; whether it is dialled now, again, or was
/// connected all the time is nobody else's business. What the network says of a connection is the truth, and what is
/// remembered follows it.
///
/// Algorithm: a peer that is asked for joins a queue; so many are dialled at the same time, each for a bounded time, so
/// one that does not answer holds up a place and no queue. After a failure it waits, longer and by chance (decorrelated
/// jitter, core/backoff.hpp), and joins the queue again, so often and so long as the options say. A request is over
/// when all its peers are.
///
/// Source: the waits are those of core/backoff.hpp; the numbers of events.hpp are ours.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <muster/connection/events.hpp>
#include <muster/core/backoff.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/random.hpp>
#include <muster/core/result.hpp>

namespace muster::connection {

/// Which peers are connected, and how to be connected to more. A machine, see core/machine.hpp; not thread-safe.
class manager {
public:
    using event = connection::event;
    using effect = connection::effect;

    /// Gauges.
    struct statistics {
        std::size_t known = 0;      ///< Peers that are remembered.
        std::size_t connected = 0;  ///< Peers.
        std::size_t dialling = 0;   ///< Peers, now.
        std::size_t waiting = 0;    ///< Peers that are to be dialled, now or again.
        std::size_t requests = 0;   ///< Under way.
        MUSTER_FIELDS(statistics, known, connected, dialling, waiting, requests);
    };

    /// @param self  the own peer, which is never dialled.
    /// @param seed  for the waits between attempts.
    manager(peer::peer_id self, options const& o, std::uint64_t seed)
        : self_{std::move(self)}, options_{o}, random_{seed} {}

    // ---- what happens -----------------------------------------------------------------------------------

    template <effect_sink<effect> Sink>
    void handle(event const& e, instant now, Sink& out) {
        std::visit([&](auto const& v) { this->on(v, now, out); }, e);
        pump(now, out);
    }
    template <effect_sink<effect> Sink>
    void wake(instant now, Sink& out) {
        while (!due_.empty() && due_.begin()->first <= now) {
            auto const who = due_.begin()->second;
            auto& p = known_.at(who);
            set_deadline(who, p, {});
            if (p.at == stage::dialling) {
                out.push(hang_up{who});
                attempt_failed(who, p, error{errc::timed_out, "no answer in time"}, now, out);
            } else if (p.at == stage::pausing) {
                p.at = stage::queued;
                queue_.push_back(who);
            }
        }
        pump(now, out);
    }
    [[nodiscard]] deadline next_deadline() const { return due_.empty() ? deadline{} : deadline{due_.begin()->first}; }
    /// O(peers).
    [[nodiscard]] statistics stats() const {
        statistics out{known_.size(), connected_, dialling_, 0, requests_.size()};
        for (auto const& [who, p] : known_) out.waiting += p.at == stage::queued || p.at == stage::pausing;
        return out;
    }

    // ---- what is asked for ------------------------------------------------------------------------------

    /// @p who can be reached at @p addresses, in place of those known before; as @p nickname, where it is not empty.
    /// O(log n), or O(n) when a place must be found.
    void learn(peer::peer_id const& who, std::span<peer::multiaddr const> addresses, instant now,
               std::string_view nickname = {}) {
        if (who == self_) return;
        auto* const p = find_or_add(who, now);
        if (p == nullptr) return;
        auto const size = std::min(addresses.size(), options_.addresses_max);
        p->addresses.assign(addresses.begin(), addresses.begin() + static_cast<std::ptrdiff_t>(size));
        p->learned = now;
        if (!nickname.empty()) p->nickname = nickname;
    }

    /// Connects to all of @p whom: @ref request_ended follows, before the call returns when there is nothing to wait
    /// for. The own peer needs no connection and is left out. A peer that nobody has told of comes to nothing as
    /// `not_found`.
    /// @return the request; `full`.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<ticket> connect(std::span<peer::peer_id const> whom, instant now, Sink& out) {
        if (requests_.size() >= options_.requests_max) {
            return error{errc::full,
                         text("all ", options_.requests_max, " requests are under way; wait for one to end")};
        }
        auto const id = ++last_ticket_;
        auto& r = requests_[id];
        for (auto const& who : whom) {
            if (who == self_) continue;
            r.outcomes.push_back({who});
            auto const found = known_.find(who);
            if (found == known_.end() || (found->second.addresses.empty() && !found->second.is_up)) {
                r.outcomes.back().why = error{errc::not_found, text("nobody has told where ", who.to_text(), " is")};
            } else if (found->second.is_up) {
                r.outcomes.back().kind = found->second.kind;
            } else if (r.waits_for.insert(who).second) {
                begin(who, found->second, id, now, out);
            }
        }
        pump(now, out);
        end_if_done(id, out);
        return id;
    }
    /// Ends a request: nothing is told of it any more, and peers that nobody else has asked for are not dialled on.
    /// Harmless for one that is over.
    template <effect_sink<effect> Sink>
    void cancel(ticket id, instant now, Sink& out) {
        auto const found = requests_.find(id);
        if (found == requests_.end()) return;
        auto const waited_for = std::move(found->second.waits_for);
        requests_.erase(found);
        for (auto const& who : waited_for) {
            auto& p = known_.at(who);
            p.tickets.erase(id);
            if (!p.tickets.empty()) continue;
            if (p.at == stage::dialling) out.push(hang_up{who});
            stop(who, p);
        }
        pump(now, out);
    }

    // ---- what can be asked ------------------------------------------------------------------------------

    /// How it stands with @p who; as disconnected with one that is not known. O(log n).
    [[nodiscard]] peer_status status_of(peer::peer_id const& who) const {
        auto const found = known_.find(who);
        if (found == known_.end()) return {};
        auto const& p = found->second;
        auto const is_tried = p.at != stage::resting;
        auto const s = p.is_up    ? status::connected
                       : is_tried ? status::connecting
                       : p.why    ? status::failed
                                  : status::disconnected;
        return {s, p.is_up ? p.kind : kind::none, p.last_attempt, p.last_seen, p.why};
    }
    [[nodiscard]] bool is_connected(peer::peer_id const& who) const {
        auto const found = known_.find(who);
        return found != known_.end() && found->second.is_up;
    }
    /// O(n).
    [[nodiscard]] std::vector<peer::peer_id> connected_peers() const {
        std::vector<peer::peer_id> out;
        for (auto const& [who, p] : known_) {
            if (p.is_up) out.push_back(who);
        }
        return out;
    }
    /// O(1).
    [[nodiscard]] std::size_t connected_count() const noexcept { return connected_; }

private:
    enum class stage : std::uint8_t { resting, queued, dialling, pausing };

    struct known_peer {
        std::vector<peer::multiaddr> addresses;
        std::string nickname;
        bool is_up = false;
        connection::kind kind = connection::kind::none;
        stage at = stage::resting;
        std::size_t attempts = 0;
        instant gives_up{};
        std::optional<backoff> waits;
        deadline due;
        deadline last_attempt;
        deadline last_seen;
        instant learned{};
        std::optional<error> why;
        std::set<ticket> tickets;  // whoever waits for it
    };
    struct request {
        std::vector<outcome> outcomes;
        std::set<peer::peer_id> waits_for;
    };

    template <class Sink>
    void on(link_up const& e, instant now, Sink& out) {
        auto* const p = find_or_add(e.peer, now);
        if (p == nullptr) return;
        if (!p->is_up) ++connected_;
        bool const is_news = !std::exchange(p->is_up, true);
        p->kind = e.remote.empty() ? kind::direct : kind_of(e.remote);
        p->last_seen = now;
        p->why.reset();
        stop(e.peer, *p);
        if (is_news) out.push(connected{e.peer, p->nickname, p->kind});
        settle(e.peer, *p, {}, out);
    }
    template <class Sink>
    void on(link_down const& e, instant now, Sink& out) {
        auto const found = known_.find(e.peer);
        if (found == known_.end() || !std::exchange(found->second.is_up, false)) return;
        --connected_;
        found->second.last_seen = now;
        out.push(disconnected{e.peer, found->second.nickname, e.why});
    }
    template <class Sink>
    void on(dial_failed const& e, instant now, Sink& out) {
        auto const found = known_.find(e.peer);
        if (found == known_.end() || found->second.at != stage::dialling) return;  // late news
        attempt_failed(e.peer, found->second, e.why, now, out);
    }

    // ---- attempts ---------------------------------------------------------------------------------------

    template <class Sink>
    void begin(peer::peer_id const& who, known_peer& p, ticket id, instant now, Sink& out) {
        p.tickets.insert(id);
        if (p.at != stage::resting) return;  // others have asked for it already
        p.at = stage::queued;
        p.attempts = 0;
        p.gives_up = saturating_add(now, options_.total_timeout);
        p.waits.emplace(backoff::options{options_.retry_min, options_.retry_max});
        queue_.push_back(who);
        out.push(connecting{who, p.nickname});
    }
    template <class Sink>
    void pump(instant now, Sink& out) {
        while (dialling_ < options_.dials_max && !queue_.empty()) {
            auto const who = queue_.front();
            queue_.pop_front();
            auto& p = known_.at(who);  // who waits in the queue is remembered
            p.at = stage::dialling;
            ++dialling_;
            ++p.attempts;
            p.last_attempt = now;
            set_deadline(who, p, std::min(saturating_add(now, options_.attempt_timeout), p.gives_up));
            out.push(dial{who, p.addresses});
        }
    }
    template <class Sink>
    void attempt_failed(peer::peer_id const& who, known_peer& p, error const& why, instant now, Sink& out) {
        stop(who, p);
        p.why = why;
        auto const again = saturating_add(now, p.waits->next(random_));
        if (p.attempts < options_.attempts_max && again < p.gives_up) {
            p.at = stage::pausing;
            return set_deadline(who, p, again);
        }
        auto const code = now >= p.gives_up ? errc::timed_out : errc::unreachable;
        p.why = error{code, text(p.attempts, " attempts: ", why.to_text())};
        out.push(connect_failed{who, p.nickname, *p.why});
        settle(who, p, p.why, out);
    }
    // It is not dialled any more, and waits for nothing.
    void stop(peer::peer_id const& who, known_peer& p) {
        if (p.at == stage::dialling) --dialling_;
        if (p.at == stage::queued) std::erase(queue_, who);
        p.at = stage::resting;
        set_deadline(who, p, {});
    }
    void set_deadline(peer::peer_id const& who, known_peer& p, deadline at) {
        if (p.due) due_.erase({*p.due, who});
        p.due = at;
        if (at) due_.insert({*at, who});
    }

    // ---- requests ---------------------------------------------------------------------------------------

    template <class Sink>
    void settle(peer::peer_id const& who, known_peer& p, std::optional<error> const& why, Sink& out) {
        for (auto const id : std::exchange(p.tickets, {})) {
            auto& r = requests_.at(id);
            for (auto& o : r.outcomes) {
                if (o.peer != who) continue;
                o.why = why;
                o.kind = why ? kind::none : p.kind;
            }
            r.waits_for.erase(who);
            end_if_done(id, out);
        }
    }
    template <class Sink>
    void end_if_done(ticket id, Sink& out) {
        auto const found = requests_.find(id);
        if (found == requests_.end() || !found->second.waits_for.empty()) return;
        auto outcomes = std::move(found->second.outcomes);
        requests_.erase(found);
        out.push(request_ended{id, std::move(outcomes)});
    }

    // The one that was told of longest ago makes room, if it is neither connected nor asked for.
    [[nodiscard]] known_peer* find_or_add(peer::peer_id const& who, instant now) {
        if (auto const found = known_.find(who); found != known_.end()) return &found->second;
        if (known_.size() >= options_.peers_max) {
            auto oldest = known_.end();
            for (auto at = known_.begin(); at != known_.end(); ++at) {
                bool const is_idle = !at->second.is_up && at->second.at == stage::resting;
                if (is_idle && (oldest == known_.end() || at->second.learned < oldest->second.learned)) oldest = at;
            }
            if (oldest == known_.end()) return nullptr;
            known_.erase(oldest);
        }
        auto& p = known_[who];
        p.learned = now;
        return &p;
    }

    peer::peer_id self_;
    options options_;
    splitmix64 random_;
    std::map<peer::peer_id, known_peer> known_;
    std::map<ticket, request> requests_;
    std::deque<peer::peer_id> queue_;
    std::set<std::pair<instant, peer::peer_id>> due_;  // when a dial or a wait ends
    std::size_t dialling_ = 0;
    std::size_t connected_ = 0;
    ticket last_ticket_ = 0;
};

}  // namespace muster::connection
