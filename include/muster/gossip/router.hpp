// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A gossipsub router: publishes and subscribes among peers of which any may lie.
///
/// Idea: of each topic a node sends full messages to a small mesh of peers and ids of recent ones to some others, so a
/// message reaches everybody over few links, and whoever misses it hears of it and asks. Everything that a peer can
/// make a node do, keep or send is bounded and charged to that peer, and its standing (score.hpp) decides what it is
/// heeded for. Nothing is forwarded before it is known to be valid.
///
/// What a message goes through: the size of its frame and the number of elements (wire/rpc.hpp); whether its topic is
/// subscribed to; whether its form fits the signature policy; whether its id was seen; whether there is room to judge
/// it; its signature; then it counts as seen, large ones are declined elsewhere (idontwant), and the application judges
/// it, where the topic says so. Accepted messages are delivered, kept for those who ask, and forwarded as received.
///
/// An id counts as seen only after the signature was verified, and not any more when the message is rejected: else
/// whoever is first with wrong bytes under an id could keep the right ones out. The wrong bytes themselves are known
/// again by their hash.
///
/// Source: gossipsub v1.0, v1.1 and v1.2 in libp2p's specs; the parts are described in detail/.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/gossip/detail/announcer.hpp>
#include <muster/gossip/detail/courier.hpp>
#include <muster/gossip/detail/fanout.hpp>
#include <muster/gossip/detail/intake.hpp>
#include <muster/gossip/detail/mesh_keeper.hpp>
#include <muster/gossip/detail/neighbours.hpp>
#include <muster/gossip/detail/subscriptions.hpp>
#include <muster/gossip/errc.hpp>
#include <muster/gossip/event.hpp>
#include <muster/gossip/message_id.hpp>
#include <muster/gossip/options.hpp>
#include <muster/gossip/sign_policy.hpp>

namespace muster::gossip {

/// The policies of a router. Derive, and override what you need.
struct defaults {
    using signing = anonymous;          ///< A @ref sign_policy.
    using message_ids = id_of_content;  ///< A @ref message_id_function.
};

/// A machine, see core/machine.hpp; not thread-safe. Expects `options::check()` to hold.
template <class Policies = defaults>
class router {
    static_assert(sign_policy<typename Policies::signing>,
                  "the policy `signing` does not sign: name anonymous, strict_sign<S> or a model of sign_policy");
    static_assert(message_id_function<typename Policies::message_ids>,
                  "the policy `message_ids` makes no ids: name id_of_author, id_of_content or a model of "
                  "message_id_function");

public:
    using event = gossip::event;
    using effect = gossip::effect;
    using signing = typename Policies::signing;
    using message_ids = typename Policies::message_ids;

    /// Gauges.
    struct statistics {
        std::size_t peers = 0;         ///< Connected.
        std::size_t remembered = 0;    ///< Not connected, of whom something bad is known.
        std::size_t topics = 0;        ///< That anybody is interested in.
        std::size_t mesh_links = 0;    ///< In all meshes.
        std::size_t backoffs = 0;      ///< Running.
        std::size_t pending = 0;       ///< Messages being validated.
        std::size_t cached = 0;        ///< Messages that can be asked for, ...
        std::size_t cached_bytes = 0;  ///< ... and their bytes.
        std::size_t queued_bytes = 0;  ///< That wait for peers to read.
        std::uint64_t dropped = 0;     ///< Frames that did not fit, to peers that are connected now.
        MUSTER_FIELDS(statistics, peers, remembered, topics, mesh_links, backoffs, pending, cached, cached_bytes,
                      queued_bytes, dropped);
    };

    /// @param self         the own peer, which is never exchanged.
    /// @param seed         for everything that is drawn by lot.
    /// @param first_seqno  the number before that of the first own message. Ids must not repeat over restarts: wall
    /// time
    ///                     in nanoseconds will do, as go-libp2p-pubsub has it.
    router(peer_id const& self, options o, std::uint64_t seed, std::uint64_t first_seqno, signing s = {},
           message_ids ids = {})
        : options_{std::move(o)},
          all_{options_, self, seed},
          meshes_{all_},
          subscriptions_{all_, meshes_},
          fanout_{all_},
          announcer_{all_},
          courier_{all_},
          intake_{all_, announcer_, courier_, std::move(s), std::move(ids)},
          seqno_{first_seqno} {}
    router(router const&) = delete;
    router& operator=(router const&) = delete;

    // ---- what happens -----------------------------------------------------------------------------------

