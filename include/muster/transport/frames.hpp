// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What muster asks of a network: frames to named peers, and to be told what happens.
///
/// A network knows peers by the id that their host key proves; whoever receives a frame knows who sent it.
/// Frames of one protocol to one peer arrive whole, in order, at most once, as long as the connection lives;
/// what was under way when it broke is lost, and the layer above repeats what matters. What is lost while the
/// connection lives is told. When a connection is replaced, which its sender is told as one that ended and one that
/// began, what was under way on the old one may arrive after what was sent on the new one.

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include <muster/core/bytes.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/transport/direction.hpp>
#include <muster/transport/errc.hpp>

namespace muster::transport {

using peer::multiaddr;
using peer::peer_id;

/// A connection to @p peer is up, dialled by either side. At most one per peer at a time.
struct connected {
    peer_id peer;
    transport::direction direction = transport::direction::inbound;
    multiaddr remote = {};  ///< Where it is, as the network sees it; empty where addresses mean nothing.
    MUSTER_FIELDS(connected, peer, direction, remote);
};
/// An attempt that `connect` began has failed.
struct connect_failed {
    peer_id peer;
    error why;
    MUSTER_FIELDS(connect_failed, peer, why);
};
/// The connection to @p peer is gone: broken, or ended by the peer, which looks the same from here.
struct disconnected {
    peer_id peer;
    error why;
    MUSTER_FIELDS(disconnected, peer, why);
};
/// @p peer sent a frame. The sender is authenticated, the contents are only its claim.
struct received {
    peer_id peer;
    bytes frame;
    MUSTER_FIELDS(received, peer, frame);
};
/// A send to @p peer that was refused as `congested` may be tried again. Told to the protocol that was refused.
struct writable {
    peer_id peer;
    MUSTER_FIELDS(writable, peer);
};
/// Frames that were handed over may not arrive, though the connection lives: @p peer does not speak the protocol, or
/// broke the stream off. Told to that protocol, where it is attached; the next `send` tries again.
struct frames_lost {
    peer_id peer;
    std::size_t size;  ///< Bytes that waited here; what was under way is not known, and may have arrived.
    error why;
    MUSTER_FIELDS(frames_lost, peer, size, why);
};
/// What a network tells a protocol.
using event = std::variant<connected, connect_failed, disconnected, received, writable, frames_lost>;

/// Takes a protocol's events.
using event_handler = std::function<void(event const&)>;

/// A network of peers.
///
/// Semantics:
/// - `local()` is the own peer id.
/// - `attach(protocol, handler)` names who takes the frames of a protocol; every handler is told about what happens to
///   connections after that. `detach(protocol)` ends it, and the handler is not called afterwards.
/// - `connect(peer, addresses)` begins to connect and returns at once; the outcome is an event. A second call
///   while one is under way, or when connected, changes nothing. Refused with `no_address` or `closed`.
/// - `disconnect(peer)` ends the connection; `disconnected` follows, or `connect_failed` while it is being dialled.
/// - `send(peer, protocol, frame)` hands over one frame. Refused, without any effect, with `not_connected`,
///   `congested` (back-pressure: a `writable` event follows), `too_large` or `closed`. A protocol that is not attached
///   here can be sent all the same; nobody is told then of what was lost.
/// - `close()` ends everything; no event follows.
/// Handlers are called one at a time, never from inside one of these functions, and may call all of them. They are
/// copied; what they change lives outside. One that throws does so out of the event loop, and what else is due comes
/// later.
template <class T>
concept frames = requires(T& t, T const& c, peer_id const& peer, std::span<multiaddr const> addresses,
                          std::string_view protocol, bytes frame, event_handler handler) {
    { c.local() } -> std::convertible_to<peer_id>;
    { c.is_connected(peer) } -> std::same_as<bool>;
    t.attach(protocol, std::move(handler));
    t.detach(protocol);
    { t.connect(peer, addresses) } -> std::same_as<result<void>>;
    t.disconnect(peer);
    { t.send(peer, protocol, std::move(frame)) } -> std::same_as<result<void>>;
    t.close();
};

/// A network that tells of connections to whoever has no protocol.
///
/// Semantics: `on_peer(handler)` sets the one handler of `connected`, `disconnected` and `connect_failed`, as protocols
/// are told of them; an empty one removes it.
template <class T>
concept connections = requires(T& t, event_handler handler) { t.on_peer(std::move(handler)); };

}  // namespace muster::transport
