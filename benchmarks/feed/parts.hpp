// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the measurements of the feed share.

#include <cstddef>
#include <vector>

#include <muster/feed/client.hpp>
#include <muster/feed/preconf/protocol.hpp>
#include <support/report.hpp>

namespace muster::bench {

/// A block: its commitment and its list.
struct block {
    feed::record link;
    feed::blob list;
    bytes content;
};
/// The first @p n of a chain, signed by a key that protects nothing.
[[nodiscard]] std::vector<block> blocks(std::size_t n);

struct feed_policies : feed::defaults {
    using protocol = feed::preconf::protocol;
};

/// How fast late joiners catch up, in virtual time, beside what the limits of their peers allow.
[[nodiscard]] std::vector<row> late_joiners();

}  // namespace muster::bench
