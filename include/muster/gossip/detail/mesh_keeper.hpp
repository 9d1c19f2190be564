// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The meshes: whom full messages of a topic go to, and how that is kept sound.
///
/// Each heartbeat a mesh loses peers with a negative score, gains peers when it has fewer than D_low, and loses some
/// when it has more than D_high: the best D_score stay, of the others some by chance, and D_out of all are peers that
/// we dialled, since whom we dial is not an attacker's choice. A mesh whose median score is poor takes better peers in.
///
/// Source: gossipsub-v1.0.md, "Mesh maintenance"; gossipsub-v1.1.md, "Heartbeat Maintenance", "Outbound Mesh Quotas"
/// and "Opportunistic Grafting". That these make room in a mesh that is full is ours: else twelve inbound peers would
/// keep every outbound one out.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <muster/gossip/backoff_book.hpp>
#include <muster/gossip/detail/neighbours.hpp>
#include <muster/gossip/wire/rpc.hpp>

namespace muster::gossip::detail {

/// Grafts and prunes.
class mesh_keeper {
public:
    explicit mesh_keeper(neighbours& all) : all_{all}, options_{all.limits.mesh}, backoffs_{options_} {}

    [[nodiscard]] backoff_book const& backoffs() const noexcept { return backoffs_; }

    // ---- what we do -------------------------------------------------------------------------------------

    /// We subscribe to @p t: its mesh begins with the peers that we published to.
    void join(topic_state& t, instant now) {
        auto first = std::exchange(t.fanout, {});
        t.fanout_until = {};
        std::erase_if(first, [&](auto* const p) { return !can_graft(t, *p, now); });
        for (auto* const p : first) {
            if (t.mesh.size() < options_.d) graft(t, *p, now);
        }
        fill(t, options_.d, now, [](auto const&) { return true; });
    }
    /// We leave @p t.
    void leave(topic_state& t, instant now) {
        for (auto* const p : peer_list{t.mesh}) prune(t, *p, prune_reason::left, true, now);
    }
    /// @p p is not in any mesh any more, without being told.
    void forget(peer_state& p, prune_reason why, instant now) {
        for (auto* const t : p.topics) unlink(*t, p, why, now);
    }
    /// @p p has left @p t.
    void unlink(topic_state& t, peer_state& p, prune_reason why, instant now) {
        if (!remove(t.mesh, p)) return;
        all_.scores.prune(*p.score, t.score_number);
        if (why == prune_reason::stalled_peer) backoffs_.add(t.name, p.id, options_.prune_backoff, now);
        all_.effects.push(pruned{t.name, p.id, why});
    }
    /// @p p is an explicit peer from now on: those are outside of meshes.
    void exclude(peer_state& p, instant now) {
        for (auto* const t : p.topics) {
            if (contains(t->mesh, p)) prune(*t, p, prune_reason::left, false, now);
        }
    }

    // ---- what peers do ----------------------------------------------------------------------------------

    /// A graft for a topic that we have not joined is not answered, and nothing is remembered of it.
    void on_graft(peer_state& p, std::string_view topic, instant now) {
        auto* const t = all_.find_joined(topic);
        if (t == nullptr || contains(t->mesh, p)) return;
        if (p.is_explicit || !neighbours::is_subscribed(p, *t)) return refuse(*t, p, false, now);
        if (auto const until = backoffs_.holds_peer(topic, p.id, now)) {
            bool const is_flood = now < *until - options_.prune_backoff + options_.graft_flood;
            all_.offend(p, offence::early_graft, is_flood ? 2 : 1);
            return refuse(*t, p, false, now);
        }
        if (p.is_stalled || all_.score(p) < 0) return refuse(*t, p, false, now);
        if (t->mesh.size() >= options_.d_high && p.direction == direction::inbound) return refuse(*t, p, true, now);
        link(*t, p, now);
    }
    void on_prune(peer_state& p, rpc::prune_view const& v, rpc::rpc_view const& rpc, instant now) {
        auto* const t = all_.find_joined(v.topic);
        if (t == nullptr) return;
        unlink(*t, p, prune_reason::pruned_by_peer, now);
        bool const is_given = v.backoff && *v.backoff != 0;
        backoffs_.add(t->name, p.id, is_given ? backoffs_.clamped(*v.backoff) : options_.prune_backoff, now);
        if (options_.exchange_max == 0 || v.px.count == 0) return;
        if (!p.is_explicit && all_.score(p) < all_.limits.score.exchange_threshold) return;
        exchange(p, v, rpc);
    }

