// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What is remembered about each peer: its epoch, how much it may still send, how often it misbehaved, and
/// its frames for sessions that have not been proposed yet.
///
/// All of it is charged to the peer that the connection authenticated, never to a field of a frame, and all of it
/// is bounded per peer, so that a flood costs the flooder and nobody else. What exceeds its rate, or has no room here,
/// is dropped without a strike: it need not be a crime, and sessions repeat what matters. Strikes are for what no
/// honest peer sends.
///
/// There are two tables. The machines of registered signers have places that nobody else can take. All other peers
/// share a few places, in which the oldest makes room, and one rate on top of their own: a peer that is forgotten and
/// comes back, or a crowd of new identities, gets no more than a single one may send.

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/bounded.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/signing/frame.hpp>

namespace muster::signing {

/// Which frames of which peers a coordinator looks at. A machine without a deadline; not thread-safe.
class peer_admission {
public:
    /// A connection to that peer is up. One that never sent a frame is not remembered for it.
    struct arrived {
        peer_id peer;
        bool operator==(arrived const&) const = default;
    };
    /// The connection to that peer ended: what it had sent early is dropped with it.
    struct left {
        peer_id peer;
        bool operator==(left const&) const = default;
    };
    using event = std::variant<arrived, left>;
    /// Frames are dropped, or peers forgotten. Each kind of it is said once a minute at most.
    struct warned {
        error why;
        bool operator==(warned const&) const = default;
    };
    using effect = warned;

    /// How much is remembered.
    struct statistics {
        std::size_t peers = 0;         ///< Of both tables.
        std::size_t early_octets = 0;  ///< Of frames for sessions to come.
        bool operator==(statistics const&) const = default;
    };

    /// @p l must outlive it.
    explicit peer_admission(limits const& l) : limits_{&l}, registered_{l.peers_max}, strangers_{l.strangers_max} {}

    template <effect_sink<effect> Sink>
    void handle(event const& e, instant, Sink&&) {
        std::visit([this](auto const& v) { this->on(v); }, e);
    }
    /// Nothing happens here by itself.
    template <effect_sink<effect> Sink>
    void wake(instant, Sink&&) noexcept {}
    [[nodiscard]] deadline next_deadline() const noexcept { return std::nullopt; }
    /// O(peers).
    [[nodiscard]] statistics stats() const {
        statistics out{registered_.size() + strangers_.size(), 0};
        for (auto const* const places : {&registered_, &strangers_}) {
            for (auto const& [who, p] : *places) out.early_octets += p.early_octets;
        }
        return out;
    }

    /// From now on @p who has a place of its own: it is the machine of a registered signer. O(log n); O(peers) when a
    /// place must be found.
    template <effect_sink<effect> Sink>
    void recognise(peer_id const& who, instant now, Sink&& out) {
        if (registered_.find(who) != nullptr) return;
        if (!make_room(registered_, now, warn_of_registered_at_, out)) return;
        auto const* const known = strangers_.find(who);
        auto p = known != nullptr ? *known : peer_state{rate_of(*limits_), now};
        strangers_.erase(who);
        (void)registered_.try_emplace(who, std::move(p));
    }
    /// Whether @p who has a place of its own.
    [[nodiscard]] bool is_recognised(peer_id const& who) const { return registered_.find(who) != nullptr; }

    /// Whether a frame of @p who is looked at: not when it sends too fast, or when no place is left for it.
    template <effect_sink<effect> Sink>
    [[nodiscard]] bool admit(peer_id const& who, instant now, Sink&& out) {
        auto* const p = find_or_add(who, now, out);
        if (p == nullptr) return false;
        if (!p->allowance.allow(now)) {
            warn(p->warn_again, now, errc::rate_limited, "more frames than a peer may send", out);
            return false;
        }
        if (is_recognised(who) || crowd_.allow(now)) return true;
        warn(warn_of_crowd_at_, now, errc::rate_limited,
             "unregistered peers together send more frames than one peer may; the rest is dropped", out);
        return false;
    }

    /// Counts @p cost more frames of @p who: what it asked for costs us more than one does.
    void charge(peer_id const& who, std::size_t cost, instant now) {
        auto* const p = find(who);
        if (p == nullptr) return;
        p->allowance.charge(now, cost);
        if (!is_recognised(who)) crowd_.charge(now, cost);
    }

    /// Counts a violation; true when the peer has used up its strikes (and starts afresh).
    template <effect_sink<effect> Sink>
    [[nodiscard]] bool strike(peer_id const& who, instant now, Sink&& out) {
        auto* const p = find_or_add(who, now, out);
        if (p == nullptr) return false;
        if (++p->strikes < limits_->strikes_max) return false;
        p->strikes = 0;
        return true;
    }

    /// Whether this is the first time, since it connected, that a frame of @p who is too large.
    [[nodiscard]] bool is_first_too_large(peer_id const& who) {
        auto* const p = find(who);
        return p != nullptr && !std::exchange(p->was_too_large, true);
    }

