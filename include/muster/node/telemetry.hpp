// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a node tells its observer: what its rooms say, counted, and how much each of them holds.
///
/// Idea: rooms know nothing of metrics. Whoever composes them hands on what they tell anyway, event by event, and asks
/// how much there is when somebody is about to look. The names are those of metrics/families.hpp.

#include <cstddef>
#include <map>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <muster/connection/events.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/observer.hpp>
#include <muster/core/time.hpp>
#include <muster/discovery/discovery_cache.hpp>
#include <muster/discovery/signer_directory.hpp>
#include <muster/signing/event.hpp>

namespace muster::node {

/// Feeds an observer. Remembers since when sessions exist, up to a bound. Not thread-safe.
template <observer Observer>
class telemetry {
public:
    static constexpr std::size_t sessions_max = 1024;  ///< Of which the age is known; of others it is not told. Ours.

    explicit telemetry(Observer to) : observer_{std::move(to)} {}
    [[nodiscard]] Observer& observer() noexcept { return observer_; }

    /// A session has come further. O(log sessions).
    void told(signing::event const& e, instant now) {
        count("signing_events_total", e);
        if (auto const* const c = std::get_if<signing::session_created>(&e)) {
            if (began_.size() < sessions_max) began_.emplace(c->session, age{now, false});
        } else if (auto const* const d = std::get_if<signing::completed>(&e)) {
            if (auto const since = began_.find(d->session); since != began_.end()) {
                observer_.measure("signing_session_seconds", seconds(now - since->second.since));
            }
            ended(d->session, "completed", "none");
        } else if (auto const* const a = std::get_if<signing::aborted>(&e)) {
            ended(a->session, "aborted", to_string(a->reason));
        } else if (auto const* const s = std::get_if<signing::stalled>(&e)) {
            stalled(*s);
        } else if (auto const* const u = std::get_if<signing::unresolved>(&e)) {
            ended(u->session, "unresolved", "none");
        }
    }
    /// A connection has come, gone or failed. What the manager wants done is not counted.
    void told(connection::effect const& e) {
        using connection::dial, connection::hang_up, connection::measure, connection::request_ended;
        if (auto const* const r = std::get_if<request_ended>(&e)) {
            for (auto const& o : r->outcomes) {
                count_with(observer_, "connection_requests_total", {{"outcome", o.why ? "unreachable" : "reached"}});
            }
            return;
        }
        bool const is_wish =
            std::holds_alternative<dial>(e) || std::holds_alternative<hang_up>(e) || std::holds_alternative<measure>(e);
        if (!is_wish) count("connection_events_total", e);
    }
    /// A signer was found, has changed, or is gone.
    void told(discovery::directory_event const& e) { count("discovery_events_total", e); }

    /// How much there is, when somebody is about to look. @{
    template <class Coordinator>
    requires requires(Coordinator const& c) { c.in_use().open_sessions; }
    void shows(Coordinator const& c) {
        auto const u = c.in_use();
        gauge("signing_sessions_open", u.open_sessions);
        gauge("signing_sessions_kept", u.closed_sessions);
        gauge("signing_peers", u.peers);
        gauge("signing_early_bytes", u.early_octets);
    }
    void shows(connection::statistics const& s) {
        gauge("connection_known_peers", s.known);
        gauge("connection_connected_peers", s.connected);
        gauge("connection_dialled_peers", s.dialling);
        gauge("connection_waiting_peers", s.waiting);
    }
    /// @param is_saved  whether the disk has all signers that are listed.
    void shows(discovery::cache_stats const& s, bool is_saved) {
        gauge("discovery_signers", s.size);
        gauge("discovery_saved", is_saved ? 1 : 0);
    }
    /// @param s  gossip::router::statistics; of nothing, while there is no router.
    template <class Statistics>
    requires requires(Statistics const& s) { s.mesh_links; }
    void shows(Statistics const& s) {
        gauge("gossip_peers", s.peers);
        gauge("gossip_mesh_links", s.mesh_links);
        gauge("gossip_pending_messages", s.pending);
        gauge("gossip_cached_bytes", s.cached_bytes);
        gauge("gossip_queued_bytes", s.queued_bytes);
    }
    /// @}

private:
    struct age {
        instant since;
        bool is_stalled;
    };

    [[nodiscard]] static double seconds(duration d) noexcept { return static_cast<double>(d.count()) / 1e9; }
    void gauge(std::string_view name, std::size_t n) { observer_.gauge(name, static_cast<double>(n)); }
    template <class Event>
    void count(std::string_view name, Event const& e) {
        std::visit(
            [&](auto const& each) {
                count_with(observer_, name, {{"event", std::decay_t<decltype(each)>::fields.name}});
            },
            e);
    }
    void ended(signing::session_id const& id, std::string_view how, std::string_view why) {
        began_.erase(id);
        count_with(observer_, "signing_sessions_ended_total", {{"outcome", how}, {"reason", why}});
    }
    // It is told again and again; a session that is not known was told of before a restart.
    void stalled(signing::stalled const& s) {
        auto const found = began_.find(s.session);
        if (found == began_.end() || std::exchange(found->second.is_stalled, true)) return;
        count_with(observer_, "signing_sessions_stalled_total", {{"reason", to_string(s.reason)}});
    }

    [[no_unique_address]] Observer observer_;
    std::map<signing::session_id, age> began_;
};

}  // namespace muster::node