    // ---- the heartbeat ----------------------------------------------------------------------------------

    /// @param is_opportune  whether it is time to look for better peers.
    void heartbeat(topic_state& t, bool is_opportune, instant now) {
        for (auto* const p : peer_list{t.mesh}) {
            if (all_.score(*p) < 0) prune(t, *p, prune_reason::negative_score, false, now);
        }
        if (t.mesh.size() < options_.d_low) fill(t, options_.d, now, [](auto const&) { return true; });
        if (t.mesh.size() > options_.d_high) shrink(t, options_.d, now);
        if (t.mesh.size() >= options_.d_low) keep_outbound(t, now);
        if (is_opportune) improve(t, now);
    }
    void expire(instant now) { backoffs_.expire(now); }

private:
    [[nodiscard]] bool can_graft(topic_state const& t, peer_state const& p, instant now) const {
        return !p.is_explicit && !p.is_stalled && !contains(t.mesh, p) && all_.score(p) >= 0 &&
               !backoffs_.holds_us(t.name, p.id, now);
    }
    [[nodiscard]] static bool is_outbound(peer_state const* p) noexcept { return p->direction == direction::outbound; }

    void link(topic_state& t, peer_state& p, instant now) {
        t.mesh.push_back(&p);
        all_.scores.graft(*p.score, t.score_number, now);
        all_.effects.push(grafted{t.name, p.id});
    }
    void graft(topic_state& t, peer_state& p, instant now) {
        link(t, p, now);
        all_.say(p).grafts.push_back(t.name);
    }
    void prune(topic_state& t, peer_state& p, prune_reason why, bool exchanges, instant now) {
        unlink(t, p, why, now);
        auto const backoff = why == prune_reason::left ? options_.unsubscribe_backoff : options_.prune_backoff;
        say_prune(t, p, exchanges && why != prune_reason::negative_score, backoff, now);
    }
    // The answer to a graft that is not accepted.
    void refuse(topic_state& t, peer_state& p, bool exchanges, instant now) {
        say_prune(t, p, exchanges, options_.prune_backoff, now);
    }
    void say_prune(topic_state& t, peer_state& p, bool exchanges, duration backoff, instant now) {
        backoffs_.add(t.name, p.id, backoff, now);
        // However often it grafts in one RPC, it is answered once for each topic, and recommended so many in all.
        auto& said = all_.say(p).prunes;
        std::size_t recommends = 0;
        for (auto const& each : said) {
            if (each.topic == t.name) return;
            recommends += each.px.size();
        }
        exchanges = exchanges && recommends < 4 * options_.exchange_max;
        rpc::prune_entry out{t.name, 0, {}};
        if (p.version != version::v1_0) {
            auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(backoff).count();
            out.backoff_seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 1));
            if (exchanges && options_.exchanges_peers && all_.score(p) >= 0) out.px = recommended(t, p);
        }
        said.push_back(std::move(out));
    }
    [[nodiscard]] std::vector<rpc::px_entry> recommended(topic_state const& t, peer_state const& to) {
        peer_list some;
        for (auto* const p : t.subscribers) {
            if (p != &to && all_.score(*p) >= 0) some.push_back(p);
        }
        all_.shuffle(some);
        if (some.size() > options_.exchange_max) some.resize(options_.exchange_max);
        std::vector<rpc::px_entry> out;
        for (auto const* const p : some) out.push_back({p->id, p->record});
        return out;
    }
    // Asks for connections to those that a peer recommends. Their records are not verified here.
    void exchange(peer_state& from, rpc::prune_view const& v, rpc::rpc_view const& rpc) {
        std::vector<rpc::px_view> offered(rpc.px.begin() + static_cast<std::ptrdiff_t>(v.px.first),
                                          rpc.px.begin() + static_cast<std::ptrdiff_t>(v.px.first + v.px.count));
        all_.shuffle(offered);
        if (offered.size() > options_.exchange_max) offered.resize(options_.exchange_max);
        for (auto const& each : offered) {
            auto const who = peer_id::from_multihash(each.peer);
            if (!who) {
                all_.offend(from, offence::invalid_exchange);
                continue;
            }
            if (who.value() == all_.self || all_.find(who.value()) != nullptr) continue;
            all_.effects.push(want_peer{who.value(), to_bytes(each.record), want_reason::peer_exchange});
        }
    }

    template <class Wanted>
    void fill(topic_state& t, std::size_t size, instant now, Wanted wanted) {
        if (t.mesh.size() >= size) return;
        peer_list some;
        for (auto* const p : t.subscribers) {
            if (wanted(*p) && can_graft(t, *p, now)) some.push_back(p);
        }
        all_.shuffle(some);
        for (auto* const p : some) {
            if (t.mesh.size() == size) return;
            graft(t, *p, now);
        }
    }
    // Prunes down to @p size. The best stay, others by chance, and enough that we dialled.
    void shrink(topic_state& t, std::size_t size, instant now) {
        auto order = t.mesh;
        all_.shuffle(order);
        std::vector<std::tuple<double, std::size_t, peer_state*>> scored;  // among equals as they were shuffled
        for (auto* const p : order) scored.emplace_back(-all_.score(*p), scored.size(), p);
        std::sort(scored.begin(), scored.end());
        order.clear();
        for (auto const& entry : scored) order.push_back(std::get<2>(entry));
        peer_list rest(order.begin() + static_cast<std::ptrdiff_t>(std::min(options_.d_score, order.size())),
                       order.end());
        all_.shuffle(rest);
        std::copy(rest.begin(), rest.end(), order.end() - static_cast<std::ptrdiff_t>(rest.size()));
        bring_outbound_in(order, size);
        for (std::size_t i = size; i < order.size(); ++i) prune(t, *order[i], prune_reason::oversubscribed, true, now);
    }
    // Exchanges inbound peers at the end of the first @p size for outbound ones behind them, until there are D_out.
    void bring_outbound_in(peer_list& order, std::size_t size) const {
        size = std::min(size, order.size());
        auto const end = order.begin() + static_cast<std::ptrdiff_t>(size);
        auto have = static_cast<std::size_t>(std::count_if(order.begin(), end, is_outbound));
        auto from = end;
        for (auto to = end; to != order.begin() && have < options_.d_out;) {
            if (is_outbound(*--to)) continue;
            from = std::find_if(from, order.end(), is_outbound);
            if (from == order.end()) return;
            std::swap(*to, *from);
            ++have;
        }
    }
    void keep_outbound(topic_state& t, instant now) {
        auto const have = static_cast<std::size_t>(std::count_if(t.mesh.begin(), t.mesh.end(), is_outbound));
        if (have >= options_.d_out) return;
        auto const missing = options_.d_out - have;
        auto const candidates = std::count_if(t.subscribers.begin(), t.subscribers.end(),
                                              [&](auto const* p) { return is_outbound(p) && can_graft(t, *p, now); });
        if (candidates == 0) return;
        if (t.mesh.size() + missing > options_.d_high) shrink(t, options_.d, now);
        fill(t, t.mesh.size() + missing, now, [](peer_state const& p) { return is_outbound(&p); });
    }
    void improve(topic_state& t, instant now) {
        if (t.mesh.size() < 2) return;
        std::vector<std::tuple<double, std::size_t, peer_state*>> scored;
        for (auto* const p : t.mesh) scored.emplace_back(all_.score(*p), scored.size(), p);
        std::sort(scored.begin(), scored.end());
        auto const median = std::get<0>(scored[scored.size() / 2]);
        if (median >= all_.limits.score.opportunistic_graft_threshold) return;
        peer_list better;
        for (auto* const p : t.subscribers) {
            if (can_graft(t, *p, now) && all_.score(*p) > median) better.push_back(p);
        }
        all_.shuffle(better);
        if (better.size() > options_.opportunistic_grafts) better.resize(options_.opportunistic_grafts);
        for (std::size_t i = 0; t.mesh.size() + better.size() > options_.d_high && i < scored.size(); ++i) {
            prune(t, *std::get<2>(scored[i]), prune_reason::oversubscribed, false, now);
        }
        for (auto* const p : better) graft(t, *p, now);
    }

    neighbours& all_;
    mesh_options const& options_;
    backoff_book backoffs_;
};

}  // namespace muster::gossip::detail
