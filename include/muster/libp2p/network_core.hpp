// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What binds a host, its services and sockets. See network.hpp.

#include <algorithm>
#include <concepts>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/observer.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/libp2p/host.hpp>
#include <muster/libp2p/service/frames.hpp>
#include <muster/libp2p/service/identify.hpp>
#include <muster/libp2p/service/ping.hpp>
#include <muster/libp2p/service/requests.hpp>
#include <muster/libp2p/sockets.hpp>
#include <muster/transport/frames.hpp>

namespace muster::libp2p {

/// Takes what peers claim of themselves.
using identity_handler = std::function<void(identity_claim const&)>;

namespace detail {

/// The state of a network, kept alive while one of its handlers runs.
template <sockets Sockets, secret_source Secret, observer Observer>
struct network_core final : socket_user, std::enable_shared_from_this<network_core<Sockets, Secret, Observer>> {
    network_core(Sockets s, peer::node_key const& key, host_options o, std::uint64_t seed, Secret source, Observer to)
        : wires{std::move(s)},
          machine{key, spoken(o), seed, std::move(source)},
          frames{o.frame_size_max, o.send_queue_max},
          requests{o.requests_per_peer_max},
          watcher{std::move(to)} {}
    network_core(network_core const&) = delete;
    network_core& operator=(network_core const&) = delete;

    [[nodiscard]] static host_options spoken(host_options o) {
        if constexpr (requires { Sockets::has_websocket; }) o.has_websocket = Sockets::has_websocket;
        return o;
    }
    void start() {
        wires.attach(this);
        offer();
    }

    // ---- what comes from the sockets ----------------------------------------------------------------

    void on_socket(socket_event const& e) override {
        auto const alive = this->shared_from_this();
        act([&](auto now, auto& out) { machine.handle(e, now, out); });
    }
    void on_turn() override {
        auto const alive = this->shared_from_this();
        has_turn = true;  // what handlers cause is done at the end of this one
        try {
            deliver();
        } catch (...) {  // a handler has thrown: time passes all the same, and what else is due comes in the next turn
            has_turn = false;
            pass_time();
            if (!closed) ask_for_turn();
            throw;
        }
        has_turn = false;
        pass_time();
    }
    void pass_time() {
        act([&](auto now, auto& out) {
            if (armed && *armed <= now) armed.reset();  // else the timer goes on
            effect_list<requests_note> notes;
            requests.wake(machine, now, notes, out);
            tell(notes);
            identify.wake(machine, now, out);
            effect_list<frames_note> room;
            frames.wake(machine, room);
            tell(room);
            machine.wake(now, out);
        });
    }

    // ---- what the host tells ------------------------------------------------------------------------

    template <class F>
    void act(F f) {
        if (closed) return;
        auto const now = settling ? *settling : wires.now();
        f(now, effects);
        settle(now);
    }
    template <class F>
    auto command(F f) -> decltype(f(instant{}, std::declval<effect_list<host_effect>&>())) {
        if (closed) return error{transport::errc::closed, "this network was closed"};
        auto const now = wires.now();
        auto outcome = f(now, effects);
        settle(now);
        return outcome;
    }
    void apply_effects(instant now) {
        struct scope {
            ~scope() { at.reset(); }  // by an exception of the user's as well
            std::optional<instant>& at;
        } const scope_of_this{settling};
        settling = now;
        while (!effects.empty()) {
            for (auto& e : effects.take()) {
                if (!closed) std::visit([&](auto& v) { on(v, now); }, e);
            }
        }
    }
    void settle(instant now) {
        if (settling) return;  // a socket has answered at once: what that causes is done after the rest
        apply_effects(now);
        if (has_turn) return;  // it ends with this
        if (!queue.empty()) return ask_for_turn();
        auto const next = earlier(machine.next_deadline(), requests.next_deadline());
        if (next && *next <= now) return ask_for_turn();
        if (next == armed) return;
        armed = next;
        wires.arm(next);
    }

