// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One machine of a simulated network: the whole libp2p stack on virtual sockets, with its connections managed and,
/// where it has a book, chosen.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/libp2p/network.hpp>
#include <muster/node/managed_network.hpp>
#include <muster/node/outbound.hpp>
#include <muster/sim/clock.hpp>
#include <muster/sim/random.hpp>
#include <muster/sim/signing/identity.hpp>
#include <muster/sim/sockets.hpp>

namespace muster::sim::connection {

/// The IP address of machine @p i: each is in a /16 of its own.
[[nodiscard]] inline std::string ip_of(std::size_t i) { return text(11 + i / 250, ".", i % 250, ".0.1"); }
/// Where machine @p i listens.
[[nodiscard]] inline peer::multiaddr address_of(std::size_t i) {
    return peer::multiaddr::from_text(text("/ip4/", ip_of(i), "/tcp/4001")).value();
}
/// The host key of machine @p i.
[[nodiscard]] inline peer::node_key key_of(std::size_t i) {
    return std::move(signing::keys_from(stream_seed(0, "machine", i)).node);
}

/// What a machine is made of.
struct machine_options {
    libp2p::host_options host{};
    muster::connection::options connections{};
    muster::connection::outbound_options outbound{};
    std::optional<muster::connection::kept_book> book{};
};

/// A machine that runs. Neither copyable nor movable. Not thread-safe.
class machine {
    using wire_type = libp2p::network<sockets, signing::replayed_entropy>;
    using network_type = node::managed_network<wire_type, host_timers, host_clock>;

public:
    /// @param key  borrowed.
    machine(internet& net, host_id on, std::size_t i, peer::node_key const& key, machine_options o = {})
        : where_{net.where()},
          draw_{where_.stream("machine", mixed(on, where_.incarnation(on)))},
          time_{where_, {}},
          alarm_{where_, on, time_},
          outbound_alarm_{where_, on, time_},
          plugs_{net, on, {ip_of(i)}},
          wire_{plugs_, key, std::move(o.host), draw_(), signing::replayed_entropy{draw_()}},
          managed_{wire_, alarm_, time_, o.connections, draw_()} {
        (void)wire_.listen(address_of(i));
        if (o.book)
            outbound_.emplace(managed_, outbound_alarm_, time_, *std::move(o.book), nullptr, o.outbound, draw_());
        managed_.on_news([this](muster::connection::effect const& e) {
            if (outbound_) outbound_->note(e);
            if (on_news) on_news(e);
        });
        if (outbound_) outbound_->start();
    }
    machine(machine const&) = delete;
    machine& operator=(machine const&) = delete;

    /// The host loses power; the machine is to be destroyed.
    void vanish() { plugs_.vanish(); }
    /// Dials machine @p i, whose host key is @p key, whenever it is not connected.
    void keep(std::size_t i, peer::peer_id const& who) {
        managed_.learn(who, std::array{address_of(i)});
        (void)managed_.keep(who);
    }
    [[nodiscard]] network_type& network() noexcept { return managed_; }
    /// How many are connected at its own choice.
    [[nodiscard]] std::size_t chosen() const { return outbound_ ? outbound_->state().chosen().size() : 0; }
    [[nodiscard]] std::vector<peer::peer_id> chosen_peers() const { return outbound_->state().chosen(); }

    std::function<void(muster::connection::effect const&)> on_news;  ///< Told what happens to connections.

private:
    world& where_;
    splitmix64 draw_;
    host_clock time_;
    host_timers alarm_;
    host_timers outbound_alarm_;
    sockets plugs_;
    wire_type wire_;
    network_type managed_;
    std::optional<node::outbound_connections<network_type, host_timers, host_clock>> outbound_;
};

}  // namespace muster::sim::connection
