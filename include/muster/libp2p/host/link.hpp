// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a host knows of one of its connections.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <muster/core/time.hpp>
#include <muster/libp2p/connection.hpp>
#include <muster/libp2p/host/events.hpp>

namespace muster::libp2p::detail {

/// A stream that services know of.
struct host_stream {
    std::string protocol;  ///< Empty before it has agreed on one.
    libp2p::direction way;
};

/// A connection, from the moment when its socket is asked for.
struct link {
    enum class stage : std::uint8_t {
        opening,    ///< The socket is not open yet.
        upgrading,  ///< Nobody knows who is there, or it cannot carry streams yet.
        active,     ///< In use.
        leaving,    ///< Replaced, or the peer said that it goes: its streams may end.
        closing,    ///< Failed: the farewell is being written.
    };

    link(socket_id of, libp2p::direction direction, peer::multiaddr to, instant now)
        : id{of}, way{direction}, remote{std::move(to)}, since{now}, last_heard{now}, last_ping{now} {}

    [[nodiscard]] bool is_established() const noexcept { return at == stage::active || at == stage::leaving; }

    socket_id id;
    libp2p::direction way;
    peer::multiaddr remote;
    stage at = stage::opening;
    instant since;  ///< When it came to that stage.
    std::optional<connection> machine;
    connection_output outgoing{};  ///< What @ref machine has to send.
    peer::peer_id peer;            ///< Who was dialled, or has proved to be there.
    bool has_spoken = false;       ///< A byte came.
    bool is_secured = false;       ///< The gater was asked about the peer.
    bool is_writing = false;
    bool is_left = false;     ///< The peer has said that it goes.
    deadline paused_since{};  ///< No bytes are read, since too many are held.
    instant writing_since{};
    bool is_dirty = false;  ///< A command left something to write.
    instant last_heard;
    instant last_ping;
    instant ping_sent{};
    std::optional<std::uint32_t> timed_ping{};  ///< Whose answer tells the round-trip time.
    duration round_trip{0};                     ///< Of the last ping that was timed; 0 before one.
    std::uint32_t pings = 0;
    deadline idle_since;      ///< Without a stream, while leaving.
    std::size_t held = 0;     ///< Bytes received and not consumed.
    std::size_t queued = 0;   ///< Bytes that services keep to be sent on it.
    std::size_t writing = 0;  ///< Bytes that the socket is taking.
    std::size_t sending = 0;  ///< These, and those in @ref outgoing, when they were last counted.
    std::map<stream_id, host_stream> streams{};
    std::map<std::uint32_t, stream_id> closing{};  ///< Streams to be closed when that ping is answered.
};

}  // namespace muster::libp2p::detail
