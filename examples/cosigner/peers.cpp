// SPDX-License-Identifier: MIT

#include "peers.hpp"

#include <algorithm>

namespace cosigner {

namespace {

constexpr std::string_view reason = "configured";

}  // namespace

void peer_book::set(settings const& s) {
    std::vector<known_peer> fresh;
    for (auto const& [name, address] : s.peers) fresh.push_back({name, address, *address.peer()});
    auto const before = std::exchange(peers_, std::move(fresh));
    for (auto const& p : before) {
        auto const* const now = find(p.id);
        if (now != nullptr && now->address == p.address) continue;
        if (now == nullptr) network_.unprotect(p.id, reason);
        network_.disconnect_and_release(p.id);
    }
    for (auto const& p : peers_) {
        network_.learn(p.id, {&p.address, 1}, p.name);
        network_.protect(p.id, reason);  // strangers do not take their places
    }
    if (is_started_) start();
}

void peer_book::start() {
    is_started_ = true;
    for (auto const& p : peers_) (void)network_.keep(p.id);  // each was learned, so it is known
}

std::string peer_book::trouble_with(known_peer const& p) const {
    auto const why = network_.connections().status_of(p.id).why;
    return why && !is_connected(p) ? why->message() : std::string{};
}

known_peer const* peer_book::find(peer_id const& id) const {
    auto const found = std::find_if(peers_.begin(), peers_.end(), [&](auto const& p) { return p.id == id; });
    return found == peers_.end() ? nullptr : &*found;
}

known_peer const* peer_book::find(std::string_view name) const {
    auto const found = std::find_if(peers_.begin(), peers_.end(), [&](auto const& p) { return p.name == name; });
    return found == peers_.end() ? nullptr : &*found;
}

}  // namespace cosigner
