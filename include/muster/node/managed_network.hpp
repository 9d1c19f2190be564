// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A network whose connections are managed: protocols use it like any other, and one manager decides about dialling.
///
/// Idea: whatever takes a network takes this one. `connect` and `disconnect` are wishes here, which the manager joins
/// with those of everybody else; frames and requests go to the network underneath. Besides, it is what applications
/// ask: to connect to a peer and hear of it, to keep one, to know how it stands.

#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/connection/manager.hpp>
#include <muster/core/effect_queue.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/system_seed.hpp>
#include <muster/core/timers.hpp>
#include <muster/peer/presence.hpp>
#include <muster/transport/frames.hpp>
#include <muster/transport/requests.hpp>

namespace muster::node {

/// Binds a manager of connections to a network. Models transport::frames, and transport::requests where @p Network
/// does.
///
/// Network, timers and clock are borrowed and outlive it. Not thread-safe: it belongs to the thread or strand of the
/// network. Handlers are called from the network's turns, or before the call returns that has caused what they are told
/// of; they may call any member, but not destroy it. One that throws ends nothing but its own call. Neither copyable
/// nor movable.
template <transport::frames Network, timers Timers, clock Clock>
requires transport::connections<Network>
class managed_network {
public:
    /// Takes what the manager tells: connecting, connected, connect_failed, disconnected, suspected.
    using news_handler = std::function<void(connection::effect const&)>;
    /// Takes what came of a request, one outcome for each peer.
    using outcome_handler = std::function<void(std::vector<connection::outcome> const&)>;

    /// @param seed  for the waits between attempts.
    managed_network(Network& net, Timers& alarm, Clock const& time, connection::options const& o = {},
                    std::uint64_t seed = system_seed())
        : network_{net}, alarm_{alarm}, time_{time}, manager_{net.local(), o, seed} {
        alarm_.attach(wake_function::of<&managed_network::wake>(*this));
        network_.on_peer([this](transport::event const& e) { on_transport(e); });
    }
    managed_network(managed_network const&) = delete;
    managed_network& operator=(managed_network const&) = delete;
    ~managed_network() { close(); }

    // ---- for protocols: a network -----------------------------------------------------------------------

    [[nodiscard]] peer::peer_id local() const { return network_.local(); }
    [[nodiscard]] bool is_connected(peer::peer_id const& who) const { return network_.is_connected(who); }
    void attach(std::string_view protocol, transport::event_handler handler) {
        network_.attach(protocol, std::move(handler));
    }
    /// The same for a protocol with several versions, where the network knows such; the first one names it in `send`.
    template <class Names>
    void attach(Names names, transport::event_handler handler) requires requires(Network& n) {
        n.attach(std::vector<std::string>(names), std::move(handler));
    }
    { network_.attach(std::vector<std::string>(std::move(names)), std::move(handler)); }
    void detach(std::string_view protocol) { network_.detach(protocol); }
    [[nodiscard]] result<void> send(peer::peer_id const& who, std::string_view protocol, bytes frame) {
        return network_.send(who, protocol, std::move(frame));
    }
    /// Wishes to be connected to @p who, as the manager sees fit. @p addresses, where there are any, replace those
    /// known. @return what transport::frames says.
    [[nodiscard]] result<void> connect(peer::peer_id const& who, std::span<peer::multiaddr const> addresses) {
        if (is_closed_) return error{transport::errc::closed, "this network was closed"};
        learn_more(who, addresses);
        return act([&](auto now, auto& out) { return manager_.want(who, now, out); });
    }
    /// Ends the connection to @p who, for a protocol that had enough of it. One that is kept is dialled again after a
    /// wait; see @ref disconnect_and_release.
    void disconnect(peer::peer_id const& who) {
        act([&](auto now, auto& out) { return manager_.cut(who, now, out); });
    }
    void serve(std::string_view protocol, transport::request_options const& o,
               transport::question_handler handler) requires transport::requests<Network> {
        network_.serve(protocol, o, std::move(handler));
    }
    void unserve(std::string_view protocol) requires transport::requests<Network> { network_.unserve(protocol); }
    [[nodiscard]] result<transport::request_id> request(
        peer::peer_id const& who, std::string_view protocol, bytes question, transport::request_options const& o,
        transport::answer_handler handler) requires transport::requests<Network> {
        return network_.request(who, protocol, std::move(question), o, std::move(handler));
    }
    void cancel(transport::request_id id) requires transport::requests<Network> { network_.cancel(id); }
    [[nodiscard]] result<void> answer(transport::request_id id, bytes content) requires transport::requests<Network> {
        return network_.answer(id, std::move(content));
    }
    void refuse(transport::request_id id) requires transport::requests<Network> { network_.refuse(id); }
    /// Leaves the network and the timers: no handler is called any more. Connections stay, since the network is
    /// borrowed. Repeating it changes nothing.
    void close() {
        if (std::exchange(is_closed_, true)) return;
        alarm_.disarm();
        alarm_.attach({});
        network_.on_peer({});
        endings_.clear();
        waiting_.clear();
    }

