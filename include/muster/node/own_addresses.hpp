// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where this machine is reached, as its notices say it.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

#include <muster/peer/multiaddr.hpp>

namespace muster::node {

/// Tells where others reach this machine, as of now, in any order; an empty function tells nothing.
using own_addresses = std::function<std::vector<peer::multiaddr>()>;

/// What @p from tells and @p is_fit holds for, ascending, none twice, at most @p addresses_max: as notices have it.
/// O(n log n).
template <class Fit>
[[nodiscard]] std::vector<peer::multiaddr> addresses_to_say(own_addresses const& from, std::size_t addresses_max,
                                                            Fit is_fit) {
    auto out = from ? from() : std::vector<peer::multiaddr>{};
    std::erase_if(out, [&](peer::multiaddr const& a) { return !is_fit(a); });
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    out.resize(std::min(out.size(), addresses_max));
    return out;
}
/// The same for all of them.
[[nodiscard]] inline std::vector<peer::multiaddr> addresses_to_say(own_addresses const& from,
                                                                   std::size_t addresses_max) {
    return addresses_to_say(from, addresses_max, [](peer::multiaddr const&) { return true; });
}

}  // namespace muster::node
