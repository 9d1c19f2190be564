// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The real network, with WebSocket: libp2p over TCP and `/ws` on Boost.Asio and Boost.Beast.

#include <utility>

#include <muster/net/libp2p_transport.hpp>
#include <muster/websocket/sockets.hpp>

namespace muster::websocket {

/// As net::basic_libp2p_transport, and addresses such as `/ip4/0.0.0.0/tcp/8080/ws` are dialled and listened on.
template <observer Observer = null_observer>
class basic_libp2p_transport : public libp2p::network<sockets, crypto::system_random, Observer> {
    using base = libp2p::network<sockets, crypto::system_random, Observer>;

public:
    /// @param executor  of one thread or strand. Its `run` goes on until @ref close.
    /// @param host      the own key; borrowed.
    basic_libp2p_transport(boost::asio::any_io_executor executor, peer::node_key const& host,
                           net::transport_options options = {}, Observer to = {})
        : base{sockets{std::move(executor)},
               host,
               net::numbered(std::move(options)),
               system_seed(),
               {},
               std::move(to)} {}
    basic_libp2p_transport(boost::asio::any_io_executor, peer::node_key&&, net::transport_options = {},
                           Observer = {}) = delete;
};
/// The usual one.
using libp2p_transport = basic_libp2p_transport<>;
static_assert(transport::frames<libp2p_transport>);
static_assert(transport::requests<libp2p_transport>);

}  // namespace muster::websocket
