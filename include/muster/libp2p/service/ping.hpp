// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// ping: says back what it is told, 32 bytes at a time, so that peers know that we live.
///
/// Served only: our own pings are yamux's, which cost no stream.
/// @see libp2p specs, ping/ping.md; js-libp2p's connection monitor pings every 10 s.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/libp2p/host/events.hpp>

namespace muster::libp2p {

/// The answering side. Holds less than one ping per stream between calls. Not thread-safe.
class ping_service {
public:
    static constexpr std::string_view protocol = "/ipfs/ping/1.0.0";
    static constexpr std::size_t size = 32;  ///< Bytes of a ping.

    [[nodiscard]] static bool handles(std::string_view name) { return name == protocol; }
    [[nodiscard]] static std::vector<std::string> protocols() { return {std::string{protocol}}; }

    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, stream_bytes const& e, instant now, Sink& out) {
        auto& pending = pending_[e.stream];
        append(pending, e.content);
        auto const whole = pending.size() / size * size;
        if (whole == 0) return host.consume(e.stream, e.content.size(), now, out);
        auto const taken = host.write(e.stream, byte_view{pending}.first(whole), now);
        host.consume(e.stream, e.content.size(), now, out);
        if (taken < whole) {  // it asks faster than it listens
            pending_.erase(e.stream);
            return host.reset_stream(e.stream, now);
        }
        pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(whole));
    }
    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, stream_ended const& e, instant now, Sink& out) {
        pending_.erase(e.stream);
        host.close_stream(e.stream, now, out);
    }
    void on(stream_gone const& e) { pending_.erase(e.stream); }

private:
    std::map<stream_ref, bytes> pending_;
};

}  // namespace muster::libp2p
