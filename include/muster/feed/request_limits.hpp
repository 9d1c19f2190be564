// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How much peers may ask us, and how much we ask them.
///
/// The server counts by GCRA, for each peer and each kind of question, and for each peer over all kinds, before it does
/// any work. The client keeps the instants of its last requests to a peer, and sends the next one only when no window
/// of the server's length would hold more than the limit: a GCRA of the same burst and rate would send twice as many
/// within one window, which a server that counts by windows refuses.

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>

#include <muster/core/rate_limiter.hpp>
#include <muster/core/time.hpp>
#include <muster/feed/types.hpp>

namespace muster::feed {

/// The limits of the protocol, which both sides know.
struct request_limit_options {
    std::size_t per_protocol = 8;                ///< Of one kind, ...
    std::size_t per_peer = 50;                   ///< ... and of all kinds, ...
    duration window = std::chrono::seconds{10};  ///< ... in so long.
    std::size_t peers_max = 4096;                ///< Who is counted; others are throttled.
};

/// The server's side. Not thread-safe.
class serving_limits {
public:
    explicit serving_limits(request_limit_options const& o) noexcept : options_{o} {}

    /// Takes one question of @p who; or says how long it is to wait. O(log peers), and O(peers) when all are in use.
    [[nodiscard]] std::optional<duration> throttle(peer_id const& who, question q, instant now) {
        if (peers_.size() >= options_.peers_max && peers_.count(who) == 0) {
            std::erase_if(peers_, [&](auto const& p) { return p.second.is_idle(now); });
            if (peers_.size() >= options_.peers_max) return options_.window;
        }
        auto& p = peers_.try_emplace(who, counted{options_}).first->second;
        auto one = p.kinds[static_cast<std::size_t>(q)];
        auto all = p.all;
        if (!one.allow(now)) return options_.window / static_cast<duration::rep>(options_.per_protocol);
        if (!all.allow(now)) return options_.window / static_cast<duration::rep>(options_.per_peer);
        p.kinds[static_cast<std::size_t>(q)] = one;
        p.all = all;
        return std::nullopt;
    }
    [[nodiscard]] std::size_t size() const noexcept { return peers_.size(); }

private:
    [[nodiscard]] static rate_limiter limiter(duration window, std::size_t limit) noexcept {
        return {window / static_cast<duration::rep>(limit), limit};
    }
    struct counted {
        explicit counted(request_limit_options const& o) noexcept
            : kinds{limiter(o.window, o.per_protocol), limiter(o.window, o.per_protocol),
                    limiter(o.window, o.per_protocol)},
              all{limiter(o.window, o.per_peer)} {}
        [[nodiscard]] bool is_idle(instant now) const noexcept {
            return all.is_idle(now) && kinds[0].is_idle(now) && kinds[1].is_idle(now) && kinds[2].is_idle(now);
        }
        std::array<rate_limiter, 3> kinds;
        rate_limiter all;
    };

    request_limit_options options_;
    std::map<peer_id, counted> peers_;
};

/// The client's side, for one peer. A value.
class request_pace {
public:
    explicit request_pace(request_limit_options const& o) noexcept : options_{o} {}

    /// When the next question of kind @p q may go; in the past when it may at once.
    [[nodiscard]] instant next(question q) const noexcept {
        auto out = std::max(blocked_until_, slot_of(kinds_[static_cast<std::size_t>(q)], options_.per_protocol));
        return std::max(out, slot_of(all_, options_.per_peer));
    }
    /// One goes now. Expects `next(q) <= now`.
    void note(question q, instant now) {
        push(kinds_[static_cast<std::size_t>(q)], options_.per_protocol, now);
        push(all_, options_.per_peer, now);
    }
    /// The peer wants none before @p until.
    void block(instant until) noexcept { blocked_until_ = std::max(blocked_until_, until); }

private:
    // Requests do not arrive as evenly as they leave: a window is taken to be a fiftieth longer. Ours.
    [[nodiscard]] instant slot_of(std::deque<instant> const& sent, std::size_t limit) const noexcept {
        return sent.size() < limit ? instant::min()
                                   : saturating_add(sent.front(), options_.window + options_.window / 50);
    }
    static void push(std::deque<instant>& sent, std::size_t limit, instant now) {
        if (sent.size() >= limit) sent.pop_front();
        sent.push_back(now);
    }

    request_limit_options options_;
    std::array<std::deque<instant>, 3> kinds_;  ///< The last ones, as many as the limit is.
    std::deque<instant> all_;
    instant blocked_until_ = instant::min();
};

}  // namespace muster::feed
