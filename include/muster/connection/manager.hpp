// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The one place that decides whom to dial, and whose connection to end.
///
/// Idea: protocols ask for peers here, and are told the outcome once; how a peer is connected is not their concern. The
/// network's events are authoritative, and the manager's state follows them.
///
/// Algorithm: a peer that is asked for joins a queue; a bounded number is dialled at a time, each for a bounded time,
/// so a peer that does not answer occupies one place and does not block the queue. After a failure it waits, longer and
/// by chance (decorrelated jitter, core/backoff.hpp), and joins the queue again, as often and as long as the options
/// say. A request is over when all its peers are. A peer that is kept is dialled for ever, one attempt at a time with a
/// wait of its own before each: that is a circuit breaker whose every probe is half-open. Its waits begin anew only
/// after a connection that has lasted, so a peer that accepts and hangs up is not dialled in a loop. Links that fall
/// silent are ended (health.hpp); the first wait is then up to as long as the silence. When there are too many, those
/// of least use are ended, never one that is protected, kept or asked for.
///
/// Source: the waits are those of core/backoff.hpp; water marks and tags are those of go-libp2p's connection manager;
/// the other numbers of events.hpp are ours.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <muster/connection/detail/peer_table.hpp>
#include <muster/connection/detail/request_book.hpp>
#include <muster/connection/events.hpp>
#include <muster/connection/health.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/random.hpp>
#include <muster/core/result.hpp>

namespace muster::connection {

/// Which peers are connected, and how to be connected to more. A machine, see core/machine.hpp; not thread-safe.
class manager {
public:
    using event = connection::event;
    using effect = connection::effect;

    using statistics = connection::statistics;

    /// @param self  the own peer, which is never dialled.
    /// @param seed  for the waits between attempts.
    manager(peer::peer_id self, options const& o, std::uint64_t seed)
        : self_{std::move(self)},
          options_{o},
          random_{seed},
          peers_{o.peers_max},
          health_{o.health},
          reputation_{o.reputation} {}

    // ---- what happens -----------------------------------------------------------------------------------

    /// @see machine
    template <effect_sink<effect> Sink>
    void handle(event const& e, instant now, Sink& out) {
        std::visit([&](auto const& v) { this->on(v, now, out); }, e);
        pump(now, out);
    }
    /// @see machine
    template <effect_sink<effect> Sink>
    void wake(instant now, Sink& out) {
        while (auto const who = peers_.due(now)) {
            auto& p = peers_.at(*who);
            peers_.set_deadline(*who, p, {});
            if (p.at == stage::dialling) {
                out.push(hang_up{*who});
                attempt_failed(*who, p, error{errc::timed_out, "no answer in time"}, now, out);
            } else if (p.at == stage::pausing) {
                enqueue(*who, p);
            }
        }
        look_at_links(now, out);
        if (trims_at_ && *trims_at_ <= now) trim(now, out);
        pump(now, out);
    }
    [[nodiscard]] deadline next_deadline() const {
        return earlier(earlier(peers_.next_deadline(), health_.next_deadline()), trims_at_);
    }
    /// O(peers).
    [[nodiscard]] statistics stats() const {
        statistics out{peers_.all().size(), connected_, dialling_, 0, requests_.size()};
        for (auto const& [who, p] : peers_.all()) out.waiting += p.at == stage::queued || p.at == stage::pausing;
        return out;
    }

    // ---- what is asked for ------------------------------------------------------------------------------

    /// @p who can be reached at @p addresses, in place of those known before, and none where addresses mean nothing; as
    /// @p nickname, where it is not empty.
    /// O(log n), or O(n) when a place must be found.
    void learn(peer::peer_id const& who, std::span<peer::multiaddr const> addresses, instant now,
               std::string_view nickname = {}) {
        if (who == self_) return;
        auto* const p = peers_.find_or_add(who, now);
        if (p == nullptr) return;
        auto const size = std::min(addresses.size(), options_.addresses_max);
        p->addresses.assign(addresses.begin(), addresses.begin() + static_cast<std::ptrdiff_t>(size));
        p->learned = now;
        p->is_told = true;
        p->is_hearsay = false;
        if (!nickname.empty()) p->nickname = nickname.substr(0, options_.nickname_size_max);
    }