    // ---- for applications: connections ------------------------------------------------------------------

    /// @copydoc connection::manager::learn
    void learn(peer::peer_id const& who, std::span<peer::multiaddr const> addresses, std::string_view nickname = {}) {
        manager_.learn(who, addresses, time_.now(), nickname);
    }
    /// @copydoc connection::manager::hear_of
    void hear_of(peer::peer_id const& who, std::span<peer::multiaddr const> addresses) {
        manager_.hear_of(who, addresses, time_.now());
    }
    /// As @ref learn, unless there is nothing to learn: an empty list leaves what is known.
    void learn_more(peer::peer_id const& who, std::span<peer::multiaddr const> addresses) {
        if (!addresses.empty() || manager_.status_of(who) == connection::peer_status{}) learn(who, addresses);
    }
    /// Connects to one peer. See @ref connect_to_many.
    [[nodiscard]] result<connection::ticket> connect_to_peer(peer::peer_id const& who, outcome_handler handler) {
        return connect_to_many({&who, 1}, std::move(handler));
    }
    /// Connects to the peer that presents itself as @p it, at all its addresses. @return `not_found` when it has
    /// expired; else as @ref connect_to_many.
    [[nodiscard]] result<connection::ticket> connect_to_presence(peer::presence const& it, outcome_handler handler) {
        if (time_.wall_now() >= it.expires) {
            return error{
                connection::errc::not_found,
                text("what ", it.peer.to_text(), " has told of itself has expired; it must present itself anew")};
        }
        auto addresses = it.addresses;
        addresses.insert(addresses.end(), it.relay_addresses.begin(), it.relay_addresses.end());
        if (it.webrtc_address) addresses.push_back(*it.webrtc_address);
        learn(it.peer, addresses, it.nickname);
        return connect_to_peer(it.peer, std::move(handler));
    }
    /// Connects to all of @p whom at once, with retries; @p handler is told once, with one outcome for each peer in the
    /// order asked, also before this returns. The own id is left out. Each is tried @p attempts times at most, and
    /// never more often than the options say.
    /// @return what can be cancelled, or `closed`, `full`.
    [[nodiscard]] result<connection::ticket> connect_to_many(
        std::span<peer::peer_id const> whom, outcome_handler handler,
        std::size_t attempts = std::numeric_limits<std::size_t>::max()) {
        if (is_closed_) return error{transport::errc::closed, "this network was closed"};
        effect_list<connection::effect> out;
        MUSTER_TRY(auto const id, manager_.connect(whom, time_.now(), out, attempts));
        endings_[id] = std::move(handler);
        perform(out);
        return id;
    }
    /// Ends a request: its handler is not called any more, and nobody is dialled for it. Harmless for one that is over.
    void cancel(connection::ticket id) {
        endings_.erase(id);
        act([&](auto now, auto& out) { return manager_.cancel(id, now, out); });
    }
    /// Dials @p who whenever it is not connected. @return `not_found` when nobody has told where it is.
    [[nodiscard]] result<void> keep(peer::peer_id const& who) {
        return act([&](auto now, auto& out) { return manager_.keep(who, now, out); });
    }
    /// Ends the connection to @p who, and every attempt; it is kept no more.
    void disconnect_and_release(peer::peer_id const& who) {
        act([&](auto now, auto& out) { return manager_.disconnect(who, now, out); });
    }
    /// Ends what @ref keep began; a connection stays.
    void release(peer::peer_id const& who) {
        act([&](auto now, auto& out) { return manager_.release(who, now, out); });
    }
    /// @copydoc connection::manager::dismiss
    void dismiss(peer::peer_id const& who) {
        act([&](auto now, auto& out) { return manager_.dismiss(who, now, out); });
    }
    /// Never ends the connection to @p who to make room, for @p reason.
    void protect(peer::peer_id const& who, std::string_view reason) {
        manager_.protect(who, reason, time_.now());
        if constexpr (requires { network_.protect(who, true); }) network_.protect(who, true);
    }
    /// Ends what @ref protect began for @p reason.
    void unprotect(peer::peer_id const& who, std::string_view reason) {
        bool const is_protected = manager_.unprotect(who, reason);
        if constexpr (requires { network_.protect(who, false); }) network_.protect(who, is_protected);
    }
    /// Takes @p points from @p who for what it did; see connection::manager::penalise.
    void penalise(peer::peer_id const& who, std::int32_t points) {
        act([&](auto now, auto& out) { return manager_.penalise(who, points, now, out); });
    }
    /// How it stands with peers.
    [[nodiscard]] connection::manager const& connections() const noexcept { return manager_; }
    /// Sets who is told what happens to connections; an empty handler removes it.
    void on_news(news_handler handler) { news_ = std::move(handler); }

