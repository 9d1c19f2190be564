// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Whether we are online, for people to see: with a delay both ways, so that it does not flicker.
///
/// Offline: nobody was there for a while. Online: enough were there for a while. In between it is being found out:
/// probing. What an operating system says of its network is a hint at most, and is not asked.

#include <chrono>
#include <cstddef>
#include <optional>
#include <variant>

#include <muster/core/effect_sink.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/machine.hpp>

namespace muster::sync {

/// What is shown.
MUSTER_ENUMERATION(link_state, 0,
                   offline,  ///< Nobody is there.
                   probing,  ///< It is being found out.
                   online    ///< Enough are there.
);

/// How many authenticated peers are connected now.
struct peers_counted {
    std::size_t peers = 0;
    MUSTER_FIELDS(peers_counted, peers);
};
/// It is another state now.
struct link_changed {
    link_state to = link_state::offline;
    MUSTER_FIELDS(link_changed, to);
};

/// A machine. Begins offline. Not thread-safe.
class link_watch {
public:
    struct options {
        std::size_t peers_min = 2;                          ///< From so many on we are online; at least 1. Ours.
        duration online_after = std::chrono::seconds{5};    ///< They are there for so long without a break. Ours.
        duration offline_after = std::chrono::seconds{15};  ///< Nobody is there for so long. Ours.
    };
    using event = std::variant<peers_counted>;
    using effect = std::variant<link_changed>;

    link_watch() : link_watch{options{}} {}
    explicit link_watch(options const& o) noexcept : options_{o} {}

    void handle(event const& e, instant now, effect_sink<effect> auto& sink) {
        wake(now, sink);
        auto const before = peers_;
        peers_ = std::get<peers_counted>(e).peers;
        if (peers_ >= options_.peers_min) {
            gone_.reset();
            if (before < options_.peers_min) there_ = now;
            if (state_ == link_state::offline) become(link_state::probing, sink);
        } else {
            there_.reset();
            if (peers_ == 0 && !gone_) gone_ = now;
            if (peers_ > 0) gone_.reset();
            if (peers_ > 0 && state_ == link_state::offline) become(link_state::probing, sink);
            if (peers_ == 0 && state_ == link_state::online) become(link_state::probing, sink);
        }
        wake(now, sink);
    }
    void wake(instant now, effect_sink<effect> auto& sink) {
        if (there_ && now >= saturating_add(*there_, options_.online_after)) {
            if (state_ != link_state::online) become(link_state::online, sink);
        }
        if (gone_ && now >= saturating_add(*gone_, options_.offline_after)) {
            if (state_ != link_state::offline) become(link_state::offline, sink);
        }
    }
    [[nodiscard]] deadline next_deadline() const noexcept {
        if (there_ && state_ != link_state::online) return saturating_add(*there_, options_.online_after);
        if (gone_ && state_ != link_state::offline) return saturating_add(*gone_, options_.offline_after);
        return {};
    }
    /// The gauge.
    [[nodiscard]] link_state stats() const noexcept { return state_; }

private:
    void become(link_state to, effect_sink<effect> auto& sink) {
        state_ = to;
        sink.push(link_changed{to});
    }

    options options_;
    link_state state_ = link_state::offline;
    std::size_t peers_ = 0;
    std::optional<instant> there_;  // since when enough are there
    std::optional<instant> gone_;   // since when nobody is there
};
static_assert(machine<link_watch>);

}  // namespace muster::sync
