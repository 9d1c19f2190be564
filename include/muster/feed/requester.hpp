// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Asks peers for things until somebody gives them: which peer, when, how often.
///
/// Idea: who wants something adds an *errand*. The requester finds a peer for it that has not failed at it yet and may
/// be asked now, asks, and watches the time. What fails goes to another peer after a wait that grows and differs; after
/// so many attempts it is given up. Errands go to whoever has room, so that several peers are asked at once; among them
/// a peer is drawn by its weight, which is what its score has earned.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/backoff.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/random.hpp>
#include <muster/core/time.hpp>
#include <muster/feed/event.hpp>
#include <muster/feed/protocol.hpp>
#include <muster/feed/request_limits.hpp>

namespace muster::feed {

/// What is wanted.
struct errand {
    question what = question::head;
    page_ask page = {};                ///< Of a page.
    digest blob = {};                  ///< Of a blob.
    std::optional<peer_id> only = {};  ///< Of nobody else.
    MUSTER_FIELDS(errand, what, page, blob, only);
};
/// Names an errand. Never reused.
using errand_number = std::uint64_t;

/// Bounds of a requester.
struct requester_options {
    request_limit_options limits = {};
    duration timeout = std::chrono::seconds{10};
    std::size_t attempts_max = 5;
    backoff::options retry = {std::chrono::seconds{2}, std::chrono::seconds{30}};
};

/// A machine, see core/machine.hpp, whose events are members; not thread-safe. How many errands there are is for who
/// adds them to bound; each call costs at most O(errands * peers).
class requester {
public:
    /// Ask @ref to for it.
    struct send {
        request_number number = 0;
        errand_number errand = 0;
        peer_id to;
        feed::errand what;
        MUSTER_FIELDS(send, number, errand, to, what);
    };
    /// Nobody has given it.
    struct abandoned {
        errand_number errand = 0;
        feed::errand what;
        bool timed_out = false;  ///< At the last attempt.
        MUSTER_FIELDS(abandoned, errand, what, timed_out);
    };
    /// The time of a request is over.
    struct expired {
        request_number number = 0;
        MUSTER_FIELDS(expired, number);
    };
    using effect = std::variant<send, abandoned, expired>;
    /// Who was asked what.
    struct asked {
        errand_number errand = 0;
        peer_id peer;
        feed::errand what;
    };

    requester(requester_options const& o, std::uint64_t seed) : options_{o}, draw_{seed} {}

    // ---- peers ------------------------------------------------------------------------------------------

    void connect(peer_id const& who) { peers_.try_emplace(who, peer{request_pace{options_.limits}}); }
    /// What it was asked goes to others, and counts as no attempt.
    void disconnect(peer_id const& who, instant now) {
        if (peers_.erase(who) == 0) return;
        std::vector<errand_number> lost;
        for (auto const& [number, f] : in_flight_) {
            if (f.peer == who) lost.push_back(f.errand);
        }
        std::erase_if(in_flight_, [&](auto const& f) { return f.second.peer == who; });
        for (auto const e : lost) requeue(errands_.at(e), now);
    }
    /// How gladly it is asked; 0: only when there is no other.
    void weigh(peer_id const& who, std::uint32_t weight) {
        if (auto const p = peers_.find(who); p != peers_.end()) p->second.weight = weight;
    }
    [[nodiscard]] std::vector<peer_id> peers() const {
        std::vector<peer_id> out;
        for (auto const& [who, p] : peers_) out.push_back(who);
        return out;
    }
    [[nodiscard]] std::size_t peer_count() const noexcept { return peers_.size(); }

    // ---- errands ----------------------------------------------------------------------------------------

    /// Wants @p what, from @p after on. @param attempts  at most; 0 for the usual number.
    errand_number add(errand what, instant after, std::size_t attempts = 0) {
        auto const attempts_max = attempts == 0 ? options_.attempts_max : attempts;
        errands_.emplace(++last_errand_,
                         state{std::move(what), backoff{options_.retry}, after, attempts_max, 0, {}, false});
        return last_errand_;
    }
    /// It is here, or not wanted any more. @return the request that is under way, to be given up.
    std::optional<request_number> remove(errand_number e) {
        errands_.erase(e);
        auto const f =
            std::find_if(in_flight_.begin(), in_flight_.end(), [&](auto const& i) { return i.second.errand == e; });
        if (f == in_flight_.end()) return std::nullopt;
        auto const number = f->first;
        in_flight_.erase(f);
        return number;
    }
    [[nodiscard]] bool contains(errand_number e) const { return errands_.count(e) != 0; }
    [[nodiscard]] std::size_t size() const noexcept { return errands_.size(); }
    [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_.size(); }