    void ask_for_turn() {
        if (!std::exchange(has_turn, true)) wires.turn();
    }

    /// What is to be done to sockets.
    template <class Effect>
    void on(Effect& e, instant) requires std::constructible_from<socket_effect, Effect> {
        socket_effect one{std::move(e)};
        wires.perform(one);
    }
    void on(addresses_changed&, instant now) { identify.tell_everyone(machine, now); }
    void on(not_listening& e, instant) { why_not = std::move(e.why); }

    void on(peer_connected& e, instant now) {
        watcher.count("libp2p_peers_connected_total", 1);
        log_event(watcher, log_level::info, e);
        queue.push_back(news{{}, transport::connected{e.peer, e.direction, e.remote}});
        identify.on(machine, e, now);
    }
    void on(peer_disconnected& e, instant) {
        watcher.count("libp2p_peers_disconnected_total", 1);
        log_event(watcher, log_level::info, e);
        queue.push_back(news{{}, transport::disconnected{e.peer, std::move(e.why)}});
    }
    void on(peer_unreachable& e, instant) {
        watcher.count("libp2p_peers_unreachable_total", 1);
        log_event(watcher, log_level::warning, e);
        queue.push_back(news{{}, transport::connect_failed{e.peer, std::move(e.why)}});
    }
    void on(leaving& e, instant now) { frames.on(machine, e, now, effects); }

    void on(stream_opened& e, instant now) {
        if (e.direction == direction::outbound && requests.owns(e.stream)) return requests.on(machine, e, now, effects);
        if (e.direction == direction::outbound || frames.handles(e.protocol)) tell_of<frames_note>(frames, e, now);
        if (e.direction == direction::outbound || identify.handles(e.protocol)) {
            identify.on(machine, e, now, effects);
        } else if (requests.handles(e.protocol)) {
            requests.on(machine, e, now, effects);
        } else if (!frames.handles(e.protocol) && !ping.handles(e.protocol)) {
            machine.reset_stream(e.stream, now);  // taken away meanwhile
        }
    }
    void on(stream_bytes& e, instant now) {
        if (requests.owns(e.stream)) return tell_of<requests_note>(requests, e, now);
        if (is_of(identify, e.stream) || identify.owns(e.stream)) {
            effect_list<identity_claim> claims;
            identify.on(machine, e, now, claims, effects);
            for (auto& c : claims.take()) {  // of one peer the last claim is enough
                auto const who = c.peer;
                if (claimed.insert_or_assign(who, std::move(c)).second) queue.push_back(claim_of{who});
            }
            return;
        }
        if (is_of(ping, e.stream)) return ping.on(machine, e, now, effects);
        tell_of<frames_note>(frames, e, now);
    }
    void on(stream_ready_again& e, instant now) {
        if (requests.owns(e.stream)) return requests.on(machine, e, now, effects);
        identify.on(machine, e, now, effects);
        tell_of<frames_note>(frames, e, now);
    }
    void on(stream_ended& e, instant now) {
        if (requests.owns(e.stream)) return tell_of<requests_note>(requests, e, now);
        if (is_of(ping, e.stream)) return ping.on(machine, e, now, effects);
        if (is_of(identify, e.stream) || identify.owns(e.stream)) return identify.on(machine, e, now, effects);
        frames.on(machine, e, now, effects);
    }
    void on(stream_gone& e, instant now) {
        tell_of<requests_note>(requests, e, now);
        identify.on(machine, e, now, effects);
        ping.on(e);
        tell_of<frames_note>(frames, e, now);
    }
    template <class Service>
    [[nodiscard]] bool is_of(Service const&, stream_ref const& s) const {
        return Service::handles(machine.protocol_of(s));
    }

    // ---- what the services tell ---------------------------------------------------------------------

