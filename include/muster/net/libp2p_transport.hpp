// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The real network: libp2p over TCP on Boost.Asio.

#include <utility>

#include <muster/core/system_seed.hpp>
#include <muster/libp2p/network.hpp>
#include <muster/net/sockets.hpp>
#include <muster/transport/requests.hpp>

namespace muster::net {

/// The options of @ref libp2p::host_options.
using transport_options = libp2p::host_options;

/// A libp2p peer on TCP; see libp2p::network. Models transport::frames and transport::requests.
class libp2p_transport : public libp2p::network<sockets> {
public:
    /// @param host  the own key; borrowed.
    libp2p_transport(boost::asio::any_io_executor executor, peer::node_key const& host, transport_options options = {})
        : network{sockets{std::move(executor)}, host, std::move(options)} {}
};
static_assert(transport::frames<libp2p_transport>);
static_assert(transport::requests<libp2p_transport>);

}  // namespace muster::net
