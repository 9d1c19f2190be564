// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who gets a place among the connections that others have opened.
///
/// Idea: places cost the one who accepts memory, and the one who connects nothing, so they must not be won by being
/// many or by being silent. Each source, which is a /32 of IPv4 or a /56 of IPv6, has few places; among those that have
/// said nothing yet, or nothing of use, chance decides who makes room, so no order can be gamed; and a peer that we
/// know finds room whoever else is there.
///
/// Algorithm: a connection that has sent nothing waits in the pending area; one source may take at most three quarters
/// of it. When it is full, a random waiting connection is closed, so that silence needs many connections a second to
/// push out a peer on a slow line. With its first byte a connection takes one of the places of its source and counts
/// against the rate of its source, because the handshake costs CPU time. When no place is free, an idle stranger is
/// closed; if there is none, a random connection in its handshake, which may be the new one. A quarter of the places is
/// reserved for handshakes, so that a protected peer can always authenticate; it then replaces a stranger.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <muster/core/random.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/libp2p/host/events.hpp>
#include <muster/libp2p/host/options.hpp>

namespace muster::libp2p {

/// Where a connection comes from: an IPv4 address, or the first 56 bits of an IPv6 address.
struct source_prefix {
    std::array<byte, 8> bits{};
    auto operator<=>(source_prefix const&) const = default;

    /// The source of @p remote; what is no IP address is one source.
    [[nodiscard]] static source_prefix of(peer::multiaddr const& remote) {
        source_prefix out;
        if (remote.empty()) return out;
        auto const first = remote.components().front();
        bool const is_v4 = first.protocol == peer::address_protocol::ip4;
        bool const is_v6 = first.protocol == peer::address_protocol::ip6;
        out.bits[7] = is_v4 ? byte{4} : is_v6 ? byte{6} : byte{0};
        std::size_t const taken = is_v4 ? 4 : is_v6 ? 7 : 0;
        std::copy_n(first.value.begin(), taken, out.bits.begin());
        return out;
    }
};

/// The places for connections that others have opened. Not thread-safe. `arrive`, `speak` and `settle` are
/// O(connections), the rest is O(log connections).
class admission {
public:
    admission(host_options const& o, std::uint64_t seed)
        : options_{&o},
          inbound_max_{o.connections_max - o.connections_max / 4},
          settled_max_{inbound_max_ - std::min(o.pending_inbound_max, inbound_max_ / 4)},
          random_{seed} {}

    /// What becomes of a connection, and of another one for its sake.
    struct verdict {
        bool is_admitted = false;
        std::optional<socket_id> instead_of{};  ///< To be closed; it is forgotten here already.
    };

    /// @p who connects from @p source.
    [[nodiscard]] verdict arrive(socket_id who, source_prefix const& source, instant now) {
        verdict out{true};
        auto const waits_there = [&](guest const& g) { return g.at == standing::silent && g.source == source; };
        auto const is_pending = [](guest const& g) { return g.at < standing::stranger; };
        auto const anybody = [](guest const&) { return true; };
        if (count(waits_there) >= std::max<std::size_t>(options_->pending_inbound_max * 3 / 4, 1)) {
            out = make_room(waits_there, now);
        } else if (count(is_pending) >= options_->pending_inbound_max) {
            out = make_room(is_pending, now);
        } else if (guests_.size() >= inbound_max_) {
            out = make_room(anybody, now);
        }
        if (out.is_admitted) guests_[who] = {source, standing::silent, {}};
        return out;
    }
    /// @p who says its first word; not admitted, it is forgotten here.
    [[nodiscard]] verdict speak(socket_id who, instant now) {
        auto const found = guests_.find(who);
        if (found == guests_.end() || found->second.at != standing::silent) return {true};
        auto const source = found->second.source;
        guests_.erase(found);
        if (!is_within_rate(source, now)) return {};
        verdict out{true};
        auto const is_there = [&](guest const& g) { return g.at != standing::silent && g.source == source; };
        if (count(is_there) >= options_->connections_per_prefix_max) out = make_room(is_there, now);
        if (out.is_admitted) guests_[who] = {source, standing::speaking, {}};
        return out;
    }
    /// @p who has proved to be a peer, a known one when @p is_protected.
    [[nodiscard]] verdict settle(socket_id who, bool is_protected, instant now) {
        auto const found = guests_.find(who);
        if (found == guests_.end()) return {true};  // we dialled it
        found->second.at = is_protected ? standing::known : standing::stranger;
        found->second.last_use = now - use_lasts;
        auto const settled = count([](guest const& g) { return g.at >= standing::stranger; });
        if (settled <= settled_max_) return {true};
        auto victim = pick([&](socket_id id, guest const& g) { return id != who && is_idle(g, now); });
        if (!victim && is_protected) {
            victim = pick([&](socket_id, guest const& g) { return g.at == standing::stranger; });
        }
        if (!victim && is_protected && guests_.size() <= inbound_max_) return {true};
        if (!victim) return {false};
        guests_.erase(*victim);
        return {true, victim};
    }
    /// Whether @p who is known; it may become so, or cease to be, later.
    void protect(socket_id who, bool is_protected) {
        auto const found = guests_.find(who);
        if (found == guests_.end() || found->second.at < standing::stranger) return;
        found->second.at = is_protected ? standing::known : standing::stranger;
    }
    /// @p who uses its connection.
    void use(socket_id who, instant now) {
        if (auto const found = guests_.find(who); found != guests_.end()) found->second.last_use = now;
    }
    /// The connection is gone. O(log n).
    void leave(socket_id who) { guests_.erase(who); }