    template <class Note, class Service, class Event>
    void tell_of(Service& service, Event const& e, instant now) {
        effect_list<Note> notes;
        service.on(machine, e, now, notes, effects);
        tell(notes);
    }
    void tell(effect_list<frames_note>& notes) {
        for (auto& n : notes.take()) {
            std::visit(overloaded{[&](frames_came& v) { queue.push_back(v); },
                                  [&](frames_writable& v) {
                                      queue.push_back(news{std::move(v.protocol), transport::writable{v.peer}});
                                  },
                                  [&](frames_dropped& v) {
                                      queue.push_back(news{std::move(v.protocol),
                                                           transport::frames_lost{v.peer, v.size, std::move(v.why)}});
                                  }},
                       n);
        }
    }
    void tell(effect_list<requests_note>& notes) {
        for (auto& n : notes.take()) {
            std::visit([&](auto& v) { queue.push_back(std::move(v)); }, n);
        }
    }

    // ---- delivery -----------------------------------------------------------------------------------

    /// For one protocol, or for all when it is empty.
    struct news {
        std::string protocol;
        transport::event what;
    };
    /// What this peer claims of itself is new.
    struct claim_of {
        peer::peer_id peer;
    };
    using item = std::variant<news, frames_came, request_ended, question_came, claim_of>;
    /// Frames of a stream that are handed over in one turn: others have theirs. Ours.
    static constexpr std::size_t frames_per_turn = 256;

    void deliver() {
        // What handlers cause comes in a later turn, so that sockets are not kept waiting.
        for (auto left = queue.size(); left != 0 && !queue.empty() && !closed; --left) {
            auto const next = std::move(queue.front());
            queue.pop_front();
            std::visit([&](auto const& v) { give(v); }, next);
        }
    }
    void give(news const& n) {
        if (!n.protocol.empty()) return give(n.protocol, n.what);
        if (auto const handler = on_peer) handler(n.what);
        std::vector<std::string> names;
        for (auto const& [name, handler] : handlers) names.push_back(name);
        for (auto const& name : names) give(name, n.what);
    }
    void give(std::string const& protocol, transport::event const& what) {
        auto const found = handlers.find(protocol);  // an earlier handler may have detached it
        if (found == handlers.end() || closed) return;
        auto const handler = found->second;  // it may detach itself
        handler(what);
    }
    void give(frames_came const& n) {
        for (std::size_t given = 0; given < frames_per_turn; ++given) {
            auto const now = wires.now();
            auto frame = frames.take(machine, n.stream, now, effects);
            settle(now);
            auto const* const from = frames.origin(n.stream);
            if (!frame || !frame.value() || from == nullptr || closed) return;
            try {
                watcher.count("libp2p_frames_received_total", 1);
                give(from->second, transport::received{from->first, *std::move(frame).value()});
            } catch (...) {  // the frames behind it are not lost
                if (!closed) queue.push_front(n);
                throw;
            }
        }
        queue.push_back(n);
    }
    void give(request_ended const& n) {
        auto const found = answers.find(n.id);
        if (found == answers.end()) return;
        auto const handler = std::move(found->second);
        answers.erase(found);
        watcher.count(n.answer ? "libp2p_requests_answered_total" : "libp2p_requests_failed_total", 1);
        handler(n.id, n.answer);
    }
    void give(question_came const& n) {
        if (!requests.is_open(n.what.id)) return;  // taken back meanwhile
        auto const found = questions.find(n.what.protocol);
        if (found == questions.end())
            return act([&](auto now, auto& out) { requests.refuse(machine, n.what.id, now, out); });
        auto const handler = found->second;
        watcher.count("libp2p_questions_total", 1);
        handler(n.what);
    }
    void give(claim_of const& n) {
        auto const found = claimed.extract(n.peer);
        auto const handler = on_identity;
        if (handler && !found.empty()) handler(found.mapped());
    }

    // ---- the user's commands ------------------------------------------------------------------------

