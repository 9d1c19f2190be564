// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why the feed refused something, or failed.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::feed {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   validation,    ///< What was to be published breaks a rule of the protocol.
                   network,       ///< The network refused, or a request of ours failed there.
                   storage,       ///< The store could not keep or read it.
                   timeout,       ///< No peer has answered in time.
                   backpressure,  ///< A queue is full: try again when something of it is done.
                   decode,        ///< Bytes that are no encoding of what they should be.
                   shutdown,      ///< The client was shut down, or not started.
                   missing_peer,  ///< No peer is there to ask.
                   missing_data,  ///< What it refers to is not here: a parent, a blob, a schedule.
                   join,          ///< A handler that was to take events has failed.
                   configuration  ///< Options that contradict each other, or a value out of its range.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "feed"; }

}  // namespace muster::feed
