// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// When a node advertises, whom it asks for signers, and when it looks around.
///
/// Idea: gossip brings what is said from now on; what was said before, a newcomer asks for. So each peer that connects
/// is asked once, and from time to time some are asked again. The own advertisement is published at once, again when
/// somebody is there to hear it who was not before, and anew well before it expires, at a time that differs from node
/// to node. What could not be published is tried again, ever later.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/backoff.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/random.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/core/time.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::discovery {

/// How often. Intervals are positive.
struct agenda_options {
    duration renew_interval = std::chrono::minutes{20};  ///< Between own advertisements, less up to a tenth. Ours.
    duration rescan_interval = std::chrono::minutes{2};  ///< Between looks around; also before a peer is asked again.
    duration expiry_interval =
        std::chrono::seconds{60};       ///< Between removals of what has expired. As lotus-sdk has it.
    std::size_t remembered_max = 4096;  ///< Peers that left, and were asked lately. Ours.
    std::size_t asked_at_once = 5;      ///< Peers asked, and known ones dialled, in a look around.
    duration repeat_interval = std::chrono::seconds{30};  ///< Between advertisements for a new audience, after three.
    backoff::options retry = {std::chrono::seconds{1}, std::chrono::seconds{60}};  ///< What could not be published.
};

/// A machine, see core/machine.hpp; not thread-safe.
class agenda {
public:
    // ---- events ----------------------------------------------------------------------------------------

    /// A peer is connected.
    struct peer_connected {
        peer::peer_id peer;
        MUSTER_FIELDS(peer_connected, peer);
    };
    /// It is not any more.
    struct peer_disconnected {
        peer::peer_id peer;
        MUSTER_FIELDS(peer_disconnected, peer);
    };
    /// Somebody hears what is published, and nobody did before.
    struct audience_gained {
        MUSTER_FIELDS(audience_gained);
    };
    /// The advertisement could not be published.
    struct publish_failed {
        MUSTER_FIELDS(publish_failed);
    };
    /// @see machine
    using event = std::variant<peer_connected, peer_disconnected, audience_gained, publish_failed>;

    // ---- effects ---------------------------------------------------------------------------------------

    /// Publish the own advertisement, with a new sequence.
    struct advertise {
        MUSTER_FIELDS(advertise);
    };
    /// Ask @p peer which signers it knows.
    struct ask_peer {
        peer::peer_id peer;
        MUSTER_FIELDS(ask_peer, peer);
    };
    /// Dial so many known signers, drawn by lot, that are not connected.
    struct dial_known {
        std::size_t count = 0;
        MUSTER_FIELDS(dial_known, count);
    };
    /// Remove what has expired.
    struct remove_expired {
        MUSTER_FIELDS(remove_expired);
    };
    /// @see machine
    using effect = std::variant<advertise, ask_peer, dial_known, remove_expired>;

    /// Gauges.
    struct statistics {
        std::size_t peers = 0;  ///< Connected.
        MUSTER_FIELDS(statistics, peers);
    };

    /// @param seed  for what is drawn by lot.
    agenda(agenda_options const& o, std::uint64_t seed)
        : options_{o}, draw_{seed}, retry_{o.retry}, repeats_{o.repeat_interval, 3} {}

    /// @see machine
    template <effect_sink<effect> Sink>
    void handle(event const& e, instant now, Sink&& out) {
        std::visit([&](auto const& v) { this->on(v, now, out); }, e);
    }
    /// @see machine
    template <effect_sink<effect> Sink>
    void wake(instant now, Sink&& out) {
        if (is_due(next_advertisement_, now)) announce(now, out);
        if (is_due(next_removal_, now)) {
            next_removal_ = saturating_add(now, options_.expiry_interval);
            out.push(remove_expired{});
        }
        if (is_due(next_scan_, now)) look_around(now, out);
    }
    /// @see machine
    [[nodiscard]] deadline next_deadline() const {
        return earlier(next_advertisement_, earlier(next_removal_, next_scan_));
    }
    /// O(peers).
    [[nodiscard]] statistics stats() const {
        return {static_cast<std::size_t>(
            std::count_if(peers_.begin(), peers_.end(), [](auto const& p) { return p.second.is_connected; }))};
    }

    // ---- commands --------------------------------------------------------------------------------------

