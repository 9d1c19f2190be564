// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Binds a gatherer to a managed network: connections of our own choosing, out of an address book that is kept.

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
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
    /// Keeps the book: on disk, mostly (connection::save_book). @return an error where it could not: it is asked again
    /// half a minute later.
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
    static constexpr std::size_t told_max = 1024;

    void tell(connection::gatherer::event const& e) {
        if (is_stopped_) return;
        effect_list<connection::gatherer::effect> out;
        it_.set_calendar(time_.wall_now(), time_.now());
        it_.handle(e, time_.now(), out);
        perform(out);
    }
    // In order, also where a handler of somebody's calls back; what one that throws leaves undone is done at the next
    // wake-up, which is at once.
    void perform(effect_list<connection::gatherer::effect>& out) {
        for (auto& e : out.take()) waiting_.push_back(std::move(e));
        struct rearming {
            gathering& self;
            ~rearming() { self.rearm(); }
        } const at_the_end{*this};
        while (!waiting_.empty()) {
            auto e = std::move(waiting_.front());
            waiting_.pop_front();
            std::visit([&](auto& v) { this->on(v); }, e);
        }
    }
    void rearm() {
        if (is_stopped_) return;
        auto const next = waiting_.empty() ? it_.next_deadline() : deadline{time_.now()};
        next ? alarm_.arm(*next) : alarm_.disarm();
    }
    void on(connection::gatherer::seek& s) {
        // Where somebody else has said that it is, it is more likely.
        if (!network_.connections().is_told_of(s.peer) || told_.count(s.peer) != 0) {
            network_.learn(s.peer, s.addresses);
            if (told_.size() >= told_max) told_.clear();
            told_.insert(s.peer);
        }
        auto const begun = network_.connect_to_many(
            {&s.peer, 1},
            [this, alive = std::weak_ptr{alive_}](std::vector<connection::outcome> const& all) {
                if (alive.expired()) return;
                for (auto const& o : all) {
                    if (o.why) {
                        bool const was_dialled =
                            *o.why == connection::errc::unreachable || *o.why == connection::errc::timed_out;
                        tell(connection::gatherer::missed{o.peer, was_dialled});
                    } else {  // no news to one that was connected before we looked
                        tell(connection::gatherer::up{o.peer, network_.connections().remote_of(o.peer)});
                    }
                }
            },
            1);
        if (!begun) tell(connection::gatherer::missed{s.peer, false});
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
    std::deque<connection::gatherer::effect> waiting_;
    std::set<peer::peer_id> told_;  // whose addresses the network has from here
    std::shared_ptr<char> alive_ = std::make_shared<char>();
    bool is_stopped_ = false;
};

}  // namespace muster::node
