// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who has begun something between two peers.

#include <cstdint>

#include <muster/core/enumeration.hpp>

namespace muster::transport {

/// Who opened a connection or a stream: the peer, or we.
MUSTER_ENUMERATION(direction, 0, inbound, outbound);

}  // namespace muster::transport
