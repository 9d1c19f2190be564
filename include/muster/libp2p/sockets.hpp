// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a libp2p network asks of whoever owns the sockets.

#include <concepts>

#include <muster/core/enumeration.hpp>
#include <muster/core/time.hpp>
#include <muster/libp2p/host/events.hpp>

namespace muster::libp2p {

/// What is spoken at an address whose first part is an IP address or a name, and which names nothing further but
/// perhaps a peer: bare TCP, or WebSocket on it (`/ws`).
MUSTER_ENUMERATION(socket_kind, 0, none, tcp, websocket);

/// @copydoc socket_kind
[[nodiscard]] inline socket_kind kind_of_socket(peer::multiaddr const& a) {
    using protocol = peer::address_protocol;
    auto path = a.components();
    if (!path.empty() && path.back().protocol == protocol::p2p) path.pop_back();
    auto const first = path.empty() ? protocol::udp : path[0].protocol;
    bool const is_host = first == protocol::ip4 || first == protocol::ip6 || first == protocol::dns ||
                         first == protocol::dns4 || first == protocol::dns6;
    if (!is_host || path.size() < 2 || path.size() > 3 || path[1].protocol != protocol::tcp) return socket_kind::none;
    if (path.size() == 2) return socket_kind::tcp;
    return path[2].protocol == protocol::ws ? socket_kind::websocket : socket_kind::none;
}
/// Whether @p a begins with an IP address: else the name has to be looked up before it is dialled.
[[nodiscard]] inline bool begins_with_ip(peer::multiaddr const& a) {
    auto const path = a.components();
    return !path.empty() &&
           (path[0].protocol == peer::address_protocol::ip4 || path[0].protocol == peer::address_protocol::ip6);
}
/// An IP address with a TCP port, and nothing behind it but perhaps a peer: what a bare socket can be opened to.
[[nodiscard]] inline bool is_socket_address(peer::multiaddr const& a) {
    return begins_with_ip(a) && kind_of_socket(a) == socket_kind::tcp;
}

/// Whether @p a stands for all addresses of a machine.
[[nodiscard]] inline bool is_unspecified(peer::multiaddr const& a) {
    auto const host = a.host();
    return host == "0.0.0.0" || host == "::";
}

/// Whom sockets tell what happens. Calls come one at a time, and from inside a call of the sockets' only two answers
/// do: that to @ref listen always, and that to @ref write_socket where the socket takes all of it at once.
class socket_user {
public:
    /// Something has happened to a socket.
    virtual void on_socket(socket_event const& e) = 0;
    /// The time that was armed has come, or a turn that was asked for.
    virtual void on_turn() = 0;

protected:
    ~socket_user() = default;
};

/// Sockets, time and turns of an event loop.
///
/// Semantics: `attach(user)` names who is told, `nullptr` ends it: then everything is closed, and nobody is called.
/// `perform(effect)` does what the effect says, and may take what it holds. `arm(deadline)` asks for a turn at that
/// time, and no deadline for none; `turn()` for one as soon as the caller has returned. `now()` is the time. None
/// throws; each is O(log sockets) beside the system call. One thread or strand. A static member `has_websocket` that is
/// true says that WebSocket addresses are dialled and listened on, too.
template <class S>
concept sockets = requires(S& s, S const& c, socket_user* user, socket_effect& effect, deadline at) {
    s.attach(user);
    s.perform(effect);
    s.arm(at);
    s.turn();
    { c.now() } -> std::same_as<instant>;
};

}  // namespace muster::libp2p
