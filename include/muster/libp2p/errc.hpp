// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a libp2p exchange was refused or ended.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::libp2p {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   malformed,           ///< Bytes that do not follow the protocol's format.
                   too_large,           ///< A message above the limit for its kind.
                   no_common_protocol,  ///< The other side refused every protocol that was proposed.
                   too_many_proposals,  ///< The other side proposed without end.
                   not_authentic,       ///< A Noise message that was not made with the keys agreed on.
                   bad_identity,        ///< The host key did not sign the Noise key, or is of a kind not supported.
                   unexpected_peer,     ///< Someone other than the peer that was dialled.
                   nonces_exhausted,    ///< A key has encrypted as many messages as it may.
                   violation,           ///< A yamux frame that the specification forbids.
                   window_exceeded,     ///< More data on a stream than it was given credit for.
                   flooded,             ///< The other side asks for answers faster than it takes them.
                   too_many_streams,    ///< As many streams as allowed are open or unacknowledged.
                   no_such_stream,      ///< The stream never was, or is over.
                   stream_closed,       ///< This side already said that it sends no more.
                   not_established      ///< The connection cannot carry streams: not yet, or no longer.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "libp2p"; }

}  // namespace muster::libp2p
