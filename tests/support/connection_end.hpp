// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One side of a connection together with what it has to send, for tests that stand at the wire.

#include <muster/libp2p/connection.hpp>

namespace muster::test {

/// A connection and its output. The members are those of libp2p::connection.
class connection_end {
public:
    using stream_id = libp2p::stream_id;

    explicit connection_end(libp2p::connection machine) : machine_{std::move(machine)} { machine_.start(output_); }

    template <class Sink>
    void feed(byte_view in, Sink& sink) {
        machine_.feed(in, instant{}, output_, sink);
    }
    /// The bytes for the socket.
    template <class Sink>
    [[nodiscard]] bytes take_output(Sink& sink) {
        return machine_.seal(instant{}, output_, sink);
    }
    template <class Sink>
    void wake(instant now, Sink& sink) {
        machine_.wake(now, output_, sink);
    }

    [[nodiscard]] auto open_stream(std::vector<std::string> protocols) {
        return machine_.open_stream(std::move(protocols), output_);
    }
    [[nodiscard]] auto open_stream(std::string_view protocol) { return machine_.open_stream(protocol, output_); }
    [[nodiscard]] auto write(stream_id id, byte_view content) { return machine_.write(id, content, output_); }
    template <class Sink>
    [[nodiscard]] auto close_stream(stream_id id, Sink& sink) {
        return machine_.close_stream(id, output_, sink);
    }
    void consume(stream_id id, std::size_t size) { machine_.consume(id, size, output_); }
    void reset_stream(stream_id id) { machine_.reset_stream(id, output_); }
    void abandon_stream(stream_id id) { machine_.abandon_stream(id, output_); }
    [[nodiscard]] auto ping(std::uint32_t opaque) { return machine_.ping(opaque, output_); }
    void shutdown() { machine_.shutdown(output_); }
    void offer(std::vector<std::string> protocols) { machine_.offer(std::move(protocols)); }

    [[nodiscard]] libp2p::stage stage() const noexcept { return machine_.stage(); }
    [[nodiscard]] std::size_t stream_count() const noexcept { return machine_.stream_count(); }
    [[nodiscard]] peer::peer_id const& peer() const noexcept { return machine_.peer(); }

private:
    libp2p::connection machine_;
    libp2p::connection_output output_;
};

}  // namespace muster::test
