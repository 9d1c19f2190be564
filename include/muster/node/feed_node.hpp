// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A feed at work: binds a feed::client to gossip and to a network of requests.
///
/// Idea: the topics of the feed are subscribed to with a validator, which is the feed; nothing is passed on before it
/// has its verdict. What the feed asks and is asked are requests of the network, each behind its length, within the
/// bounds of the protocol. What peers earn becomes their application score in gossip; who is banned is cut.
///
///     node::feed_node<Network, Pubsub, policies, Timers, Clock> it{{network, gossip, timers, clock, {protocol}}};
///     network.on_peer([&](transport::event const& e) { it.note(e); });  // else no peer is asked
///     (void)it.start();
///     (void)it.sync_ready(height);

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/connection/events.hpp>
#include <muster/core/effect_queue.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/timers.hpp>
#include <muster/feed/client.hpp>
#include <muster/gossip/event.hpp>
#include <muster/gossip/options.hpp>
#include <muster/transport/frames.hpp>
#include <muster/transport/requests.hpp>

namespace muster::node {

/// How a feed stands on its gossip.
struct feed_node_options {
    double score_per_point = 1;         ///< What a point of the feed's score is in gossip's.
    gossip::topic_options topics = {};  ///< Of both topics; that they validate is set here, and for how long at least.
};

/// A feed at work.
///
/// Everything it is given is borrowed and outlives it. Not thread-safe: it belongs to the thread or strand of the
/// network. Handlers may call any member, but not destroy it. Neither copyable nor movable.
///
/// @tparam Network   models transport::requests.
/// @tparam Pubsub    a node::pubsub over it.
/// @tparam Policies  of the feed; see feed::defaults.
template <class Network, class Pubsub, class Policies, timers Timers, clock Clock>
requires transport::requests<Network>
class feed_node {
public:
    using client_type = feed::client<Policies>;
    /// Takes news, and how many were missed before it.
    using news_handler = std::function<void(feed::news const&, std::uint64_t missed)>;

    struct parts {
        Network& network;
        Pubsub& gossip;
        Timers& timers;
        Clock const& time;
        typename client_type::parts feed;  ///< Its own id is set here.
        feed_node_options options = {};
    };

    explicit feed_node(parts p)
        : network_{p.network},
          gossip_{p.gossip},
          timers_{p.timers},
          time_{p.time},
          options_{std::move(p.options)},
          it_{with_self(std::move(p.feed), p.network.local())} {
        timers_.attach(wake_function::of<&feed_node::wake>(*this));
    }
    feed_node(feed_node const&) = delete;
    feed_node& operator=(feed_node const&) = delete;
    ~feed_node() {
        news_ = {};  // what it refers to may be gone
        close();
    }

    /// Begins: subscribes, serves, and catches up when the layer that executes is ready.
    /// @return what pubsub::subscribe refuses, or `shutdown`.
    [[nodiscard]] result<void> start() {
        for (auto const k : {feed::kind::record, feed::kind::blob}) {
            auto o = options_.topics;
            // What waits for its parent is passed on when that has come, as long as the feed keeps it.
            o.validation_time_limit = std::max(o.validation_time_limit, it_.settings().pending_ttl);
            MUSTER_TRY(gossip_.subscribe(
                it_.protocol().topic(k), {},
                [this, k](gossip::message const& m, gossip::ticket t) { return judge(k, m, t); }, o));
        }
        for (auto const q : {feed::question::head, feed::question::page, feed::question::blob}) {
            network_.serve(it_.protocol().protocol_name(q), bounds_of(q),
                           [this, q](transport::asked const& a) { on_question(q, a); });
        }
        return act([](auto& c, auto now, auto& out) { return c.start(now, out); });
    }
    /// Tells that it ends, and leaves the network and the timers: then no handler is called any more. Repeating it
    /// changes nothing. Destruction does the same without telling.
    void close() {
        if (std::exchange(is_closed_, true)) return;
        effect_list<feed::effect> out;
        it_.shutdown(out);
        tell_news();
        alive_.reset();
        waiting_.clear();
        for (auto const& [n, id] : requests_) network_.cancel(id);
        for (auto const q : {feed::question::head, feed::question::page, feed::question::blob}) {
            network_.unserve(it_.protocol().protocol_name(q));
        }
        for (auto const k : {feed::kind::record, feed::kind::blob}) {
            (void)gossip_.unsubscribe(it_.protocol().topic(k));
        }
        timers_.disarm();
        timers_.attach({});
    }

