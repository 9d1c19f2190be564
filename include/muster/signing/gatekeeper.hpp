// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What is remembered about each peer: its epoch, how much it may still send, how often it misbehaved, and
/// its frames for sessions that have not been proposed yet.
///
/// All of it is charged to the peer that the connection authenticated, never to a field of a frame, and all of it
/// is bounded per peer, so that a flood costs the flooder and nobody else. The rate limit is a token bucket in
/// integers: one token a frame, refilled by elapsed time. What exceeds it, or has no room here, is dropped without a
/// strike: it need not be a crime, and sessions repeat what matters. Strikes are for what no honest peer sends.
///
/// There are two tables. The machines of registered signers have places that nobody else can take. All other peers
/// share a few places, in which the oldest makes room, and one bucket on top of their own: a peer that is forgotten and
/// comes back, or a crowd of new identities, gets no more than a single stranger may send.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <muster/core/bounded.hpp>
#include <muster/signing/frame.hpp>

namespace muster::signing {

/// The door of a coordinator. Not thread-safe.
class gatekeeper {
public:
    /// @p l must outlive it.
    explicit gatekeeper(limits const& l) : limits_{&l}, registered_{l.peers_max}, strangers_{l.strangers_max} {}

    /// What @ref admit says of a frame.
    enum class admission : std::uint8_t {
        granted,
        refused,        ///< Drop it.
        newly_refused,  ///< Drop it, and tell: the first one for a minute.
    };

    /// From now on @p who has a place of its own: it is the machine of a registered signer. O(log n); O(peers) when a
    /// place must be found.
    void recognise(peer_id const& who, instant now) {
        if (registered_.find(who) != nullptr) return;
        if (!make_room(registered_, now, warn_of_registered_at_)) return;
        auto const* const known = strangers_.find(who);
        auto p = known != nullptr ? *known : newcomer(now);
        strangers_.erase(who);
        if (auto* const added = registered_.try_emplace(who)) *added = std::move(p);
    }
    /// Whether @p who has a place of its own.
    [[nodiscard]] bool is_recognised(peer_id const& who) const { return registered_.find(who) != nullptr; }

    /// Takes one token of @p who; refuses when it sends too fast, or when no place is left for it.
    [[nodiscard]] admission admit(peer_id const& who, instant now) {
        auto* const p = find_or_add(who, now);
        if (p == nullptr) return admission::refused;
        p->allowance.refill(*limits_, now);
        if (p->allowance.tokens == 0) {
            if (p->warn_again && now < *p->warn_again) return admission::refused;
            p->warn_again = saturating_add(now, warning_interval);
            return admission::newly_refused;
        }
        if (!is_recognised(who) && !take_from_crowd(now)) return admission::refused;
        --p->allowance.tokens;
        return admission::granted;
    }

    /// Takes @p cost more tokens of @p who, also those that it does not have yet: what it asked for costs us more than
    /// one frame does.
    void charge(peer_id const& who, std::size_t cost) {
        auto* const p = find(who);
        if (p == nullptr) return;
        p->allowance.take(*limits_, cost);
        if (crowd_ && !is_recognised(who)) crowd_->take(*limits_, cost);
    }