    /// The manager's deadline may have passed. Timers call it; early, late or twice is harmless.
    void wake() {
        if (is_closed_) return;
        armed_.reset();
        act([&](auto now, auto& out) { return manager_.wake(now, out); });
    }

private:
    void on_transport(transport::event const& e) {
        std::visit(overloaded{
                       [&](transport::connected const& v) {
                           tell(connection::link_up{v.peer, v.remote});
                       },
                       [&](transport::disconnected const& v) {
                           tell(connection::link_down{v.peer, v.why});
                       },
                       [&](transport::connect_failed const& v) {
                           tell(connection::dial_failed{v.peer, v.why});
                       },
                       [](auto const&) {},
                   },
                   e);
    }
    void tell(connection::event const& e) {
        act([&](auto now, auto& out) { return manager_.handle(e, now, out); });
    }

    // Whatever a command of the manager wants done is done before this returns.
    template <class F>
    auto act(F f) {
        effect_list<connection::effect> out;
        if constexpr (std::is_void_v<decltype(f(time_.now(), out))>) {
            if (is_closed_) return;
            f(time_.now(), out);
            perform(out);
        } else {
            auto outcome = f(time_.now(), out);
            perform(out);
            return outcome;
        }
    }
    // What a handler that throws leaves undone is done at the next wake-up, which is at once.
    void perform(effect_list<connection::effect>& out) {
        waiting_.perform(
            out, [this](auto const& e) { std::visit([&](auto const& v) { this->on(v, e); }, e); }, [this] { rearm(); });
    }
    void rearm() {
        if (is_closed_) return;
        auto const next = waiting_.empty() ? manager_.next_deadline() : deadline{time_.now()};
        if (next == armed_) return;
        armed_ = next;
        if (next) {
            alarm_.arm(*next);
        } else {
            alarm_.disarm();
        }
    }

    void on(connection::dial const& d, connection::effect const&) {
        if (network_.is_connected(d.peer)) return fold(connection::link_up{d.peer, {}});  // before we listened
        auto const begun = network_.connect(d.peer, d.addresses);
        if (!begun) fold(connection::dial_failed{d.peer, begun.error()});
    }
    void on(connection::hang_up const& h, connection::effect const&) { network_.disconnect(h.peer); }
    void on(connection::measure const& m, connection::effect const&) {
        auto const now = time_.now();
        if constexpr (requires { network_.info(m.peer)->last_heard; }) {
            if (auto const info = network_.info(m.peer)) {
                fold(connection::heard{m.peer, info->last_heard, info->round_trip});
            }
        } else if (network_.is_connected(m.peer)) {  // a network that does not measure ends dead links itself
            fold(connection::heard{m.peer, now});
        }
    }
    void on(connection::request_ended const& r, connection::effect const&) {
        auto const found = endings_.extract(r.ticket);
        if (!found.empty() && found.mapped()) found.mapped()(r.outcomes);
    }
    template <class News>
    void on(News const&, connection::effect const& e) {
        if (auto const handler = news_) handler(e);
    }
    // What an effect has led to goes in at once; its own effects wait behind those that are under way.
    void fold(connection::event const& e) {
        effect_list<connection::effect> out;
        manager_.handle(e, time_.now(), out);
        waiting_.add(out);
    }

    Network& network_;
    Timers& alarm_;
    Clock const& time_;
    connection::manager manager_;
    effect_queue<connection::effect> waiting_;
    std::map<connection::ticket, outcome_handler> endings_;
    news_handler news_;
    deadline armed_;
    bool is_closed_ = false;
};

}  // namespace muster::node
