// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The peers that a co-signer was told of, by name. The library keeps them connected.

#include <string>
#include <string_view>
#include <vector>

#include "composition.hpp"
#include "settings.hpp"

namespace cosigner {

using muster::peer::peer_id;

/// One configured peer.
struct known_peer {
    std::string name;
    muster::peer::multiaddr address;
    peer_id id;
};

/// Configured peers. Not thread-safe.
class peer_book {
public:
    /// @param over  borrowed.
    explicit peer_book(network& over) : network_{over} {}

    /// Takes the peers of @p s. Those with another address are dialled there; those that are gone are hung up on.
    void set(settings const& s);
    /// Begins to dial.
    void start();

    /// The peer of that id, or nullptr.
    [[nodiscard]] known_peer const* find(peer_id const& id) const;
    /// The peer of that name, or nullptr.
    [[nodiscard]] known_peer const* find(std::string_view name) const;
    [[nodiscard]] std::vector<known_peer> const& all() const noexcept { return peers_; }
    [[nodiscard]] bool is_connected(known_peer const& p) const { return network_.is_connected(p.id); }
    /// Why the last attempt failed; empty when none has, or when it is connected.
    [[nodiscard]] std::string trouble_with(known_peer const& p) const;

private:
    network& network_;
    std::vector<known_peer> peers_;
    bool is_started_ = false;
};

}  // namespace cosigner
