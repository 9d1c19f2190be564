// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Publish and subscribe on a network: binds a gossip::router to frames.
///
/// Idea: what the network tells of connections and frames goes to the router, and what the router wants goes to the
/// network. The router is told of each peer that connects, before it is known whether that peer speaks the protocol:
/// one that does not refuses the first stream, and is left alone until it sends something itself. A stream that breaks
/// off while the connection lives has lost what both sides told each other, so the peer begins anew, a moment later.
///
/// All versions of the protocol are proposed together, and newer ones only add fields that older ones skip: what is
/// sent does not depend on which was agreed upon.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/connection/reach.hpp>
#include <muster/core/effect_queue.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/time.hpp>
#include <muster/core/timers.hpp>
#include <muster/gossip/router.hpp>
#include <muster/peer/routing_record.hpp>
#include <muster/transport/frames.hpp>

namespace muster::node {

/// A gossip router at work.
///
/// Network, timers and clock are borrowed and outlive it. Peers that were connected before it was created are not known
/// until they are adopted. Not thread-safe: it belongs to the thread or strand of the network. Handlers are
/// called from the network's turns, from the timers, or before the call returns that has caused what they are told of;
/// they may call any member, but not destroy it. Neither copyable nor movable.
///
/// @tparam Network  models transport::frames. Where its `attach` takes several names, all versions are spoken.
template <transport::frames Network, timers Timers, clock Clock, class Policies = gossip::defaults>
class pubsub {
public:
    using router_type = gossip::router<Policies>;
    /// Takes a message of a topic, once.
    using message_handler = std::function<void(gossip::message const&)>;
    /// Judges a message before it is delivered and passed on. @return its verdict; none when @ref judge follows, which
    /// must come before the topic's time limit.
    using validator = std::function<std::optional<gossip::verdict>(gossip::message const&, gossip::ticket)>;
    /// Takes what the router tells besides: grafted, pruned, validation_missed, penalise.
    using news_handler = std::function<void(gossip::effect const&)>;
    /// Sees to it that a peer is connected. @p addresses are what the peer has signed to listen on, told by another
    /// one; empty for an explicit peer.
    using connector = std::function<void(peer::peer_id const&, std::vector<peer::multiaddr> const& addresses)>;

    /// Before a peer whose stream has broken off begins anew. Ours.
    static constexpr duration retry_interval = std::chrono::seconds{1};

    /// @param o     as the router wants them; `o.check()` must hold.
    /// @param seed  for what is drawn by lot.
    /// @param alarm  its own line or timers: what is attached to it before is replaced.
    /// @param s     how messages are signed: with the default policies not at all. Who signs names
    ///              gossip::strict_sign and gossip::id_of_author in @p Policies.
    pubsub(Network& net, Timers& alarm, Clock const& time, gossip::options const& o, std::uint64_t seed,
           typename router_type::signing s = {}, typename router_type::message_ids ids = {})
        : network_{net}, alarm_{alarm}, time_{time}, router_{net.local(),   o, seed, first_seqno(time), std::move(s),
                                                             std::move(ids)} {
        alarm_.attach(wake_function::of<&pubsub::wake>(*this));
        attach();
    }
    pubsub(pubsub const&) = delete;
    pubsub& operator=(pubsub const&) = delete;
    ~pubsub() { close(); }

    /// Subscribes to @p topic. With @p judges, messages wait for its verdict. Of a topic that is subscribed to, options
    /// and handlers change.
    /// @return what gossip::router::subscribe returns, or `closed`.
    [[nodiscard]] result<void> subscribe(std::string_view topic, message_handler takes, validator judges = {},
                                         gossip::topic_options o = {}) {
        o.validates = static_cast<bool>(judges);
        MUSTER_TRY(act([&](auto now, auto& out) { return router_.subscribe(topic, o, now, out); }));
        handlers_.insert_or_assign(std::string{topic}, handlers{std::move(takes), std::move(judges)});
        return ok();
    }
    /// Leaves @p topic; its handlers are not called any more. @return `unknown_topic`, or `closed`.
    [[nodiscard]] result<void> unsubscribe(std::string_view topic) {
        if (auto const at = handlers_.find(topic); at != handlers_.end()) handlers_.erase(at);
        return act([&](auto now, auto& out) { return router_.unsubscribe(topic, now, out); });
    }
    /// Publishes @p data to whoever is there: without subscribers among the peers it reaches nobody, which is no error.
    /// It does not come back. @return its id, or what gossip::router::publish returns, or `closed`.
    [[nodiscard]] result<gossip::message_id> publish(std::string_view topic, byte_view data) {
        return act([&](auto now, auto& out) { return router_.publish(topic, data, now, out); });
    }
    /// The verdict on a message whose validator returned none. Late ones are ignored.
    void judge(gossip::ticket t, gossip::verdict v) { tell(gossip::validated{t, v}); }
    /// What the application thinks of @p who: a part of its score.
    void rate(peer::peer_id const& who, double score) { tell(gossip::rated{who, score}); }
    /// The signed record of @p who, as identify tells it: peers that are pruned are given it, to find others by.
    void learn_record(peer::peer_id const& who, bytes record) {
        if (!record.empty()) tell(gossip::record_learned{who, std::move(record)});
    }
    /// Ends what @ref add_explicit began.
    void remove_explicit(peer::peer_id const& who) { router_.remove_explicit(who); }
    /// Keeps @p who an explicit peer. @return what gossip::router::add_explicit returns, or `closed`.
    [[nodiscard]] result<void> add_explicit(peer::peer_id const& who) {
        return act([&](auto now, auto& out) { return router_.add_explicit(who, now, out); });
    }
    /// Takes up @p who, who was connected before this was created. @p remote is where it is, where that is known.
    void adopt(peer::peer_id const& who, peer::multiaddr const& remote = {}) {
        if (links_.count(who) == 0) on(transport::connected{who, transport::direction::inbound, remote});
    }
    /// Sets who is told what else happens; an empty handler removes it.
    void on_news(news_handler handler) { news_ = std::move(handler); }
    /// Sets who sees to connections; while there is none, the network's `connect` is called.
    void on_wanted(connector c) { connects_ = std::move(c); }
    /// Meshes, scores, figures.
    [[nodiscard]] router_type const& router() const noexcept { return router_; }