    /// Begins to look around: at once for known signers to dial.
    template <effect_sink<effect> Sink>
    void start(instant now, Sink&& out) {
        next_removal_ = saturating_add(now, options_.expiry_interval);
        look_around(now, out);
    }
    /// Begins to advertise, or does so anew since there is something else to say.
    template <effect_sink<effect> Sink>
    void begin_advertising(instant now, Sink&& out) {
        is_advertising_ = true;
        announce(now, out);
    }
    /// Has nothing more to advertise.
    void end_advertising() noexcept {
        is_advertising_ = false;
        next_advertisement_.reset();
    }
    /// Looks around now, whoever was asked when: after a time without a network.
    template <effect_sink<effect> Sink>
    void rescan(instant now, Sink&& out) {
        for (auto& [who, p] : peers_) p.asked.reset();
        look_around(now, out);
    }
    /// Nothing more is to be done.
    void stop() noexcept {
        is_advertising_ = false;
        next_advertisement_.reset();
        next_removal_.reset();
        next_scan_.reset();
    }

private:
    [[nodiscard]] static bool is_due(deadline const& d, instant now) noexcept { return d && *d <= now; }

    template <class Sink>
    void on(peer_connected const& e, instant now, Sink& out) {
        auto& p = peers_[e.peer];
        p.is_connected = true;
        if (next_scan_) ask(e.peer, p, now, out);
    }
    template <class Sink>
    void on(peer_disconnected const& e, instant now, Sink&) {
        auto const at = peers_.find(e.peer);
        if (at == peers_.end()) return;
        at->second.is_connected = false;  // when it was asked is remembered, or who comes and goes is asked each time
        if (peers_.size() > options_.remembered_max || !was_asked_lately(at->second, now)) peers_.erase(at);
    }
    template <class Sink>
    void on(audience_gained const&, instant now, Sink& out) {
        if (!is_advertising_) return;
        if (repeats_.allow(now)) return announce(now, out);
        // Who leaves and comes back all the time does not make us talk all the time.
        next_advertisement_ = earlier(next_advertisement_, saturating_add(now, options_.repeat_interval));
    }
    template <class Sink>
    void on(publish_failed const&, instant now, Sink&) {
        if (!is_advertising_) return;
        is_retry_ = true;
        next_advertisement_ = saturating_add(now, retry_.next(draw_));
    }

    template <class Sink>
    void announce(instant now, Sink& out) {
        auto const less = static_cast<std::uint64_t>(std::max<duration::rep>(options_.renew_interval.count() / 10, 1));
        auto const wait = options_.renew_interval - duration{static_cast<duration::rep>(uniform(draw_, less))};
        if (!std::exchange(is_retry_, false)) retry_.reset();  // the last one was published
        next_advertisement_ = saturating_add(now, wait);
        out.push(advertise{});
    }
    struct peer_state {
        bool is_connected = false;
        deadline asked = {};  ///< When it was, last.
    };

    [[nodiscard]] bool was_asked_lately(peer_state const& p, instant now) const {
        return p.asked && now - *p.asked < options_.rescan_interval;
    }
    template <class Sink>
    void ask(peer::peer_id const& who, peer_state& p, instant now, Sink& out) {
        if (was_asked_lately(p, now)) return;
        p.asked = now;
        out.push(ask_peer{who});
    }
    template <class Sink>
    void look_around(instant now, Sink& out) {
        next_scan_ = saturating_add(now, options_.rescan_interval);
        out.push(dial_known{options_.asked_at_once});
        std::erase_if(peers_,
                      [&](auto const& p) { return !p.second.is_connected && !was_asked_lately(p.second, now); });
        std::vector<peer::peer_id> all;
        for (auto const& [who, p] : peers_) {
            if (p.is_connected) all.push_back(who);
        }
        for (std::size_t i = 0; i < std::min(options_.asked_at_once, all.size()); ++i) {
            std::swap(all[i], all[i + uniform(draw_, all.size() - i)]);
            ask(all[i], peers_[all[i]], now, out);
        }
    }

    agenda_options options_;
    splitmix64 draw_;
    backoff retry_;
    rate_limiter repeats_;
    bool is_advertising_ = false;
    bool is_retry_ = false;                      ///< The last advertisement was not published.
    std::map<peer::peer_id, peer_state> peers_;  ///< Connected ones, by the network's bound, and some that left.
    deadline next_advertisement_;
    deadline next_removal_;
    deadline next_scan_;
};

}  // namespace muster::discovery
