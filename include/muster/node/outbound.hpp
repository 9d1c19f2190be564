// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Binds an outbound_pool to a managed network: connections of our own choosing, out of an address book that is kept.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <muster/connection/outbound_pool.hpp>
#include <muster/core/effect_queue.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/system_seed.hpp>
#include <muster/core/timers.hpp>
#include <muster/transport/frames.hpp>

namespace muster::node {

/// An outbound_pool at work. Network, timers and clock are borrowed and outlive it. Not thread-safe: it belongs to the
/// thread or strand of the network. Neither copyable nor movable.
template <class ManagedNetwork, timers Timers, clock Clock>
class outbound_connections {
public:
    /// Keeps the book: on disk, mostly (connection::save_book). @return an error where it could not: it is asked again
    /// half a minute later. Must not throw.
    using keeper = std::function<result<void>(connection::kept_book const&)>;

    /// @param what  what was kept, see connection::load_book.
    /// @param keep  an empty function keeps nothing.
    outbound_connections(ManagedNetwork& net, Timers& alarm, Clock const& time, connection::kept_book what, keeper keep,
                         connection::outbound_options const& o = {}, std::uint64_t seed = system_seed())
        : network_{net},
          alarm_{alarm},
          time_{time},
          keep_{std::move(keep)},
          it_{net.local(), std::move(what), o, seed} {
        alarm_.attach(wake_function::of<&outbound_connections::wake>(*this));
    }
    outbound_connections(outbound_connections const&) = delete;
    outbound_connections& operator=(outbound_connections const&) = delete;
    ~outbound_connections() { stop(); }

    /// Begins to fill places.
    void start() {
        it_.start(time_.wall_now(), time_.now());
        wake();
    }
    /// Keeps the book a last time. Nothing happens here afterwards; connections stay.
    void stop() {
        if (std::exchange(is_stopped_, true)) return;
        alarm_.disarm();
        alarm_.attach({});
        alive_.reset();
        if (keep_) (void)keep_(it_.kept());
    }
    /// @copydoc connection::outbound_pool::learn
    bool learn(peer::peer_id const& who, std::span<peer::multiaddr const> addresses, std::string const& source) {
        it_.set_calendar(time_.wall_now(), time_.now());
        bool const is_known = it_.learn(who, addresses, source, time_.now());
        wake();
        return is_known;
    }
    /// What happens to connections: to be told all that the network's manager tells.
    void note(connection::effect const& e) {
        std::visit(overloaded{[&](connection::connected const& v) { tell(link_up(v.peer)); },
                              [&](connection::disconnected const& v) {
                                  tell(connection::link_down{v.peer, v.why});
                              },
                              [](auto const&) {}},
                   e);
    }
    /// What is known, and who is connected at our choice.
    [[nodiscard]] connection::outbound_pool const& state() const noexcept { return it_; }

    /// The outbound_pool's deadline may have passed. Timers call it; early, late or twice is harmless.
    void wake() {
        if (is_stopped_) return;
        effect_list<connection::outbound_pool::effect> out;
        it_.set_calendar(time_.wall_now(), time_.now());
        it_.wake(time_.now(), out);
        perform(out);
    }

private:
    [[nodiscard]] connection::link_up link_up(peer::peer_id const& who) const {
        return {who, network_.connections().remote_of(who)};
    }
    void tell(connection::outbound_pool::event const& e) {
        if (is_stopped_) return;
        effect_list<connection::outbound_pool::effect> out;
        it_.set_calendar(time_.wall_now(), time_.now());
        it_.handle(e, time_.now(), out);
        perform(out);
    }
    void perform(effect_list<connection::outbound_pool::effect>& out) {
        waiting_.perform(
            out, [this](auto& e) { std::visit([this](auto& v) { this->on(v); }, e); }, [this] { rearm(); });
    }
    void rearm() {
        if (is_stopped_) return;
        auto const next = waiting_.empty() ? it_.next_deadline() : deadline{time_.now()};
        next ? alarm_.arm(*next) : alarm_.disarm();
    }
    void on(connection::outbound_pool::seek& s) {
        network_.hear_of(s.peer, s.addresses);
        auto const begun = network_.connect_to_many(
            {&s.peer, 1},
            [this, alive = std::weak_ptr{alive_}](std::vector<connection::outcome> const& all) {
                if (alive.expired()) return;
                for (auto const& o : all) {
                    // No news to one that was connected before we looked.
                    o.why ? tell(connection::dial_failed{o.peer, *o.why}) : tell(link_up(o.peer));
                }
            },
            1);
        if (!begun) tell(connection::dial_failed{s.peer, begun.error()});
    }
    void on(connection::outbound_pool::let_go const& l) { network_.dismiss(l.peer); }
    void on(connection::outbound_pool::save const&) {
        if (keep_ && !keep_(it_.kept())) tell(connection::outbound_pool::save_failed{});
    }

    ManagedNetwork& network_;
    Timers& alarm_;
    Clock const& time_;
    keeper keep_;
    connection::outbound_pool it_;
    effect_queue<connection::outbound_pool::effect> waiting_;
    std::shared_ptr<char> alive_ = std::make_shared<char>();
    bool is_stopped_ = false;
};

}  // namespace muster::node
