// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The two sides of a connection, which every protocol on it takes over.

#include <cstdint>

#include <muster/core/version.hpp>

namespace muster::libp2p {

/// Which side of a connection this is.
enum class role : std::uint8_t {
    dialer,    ///< Opened the connection; Noise's initiator, yamux's client.
    listener,  ///< Was connected to; Noise's responder, yamux's server.
};

}  // namespace muster::libp2p