    /// Streams are accepted for what somebody takes; everyone is told.
    void offer() {
        std::vector<std::string> all = identify.protocols();
        for (auto const& more : {ping.protocols(), frames.protocols(), requests.protocols()}) {
            all.insert(all.end(), more.begin(), more.end());
        }
        act([&](auto now, auto&) {
            machine.offer(std::move(all));
            identify.tell_everyone(machine, now);
        });
    }
    [[nodiscard]] result<peer::multiaddr> start_listening(peer::multiaddr const& at) {
        if (closed) return error{transport::errc::closed, "this network was closed"};
        auto const id = machine.listen(at, effects);
        settle(wires.now());
        auto const opened = machine.listeners().find(id);  // the answer has come by now
        if (opened == machine.listeners().end()) return *std::exchange(why_not, std::nullopt);
        return opened->second.where.front().with_peer(machine.local());
    }
    void stop_listening(peer::multiaddr const& at) {
        act([&](auto, auto& out) {
            for (auto const& [id, l] : std::map{machine.listeners()}) {
                if (is_named(l, at)) machine.unlisten(id, out);
            }
        });
    }
    /// Whether @p at is one of the addresses of @p l, or the unspecified one that it was asked for.
    [[nodiscard]] bool is_named(listening const& l, peer::multiaddr const& at) const {
        return std::any_of(l.where.begin(), l.where.end(), [&](peer::multiaddr const& w) {
            bool const is_same = w == at || w.with_peer(machine.local()).value() == at;
            return is_same || (!l.is_specific && is_unspecified(at) && w.tcp_port() == at.tcp_port() &&
                               w.components().front().protocol == at.components().front().protocol);
        });
    }
    void disconnect(peer::peer_id const& who) {
        act([&](auto now, auto& out) { machine.disconnect(who, now, out); });
        frames.forget(who);  // what it had sent is not delivered any more
    }
    void close() {
        if (std::exchange(closed, true)) return;
        wires.attach(nullptr);
        queue.clear();
        handlers.clear();
        questions.clear();
        answers.clear();
        on_identity = {};
        on_peer = {};
    }

    void publish_gauges() {
        auto const s = machine.stats();
        watcher.gauge("libp2p_connections", static_cast<double>(s.connections));
        watcher.gauge("libp2p_peers", static_cast<double>(s.peers));
        watcher.gauge("libp2p_held_bytes", static_cast<double>(s.held));
        watcher.gauge("libp2p_queued_bytes", static_cast<double>(s.queued));
        watcher.gauge("libp2p_connections_inbound", static_cast<double>(s.inbound));
        watcher.gauge("libp2p_peers_dialled", static_cast<double>(s.dialling));
        // These only grow: an observer counts what has come since it was told last.
        watcher.count("libp2p_accepted_total", s.accepted - told.accepted);
        watcher.count("libp2p_refused_total", s.refused - told.refused);
        watcher.count("libp2p_received_bytes_total", s.bytes_in - told.bytes_in);
        watcher.count("libp2p_sent_bytes_total", s.bytes_out - told.bytes_out);
        told = s;
    }

    Sockets wires;
    host<Secret> machine;
    frames_service frames;
    requests_service requests;
    identify_service identify;
    ping_service ping;
    effect_list<host_effect> effects;
    std::deque<item> queue;
    std::map<std::string, transport::event_handler> handlers;
    std::map<std::string, transport::question_handler> questions;
    std::map<transport::request_id, transport::answer_handler> answers;
    identity_handler on_identity;
    std::map<peer::peer_id, identity_claim> claimed;  // and not told yet
    transport::event_handler on_peer;
    std::optional<error> why_not;  // the last listener that was wanted did not come to be
    deadline armed;
    std::optional<instant> settling;  // the time of what is being settled
    bool has_turn = false;
    bool closed = false;
    [[no_unique_address]] Observer watcher;
    host_statistics told;  // when the gauges were published last
};

}  // namespace detail
}  // namespace muster::libp2p
