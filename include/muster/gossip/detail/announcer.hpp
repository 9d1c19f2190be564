// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Announcements of messages, and asking for those that were missed.
///
/// Outside of the mesh peers hear of messages by id, once a heartbeat, and ask for those they lack. Announcing is cheap
/// and asking is a promise to listen, so both are counted: so many announcements are heeded and so many ids asked for
/// per peer and heartbeat, one id of each request is remembered, and a peer that announced it and lets nobody's copy
/// arrive in time has lied. Asking again and again is answered a few times.
///
/// Source: gossipsub-v1.0.md, "Gossip propagation"; gossipsub-v1.1.md, "Adaptive Gossip Dissemination" and "Spam
/// Protection Measures"; gossipsub-v1.2.md, "IDONTWANT Message".

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <muster/gossip/detail/neighbours.hpp>
#include <muster/gossip/message_cache.hpp>
#include <muster/gossip/wire/rpc.hpp>

namespace muster::gossip::detail {

/// ihave, iwant and idontwant.
class announcer {
public:
    explicit announcer(neighbours& all) : all_{all}, options_{all.limits.gossip}, cache_{options_, all.hasher()} {}

    [[nodiscard]] message_cache& cache() noexcept { return cache_; }
    [[nodiscard]] message_cache const& cache() const noexcept { return cache_; }

    /// @p p announces messages. `is_known(id)` says whether one was seen.
    template <class F>
    void on_ihave(peer_state& p, rpc::rpc_view const& rpc, instant now, F is_known) {
        if (rpc.ihave.empty() || all_.score(p) < all_.limits.score.gossip_threshold) return;
        for (auto const& v : rpc.ihave) {
            if (p.ihave_messages >= options_.ihave_messages_max) return;
            ++p.ihave_messages;
            if (all_.find_joined(v.topic) == nullptr) continue;
            ask(p, std::span{rpc.ihave_ids}.subspan(v.ids.first, v.ids.count), now, is_known);
        }
    }
    /// @p p asks for messages.
    void on_iwant(peer_state& p, rpc::rpc_view const& rpc) {
        if (rpc.iwant_ids.empty() || all_.score(p) < all_.limits.score.gossip_threshold) return;
        for (byte_view const content : rpc.iwant_ids) {
            if (content.empty() || content.size() > message_id::size_max) continue;
            message_id const id{content};
            auto const frame = cache_.get(id, p.number, options_.retransmissions_max);
            if (frame != nullptr) all_.post(p, traffic::gossip, frame, all_.hash(id));
        }
    }
    /// @p p does not want to be sent messages that it has. Beyond the bounds it is not heeded.
    void on_idontwant(peer_state& p, rpc::rpc_view const& rpc) {
        if (rpc.idontwants == 0) return;
        p.idontwant_messages += rpc.idontwants;
        if (p.idontwant_messages > options_.idontwant_messages_max) return;
        for (byte_view const content : rpc.idontwant_ids) {
            if (++p.idontwant_ids > options_.idontwant_ids_max) return;
            if (content.empty() || content.size() > message_id::size_max) continue;
            auto const hash = all_.hash(message_id{content});
            p.unwanted[hash] = heartbeats_ + options_.idontwant_heartbeats;
            p.queue.cancel(hash);
        }
    }
    /// A message arrived from @p p: what it promised it has kept.
    static void keep_promise(peer_state& p, message_id const& id) {
        std::erase_if(p.promises, [&](promise const& each) { return each.id == id; });
    }
    /// Tells the mesh of @p t that a large message has come, before it is validated.
    void decline(topic_state const& t, peer_state const& from, message_id const& id, std::size_t size) {
        if (size < options_.idontwant_size_min) return;
        for (auto* const p : t.mesh) {
            if (p != &from && p->version == version::v1_2) all_.say(*p).idontwant.push_back(id);
        }
    }

    /// Counters begin again, and promises that were not kept are charged.
    template <class F>
    void heartbeat(instant now, F is_known) {
        ++heartbeats_;
        for (auto& [who, p] : all_.peers) {
            p.ihave_messages = p.ids_asked = p.idontwant_messages = p.idontwant_ids = 0;
            std::erase_if(p.unwanted, [&](auto const& each) { return each.second <= heartbeats_; });
            std::uint32_t broken = 0;
            std::erase_if(p.promises, [&](promise const& each) {
                if (each.until > now) return false;
                if (!is_known(each.id)) ++broken;
                return true;
            });
            if (broken != 0) all_.offend(p, offence::broken_promise, broken);
        }
    }
    /// Announces recent messages of @p t to some that are neither in @p fed nor explicit. To be called before @ref
    /// shift.
    void announce(topic_state const& t, peer_list const& fed) {
        // What a peer of the mesh has from others spreads; where the mesh forwards nothing, announcing must not wait.
        auto ids = cache_.announced(t.name, [&](message_id const& id) {
            auto const hash = all_.hash(id);
            return std::any_of(fed.begin(), fed.end(), [&](auto const* p) { return p->unwanted.count(hash) != 0; });
        });
        if (ids.empty()) return;
        peer_list some;
        for (auto* const p : t.subscribers) {
            if (p->is_explicit || p->is_stalled || contains(fed, *p)) continue;
            if (all_.score(*p) >= all_.limits.score.gossip_threshold) some.push_back(p);
        }
        auto const part = static_cast<std::size_t>(options_.factor * static_cast<double>(some.size()));
        all_.shuffle(some);
        if (auto const wanted = std::max(options_.d_lazy, part); some.size() > wanted) some.resize(wanted);
        for (auto* const p : some) {
            if (ids.size() > options_.ihave_ids_max) all_.shuffle(ids);  // others hear of other ones
            auto const count = std::min(ids.size(), options_.ihave_ids_max);
            all_.announce(*p).ihave.push_back(
                {t.name, {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count)}});
        }
    }
    void shift() { cache_.shift(); }

private:
    template <class F>
    void ask(peer_state& p, std::span<byte_view const> ids, instant now, F& is_known) {
        std::vector<message_id> wanted;
        for (byte_view const content : ids) {
            if (p.ids_asked + wanted.size() >= options_.ihave_ids_max) break;
            if (content.empty() || content.size() > message_id::size_max) continue;
            message_id const id{content};
            if (!is_known(id)) wanted.push_back(id);
        }
        if (wanted.empty()) return;
        p.ids_asked += wanted.size();
        auto const pick = static_cast<std::size_t>(uniform(all_.random, wanted.size()));
        p.promises.push_back({wanted[pick], saturating_add(now, options_.promise_time_limit)});
        auto& said = all_.say(p).iwant;
        said.insert(said.end(), wanted.begin(), wanted.end());
    }

    neighbours& all_;
    gossip_options const& options_;
    message_cache cache_;
    std::uint64_t heartbeats_ = 0;
};

}  // namespace muster::gossip::detail