    /// Something has come for request @p n: what it was. The errand waits for @ref remove or @ref fail. None when the
    /// request is over.
    [[nodiscard]] std::optional<asked> take(request_number n) {
        auto const f = in_flight_.find(n);
        if (f == in_flight_.end()) return std::nullopt;
        auto& e = errands_.at(f->second.errand);
        asked out{f->second.errand, f->second.peer, e.what};
        e.is_judged = true;
        in_flight_.erase(f);
        return out;
    }
    /// What @p who gave for it was nothing; another one is asked, after a wait.
    template <effect_sink<effect> Sink>
    void fail(errand_number n, peer_id const& who, instant now, Sink&& out, bool timed_out = false) {
        auto const at = errands_.find(n);
        if (at == errands_.end()) return;
        auto& e = at->second;
        e.failed_by.insert(who);
        if (++e.attempts >= e.attempts_max) {
            abandoned const a{n, e.what, timed_out};
            errands_.erase(at);
            out.push(a);
            return;
        }
        requeue(e, saturating_add(now, e.wait.next(draw_)));
    }
    /// @p who has been asked too much: it is left alone for @p span.
    void throttle(peer_id const& who, duration span, instant now) {
        if (auto const p = peers_.find(who); p != peers_.end()) p->second.pace.block(saturating_add(now, span));
    }

    // ---- time -------------------------------------------------------------------------------------------

    /// Ends what has taken too long, and sends what can be sent.
    template <effect_sink<effect> Sink>
    void wake(instant now, Sink&& out) {
        std::vector<request_number> late;
        for (auto const& [n, f] : in_flight_) {
            if (f.ends <= now) late.push_back(n);
        }
        for (auto const n : late) {
            auto const f = in_flight_.at(n);
            in_flight_.erase(n);
            out.push(expired{n});
            fail(f.errand, f.peer, now, out, true);
        }
        for (auto& [number, e] : errands_) {
            if (e.is_sent || e.is_judged || e.not_before > now) continue;
            auto* const p = choose(e, now);
            if (p == nullptr) continue;
            p->second.pace.note(e.what.what, now);
            e.is_sent = true;
            in_flight_.emplace(++last_request_, flight{number, p->first, saturating_add(now, options_.timeout)});
            out.push(send{last_request_, number, p->first, e.what});
        }
    }
    [[nodiscard]] deadline next_deadline() const {
        deadline out;
        for (auto const& [n, f] : in_flight_) out = earlier(out, f.ends);
        for (auto const& [n, e] : errands_) {
            if (e.is_sent || e.is_judged) continue;
            deadline can;
            for (auto const& [who, p] : peers_) {
                if (may_ask(e, who)) can = earlier(can, p.pace.next(e.what.what));
            }
            if (can) out = earlier(out, std::max(*can, e.not_before));
        }
        return out;
    }

private:
    struct peer {
        request_pace pace;
        std::uint32_t weight = 1;
    };
    struct state {
        errand what;
        backoff wait;
        instant not_before;
        std::size_t attempts_max;
        std::size_t attempts;
        std::set<peer_id> failed_by;
        bool is_sent = false;
        bool is_judged = false;  ///< An answer is being looked at.
    };
    struct flight {
        errand_number errand;
        peer_id peer;
        instant ends;
    };

    void requeue(state& e, instant after) {
        e.is_sent = e.is_judged = false;
        e.not_before = after;
    }
    /// Whom all have failed, any may be asked again.
    [[nodiscard]] bool may_ask(state const& e, peer_id const& who) const {
        if (e.what.only) return who == *e.what.only;
        if (e.failed_by.count(who) == 0) return true;
        return std::all_of(peers_.begin(), peers_.end(),
                           [&](auto const& p) { return e.failed_by.count(p.first) != 0; });
    }
    [[nodiscard]] std::pair<peer_id const, peer>* choose(state const& e, instant now) {
        std::vector<std::pair<peer_id const, peer>*> free;
        std::uint64_t total = 0;
        for (auto& p : peers_) {
            if (!may_ask(e, p.first) || p.second.pace.next(e.what.what) > now) continue;
            free.push_back(&p);
            total += p.second.weight;
        }
        if (free.empty()) return nullptr;
        if (total == 0) return free[uniform(draw_, free.size())];
        auto at = uniform(draw_, total);
        for (auto* const p : free) {
            if (at < p->second.weight) return p;
            at -= p->second.weight;
        }
        return free.back();
    }

    requester_options options_;
    splitmix64 draw_;
    std::map<peer_id, peer> peers_;  ///< Connected ones; the network's bound.
    std::map<errand_number, state> errands_;
    std::map<request_number, flight> in_flight_;
    errand_number last_errand_ = 0;
    request_number last_request_ = 0;
};

}  // namespace muster::feed
