// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a transport refused or lost something.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::transport {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   not_connected,  ///< There is no connection to that peer.
                   congested,      ///< The peer reads too slowly: send again after `writable`, or ask after an answer.
                   too_large,      ///< A frame above the transport's limit.
                   no_address,     ///< No address to dial, or none that this transport understands.
                   unreachable,    ///< Every address was tried in vain.
                   closed,         ///< The transport, or the connection, was closed on purpose.
                   peer_failed,  ///< The connection broke or timed out, or the peer ended it or violated the protocol.
                   not_spoken,   ///< The peer does not speak the protocol.
                   refused,      ///< The peer broke off what it was asked.
                   timed_out,    ///< The peer did not answer in time.
                   gone          ///< Nobody waits for that answer any more.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "transport"; }

}  // namespace muster::transport