    /// What happens to connections, as a network tells it, ...
    void note(transport::event const& e) {
        std::visit(overloaded{[&](transport::connected const& v) { tell(feed::peer_connected{v.peer}); },
                              [&](transport::disconnected const& v) { tell(feed::peer_disconnected{v.peer}); },
                              [](auto const&) {}},
                   e);
    }
    /// ... or as a managed one does.
    void note(connection::effect const& e) {
        std::visit(overloaded{[&](connection::connected const& v) { tell(feed::peer_connected{v.peer}); },
                              [&](connection::disconnected const& v) { tell(feed::peer_disconnected{v.peer}); },
                              [](auto const&) {}},
                   e);
    }
    /// Sets who takes news, in the order in which they happen; an empty handler removes it.
    void on_news(news_handler h) {
        news_ = std::move(h);
        if (news_ && !reader_) {
            if (auto const made = it_.subscribe()) reader_ = made.value();
        }
    }
    /// The feed, to ask it and to subscribe to it. Commands that have effects are this one's.
    [[nodiscard]] client_type& feed() noexcept { return it_; }
    [[nodiscard]] client_type const& feed() const noexcept { return it_; }

    /// As the members of feed::client of the same names. @{
    [[nodiscard]] result<void> sync_ready(feed::height at) {
        return act([&](auto& c, auto now, auto& out) { return c.sync_ready(at, now, out); });
    }
    [[nodiscard]] result<void> notify_reorg(feed::height anchor) {
        return act([&](auto& c, auto now, auto& out) { return c.notify_reorg(anchor, now, out); });
    }
    void schedule_changed() {
        (void)act([&](auto& c, auto now, auto& out) -> result<void> {
            c.schedule_changed(now, out);
            return ok();
        });
    }
    [[nodiscard]] result<feed::digest> publish_record(bytes content) {
        return act([&](auto& c, auto now, auto& out) { return c.publish_record(std::move(content), now, out); });
    }
    [[nodiscard]] result<void> publish_blob(feed::blob const& b) {
        return act([&](auto& c, auto now, auto& out) { return c.publish_blob(b, now, out); });
    }
    [[nodiscard]] result<feed::digest> publish_pair(feed::blob const& b, bytes content) {
        return act([&](auto& c, auto now, auto& out) { return c.publish_pair(b, std::move(content), now, out); });
    }
    [[nodiscard]] result<feed::request_number> request_head() {
        return act([&](auto& c, auto now, auto& out) { return c.request_head(now, out); });
    }
    [[nodiscard]] result<feed::request_number> request_records(feed::height from, std::uint32_t count) {
        return act([&](auto& c, auto now, auto& out) { return c.request_records(from, count, now, out); });
    }
    [[nodiscard]] result<feed::request_number> request_blob(feed::digest const& id) {
        return act([&](auto& c, auto now, auto& out) { return c.request_blob(id, now, out); });
    }
    [[nodiscard]] result<void> update_head(std::optional<feed::height> at) { return it_.update_head(at); }
    /// @}

    /// A deadline may have passed. Timers call it; early, late or twice is harmless.
    void wake() {
        (void)act([](auto& c, auto now, auto& out) -> result<void> {
            c.wake(now, out);
            return ok();
        });
    }

private:
    [[nodiscard]] static typename client_type::parts with_self(typename client_type::parts p, peer::peer_id const& id) {
        p.self = id;
        return p;
    }
    [[nodiscard]] transport::request_options bounds_of(feed::question q) const {
        auto const caps = it_.protocol().caps(q);
        transport::request_options o;
        o.time_limit = it_.settings().request_timeout;
        o.request_size_max = caps.request_size_max;
        o.answer_size_max = caps.answer_size_max;
        o.delimiter = transport::delimiter::length_prefix;
        return o;
    }

    // ---- from the network -------------------------------------------------------------------------------

    // What the feed says at once is the validator's answer, and what it says later is a verdict of its own.
    [[nodiscard]] std::optional<gossip::verdict> judge(feed::kind k, gossip::message const& m, gossip::ticket t) {
        auto const outer = std::exchange(judging_, t);
        auto const outer_verdict = std::exchange(verdict_, std::nullopt);
        tell(feed::gossip_received{t, m.relayed_by, k, m.data});
        judging_ = outer;
        return std::exchange(verdict_, outer_verdict);
    }
    void on_question(feed::question q, transport::asked const& a) {
        tell(feed::question_received{a.id.value, a.peer, q, a.request});
    }
    void on_answer(feed::request_number n, result<bytes> const& answer) {
        if (requests_.erase(n) == 0) return;
        if (answer) return tell(feed::answer_received{n, answer.value()});
        tell(feed::answer_failed{n, why_of(answer.error())});
    }
    [[nodiscard]] static feed::answer_failure why_of(error const& e) noexcept {
        if (e == transport::errc::timed_out) return feed::answer_failure::timed_out;
        if (e == transport::errc::refused) return feed::answer_failure::refused;
        if (e == transport::errc::too_large) return feed::answer_failure::invalid;
        return feed::answer_failure::not_connected;
    }

