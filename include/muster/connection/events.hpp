// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What goes into a connection manager, and what comes out.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/time.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/peer/reputation.hpp>

namespace muster::connection {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   not_found,    ///< Nobody has told where that peer is.
                   unreachable,  ///< It was dialled in vain, as often as may be.
                   timed_out,    ///< It could not be reached in the time there was.
                   full,         ///< As many peers are known, or asked for, as may be.
                   ended,        ///< We have ended it: somebody asked for that, or its place was needed.
                   silent,       ///< Nothing came from it for too long.
                   banned,       ///< It has misbehaved, and is not dealt with for a while.
                   damaged       ///< What was kept is no address book.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "connection"; }

/// How it stands with a peer.
MUSTER_ENUMERATION(status, 0, disconnected, connecting, connected, failed);

/// How a peer is reached.
MUSTER_ENUMERATION(kind, 0, none, direct, relay, webrtc);

/// Names a request to connect. A number is used once in the life of a manager; 0 names none.
using ticket = std::uint64_t;

// ---- what the network tells: into the manager ---------------------------------------------------------------

/// A connection to @p peer is up, whoever has opened it.
struct link_up {
    peer::peer_id peer;
    peer::multiaddr remote;  ///< Empty where addresses mean nothing.
    MUSTER_FIELDS(link_up, peer, remote);
};
/// The connection to @p peer is gone.
struct link_down {
    peer::peer_id peer;
    error why;
    MUSTER_FIELDS(link_down, peer, why);
};
/// A dial that the manager has asked for came to nothing.
struct dial_failed {
    peer::peer_id peer;
    error why;
    MUSTER_FIELDS(dial_failed, peer, why);
};
/// When @p peer was last heard, and how far it is: the answer to @ref measure. Only received bytes count.
struct heard {
    peer::peer_id peer;
    instant at;
    duration round_trip{};  ///< 0 when it is not known.
    MUSTER_FIELDS(heard, peer, at, round_trip);
};
/// What a manager is told.
using event = std::variant<link_up, link_down, dial_failed, heard>;

// ---- what is to be done: out of the manager -----------------------------------------------------------------

/// Dial, and answer with @ref link_up or @ref dial_failed.
struct dial {
    peer::peer_id peer;
    std::vector<peer::multiaddr> addresses;
    MUSTER_FIELDS(dial, peer, addresses);
};
/// End the connection to @p peer, or the dial.
struct hang_up {
    peer::peer_id peer;
    MUSTER_FIELDS(hang_up, peer);
};
/// Say when the peer was last heard: answer with @ref heard. Where that costs a ping, ping.
struct measure {
    peer::peer_id peer;
    MUSTER_FIELDS(measure, peer);
};

// ---- news, for whoever looks --------------------------------------------------------------------------------

/// The first attempt to reach @p peer begins.
struct connecting {
    peer::peer_id peer;
    std::string nickname;  ///< As it calls itself; empty when it does not.
    MUSTER_FIELDS(connecting, peer, nickname);
};
/// @p peer is connected.
struct connected {
    peer::peer_id peer;
    std::string nickname;
    connection::kind kind;
    MUSTER_FIELDS(connected, peer, nickname, kind);
};
/// @p peer could not be reached.
struct connect_failed {
    peer::peer_id peer;
    std::string nickname;
    error why;
    MUSTER_FIELDS(connect_failed, peer, nickname, why);
};
/// @p peer is connected no more.
struct disconnected {
    peer::peer_id peer;
    std::string nickname;
    error why;
    MUSTER_FIELDS(disconnected, peer, nickname, why);
};
/// @p peer has been silent for so long that it may be gone; or it is heard again.
struct suspected {
    peer::peer_id peer;
    std::string nickname;
    bool is_silent;
    MUSTER_FIELDS(suspected, peer, nickname, is_silent);
};
/// What came of one peer of a request.
struct outcome {
    peer::peer_id peer;
    connection::kind kind = connection::kind::none;
    std::optional<error> why = {};  ///< None when it is connected.
    MUSTER_FIELDS(outcome, peer, kind, why);
};
/// A request is over. Told once, unless it was cancelled.
struct request_ended {
    connection::ticket ticket;
    std::vector<outcome> outcomes;  ///< One for each peer that was asked for, in that order.
    MUSTER_FIELDS(request_ended, ticket, outcomes);
};

/// What a manager wants done, and what it tells.
using effect =
    std::variant<dial, hang_up, measure, connecting, connected, connect_failed, disconnected, suspected, request_ended>;

/// When silence means that a peer is gone. A peer that is alive answers pings, so it is silent for the interval of the
/// network's pings at most (libp2p: 10 s).
struct health_options {
    duration beat = std::chrono::seconds{5};            ///< Between looks at all links; 0: nobody is watched. Ours.
    duration suspect_after = std::chrono::seconds{20};  ///< Of silence: two pings and a look. Ours.
    duration dead_after = std::chrono::seconds{45};     ///< Of silence: beyond what a stalled machine takes. Ours.
};

/// How long is tried, and how much at a time.
struct options {
    std::size_t peers_max = 4096;        ///< Remembered; the one unseen for longest makes room. Ours.
    std::size_t addresses_max = 16;      ///< Of one peer; later ones are left out. libp2p::host dials as many.
    std::size_t nickname_size_max = 64;  ///< Bytes; longer ones are cut. Ours.
    std::size_t requests_max = 64;       ///< Under way. Ours.
    std::size_t dials_max = 4;           ///< At the same time. Ours.
    std::size_t attempts_max = 3;        ///< Per request. Ours.
    duration attempt_timeout = std::chrono::seconds{5};  ///< Of one dial. Ours.
    duration total_timeout = std::chrono::seconds{45};   ///< Of all attempts. Ours.
    duration retry_min = std::chrono::seconds{1};        ///< Between attempts. Ours.
    duration retry_max = std::chrono::seconds{10};       ///< Ours.

