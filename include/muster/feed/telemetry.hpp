// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a feed tells its observer: the names of its metrics, and a span of each message as a line of the log.

#include <string_view>
#include <utility>

#include <muster/core/observer.hpp>
#include <muster/feed/event.hpp>
#include <muster/feed/peer_scores.hpp>

namespace muster::feed {

/// Feeds an observer, where options say so.
template <observer Observer>
class telemetry {
public:
    telemetry(Observer o, bool is_on) : observer_{std::move(o)}, is_on_{is_on} {}
    [[nodiscard]] Observer& observer() noexcept { return observer_; }

    /// Something came in, and what became of it.
    void received(kind topic, origin from, verdict const& v, peer_id const& peer, digest const& id) {
        if (!is_on_) return;
        bool const is_duplicate = v.why == "duplicate" || v.why == "known";
        if (from == origin::gossip) {
            auto const outcome = is_duplicate ? std::string_view{"duplicate"} : to_string(v.what);
            count_with(observer_, "p2p_gossip_received_total", {{"topic", to_string(topic)}, {"outcome", outcome}});
        }
        if (is_duplicate) count_with(observer_, "p2p_cache_hits_total", {{"kind", to_string(topic)}});
        if (v.what == outcome::reject) {
            count_with(observer_, "p2p_validation_failures_total", {{"reason", v.why}});
        }
        if (!observer_.wants(log_level::debug)) return;
        auto line = text("message topic=", to_string(topic), " from=", to_string(from), " peer=");
        line.append(peer.empty() ? "self" : peer.to_text()).append(" hash=").append(to_hex(id));
        line.append(" dedupe=").append(is_duplicate ? v.why : std::string_view{"new"});
        line.append(" outcome=").append(to_string(v.what)).append(" reason=").append(v.why);
        observer_.log(log_level::debug, line);
    }
    void published(kind topic, bool is_done) {
        if (!is_on_) return;
        count_with(observer_, "p2p_gossip_publish_total",
                   {{"topic", to_string(topic)}, {"outcome", is_done ? "ok" : "refused"}});
    }
    /// A peer has asked; @p outcome is a literal.
    void asked(question q, std::string_view outcome) {
        if (is_on_)
            count_with(observer_, "p2p_reqresp_requests_total", {{"protocol", to_string(q)}, {"outcome", outcome}});
    }
    /// A request of ours has ended.
    void answered(question q, std::string_view outcome, duration after) {
        if (!is_on_) return;
        count_with(observer_, "p2p_reqresp_outcomes_total", {{"protocol", to_string(q)}, {"outcome", outcome}});
        measure_with(observer_, "p2p_reqresp_latency_seconds", {}, static_cast<double>(after.count()) / 1e9);
    }
    void scored(std::int32_t score) {
        if (is_on_) observer_.gauge("p2p_peer_score_gauge", score);
    }
    void synced(head_sync_status const& s) {
        if (!is_on_) return;
        observer_.gauge("p2p_head_sync_local", static_cast<double>(s.local));
        observer_.gauge("p2p_head_sync_remote", static_cast<double>(s.remote));
        observer_.gauge("p2p_head_sync_status", static_cast<double>(s.state));
        observer_.gauge("p2p_head_sync_missing", static_cast<double>(s.missing));
    }

private:
    [[no_unique_address]] Observer observer_;
    bool is_on_;
};

}  // namespace muster::feed
