// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// js-libp2p with itself, beside what muster was measured at with itself.

#include <string_view>
#include <vector>

#include <support/report.hpp>

namespace muster::bench {

/// Runs net/node/peers.mjs for @p what, `net` or `gossip`, a few times, on the core that we run on. @return its
/// medians, and how many times as fast muster was by @p measured; nothing where node or its packages are not there.
[[nodiscard]] std::vector<row> beside_js(std::string_view what, std::vector<row> const& measured);

}  // namespace muster::bench
