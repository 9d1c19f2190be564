// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Binds a gatherer to a managed network: connections of our own choosing, out of an address book that is kept.

#include <functional>
#include <utility>
#include <vector>

#include <muster/connection/gatherer.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/system_seed.hpp>
#include <muster/core/timers.hpp>
#include <muster/transport/frames.hpp>

namespace muster::node {

/// A gatherer at work. Network, timers and clock are borrowed and outlive it. Not thread-safe: it belongs to the thread
/// or strand of the network. Neither copyable nor movable.
template <class ManagedNetwork, timers Timers, clock Clock>
class gathering {
public:
    /// Keeps the book: on disk, mostly (connection::save_book). @return why not; it is asked again half a minute later.
    using keeper = std::function<result<void>(connection::gathered const&)>;

    /// @param what  what was kept, see connection::load_book.
    /// @param keep  an empty function keeps nothing.
    gathering(ManagedNetwork& net, Timers& alarm, Clock const& time, connection::gathered what, keeper keep,
              connection::gatherer_options const& o = {}, std::uint64_t seed = system_seed())
        : network_{net},
          alarm_{alarm},
          time_{time},
          keep_{std::move(keep)},
          it_{net.local(), std::move(what), o, seed} {
        alarm_.attach(wake_function::of<&gathering::wake>(*this));
    }
    gathering(gathering const&) = delete;
    gathering& operator=(gathering const&) = delete;
    ~gathering() { stop(); }

    /// Begins to fill places.
    void start() {
        it_.set_calendar(time_.wall_now(), time_.now());
        wake();
    }
    /// Keeps the book a last time. Nothing happens here afterwards; connections stay.
    void stop() {
        if (std::exchange(is_stopped_, true)) return;
        alarm_.disarm();
        alarm_.attach({});
        if (keep_) (void)keep_(it_.kept());
    }
    /// @copydoc connection::gatherer::learn
    bool learn(peer::peer_id const& who, std::span<peer::multiaddr const> addresses, std::string const& source) {
        it_.set_calendar(time_.wall_now(), time_.now());
        bool const is_known = it_.learn(who, addresses, source, time_.now());
        wake();
        return is_known;
    }
    /// What happens to connections: to be told all that the network's manager tells.
    void note(connection::effect const& e) {
        std::visit(overloaded{[&](connection::connected const& v) {
                                  tell(connection::gatherer::up{v.peer, network_.connections().remote_of(v.peer)});
                              },
                              [&](connection::disconnected const& v) { tell(connection::gatherer::down{v.peer}); },
                              [](auto const&) {}},
                   e);
    }
    /// What is known, and who is connected at our choice.
    [[nodiscard]] connection::gatherer const& state() const noexcept { return it_; }

    /// The gatherer's deadline may have passed. Timers call it; early, late or twice is harmless.
    void wake() {
        if (is_stopped_) return;
        effect_list<connection::gatherer::effect> out;
        it_.set_calendar(time_.wall_now(), time_.now());
        it_.wake(time_.now(), out);
        perform(out);
    }

private:
    void tell(connection::gatherer::event const& e) {
        if (is_stopped_) return;
        effect_list<connection::gatherer::effect> out;
        it_.set_calendar(time_.wall_now(), time_.now());
        it_.handle(e, time_.now(), out);
        perform(out);
    }
    void perform(effect_list<connection::gatherer::effect>& out) {
        for (auto& e : out.take()) std::visit([&](auto& v) { this->on(v); }, e);
        if (is_stopped_) return;
        auto const next = it_.next_deadline();
        next ? alarm_.arm(*next) : alarm_.disarm();
    }
    void on(connection::gatherer::seek& s) {
        // Whom somebody keeps is where that one has said.
        if (!network_.connections().status_of(s.peer).is_kept) network_.learn(s.peer, s.addresses);
        auto const begun = network_.connect_to_many(
            {&s.peer, 1},
            [this](std::vector<connection::outcome> const& all) {
                for (auto const& o : all) {
                    if (o.why) {
                        tell(connection::gatherer::missed{o.peer});
                    } else {  // no news to one that was connected before we looked
                        tell(connection::gatherer::up{o.peer, network_.connections().remote_of(o.peer)});
                    }
                }
            },
            1);
        if (!begun) tell(connection::gatherer::missed{s.peer});
    }
    void on(connection::gatherer::let_go const& l) { network_.dismiss(l.peer); }
    void on(connection::gatherer::save const&) {
        if (keep_ && !keep_(it_.kept())) tell(connection::gatherer::save_failed{});
    }

    ManagedNetwork& network_;
    Timers& alarm_;
    Clock const& time_;
    keeper keep_;
    connection::gatherer it_;
    bool is_stopped_ = false;
};

}  // namespace muster::node
