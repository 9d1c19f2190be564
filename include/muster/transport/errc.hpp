// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why a transport refused or lost something.

#include <cstdint>
#include <string_view>

#include <muster/core/error.hpp>

namespace muster::transport {

/// What was wrong.
enum class errc : std::uint8_t {
    not_connected = 1,  ///< There is no connection to that peer.
    congested,          ///< The peer reads too slowly; wait for `writable` and try again.
    too_large,          ///< A frame above the transport's limit.
    no_address,         ///< No address to dial, or none that this transport understands.
    unreachable,        ///< Every address was tried in vain.
    closed,             ///< The transport, or the connection, was closed on purpose.
    peer_failed,        ///< The connection broke, timed out, or the peer violated the protocol.
    not_spoken,         ///< The peer does not speak the protocol.
    refused,            ///< The peer broke off what it was asked.
    timed_out,          ///< The peer did not answer in time.
    gone,               ///< Nobody waits for that answer any more.
};
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "transport"; }
[[nodiscard]] constexpr std::string_view to_string(errc e) noexcept {
    switch (e) {
        case errc::not_connected: return "not_connected";
        case errc::congested: return "congested";
        case errc::too_large: return "too_large";
        case errc::no_address: return "no_address";
        case errc::unreachable: return "unreachable";
        case errc::closed: return "closed";
        case errc::peer_failed: return "peer_failed";
        case errc::not_spoken: return "not_spoken";
        case errc::refused: return "refused";
        case errc::timed_out: return "timed_out";
        case errc::gone: return "gone";
    }
    return "unknown";
}

}  // namespace muster::transport