    duration keep_min = std::chrono::seconds{1};       ///< Between attempts at a peer that is kept. Ours.
    duration keep_max = std::chrono::seconds{300};     ///< Of 1,000 that come back at once, 48 a second. Ours.
    duration stable_after = std::chrono::seconds{30};  ///< So long up, and a lost peer is dialled soon again. Ours.

    std::size_t high_water = 192;  ///< Connections; above it those of least use are ended. As in go-libp2p.
    std::size_t low_water = 160;   ///< Until so many are left. As in go-libp2p.
    duration grace = std::chrono::seconds{20};  ///< In which a new connection may show its use. As in go-libp2p.

    health_options health = {};
    peer::reputation_options reputation = {};  ///< When a peer that misbehaves is cut off, and banned.
};

/// How it stands with a peer, for whoever looks.
struct peer_status {
    connection::status status = connection::status::disconnected;
    connection::kind kind = connection::kind::none;
    deadline last_attempt = {};     ///< The last dial; none before one.
    deadline last_seen = {};        ///< When it was last heard, or its connection ended; none before.
    std::optional<error> why = {};  ///< Of the last failure, until it is connected.
    duration round_trip = {};       ///< 0 when it is not known.
    bool is_suspected = false;      ///< Connected, and silent for too long.
    bool is_kept = false;           ///< Dialled again whenever it is lost.
    MUSTER_FIELDS(peer_status, status, kind, last_attempt, last_seen, why, round_trip, is_suspected, is_kept);
};

/// Gauges of a manager.
struct statistics {
    std::size_t known = 0;      ///< Peers that are remembered.
    std::size_t connected = 0;  ///< Peers.
    std::size_t dialling = 0;   ///< Peers, now.
    std::size_t waiting = 0;    ///< Peers that are to be dialled, now or again.
    std::size_t requests = 0;   ///< Under way.
    MUSTER_FIELDS(statistics, known, connected, dialling, waiting, requests);
};

/// How a peer is reached at @p address.
[[nodiscard]] inline kind kind_of(peer::multiaddr const& address) {
    switch (address.kind()) {
        case peer::address_kind::relay: return kind::relay;
        case peer::address_kind::webrtc: return kind::webrtc;
        case peer::address_kind::direct: break;
    }
    return kind::direct;
}

}  // namespace muster::connection
