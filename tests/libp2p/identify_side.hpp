// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The service identify on as much of a host as it asks for.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <muster/libp2p/host/options.hpp>
#include <muster/libp2p/service/identify.hpp>

#include "hosts.hpp"

namespace muster::test {

using namespace muster::libp2p;

/// As much of a host as identify asks for.
struct plain_host {
    struct listener {
        std::vector<peer::multiaddr> where;
    };

    peer::node_key own = host(1);
    host_options limits{};
    std::map<int, listener> open{};
    std::vector<std::string> spoken{"/a/1"};
    std::map<stream_ref, bytes> said{};
    std::set<stream_ref> resets{};
    stream_id last = 0;

    [[nodiscard]] peer::node_key const& key() const { return own; }
    [[nodiscard]] peer::peer_id const& local() const { return own.id(); }
    [[nodiscard]] host_options const& options() const { return limits; }
    [[nodiscard]] std::map<int, listener> const& listeners() const { return open; }
    [[nodiscard]] std::vector<std::string> const& protocols() const { return spoken; }
    [[nodiscard]] std::vector<peer::multiaddr> addresses() const {
        std::vector<peer::multiaddr> out;
        for (auto const& [id, l] : open) {
            for (auto const& w : l.where) out.push_back(w.with_peer(local()).value());
        }
        return out;
    }
    [[nodiscard]] std::optional<gate> info(peer::peer_id const&) const { return std::nullopt; }
    [[nodiscard]] result<stream_ref> open_stream(peer::peer_id const&, std::vector<std::string>, instant) {
        return stream_ref{1, ++last};
    }
    std::size_t write(stream_ref const& s, byte_view content, instant) {
        append(said[s], content);
        return content.size();
    }
    void consume(stream_ref const&, std::size_t, instant, auto&) {}
    void let_in(stream_ref const&, std::size_t, instant) {}
    void release_held(socket_id, std::size_t, instant, auto&) {}
    void reset_stream(stream_ref const& s, instant) { resets.insert(s); }
    void abandon_stream(stream_ref const&, instant) {}
    void close_stream(stream_ref const&, instant, auto&) {}
    void close_stream_later(stream_ref const&, instant, auto&) {}
};

/// One node, which is told what others say of themselves.
struct identify_side {
    plain_host on{};
    identify_service service{};
    effect_list<identity_claim> claims{};
    effect_list<host_effect> effects{};

    /// What it answers when @p who asks.
    identify_message answer(peer::peer_id const& who) {
        stream_ref const s{1, ++on.last};
        service.on(on, stream_opened{s, who, std::string{identify_service::query}, direction::inbound}, instant{},
                   effects);
        auto const content = on.said[s];
        auto const length = wire::parse_varint(content).value().value();
        return decode_identify(byte_view{content}.subspan(length.size)).value();
    }
    /// What it makes of @p m from @p who.
    std::optional<identity_claim> hears(peer::peer_id const& who, identify_message const& m, instant now = {}) {
        stream_ref const s{1, ++on.last};
        service.on(on, stream_opened{s, who, std::string{identify_service::push}, direction::inbound}, now, effects);
        auto const content = encode(m);
        bytes framed;
        wire::append_varint(framed, content.size());
        append(framed, content);
        service.on(on, stream_bytes{s, framed}, now, claims, effects);
        auto told = claims.take();
        return told.empty() ? std::nullopt : std::optional{told.back()};
    }
};

}  // namespace muster::test