    template <effect_sink<effect> Sink>
    void handle(event const& e, instant now, Sink& out) {
        begin(now);
        std::visit([&](auto const& v) { this->on(v, now); }, e);
        finish(now, out);
    }
    template <effect_sink<effect> Sink>
    void wake(instant now, Sink& out) {
        intake_.expire(now);
        courier_.wake(now);
        if (next_heartbeat_ && now >= *next_heartbeat_) heartbeat(now);
        finish(now, out);
    }
    [[nodiscard]] deadline next_deadline() const {
        return earlier(next_heartbeat_, earlier(intake_.next_deadline(), courier_.next_deadline()));
    }
    /// O(peers + topics).
    [[nodiscard]] statistics stats() const {
        statistics s{all_.peers.size(),         all_.scores.retained(),
                     all_.topics.size(),        0,
                     meshes_.backoffs().size(), intake_.pending(),
                     announcer_.cache().size(), announcer_.cache().bytes_kept()};
        for (auto const& [name, t] : all_.topics) s.mesh_links += t.mesh.size();
        for (auto const& [who, p] : all_.peers) {
            s.queued_bytes += p.queue.size();
            s.dropped += p.queue.dropped();
        }
        return s;
    }

    /// Since the first event.
    [[nodiscard]] std::uint64_t heartbeats() const noexcept { return heartbeats_; }

    // ---- what is asked for ------------------------------------------------------------------------------

    /// Subscribes to @p topic: peers are told, and a mesh begins. Of a topic that is subscribed to, only the options
    /// change. O(peers).
    /// @return `invalid_topic` or `too_many_topics`.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<void> subscribe(std::string_view topic, topic_options const& o, instant now, Sink& out) {
        MUSTER_TRY(check_topic(topic));
        auto* t = all_.find_joined(topic);
        if (t == nullptr && subscriptions_.size() >= options_.topics_max) return too_many();
        begin(now);
        if (t == nullptr) {
            t = &all_.topic(topic);
            subscriptions_.join(*t);
            t->score_number = all_.scores.set_topic(topic, o.score);
            meshes_.join(*t, now);
        }
        t->options = o;
        (void)all_.scores.set_topic(topic, o.score);
        finish(now, out);
        return ok();
    }
    /// Leaves @p topic: its mesh is pruned, and peers are told. Messages being validated come to nothing. O(peers).
    /// @return `unknown_topic`.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<void> unsubscribe(std::string_view topic, instant now, Sink& out) {
        auto* const t = all_.find_joined(topic);
        if (t == nullptr) return error{errc::unknown_topic, text(quoted(topic), " is not subscribed to")};
        begin(now);
        meshes_.leave(*t, now);
        subscriptions_.leave(*t);
        all_.release(*t);
        finish(now, out);
        return ok();
    }
    /// Publishes @p data. One need not be subscribed to the topic. The message does not come back as @ref deliver.
    /// O(peers of the topic), and a signature.
    /// @return its id; `invalid_topic`, `too_many_topics`, `message_too_large`, `duplicate`, or why it was not signed.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<message_id> publish(std::string_view topic, byte_view data, instant now, Sink& out) {
        MUSTER_TRY(check_topic(topic));
        if (fanout_.is_full(topic)) return too_many();
        MUSTER_TRY(auto const raw, intake_.signing().seal(data, topic, seqno_ + 1));
        if (raw.size() > options_.limits.message_size_max) {
            return error{errc::message_too_large,
                         text("a message of ", raw.size(), " bytes, at most ", options_.limits.message_size_max)};
        }
        MUSTER_TRY(auto const view, rpc::decode_message(raw));
        auto const id = intake_.id_of(view);
        if (intake_.is_known(id, now)) {
            return error{errc::duplicate, text("a message of id ", id.to_text(), " was published or received before")};
        }
        begin(now);
        ++seqno_;
        intake_.record(id, now);
        auto const frame = std::make_shared<bytes const>(rpc::encode_publish(raw));
        announcer_.cache().put(id, topic, frame, courier_.is_large(data.size()));
        auto const hash = all_.hash(id);
        auto& t = all_.topic(topic);
        courier_.send(t, fanout_.audience(t, now), traffic::own, frame, hash, data.size(), now);
        all_.release(t);
        finish(now, out);
        return id;
    }
    /// Keeps connected to @p who, by agreement with it: what it sends is heeded whatever its score, what is accepted
    /// goes to it, and it is in no mesh.
    /// @return `too_many_peers`.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<void> add_explicit(peer_id const& who, instant now, Sink& out) {
        if (explicit_.count(who) == 0 && explicit_.size() >= options_.explicit_peers_max) {
            return error{errc::too_many_peers, text("all ", options_.explicit_peers_max, " explicit peers are taken")};
        }
        begin(now);
        if (explicit_.insert(who).second) {
            if (auto* const p = all_.find(who)) {
                make_explicit(*p, now);
            } else {
                all_.effects.push(want_peer{who, {}, want_reason::explicit_peer});
            }
        }
        finish(now, out);
        return ok();
    }
    /// Ends such an agreement.
    void remove_explicit(peer_id const& who) {
        explicit_.erase(who);
        auto* const p = all_.find(who);
        if (p == nullptr || !std::exchange(p->is_explicit, false)) return;
        detail::remove(all_.explicit_peers, *p);
    }

    // ---- what there is ----------------------------------------------------------------------------------

    /// Peers in the mesh of @p topic, in the order in which they came.
    [[nodiscard]] std::vector<peer_id> mesh_of(std::string_view topic) const {
        auto const at = all_.topics.find(topic);
        return at == all_.topics.end() ? std::vector<peer_id>{} : ids_of(at->second.mesh);
    }
    /// Peers that are subscribed to @p topic, as far as known.
    [[nodiscard]] std::vector<peer_id> subscribers_of(std::string_view topic) const {
        auto const at = all_.topics.find(topic);
        return at == all_.topics.end() ? std::vector<peer_id>{} : ids_of(at->second.subscribers);
    }
    [[nodiscard]] bool is_subscribed(std::string_view topic) const {
        auto const at = all_.topics.find(topic);
        return at != all_.topics.end() && at->second.is_joined;
    }
    /// What is thought of @p who; 0 of a stranger.
    [[nodiscard]] double score_of(peer_id const& who) const { return all_.scores.score(who); }
    /// Calls f(peer, score) for everybody of whom something is thought.
    template <class F>
    void for_each_score(F f) const {
        all_.scores.for_each(f);
    }
    /// Whether a graft of @p who would be early.
    [[nodiscard]] bool is_backed_off(std::string_view topic, peer_id const& who, instant now) const {
        return meshes_.backoffs().holds_us(topic, who, now);
    }

