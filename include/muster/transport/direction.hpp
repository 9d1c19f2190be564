// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who has begun something between two peers.

#include <cstdint>

namespace muster::transport {

/// Who opened a connection or a stream: the peer, or we.
enum class direction : std::uint8_t { inbound, outbound };

}  // namespace muster::transport