    /// Sources whose rate is remembered.
    [[nodiscard]] std::size_t rates() const noexcept { return rates_.size(); }
    /// Connections that others have opened.
    [[nodiscard]] std::size_t size() const noexcept { return guests_.size(); }

private:
    static constexpr duration use_lasts = std::chrono::seconds{60};  // ours
    static constexpr std::size_t rates_max = 4096;                   // ours

    enum class standing : std::uint8_t { silent, speaking, stranger, known };
    struct guest {
        source_prefix source;
        standing at = standing::silent;
        instant last_use;
    };

    [[nodiscard]] bool is_within_rate(source_prefix const& source, instant now) {
        if (rates_.size() >= rates_max && (!swept_ || now - *swept_ >= std::chrono::seconds{1})) {
            swept_ = now;
            std::erase_if(rates_, [&](auto const& r) { return r.second.is_idle(now); });
        }
        if (rates_.size() >= rates_max) rates_.erase(rates_.begin());  // what one of thousands has used is forgotten
        return rates_.try_emplace(source, rate_limiter::per_second(options_->inbound_rate)).first->second.allow(now);
    }
    [[nodiscard]] static bool is_idle(guest const& g, instant now) {
        return g.at == standing::stranger && now - g.last_use >= use_lasts;
    }
    template <class Is>
    [[nodiscard]] std::size_t count(Is is) const {
        return static_cast<std::size_t>(
            std::count_if(guests_.begin(), guests_.end(), [&](auto const& g) { return is(g.second); }));
    }
    // One of those that @p is holds for, by chance.
    template <class Is>
    [[nodiscard]] std::optional<socket_id> pick(Is is) {
        std::vector<socket_id> which;
        for (auto const& [id, g] : guests_) {
            if (is(id, g)) which.push_back(id);
        }
        if (which.empty()) return std::nullopt;
        return which[uniform(random_, which.size())];
    }
    // A place among those that @p among holds for.
    template <class Among>
    [[nodiscard]] verdict make_room(Among among, instant now) {
        auto victim = pick([&](socket_id, guest const& g) { return g.at == standing::silent && among(g); });
        if (!victim) victim = pick([&](socket_id, guest const& g) { return is_idle(g, now) && among(g); });
        if (!victim) {
            auto const is_speaking = [&](guest const& g) { return g.at == standing::speaking && among(g); };
            auto const speaking = count(is_speaking);
            if (speaking == 0 || uniform(random_, speaking + 1) == 0) return {false};
            victim = pick([&](socket_id, guest const& g) { return is_speaking(g); });
        }
        guests_.erase(*victim);
        return {true, victim};
    }

    host_options const* options_;
    std::size_t inbound_max_;
    std::size_t settled_max_;
    splitmix64 random_;
    std::map<socket_id, guest> guests_;
    std::map<source_prefix, rate_limiter> rates_;
    deadline swept_;  ///< When rates were last looked through.
};

}  // namespace muster::libp2p