    /// Leaves the network and the timers: no handler is called any more, and peers hear no more than that the protocol
    /// is gone. Repeating it changes nothing.
    void close() {
        if (std::exchange(is_closed_, true)) return;
        alarm_.disarm();
        alarm_.attach({});
        network_.detach(gossip::protocols[0]);
        handlers_.clear();
        waiting_.clear();
    }

    /// A deadline may have passed. Timers call it; early, late or twice is harmless.
    void wake() {
        if (is_closed_) return;
        auto const now = time_.now();
        std::vector<peer::peer_id> again;
        for (auto const& [who, l] : links_) {
            if (l.again && *l.again <= now) again.push_back(who);
        }
        next_again_.reset();
        for (auto const& who : again) bring_up(who);
        for (auto const& [who, l] : links_) next_again_ = earlier(next_again_, l.again);
        (void)act([&](auto at, auto& out) -> result<void> {
            router_.wake(at, out);
            return ok();
        });
    }

private:
    struct handlers {
        message_handler takes;
        validator judges;
    };
    /// A connected peer.
    struct link {
        gossip::direction direction = gossip::direction::inbound;
        std::string ip_group = {};
        bool is_up = false;   ///< The router knows it.
        deadline again = {};  ///< When it is to.
    };

    // Ids must not repeat over restarts: nanoseconds since 1970, as go-libp2p-pubsub has it.
    [[nodiscard]] static std::uint64_t first_seqno(Clock const& time) {
        return static_cast<std::uint64_t>(to_unix_millis(time.wall_now())) * 1'000'000;
    }
    void attach() {
        auto handler = [this](transport::event const& e) { std::visit([this](auto const& v) { this->on(v); }, e); };
        std::vector<std::string> const names{gossip::protocols.begin(), gossip::protocols.end()};
        if constexpr (requires { network_.attach(names, handler); }) {
            network_.attach(names, handler);
        } else {
            network_.attach(gossip::protocols[0], handler);
        }
    }

    // ---- what the network tells -------------------------------------------------------------------------

    void on(transport::connected const& e) {
        auto const is_ours = e.direction == transport::direction::outbound;
        // Whose an address is says something only where addresses are given out one by one.
        auto const group = connection::is_global(e.remote) ? connection::machine_of(e.remote) : std::string{};
        links_.insert_or_assign(
            e.peer, link{is_ours ? gossip::direction::outbound : gossip::direction::inbound, group, false, {}});
        bring_up(e.peer);
    }
    void on(transport::disconnected const& e) {
        links_.erase(e.peer);
        tell(gossip::peer_down{e.peer});
    }
    void on(transport::received const& e) {
        auto const at = links_.find(e.peer);
        if (at == links_.end()) return;
        if (!at->second.is_up) bring_up(e.peer);
        tell(gossip::received{e.peer, e.frame});
    }
    void on(transport::writable const& e) { tell(gossip::writable{e.peer}); }
    void on(transport::frames_lost const& e) {
        auto const at = links_.find(e.peer);
        if (at == links_.end() || !std::exchange(at->second.is_up, false)) return;
        if (e.why != transport::errc::not_spoken) {
            at->second.again = saturating_add(time_.now(), retry_interval);
            next_again_ = earlier(next_again_, at->second.again);
        }
        tell(gossip::peer_down{e.peer});
    }
    void on(transport::connect_failed const&) {}

