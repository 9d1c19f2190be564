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
    explicit gatekeeper(limits const& l) : limits_{&l}, peers_{l.peers_max} {}

    /// What @ref admit says of a frame.
    enum class admission : std::uint8_t {
        granted,
        refused,        ///< Drop it.
        newly_refused,  ///< Drop it, and tell: the first one since a frame was granted.
    };

    /// Takes one token of @p who; refuses when it sends too fast, or when too many peers are remembered.
    [[nodiscard]] admission admit(peer_id const& who, instant now) {
        auto* const p = find_or_add(who, now);
        if (p == nullptr) return admission::refused;
        auto const rate = std::clamp<std::size_t>(limits_->frames_per_second, 1, 1'000'000'000);
        auto const per_token = duration{std::chrono::seconds{1}} / static_cast<std::int64_t>(rate);
        auto const gained = (now - p->refilled_at) / per_token;
        if (gained > 0) {
            p->tokens = std::min(limits_->frames_burst_max, p->tokens + static_cast<std::size_t>(gained));
            p->refilled_at = p->tokens == limits_->frames_burst_max ? now : p->refilled_at + gained * per_token;
        }
        if (p->tokens == 0) return std::exchange(p->held_back, true) ? admission::refused : admission::newly_refused;
        --p->tokens;
        p->held_back = false;
        return admission::granted;
    }

    /// Takes @p cost more tokens of @p who, or as many as it has: what it asked for costs us more than one frame does.
    void charge(peer_id const& who, std::size_t cost) noexcept {
        if (auto* const p = peers_.find(who)) p->tokens -= std::min(p->tokens, cost);
    }

    /// Counts a violation; true when the peer has used up its strikes (and starts afresh).
    [[nodiscard]] bool strike(peer_id const& who, instant now) {
        auto* const p = find_or_add(who, now);
        if (p == nullptr) return false;
        if (++p->strikes < limits_->strikes_max) return false;
        p->strikes = 0;
        return true;
    }

    /// Records the epoch that @p who itself told. O(log n).
    void set_epoch(peer_id const& who, boot_epoch const& epoch, instant now) {
        auto* const p = find_or_add(who, now);
        if (p == nullptr) return;
        if (p->epoch) p->past.push_back(*p->epoch);
        if (p->past.size() > past_epochs_max) p->past.pop_front();
        p->epoch = epoch;
    }
    /// Whether @p who has told another epoch since it told @p epoch. The last few are remembered.
    [[nodiscard]] bool is_past(peer_id const& who, boot_epoch const& epoch) const {
        auto const* const p = peers_.find(who);
        return p != nullptr && p->epoch != epoch && std::find(p->past.begin(), p->past.end(), epoch) != p->past.end();
    }
    /// The epoch @p who told last, if it did.
    [[nodiscard]] std::optional<boot_epoch> epoch_of(peer_id const& who) const {
        auto const* const p = peers_.find(who);
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
        for (auto& [who, p] : peers_) {
            for (auto const& [id, raw] : p.early) {
                if (id != session) continue;
                p.early_octets -= raw.size();
                out.emplace_back(who, raw);
            }
            std::erase_if(p.early, [&](auto const& kept) { return kept.first == session; });
        }
        return out;
    }

    /// The connection to @p who ended: what it had sent early is dropped with it.
    void left(peer_id const& who) {
        if (auto* const p = peers_.find(who)) {
            p->early.clear();
            p->early_octets = 0;
            p->connected = false;
        }
    }
    /// Peers that are remembered.
    [[nodiscard]] std::size_t peers() const noexcept { return peers_.size(); }
    /// Octets of early frames that are kept. O(peers).
    [[nodiscard]] std::size_t early_octets() const {
        std::size_t sum = 0;
        for (auto const& [who, p] : peers_) sum += p.early_octets;
        return sum;
    }
    /// A connection to @p who is up. A peer that never sent a frame is not remembered for it.
    void arrived(peer_id const& who) {
        if (auto* const p = peers_.find(who)) p->connected = true;
    }

private:
    struct peer_state {
        std::size_t tokens = 0;
        instant refilled_at;
        std::size_t strikes = 0;
        bool held_back = false;
        bool connected = true;
        std::optional<boot_epoch> epoch;
        std::deque<boot_epoch> past;  // the last few before it
        std::deque<std::pair<session_id, bytes>> early;
        std::size_t early_octets = 0;
    };
    static constexpr std::size_t past_epochs_max = 8;  // ours

    // When full, a peer that has left makes room.
    [[nodiscard]] peer_state* find_or_add(peer_id const& who, instant now) {
        if (auto* const known = peers_.find(who)) return known;
        if (peers_.size() == peers_.size_max()) {
            for (auto const& [other, p] : peers_) {
                if (p.connected) continue;
                peers_.erase(peer_id{other});
                break;
            }
        }
        auto* const added = peers_.try_emplace(who);
        if (added != nullptr) {
            added->tokens = limits_->frames_burst_max;
            added->refilled_at = now;
        }
        return added;
    }

    limits const* limits_;
    bounded_map<peer_id, peer_state> peers_;
};

}  // namespace muster::signing
