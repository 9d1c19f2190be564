// SPDX-License-Identifier: MIT

#include "peers.hpp"

#include <algorithm>

namespace cosigner {

namespace transport = muster::transport;

void peer_book::set(settings const& s) {
    std::vector<known_peer> fresh;
    for (auto const& [name, address] : s.peers) {
        auto const* const before = find(*address.peer());
        if (before != nullptr && before->address == address) {
            fresh.push_back(*before);
            fresh.back().name = name;
        } else {
            fresh.push_back({name, address, *address.peer()});
        }
    }
    auto const gone = std::exchange(peers_, std::move(fresh));
    for (auto const& p : gone) {
        if (find(p.id) != nullptr) continue;
        network_.protect(p.id, false);
        network_.disconnect(p.id);
    }
    for (auto const& p : peers_) network_.protect(p.id);  // strangers do not take their places
}

void peer_book::dial() {
    auto const now = std::chrono::steady_clock::now();
    for (auto& p : peers_) dial(p, now);
    timer_.expires_after(std::chrono::milliseconds{500});
    timer_.async_wait([this](boost::system::error_code const& ec) {
        if (!ec) dial();
    });
}

void peer_book::dial(known_peer& p, std::chrono::steady_clock::time_point now) {
    constexpr std::chrono::seconds delay_max{30};
    if (network_.is_connected(p.id)) {
        p.delay = std::chrono::seconds{1};
        return;
    }
    if (now < p.next) return;
    p.next = now + p.delay;
    p.delay = std::min(p.delay * 2, delay_max);
    if (auto const begun = network_.connect(p.id, std::span{&p.address, 1}); !begun) {
        failed(p.id, begun.error().message());
    }
}

void peer_book::on_transport(transport::event const& e) {
    if (auto const* const up = std::get_if<transport::connected>(&e)) {
        for (auto& p : peers_) {
            if (p.id == up->peer) p.trouble.clear();
        }
    }
    if (auto const* const v = std::get_if<transport::connect_failed>(&e)) failed(v->peer, v->why.message());
}

void peer_book::failed(peer_id const& who, std::string const& why) {
    for (auto& p : peers_) {
        if (p.id != who || p.trouble == why || network_.is_connected(who)) continue;
        p.trouble = why;
        on_trouble_(p);
        return;
    }
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