    // ---- what the feed wants ----------------------------------------------------------------------------

    void tell(feed::event const& e) {
        (void)act([&](auto& c, auto now, auto& out) -> result<void> {
            c.handle(e, now, out);
            return ok();
        });
    }
    template <class F>
    auto act(F f) -> decltype(f(std::declval<client_type&>(), instant{}, std::declval<effect_list<feed::effect>&>())) {
        if (is_closed_) return error{feed::errc::shutdown, "this feed was closed"};
        effect_list<feed::effect> out;
        auto outcome = f(it_, time_.now(), out);
        waiting_.perform(
            out, [this](auto const& e) { std::visit([this](auto const& v) { this->perform(v); }, e); },
            [this] { rearm(); });
        return outcome;
    }
    // What an effect has led to goes in at once; its own effects wait behind those that are under way.
    void fold(feed::event const& e) {
        effect_list<feed::effect> out;
        it_.handle(e, time_.now(), out);
        waiting_.add(out);
    }
    void rearm() {
        if (is_closed_) return;
        auto const next = waiting_.empty() ? it_.next_deadline() : deadline{time_.now()};
        next ? timers_.arm(*next) : timers_.disarm();
    }
    void perform(feed::publish const& e) { (void)gossip_.publish(it_.protocol().topic(e.topic), e.data); }
    void perform(feed::judge const& e) {
        auto const v = e.what == feed::outcome::accept   ? gossip::verdict::accept
                       : e.what == feed::outcome::reject ? gossip::verdict::reject
                       : e.may_come_again                ? gossip::verdict::unjudged
                                                         : gossip::verdict::ignore;
        if (judging_ && *judging_ == e.ticket) {
            verdict_ = v;
        } else {
            gossip_.judge(e.ticket, v);
        }
    }
    void perform(feed::request const& e) {
        auto const id = network_.request(
            e.to, it_.protocol().protocol_name(e.what), e.data, bounds_of(e.what),
            [this, n = e.number, alive = std::weak_ptr{alive_}](transport::request_id, result<bytes> const& answer) {
                if (!alive.expired()) on_answer(n, answer);
            });
        if (id) {
            requests_.insert_or_assign(e.number, id.value());
        } else {
            fold(feed::answer_failed{e.number, why_of(id.error())});
        }
    }
    void perform(feed::give_up const& e) {
        auto const found = requests_.find(e.number);
        if (found == requests_.end()) return;
        network_.cancel(found->second);
        requests_.erase(found);
    }
    void perform(feed::answer const& e) {
        if (!network_.answer(transport::request_id{e.number}, e.data)) network_.refuse(transport::request_id{e.number});
    }
    void perform(feed::refuse const& e) { network_.refuse(transport::request_id{e.number}); }
    void perform(feed::penalise const& e) {
        if (e.is_judged) return;
        if constexpr (requires { network_.penalise(e.peer, e.points); }) network_.penalise(e.peer, e.points);
    }
    void perform(feed::rate const& e) { gossip_.rate(e.peer, e.score * options_.score_per_point); }
    void perform(feed::ban const& e) {
        if constexpr (requires { network_.disconnect(e.peer); }) network_.disconnect(e.peer);
    }
    void perform(feed::wake_subscribers const&) { tell_news(); }
    void tell_news() {
        if (!reader_) return;
        while (auto const d = it_.next_event(*reader_)) {
            if (auto const handler = news_) handler(d->event, d->missed);
        }
    }

    Network& network_;
    Pubsub& gossip_;
    Timers& timers_;
    Clock const& time_;
    feed_node_options options_;
    client_type it_;
    effect_queue<feed::effect> waiting_;
    std::map<feed::request_number, transport::request_id> requests_;  ///< Under way; the requester's bound.
    std::optional<gossip::ticket> judging_;                           ///< The message whose validator is running.
    std::optional<gossip::verdict> verdict_;                          ///< Of that one.
    std::optional<typename client_type::subscription> reader_;
    news_handler news_;
    std::shared_ptr<char> alive_ = std::make_shared<char>();
    bool is_closed_ = false;
};

}  // namespace muster::node