    void bring_up(peer::peer_id const& who) {
        auto const at = links_.find(who);
        if (at == links_.end()) return;  // a handler has ended the connection meanwhile
        auto& l = at->second;
        l.is_up = true;
        l.again.reset();
        tell(gossip::peer_up{who, gossip::version::v1_2, l.direction, l.ip_group});
    }

    // ---- what the router wants --------------------------------------------------------------------------

    void tell(gossip::event const& e) {
        (void)act([&](auto now, auto& out) -> result<void> {
            router_.handle(e, now, out);
            return ok();
        });
    }
    template <class F>
    auto act(F f) -> decltype(f(instant{}, std::declval<effect_list<gossip::effect>&>())) {
        if (is_closed_) return error{transport::errc::closed, "this router was closed"};
        effect_list<gossip::effect> out;
        auto outcome = f(time_.now(), out);
        waiting_.perform(
            out, [this](auto const& e) { std::visit([&](auto const& v) { this->perform(v, e); }, e); },
            [this] { rearm(); });
        return outcome;
    }
    void rearm() {
        if (is_closed_) return;
        auto const next = waiting_.empty() ? earlier(router_.next_deadline(), next_again_) : deadline{time_.now()};
        next ? alarm_.arm(*next) : alarm_.disarm();
    }
    void perform(gossip::send const& e, gossip::effect const&) {
        auto const sent = network_.send(e.peer, gossip::protocols[0], *e.frame);
        if (!sent && sent.error() == transport::errc::congested) {
            fold(gossip::send_refused{e.peer, e.traffic, e.frame});
        }
    }
    void perform(gossip::validate const& e, gossip::effect const&) {
        auto const at = handlers_.find(e.message->topic);
        if (at == handlers_.end()) return;
        auto const judges = at->second.judges;  // it may unsubscribe
        auto const verdict = judges ? judges(*e.message, e.ticket) : std::optional{gossip::verdict::accept};
        if (verdict && !is_closed_) fold(gossip::validated{e.ticket, *verdict});
    }
    void perform(gossip::deliver const& e, gossip::effect const&) {
        auto const at = handlers_.find(e.message->topic);
        if (at == handlers_.end() || !at->second.takes) return;
        auto const takes = at->second.takes;
        takes(*e.message);
    }
    void perform(gossip::want_peer const& e, gossip::effect const&) {
        std::vector<peer::multiaddr> addresses;
        if (!e.record.empty()) {
            auto const opened = peer::routing_record::open(e.record);
            if (!opened || opened.value().who() != e.peer) return;  // nobody is dialled on the word of another one
            addresses = opened.value()->addresses;
        }
        if (auto const handler = connects_) return handler(e.peer, addresses);
        if constexpr (requires { network_.hear_of(e.peer, addresses); }) {  // the word of a stranger
            network_.hear_of(e.peer, connection::dialable(std::move(addresses), false));
            addresses.clear();
        }
        (void)network_.connect(e.peer, addresses);  // when it fails the router asks again, or asks others
    }
    void perform(gossip::penalise const& e, gossip::effect const& news) {
        if constexpr (requires { network_.penalise(e.peer, std::int32_t{1}); }) {
            network_.penalise(e.peer, cost_of(e.why) * static_cast<std::int32_t>(std::min(e.points, points_max)));
        }
        if (auto const handler = news_) handler(news);
    }
    template <class News>
    void perform(News const&, gossip::effect const& e) {
        if (auto const handler = news_) handler(e);
    }
    /// What an offence costs in peer::reputation, which cuts at 50. Three messages that no honest peer passes on end
    /// the connection about when the router stops to listen; what slow lines and other clocks can bring about is left
    /// to the router's own score. Ours.
    [[nodiscard]] static constexpr std::int32_t cost_of(gossip::offence why) noexcept {
        using enum gossip::offence;
        bool const may_be_honest = why == broken_promise || why == stalled || why == early_graft;
        bool const is_forged = why == invalid_message || why == not_authentic || why == malformed_rpc;
        return may_be_honest ? 0 : is_forged ? 20 : 5;
    }
    static constexpr std::uint32_t points_max = 20;
    // What an effect has led to goes in at once; its own effects wait behind those that are under way.
    void fold(gossip::event const& e) {
        effect_list<gossip::effect> out;
        router_.handle(e, time_.now(), out);
        waiting_.add(out);
    }

    Network& network_;
    Timers& alarm_;
    Clock const& time_;
    router_type router_;
    effect_queue<gossip::effect> waiting_;
    std::map<peer::peer_id, link> links_;  ///< Connected peers; the network's bound.
    std::map<std::string, handlers, std::less<>> handlers_;
    news_handler news_;
    connector connects_;
    deadline next_again_;  ///< The earliest `again`.
    bool is_closed_ = false;
};

}  // namespace muster::node
