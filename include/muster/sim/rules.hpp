// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What can happen to a packet: rules that are installed for a scope and add up.
///
/// Each rule looks at a packet and changes its fate: delays add up, copies add up, a drop is final. A rule draws from
/// the packet's identity (sender, receiver, sequence number) under the rule's own label, so that no rule changes what
/// another one draws. Reordering is nothing but permission to overtake; a corrupted packet has one byte changed.
///
/// Source: rules with a verdict and a guard that uninstalls them as in turmoil; clogging, and partitions by mode and
/// symmetry, as in TigerBeetle's packet simulator.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/sim/world.hpp>

namespace muster::sim {

/// A packet about to leave.
struct packet {
    host_id from = 0;
    host_id to = 0;
    std::uint64_t nth = 0;      ///< Of those from @ref from to @ref to.
    std::size_t size = 0;       ///< Bytes.
    bool carries_frame = true;  ///< False for what keeps up a connection, and for requests: these can only be
                                ///< delayed or cut off.
};

/// What becomes of it.
struct fate {
    bool dropped = false;
    bool may_overtake = false;  ///< Those sent before it on the same link.
    bool corrupted = false;     ///< One byte of the frame is changed.
    std::uint32_t extra_copies = 0;
    duration delay{};  ///< Until it arrives.
};

/// A rule: changes the fate of packets.
///
/// Semantics: called once for each packet, in the order of installation, at the moment of sending. O(log n).
template <class R>
concept rule = std::invocable<R&, packet const&, instant, fate&>;

/// Where a rule draws from: another stream for each packet.
class packet_draws {
public:
    packet_draws(world const& w, std::string_view label) noexcept : seed_{stream_seed(w.seed(), label)} {}
    /// The stream of @p p.
    [[nodiscard]] splitmix64 operator()(packet const& p) const noexcept { return splitmix64{mixed(link(p), p.nth)}; }
    /// The stream of the link that @p p takes and of a number of the rule's own.
    [[nodiscard]] splitmix64 of_link(packet const& p, std::uint64_t index) const noexcept {
        return splitmix64{mixed(~link(p), index)};
    }

private:
    [[nodiscard]] std::uint64_t link(packet const& p) const noexcept {
        return mixed(seed_, std::uint64_t{p.from} << 32 | p.to);
    }
    std::uint64_t seed_;
};

// ---- the rules --------------------------------------------------------------------------------------------

/// Every packet takes between @p least and @p most.
[[nodiscard]] inline auto delays(world const& w, duration least, duration most) {
    return [draws = packet_draws{w, "delay"}, least, most](packet const& p, instant, fate& f) {
        auto draw = draws(p);
        f.delay += between(draw, least, most);
    };
}
/// Some frames are lost.
[[nodiscard]] inline auto losses(world const& w, ratio how_many) {
    return [draws = packet_draws{w, "loss"}, how_many](packet const& p, instant, fate& f) {
        auto draw = draws(p);
        if (p.carries_frame && chance(draw, how_many)) f.dropped = true;
    };
}
/// Some frames arrive twice.
[[nodiscard]] inline auto duplicates(world const& w, ratio how_many) {
    return [draws = packet_draws{w, "duplicate"}, how_many](packet const& p, instant, fate& f) {
        auto draw = draws(p);
        if (p.carries_frame && chance(draw, how_many)) ++f.extra_copies;
    };
}
/// Some frames take up to @p most longer, and are overtaken.
[[nodiscard]] inline auto reorderings(world const& w, ratio how_many, duration most) {
    return [draws = packet_draws{w, "reorder"}, how_many, most](packet const& p, instant, fate& f) {
        auto draw = draws(p);
        if (!p.carries_frame || !chance(draw, how_many)) return;
        f.may_overtake = true;
        f.delay += between(draw, duration{0}, most);
    };
}
/// Some frames arrive damaged.
[[nodiscard]] inline auto corruptions(world const& w, ratio how_many) {
    return [draws = packet_draws{w, "corrupt"}, how_many](packet const& p, instant, fate& f) {
        auto draw = draws(p);
        if (p.carries_frame && chance(draw, how_many)) f.corrupted = true;
    };
}
/// In some of all spans of time of this length a link lets nothing through; then everything comes at once.
[[nodiscard]] inline auto cloggings(world const& w, ratio how_many, duration span) {
    return [draws = packet_draws{w, "clog"}, how_many, span](packet const& p, instant now, fate& f) {
        auto const nth = now.time_since_epoch() / span;
        auto draw = draws.of_link(p, static_cast<std::uint64_t>(nth));
        if (chance(draw, how_many)) f.delay += (nth + 1) * span - now.time_since_epoch();
    };
}
/// A link carries so many bytes per second; more wait in line. Expects a positive number.
[[nodiscard]] inline auto bandwidth(std::uint64_t octets_per_second) {
    return [octets_per_second, free_at = std::map<std::pair<host_id, host_id>, instant>{}](packet const& p, instant now,
                                                                                           fate& f) mutable {
        auto& free = free_at[{p.from, p.to}];
        auto const takes = duration{static_cast<duration::rep>(p.size * 1'000'000'000u / octets_per_second)};
        free = std::max(free, now) + takes;
        f.delay += free - now;
    };
}

/// Who cannot hear whom.
struct partition {
    std::vector<bool> inside;       ///< Per host: on which side it is. Hosts beyond its end are outside.
    bool inside_to_outside = true;  ///< Whether this direction is cut off, ...
    bool outside_to_inside = true;  ///< ... and this one.

    [[nodiscard]] bool is_inside(host_id h) const noexcept { return h < inside.size() && inside[h]; }
    /// Whether nothing gets from @p a to @p b.
    [[nodiscard]] bool cuts(host_id a, host_id b) const noexcept {
        if (is_inside(a) == is_inside(b)) return false;
        return is_inside(a) ? inside_to_outside : outside_to_inside;
    }
    void operator()(packet const& p, instant, fate& f) const noexcept {
        if (cuts(p.from, p.to)) f.dropped = true;
    }
};

// ---- the set of them --------------------------------------------------------------------------------------

/// The rules in force. Not thread-safe.
class rule_set {
    using erased = std::function<void(packet const&, instant, fate&)>;

public:
    /// Keeps a rule in force as long as it lives. Move-only. May outlive the set.
    class [[nodiscard]] guard {
    public:
        guard() = default;
        guard(guard&&) = default;
        guard& operator=(guard&& other) noexcept {
            std::swap(rule_, other.rule_);  // the old one goes with other
            return *this;
        }
        ~guard() = default;

    private:
        friend class rule_set;
        explicit guard(std::shared_ptr<erased> r) noexcept : rule_{std::move(r)} {}
        std::shared_ptr<erased> rule_;
    };

    /// Puts @p r in force until the guard is destroyed.
    template <rule R>
    [[nodiscard]] guard install(R r) {
        auto shared = std::make_shared<erased>(std::move(r));
        rules_.push_back(shared);
        return guard{std::move(shared)};
    }

    /// What becomes of @p p.
    [[nodiscard]] fate decide(packet const& p, instant now) {
        fate f;
        for (auto r = rules_.begin(); r != rules_.end();) {
            if (auto const live = r->lock()) {
                (*live)(p, now, f);
                ++r;
            } else {
                r = rules_.erase(r);
            }
        }
        return f;
    }

private:
    std::list<std::weak_ptr<erased>> rules_;
};

}  // namespace muster::sim
