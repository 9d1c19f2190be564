// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a request to the router, or something that a peer sent, was refused.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::gossip {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   invalid_topic,      ///< An empty name, or one that is too long.
                   too_many_topics,    ///< No place is left for another topic.
                   unknown_topic,      ///< A topic that is not subscribed to.
                   message_too_large,  ///< More bytes than our limit.
                   duplicate,          ///< A message of that id was seen already.
                   limit_exceeded,     ///< An RPC with more elements than our limits.
                   not_authentic,      ///< A message that breaks the signature policy.
                   too_many_peers      ///< No place is left for another explicit peer.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "gossip"; }

}  // namespace muster::gossip
