// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the area `gossip` is made of.

#include <vector>

#include <support/report.hpp>

namespace muster::bench {

/// Simulated events a second, of a thousand nodes. Takes some seconds.
[[nodiscard]] std::vector<row> gossip_simulation();

}  // namespace muster::bench
