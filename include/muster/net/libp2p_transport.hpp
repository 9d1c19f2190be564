// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The real network: libp2p over TCP on Boost.Asio.

#include <cstdint>
#include <utility>

#include <muster/core/system_seed.hpp>
#include <muster/libp2p/network.hpp>
#include <muster/net/clock.hpp>
#include <muster/net/sockets.hpp>
#include <muster/transport/requests.hpp>

namespace muster::net {

/// The options of a node: those of its host.
using transport_options = libp2p::host_options;

/// With a number for our signed peer records that no earlier run has used, as far as the clock goes.
[[nodiscard]] inline transport_options numbered(transport_options o) {
    if (o.record_sequence == 0)
        o.record_sequence = static_cast<std::uint64_t>(to_unix_millis(system_clock{}.wall_now()));
    return o;
}

/// A libp2p peer on TCP, which tells an @p Observer what happens; see libp2p::network. Models transport::frames and
/// transport::requests.
template <observer Observer = null_observer>
class basic_libp2p_transport : public libp2p::network<sockets, crypto::system_random, Observer> {
    using base = libp2p::network<sockets, crypto::system_random, Observer>;

public:
    /// @param executor  of one thread or strand. Its `run` goes on until @ref close.
    /// @param host      the own key; borrowed.
    basic_libp2p_transport(boost::asio::any_io_executor executor, peer::node_key const& host,
                           transport_options options = {}, Observer to = {})
        : base{sockets{std::move(executor)}, host, numbered(std::move(options)), system_seed(), {}, std::move(to)} {}
    basic_libp2p_transport(boost::asio::any_io_executor, peer::node_key&&, transport_options = {},
                           Observer = {}) = delete;
};
/// The usual one.
using libp2p_transport = basic_libp2p_transport<>;
static_assert(transport::frames<libp2p_transport>);
static_assert(transport::requests<libp2p_transport>);

}  // namespace muster::net
