// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The peers that a co-signer was told of: who is connected, who is not and why, and when to dial again.

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "composition.hpp"
#include "settings.hpp"

namespace cosigner {

using muster::peer::peer_id;

/// One configured peer.
struct known_peer {
    std::string name;
    muster::peer::multiaddr address;
    peer_id id;
    std::string trouble = {};       ///< Why the last attempt failed; empty when none has.
    std::chrono::seconds delay{1};  ///< Until the next attempt, after the one at hand.
    std::chrono::steady_clock::time_point next = {};
};

/// Dials configured peers again and again, at growing distances. Not thread-safe.
class peer_book {
public:
    /// @param on_trouble  told why a peer cannot be reached, once for each different reason.
    peer_book(boost::asio::io_context& io, muster::net::libp2p_transport& network,
              std::function<void(known_peer const&)> on_trouble)
        : network_{network}, timer_{io}, on_trouble_{std::move(on_trouble)} {}

    /// Takes the peers of @p s. Those with another address are dialled there; those that are gone are hung up on.
    void set(settings const& s);
    /// Begins to dial.
    void start() { dial(); }
    /// What the transport tells.
    void on_transport(muster::transport::event const& e);

    /// The peer of that id, or nullptr.
    [[nodiscard]] known_peer const* find(peer_id const& id) const;
    /// The peer of that name, or nullptr.
    [[nodiscard]] known_peer const* find(std::string_view name) const;
    [[nodiscard]] std::vector<known_peer> const& all() const noexcept { return peers_; }
    [[nodiscard]] bool is_connected(known_peer const& p) const { return network_.is_connected(p.id); }

private:
    void dial();
    void dial(known_peer& p, std::chrono::steady_clock::time_point now);
    void failed(peer_id const& who, std::string const& why);

    muster::net::libp2p_transport& network_;
    boost::asio::steady_timer timer_;
    std::function<void(known_peer const&)> on_trouble_;
    std::vector<known_peer> peers_;
};

}  // namespace cosigner