    /// The same on the word of somebody else: what was learned otherwise counts before it, and stays.
    void hear_of(peer::peer_id const& who, std::span<peer::multiaddr const> addresses, instant now) {
        auto const* const known = peers_.find(who);
        if (known != nullptr && known->is_told && !known->is_hearsay) return;
        learn(who, addresses, now);
        if (auto* const p = peers_.find(who)) p->is_hearsay = true;
    }

    /// Connects to all of @p whom: @ref request_ended follows, before the call returns when there is nothing to wait
    /// for. The own peer needs no connection and is left out. A peer that nobody has told of comes to nothing as
    /// `not_found`. Each is tried @p attempts times at most, and never more often than the options say.
    /// @return the request; `full`.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<ticket> connect(std::span<peer::peer_id const> whom, instant now, Sink& out,
                                         std::size_t attempts = std::numeric_limits<std::size_t>::max()) {
        if (requests_.size() >= options_.requests_max) {
            return error{errc::full,
                         text("all ", options_.requests_max, " requests are under way; wait for one to end")};
        }
        auto const [id, r] = requests_.open();
        for (auto const& who : whom) {
            if (who == self_) continue;
            r.outcomes.push_back({who});
            auto* const p = peers_.find(who);
            if (p == nullptr || (!p->is_told && !p->is_up)) {
                r.outcomes.back().why = unknown(who);
            } else if (p->is_up) {
                r.outcomes.back().kind = p->kind;
            } else if (is_banned(who, now)) {
                r.outcomes.back().why = banned();
            } else if (r.waits_for.insert(who).second) {
                begin(who, *p, id, attempts, now, out);
            }
        }
        pump(now, out);
        requests_.end_if_done(id, out);
        return id;
    }
    /// The same for one peer and for nobody who waits: it is dialled as a request would have it, and only the news tell
    /// of it. @return `not_found`, or that it has been banned.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<void> want(peer::peer_id const& who, instant now, Sink& out) {
        auto* const p = peers_.find(who);
        if (p == nullptr || (!p->is_told && !p->is_up)) return unknown(who);
        if (is_banned(who, now)) return banned();
        if (!p->is_up) begin(who, *p, ticket{0}, options_.attempts_max, now, out);
        pump(now, out);
        return ok();
    }
    /// Ends a request: nothing is told of it any more, and peers that nobody else has asked for are not dialled on.
    /// Harmless for one that is over.
    template <effect_sink<effect> Sink>
    void cancel(ticket id, instant now, Sink& out) {
        for (auto const& who : requests_.drop(id)) {
            auto& p = peers_.at(who);
            p.tickets.erase(id);
            if (!p.tickets.empty() || p.is_kept) continue;
            if (p.at == stage::dialling) out.push(hang_up{who});
            stop(who, p);
        }
        pump(now, out);
    }

    /// Dials @p who whenever it is not connected, for ever. @return `not_found` when nobody has told where it is,
    /// `full` when nobody makes room.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<void> keep(peer::peer_id const& who, instant now, Sink& out) {
        auto* const p = peers_.find(who);
        if (p == nullptr || (!p->is_told && !p->is_up)) {
            return unknown(who);
        }
        if (std::exchange(p->is_kept, true)) return ok();
        p->keep_waits.emplace(backoff::options{options_.keep_min, options_.keep_max});
        if (!p->is_up && p->at == stage::resting) {
            out.push(connecting{who, p->nickname});
            p->gives_up.reset();
            enqueue(who, *p);
        }
        pump(now, out);
        return ok();
    }
    /// Keeps @p who no more. A connection stays as it is; a dial that nobody else has asked for ends.
    template <effect_sink<effect> Sink>
    void release(peer::peer_id const& who, instant now, Sink& out) {
        auto* const p = peers_.find(who);
        if (p == nullptr || !std::exchange(p->is_kept, false) || !p->tickets.empty()) return;
        if (p->at == stage::dialling) out.push(hang_up{who});
        stop(who, *p);
        pump(now, out);
    }
    /// Ends the connection to @p who, and every attempt; requests that wait for it hear that as `ended`. It is kept no
    /// more.
    template <effect_sink<effect> Sink>
    void disconnect(peer::peer_id const& who, instant now, Sink& out) {
        auto* const p = peers_.find(who);
        if (p == nullptr) return;
        p->is_kept = false;
        auto const why = error{errc::ended, "it was disconnected on purpose"};
        if (p->is_up || p->at == stage::dialling) out.push(hang_up{who});
        stop(who, *p);
        settle(who, *p, why, out);
        lost(who, why, now, out);
        pump(now, out);
    }

    /// Ends the connection to @p who, for whoever had enough of it. One that is kept is dialled again after a wait.
    template <effect_sink<effect> Sink>
    void cut(peer::peer_id const& who, instant now, Sink& out) {
        auto const* const p = peers_.find(who);
        if (p == nullptr || !p->is_up) return;
        out.push(hang_up{who});
        lost(who, error{errc::ended, "we have ended it"}, now, out);
    }

    /// Ends the connection to @p who, for whoever needs it no more: unless somebody else wants it.
    template <effect_sink<effect> Sink>
    void dismiss(peer::peer_id const& who, instant now, Sink& out) {
        auto const* const p = peers_.find(who);
        if (p != nullptr && !p->is_wanted()) cut(who, now, out);
    }

    /// A connection to @p who is never ended to make room while it is protected, under at least one name of a reason.
    void protect(peer::peer_id const& who, std::string_view reason, instant now) {
        if (auto* const p = peers_.find_or_add(who, now)) p->protections.emplace(reason);
    }
    /// Ends what `protect` began for @p reason. @return whether it is protected for another one.
    bool unprotect(peer::peer_id const& who, std::string_view reason) {
        auto* const p = peers_.find(who);
        if (p == nullptr) return false;
        if (auto const found = p->protections.find(reason); found != p->protections.end()) p->protections.erase(found);
        return !p->protections.empty();
    }
    /// How useful a connection to @p who is, by @p name; the sum of all names decides who stays. 0 takes the name away.
    void tag(peer::peer_id const& who, std::string_view name, int value) {
        auto* const p = peers_.find(who);
        if (p == nullptr) return;
        if (value != 0) {
            p->tags.insert_or_assign(std::string{name}, value);
        } else if (auto const found = p->tags.find(name); found != p->tags.end()) {
            p->tags.erase(found);
        }
    }

    /// Takes @p points from @p who, for what any room has seen it do: below a score it is cut off, and further below it
    /// is banned for a while, see peer::reputation. A peer that is kept is dialled again when that is over.
    template <effect_sink<effect> Sink>
    void penalise(peer::peer_id const& who, std::int32_t points, instant now, Sink& out) {
        if (reputation_.penalise(who, points, now) == peer::verdict::ok) return;
        auto const* const p = peers_.find(who);
        if (p == nullptr || !p->is_up) return;
        out.push(hang_up{who});
        lost(who, banned(), now, out);
    }
    /// Gives @p who @p points, for what it was seen to do.
    void reward(peer::peer_id const& who, std::int32_t points, instant now) {
        (void)reputation_.reward(who, points, now);
    }

    // ---- what can be asked ------------------------------------------------------------------------------

    /// How it stands with @p who; as disconnected with one that is not known. O(log n).
    [[nodiscard]] peer_status status_of(peer::peer_id const& who) const {
        auto const* const p = peers_.find(who);
        if (p == nullptr) return {};
        // One that is kept and waits for the next attempt has failed; it is being connected when somebody waits for it.
        bool const is_tried = p->at == stage::queued || p->at == stage::dialling || !p->tickets.empty();
        auto const s = p->is_up   ? status::connected
                       : is_tried ? status::connecting
                       : p->why   ? status::failed
                                  : status::disconnected;
        peer_status out{s, p->is_up ? p->kind : kind::none, p->last_attempt, p->last_seen, p->why};
        out.is_kept = p->is_kept;
        if (p->is_up) health_.describe(who, out);
        return out;
    }
    [[nodiscard]] bool is_connected(peer::peer_id const& who) const {
        auto const* const p = peers_.find(who);
        return p != nullptr && p->is_up;
    }
    /// Where @p who can be dialled, as was learned.
    [[nodiscard]] std::vector<peer::multiaddr> addresses_of(peer::peer_id const& who) const {
        auto const* const p = peers_.find(who);
        return p != nullptr ? p->addresses : std::vector<peer::multiaddr>{};
    }
    /// Where @p who is connected; empty when it is not, and where addresses mean nothing.
    [[nodiscard]] peer::multiaddr remote_of(peer::peer_id const& who) const {
        auto const* const p = peers_.find(who);
        return p != nullptr && p->is_up ? p->remote : peer::multiaddr{};
    }
    /// O(n).
    [[nodiscard]] std::vector<peer::peer_id> connected_peers() const {
        std::vector<peer::peer_id> out;
        for (auto const& [who, p] : peers_.all()) {
            if (p.is_up) out.push_back(who);
        }
        return out;
    }
    [[nodiscard]] std::size_t connected_count() const noexcept { return connected_; }
    /// What @p who has earned. O(log n).
    [[nodiscard]] std::int32_t score(peer::peer_id const& who, instant now) const {
        return reputation_.score(who, now);
    }
    /// All peers that are remembered. O(n).
    [[nodiscard]] std::vector<peer::peer_id> known_peers() const {
        std::vector<peer::peer_id> out;
        for (auto const& [who, p] : peers_.all()) out.push_back(who);
        return out;
    }