    /// Counts a violation; true when the peer has used up its strikes (and starts afresh).
    [[nodiscard]] bool strike(peer_id const& who, instant now) {
        auto* const p = find_or_add(who, now);
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
    void set_epoch(peer_id const& who, boot_epoch const& epoch, instant now) {
        auto* const p = find_or_add(who, now);
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
    void keep_early(peer_id const& from, session_id const& session, byte_view raw, instant now) {
        auto* const p = find_or_add(from, now);
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

    /// The connection to @p who ended: what it had sent early is dropped with it.
    void left(peer_id const& who) {
        if (auto* const p = find(who)) {
            p->early.clear();
            p->early_octets = 0;
            p->connected = false;
            p->was_too_large = false;
        }
    }
    /// A connection to @p who is up. A peer that never sent a frame is not remembered for it.
    void arrived(peer_id const& who) {
        if (auto* const p = find(who)) p->connected = true;
    }

    /// Says, once a minute at most for each, that a table is full or that strangers send too much. None when there is
    /// no news.
    [[nodiscard]] std::optional<error> take_warning() noexcept { return std::exchange(warning_, std::nullopt); }

    /// Peers that are remembered.
    [[nodiscard]] std::size_t peers() const noexcept { return registered_.size() + strangers_.size(); }
    /// Octets of early frames that are kept. O(peers).
    [[nodiscard]] std::size_t early_octets() const {
        std::size_t sum = 0;
        for (auto const* const places : {&registered_, &strangers_}) {
            for (auto const& [who, p] : *places) sum += p.early_octets;
        }
        return sum;
    }

private:
    /// A token bucket.
    struct bucket {
        std::size_t tokens = 0;
        instant refilled_at;

        [[nodiscard]] static duration per_token(limits const& l) {
            auto const rate = std::clamp<std::size_t>(l.frames_per_second, 1, 1'000'000'000);
            return duration{std::chrono::seconds{1}} / static_cast<std::int64_t>(rate);
        }
        // What is not there is owed: the next tokens come later by as much.
        void take(limits const& l, std::size_t cost) {
            auto const owed = cost - std::min(tokens, cost);
            tokens -= std::min(tokens, cost);
            refilled_at = saturating_add(refilled_at, per_token(l) * static_cast<std::int64_t>(owed));
        }
        void refill(limits const& l, instant now) {
            auto const gained = (now - refilled_at) / per_token(l);
            if (gained <= 0) return;
            tokens = std::min(l.frames_burst_max, tokens + static_cast<std::size_t>(gained));
            refilled_at = tokens == l.frames_burst_max ? now : refilled_at + gained * per_token(l);
        }
    };
    struct peer_state {
        bucket allowance;
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

    [[nodiscard]] peer_state newcomer(instant now) const {
        peer_state p;
        p.allowance = {limits_->frames_burst_max, now};
        p.since = now;
        return p;
    }
    [[nodiscard]] peer_state* find(peer_id const& who) {
        auto* const known = registered_.find(who);
        return known != nullptr ? known : strangers_.find(who);
    }
    [[nodiscard]] peer_state const* find(peer_id const& who) const {
        auto const* const known = registered_.find(who);
        return known != nullptr ? known : strangers_.find(who);
    }
    [[nodiscard]] peer_state* find_or_add(peer_id const& who, instant now) {
        if (auto* const known = find(who)) return known;
        if (!make_room(strangers_, now, warn_of_strangers_at_)) return nullptr;
        auto* const added = strangers_.try_emplace(who);
        if (added != nullptr) *added = newcomer(now);
        return added;
    }

    // One that has left makes room, or else the oldest; false when the table has no places at all.
    [[nodiscard]] bool make_room(table& t, instant now, deadline& warn_again) {
        if (t.size() < t.size_max()) return true;
        if (t.empty()) return false;
        auto const worth = [](auto const& entry) { return std::pair{entry.second.connected, entry.second.since}; };
        auto const least =
            std::min_element(t.begin(), t.end(), [&](auto const& a, auto const& b) { return worth(a) < worth(b); });
        bool const are_strangers = &t == &strangers_;
        warn(warn_again, now, errc::too_many_peers,
             text("all ", t.size_max(), " places for ", are_strangers ? "unregistered peers" : "registered signers",
                  " are taken and the oldest was forgotten; see limits::",
                  are_strangers ? "strangers_max" : "peers_max"));
        t.erase(peer_id{least->first});
        return true;
    }

    // All strangers together may send what one peer may.
    [[nodiscard]] bool take_from_crowd(instant now) {
        if (!crowd_) crowd_ = bucket{limits_->frames_burst_max, now};
        crowd_->refill(*limits_, now);
        if (crowd_->tokens == 0) {
            warn(warn_of_crowd_at_, now, errc::rate_limited,
                 "unregistered peers together send more frames than one peer may; the rest is dropped");
            return false;
        }
        --crowd_->tokens;
        return true;
    }

    void warn(deadline& again, instant now, errc code, std::string what) {
        if (again && now < *again) return;
        again = saturating_add(now, warning_interval);
        warning_ = error{code, std::move(what)};
    }

    limits const* limits_;
    table registered_;
    table strangers_;
    std::optional<bucket> crowd_;
    std::optional<error> warning_;
    deadline warn_of_registered_at_, warn_of_strangers_at_, warn_of_crowd_at_;  // not before
};

}  // namespace muster::signing