private:
    // ---- events -----------------------------------------------------------------------------------------

    void on(peer_up const& e, instant now) {
        if (e.peer == all_.self || e.peer.empty()) return;
        if (auto* const known = all_.find(e.peer)) drop(*known, now);
        auto& p = all_.add(e);
        if (explicit_.count(e.peer) != 0) make_explicit(p, now);
        subscriptions_.tell_all(p);
    }
    void on(peer_down const& e, instant now) {
        if (auto* const p = all_.find(e.peer)) drop(*p, now);
    }
    void on(received const& e, instant now) {
        auto* const p = all_.find(e.peer);
        if (p == nullptr) return;
        if (!p->is_explicit && all_.score(*p) < options_.score.graylist_threshold) return;
        if (auto const read = rpc::decode_rpc(e.frame, options_.limits, rpc_); !read) {
            bool const is_limit = read.error() == errc::limit_exceeded;
            return all_.offend(*p, is_limit ? offence::oversized_rpc : offence::malformed_rpc);
        }
        if (rpc_.empty() && !p->empty_rpcs.allow(now)) return all_.offend(*p, offence::empty_rpcs);
        subscriptions_.on_subscriptions(*p, rpc_, now);
        for (byte_view const raw : rpc_.messages) intake_.on_message(*p, raw, now);
        for (auto const topic : rpc_.grafts) meshes_.on_graft(*p, topic, now);
        for (auto const& v : rpc_.prunes) meshes_.on_prune(*p, v, rpc_, now);
        announcer_.on_idontwant(*p, rpc_);
        announcer_.on_ihave(*p, rpc_, now, is_known_at(now));
        announcer_.on_iwant(*p, rpc_);
    }
    void on(writable const& e, instant) {
        auto* const p = all_.find(e.peer);
        if (p == nullptr) return;
        p->is_writable = true;
        all_.mark(*p);
        if (std::exchange(p->is_stalled, false)) subscriptions_.tell_again(*p);
    }
    void on(send_refused const& e, instant) {
        auto* const p = all_.find(e.peer);
        if (p == nullptr || e.frame == nullptr || e.frame->empty()) return;
        p->is_writable = false;
        if (!p->is_stalled) p->queue.put_back({e.traffic, e.frame});
    }
    void on(validated const& e, instant now) { intake_.on_verdict(e.ticket, e.verdict, now); }
    void on(rated const& e, instant) {
        if (auto* const p = all_.find(e.peer)) all_.scores.rate(*p->score, e.score);
    }
    void on(record_learned const& e, instant) {
        auto* const p = all_.find(e.peer);
        if (p != nullptr && e.record.size() <= options_.limits.record_size_max) p->record = e.record;
    }

    void drop(detail::peer_state& p, instant now) {
        meshes_.forget(p, prune_reason::disconnected, now);
        all_.remove_peer(p, now);
    }
    void make_explicit(detail::peer_state& p, instant now) {
        p.is_explicit = true;
        all_.explicit_peers.push_back(&p);
        meshes_.exclude(p, now);
    }

    // ---- the heartbeat ----------------------------------------------------------------------------------

    void heartbeat(instant now) {
        ++heartbeats_;
        // One that was missed is not made up for.
        auto const late = (now - *next_heartbeat_) / options_.heartbeat;
        next_heartbeat_ = saturating_add(*next_heartbeat_, options_.heartbeat * (late + 1));
        if (now >= next_decay_) {
            next_decay_ = saturating_add(now, options_.score.decay_interval);
            all_.scores.decay(now);
        }
        announcer_.heartbeat(now, is_known_at(now));
        meshes_.expire(now);
        bool const is_opportune = now >= next_opportunity_;
        if (is_opportune) next_opportunity_ = saturating_add(now, options_.mesh.opportunistic_interval);
        for (auto at = all_.topics.begin(); at != all_.topics.end();) {
            auto& t = (at++)->second;  // it may leave
            if (t.is_joined) {
                meshes_.heartbeat(t, is_opportune, now);
                announcer_.announce(t, t.mesh);
            } else if (t.fanout_until && fanout_.tend(t, now)) {
                announcer_.announce(t, t.fanout);
            } else {
                all_.release(t);
            }
        }
        announcer_.shift();
        look_for_explicit(now);
    }
    void look_for_explicit(instant now) {
        if (now < next_explicit_check_) return;
        next_explicit_check_ = saturating_add(now, options_.explicit_check);
        for (auto const& who : explicit_) {
            if (all_.find(who) == nullptr) all_.effects.push(want_peer{who, {}, want_reason::explicit_peer});
        }
    }

    // ---- every call -------------------------------------------------------------------------------------

    void begin(instant now) {
        if (next_heartbeat_) return;
        next_heartbeat_ = saturating_add(now, options_.first_heartbeat);
        next_decay_ = saturating_add(now, options_.score.decay_interval);
        next_opportunity_ = saturating_add(now, options_.mesh.opportunistic_interval);
        next_explicit_check_ = saturating_add(now, options_.explicit_check);
    }
    template <class Sink>
    void finish(instant now, Sink& out) {
        all_.flush([&](detail::peer_state& p) {
            meshes_.forget(p, prune_reason::stalled_peer, now);
            all_.effects.push(penalise{p.id, 1, offence::stalled});
        });
        all_.effects.move_to(out);
    }

    [[nodiscard]] auto is_known_at(instant now) {
        return [this, now](message_id const& id) { return intake_.is_known(id, now); };
    }
    [[nodiscard]] result<void> check_topic(std::string_view topic) const {
        if (!topic.empty() && topic.size() <= options_.limits.topic_size_max) return ok();
        return error{errc::invalid_topic,
                     text("a topic's name of ", topic.size(), " bytes; 1 to ", options_.limits.topic_size_max)};
    }
    [[nodiscard]] error too_many() const {
        return error{errc::too_many_topics, text("all ", options_.topics_max, " topics are taken; leave one")};
    }
    [[nodiscard]] static std::vector<peer_id> ids_of(detail::peer_list const& list) {
        std::vector<peer_id> out;
        for (auto const* const p : list) out.push_back(p->id);
        return out;
    }

    options options_;
    detail::neighbours all_;
    detail::mesh_keeper meshes_;
    detail::subscriptions subscriptions_;
    detail::fanout fanout_;
    detail::announcer announcer_;
    detail::courier courier_;
    detail::intake<signing, message_ids> intake_;
    rpc::rpc_view rpc_;           // of the frame at hand
    std::set<peer_id> explicit_;  // agreed upon, connected or not
    std::uint64_t seqno_;
    deadline next_heartbeat_;
    std::uint64_t heartbeats_ = 0;
    instant next_decay_;
    instant next_opportunity_;
    instant next_explicit_check_;
};

}  // namespace muster::gossip