private:
    using stage = detail::stage;
    using known_peer = detail::known_peer;
    template <class Sink>
    void on(link_up const& e, instant now, Sink& out) {
        if (is_banned(e.peer, now)) return out.push(hang_up{e.peer});  // a dial of ours ends in time, and in vain
        auto* const p = peers_.find_or_add(e.peer, now);
        if (p == nullptr) return;
        bool const is_news = !std::exchange(p->is_up, true);
        p->kind = e.remote.empty() ? kind::direct : kind_of(e.remote);
        p->remote = e.remote;
        p->last_seen = now;
        p->why.reset();
        stop(e.peer, *p);
        if (is_news) {
            ++connected_;
            p->up_since = now;
            p->is_leaving = false;
            health_.watch(e.peer, now);
            out.push(connected{e.peer, p->nickname, p->kind});
            trim(now, out);
        }
        settle(e.peer, *p, {}, out);
    }
    template <class Sink>
    void on(link_down const& e, instant now, Sink& out) {
        lost(e.peer, e.why, now, out);
    }
    template <class Sink>
    void on(dial_failed const& e, instant now, Sink& out) {
        auto* const p = peers_.find(e.peer);
        if (p == nullptr || p->at != stage::dialling) return;  // late news
        attempt_failed(e.peer, *p, e.why, now, out);
    }
    template <class Sink>
    void on(heard const& e, instant now, Sink& out) {
        if (health_.note(e, now)) out.push(suspected{e.peer, peers_.at(e.peer).nickname, false});
    }

    template <class Sink>
    void look_at_links(instant now, Sink& out) {
        auto const found = health_.beat(now);
        for (auto const& who : found.to_measure) out.push(measure{who});
        for (auto const& who : found.suspected) out.push(suspected{who, peers_.at(who).nickname, true});
        for (auto const& who : found.dead) {
            out.push(hang_up{who});
            lost(who, error{errc::silent, "nothing came from it for too long"}, now, out);
        }
    }

    template <class Sink>
    void lost(peer::peer_id const& who, error const& why, instant now, Sink& out) {
        auto* const p = peers_.find(who);
        if (p == nullptr || !std::exchange(p->is_up, false)) return;
        --connected_;
        health_.forget(who);
        p->last_seen = now;
        p->is_leaving = false;
        out.push(disconnected{who, p->nickname, why});
        if (!p->is_kept) return;
        if (now - p->up_since >= options_.stable_after) p->keep_waits->reset();
        // All who depend on a machine that is gone notice at about the same time: they come back one by one.
        if (why == errc::silent) p->keep_waits->resume(options_.health.dead_after);
        pause_kept(who, *p, now);
    }

    // ---- attempts ---------------------------------------------------------------------------------------

    template <class Sink>
    void begin(peer::peer_id const& who, known_peer& p, ticket id, std::size_t attempts, instant now, Sink& out) {
        bool const is_first = p.tickets.empty();
        p.tickets.insert(id);
        attempts = std::min(attempts, options_.attempts_max);
        p.attempts_max = is_first ? attempts : std::max(p.attempts_max, attempts);
        if (!is_first) return;  // others have asked for it already
        p.attempts = p.at == stage::dialling ? 1 : 0;
        p.gives_up = saturating_add(now, options_.total_timeout);
        p.waits.emplace(backoff::options{options_.retry_min, options_.retry_max});
        if (p.at == stage::resting || p.at == stage::pausing) {
            peers_.set_deadline(who, p, {});
            enqueue(who, p);
        }
        out.push(connecting{who, p.nickname});
    }
    void enqueue(peer::peer_id const& who, known_peer& p) {
        p.at = stage::queued;
        queue_.push_back(who);
    }
    void pause_kept(peer::peer_id const& who, known_peer& p, instant now) {
        p.at = stage::pausing;
        p.gives_up.reset();
        peers_.set_deadline(who, p, saturating_add(now, p.keep_waits->next(random_)));
    }
    template <class Sink>
    void pump(instant now, Sink& out) {
        while (dialling_ < options_.dials_max && !queue_.empty()) {
            auto const who = queue_.front();
            queue_.pop_front();
            auto& p = peers_.at(who);  // who waits in the queue is remembered
            if (is_banned(who, now)) {
                attempt_failed(who, p, banned(), now, out);
                continue;
            }
            p.at = stage::dialling;
            ++dialling_;
            ++p.attempts;
            p.last_attempt = now;
            peers_.set_deadline(who, p, earlier(saturating_add(now, options_.attempt_timeout), p.gives_up));
            out.push(dial{who, p.addresses});
        }
    }
    template <class Sink>
    void attempt_failed(peer::peer_id const& who, known_peer& p, error const& why, instant now, Sink& out) {
        stop(who, p);
        bool const is_news = !p.tickets.empty() || !p.why || p.why->message() != why.message();
        p.why = why;
        if (!p.tickets.empty()) {
            auto const again = saturating_add(now, p.waits->next(random_));
            if (p.attempts < p.attempts_max && again < *p.gives_up) {
                p.at = stage::pausing;
                return peers_.set_deadline(who, p, again);
            }
            auto const code = now >= *p.gives_up ? errc::timed_out : errc::unreachable;
            p.why = error{code, text(p.attempts, p.attempts == 1 ? " attempt: " : " attempts: ", why.to_text())};
        }
        if (is_news) out.push(connect_failed{who, p.nickname, *p.why});
        settle(who, p, p.why, out);
        if (p.is_kept && p.at == stage::resting) pause_kept(who, p, now);
    }
    [[nodiscard]] bool is_banned(peer::peer_id const& who, instant now) const {
        return reputation_.judge(who, now) == peer::verdict::banned;
    }
    [[nodiscard]] static error unknown(peer::peer_id const& who) {
        return {errc::not_found, text("nobody has told where ", who.to_text(), " is")};
    }
    [[nodiscard]] static error banned() { return {errc::banned, "it has misbehaved"}; }

    // It is not dialled any more, and waits for nothing.
    void stop(peer::peer_id const& who, known_peer& p) {
        if (p.at == stage::dialling) --dialling_;
        if (p.at == stage::queued) std::erase(queue_, who);
        p.at = stage::resting;
        peers_.set_deadline(who, p, {});
    }
    template <class Sink>
    void trim(instant now, Sink& out) {
        trims_at_.reset();
        if (connected_ <= options_.high_water) return;
        auto surplus = connected_ - std::min(options_.low_water, options_.high_water);
        for (auto const& who : peers_.dispensable(now, options_.grace, trims_at_)) {
            if (surplus == 0) return trims_at_.reset();
            --surplus;
            peers_.at(who).is_leaving = true;
            out.push(hang_up{who});
        }
    }

    template <class Sink>
    void settle(peer::peer_id const& who, known_peer& p, std::optional<error> const& why, Sink& out) {
        requests_.settle(std::exchange(p.tickets, {}), who, why, p.kind, out);
    }

    peer::peer_id self_;
    options options_;
    splitmix64 random_;
    detail::peer_table peers_;
    health health_;
    peer::reputation reputation_;
    detail::request_book requests_;
    std::deque<peer::peer_id> queue_;
    std::size_t dialling_ = 0;
    std::size_t connected_ = 0;
    deadline trims_at_;
};

}  // namespace muster::connection