    /// Records the epoch that @p who itself told. O(log n).
    template <effect_sink<effect> Sink>
    void set_epoch(peer_id const& who, boot_epoch const& epoch, instant now, Sink&& out) {
        auto* const p = find_or_add(who, now, out);
        if (p == nullptr) return;
        if (p->epoch) p->past.push_back(*p->epoch);
        if (p->past.size() > past_epochs_max) p->past.pop_front();
        p->epoch = epoch;
    }
    /// Records for which signer @p who has shown that it speaks.
    void set_signer(peer_id const& who, public_key const& signer) {
        if (auto* const p = find(who)) p->signer = signer;
    }
    /// The signer that @p who speaks for, if it has shown that.
    [[nodiscard]] std::optional<public_key> signer_of(peer_id const& who) const {
        auto const* const p = find(who);
        return p == nullptr ? std::nullopt : p->signer;
    }
    /// Whether @p who has told another epoch since it told @p epoch. The last few are remembered.
    [[nodiscard]] bool is_past(peer_id const& who, boot_epoch const& epoch) const {
        auto const* const p = find(who);
        return p != nullptr && p->epoch != epoch && std::find(p->past.begin(), p->past.end(), epoch) != p->past.end();
    }
    /// The epoch @p who told last, if it did.
    [[nodiscard]] std::optional<boot_epoch> epoch_of(peer_id const& who) const {
        auto const* const p = find(who);
        return p == nullptr ? std::nullopt : p->epoch;
    }

    /// Keeps a frame for a session that may yet be proposed; the peer's oldest one makes room.
    template <effect_sink<effect> Sink>
    void keep_early(peer_id const& from, session_id const& session, byte_view raw, instant now, Sink&& out) {
        auto* const p = find_or_add(from, now, out);
        if (p == nullptr || limits_->early_frames_per_peer_max == 0) return;
        if (raw.size() > limits_->early_octets_per_peer_max) return;
        p->early.emplace_back(session, to_bytes(raw));
        p->early_octets += raw.size();
        while (p->early.size() > limits_->early_frames_per_peer_max ||
               p->early_octets > limits_->early_octets_per_peer_max) {
            p->early_octets -= p->early.front().second.size();
            p->early.pop_front();
        }
    }
    /// The frames kept for @p session, with the peers they came from, in order of arrival per peer.
    [[nodiscard]] std::vector<std::pair<peer_id, bytes>> take_early(session_id const& session) {
        std::vector<std::pair<peer_id, bytes>> out;
        for (auto* const places : {&registered_, &strangers_}) {
            for (auto& [who, p] : *places) {
                for (auto const& [id, raw] : p.early) {
                    if (id != session) continue;
                    p.early_octets -= raw.size();
                    out.emplace_back(who, raw);
                }
                std::erase_if(p.early, [&](auto const& kept) { return kept.first == session; });
            }
        }
        return out;
    }

private:
    void on(arrived const& e) {
        if (auto* const p = find(e.peer)) p->connected = true;
    }
    void on(left const& e) {
        if (auto* const p = find(e.peer)) {
            p->early.clear();
            p->early_octets = 0;
            p->connected = false;
            p->was_too_large = false;
        }
    }

    struct peer_state {
        peer_state(rate_limiter rate, instant now) : allowance{rate}, since{now} {}

        rate_limiter allowance;
        instant since;  // it is remembered
        std::size_t strikes = 0;
        deadline warn_again;  // that it sends too fast, not before
        bool was_too_large = false;
        bool connected = true;
        std::optional<boot_epoch> epoch;
        std::optional<public_key> signer;
        std::deque<boot_epoch> past;  // the last few before it
        std::deque<std::pair<session_id, bytes>> early;
        std::size_t early_octets = 0;
    };
    using table = bounded_map<peer_id, peer_state>;
    static constexpr std::size_t past_epochs_max = 8;                      // ours
    static constexpr duration warning_interval = std::chrono::minutes{1};  // ours

    [[nodiscard]] static rate_limiter rate_of(limits const& l) {
        return rate_limiter::per_second(l.frames_per_second, l.frames_burst_max);
    }
    [[nodiscard]] peer_state* find(peer_id const& who) {
        auto* const known = registered_.find(who);
        return known != nullptr ? known : strangers_.find(who);
    }
    [[nodiscard]] peer_state const* find(peer_id const& who) const {
        auto const* const known = registered_.find(who);
        return known != nullptr ? known : strangers_.find(who);
    }
    template <class Sink>
    [[nodiscard]] peer_state* find_or_add(peer_id const& who, instant now, Sink&& out) {
        if (auto* const known = find(who)) return known;
        if (!make_room(strangers_, now, warn_of_strangers_at_, out)) return nullptr;
        return strangers_.try_emplace(who, rate_of(*limits_), now);
    }

    // One that has left makes room, or else the oldest; false when the table has no places at all.
    template <class Sink>
    [[nodiscard]] bool make_room(table& t, instant now, deadline& warn_again, Sink&& out) {
        if (t.size() < t.size_max()) return true;
        if (t.empty()) return false;
        auto const worth = [](auto const& entry) { return std::pair{entry.second.connected, entry.second.since}; };
        auto const least =
            std::min_element(t.begin(), t.end(), [&](auto const& a, auto const& b) { return worth(a) < worth(b); });
        bool const are_strangers = &t == &strangers_;
        warn(warn_again, now, errc::too_many_peers,
             text("all ", t.size_max(), " places for ", are_strangers ? "unregistered peers" : "registered signers",
                  " are taken and the oldest was forgotten; see limits::",
                  are_strangers ? "strangers_max" : "peers_max"),
             out);
        t.erase(peer_id{least->first});
        return true;
    }

    template <class Sink>
    static void warn(deadline& again, instant now, errc code, std::string what, Sink&& out) {
        if (again && now < *again) return;
        again = saturating_add(now, warning_interval);
        out.push(warned{error{code, std::move(what)}});
    }

    limits const* limits_;
    table registered_;
    table strangers_;
    rate_limiter crowd_{rate_of(*limits_)};  // all strangers together may send what one peer may
    deadline warn_of_registered_at_, warn_of_strangers_at_, warn_of_crowd_at_;  // not before
};

}  // namespace muster::signing
