// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A libp2p connection over any ordered stream of bytes, such as a TCP socket.
///
/// The upgrade is a ladder: multistream-select agrees on `/noise`, Noise says who is there and encrypts, then
/// multistream-select inside the channel agrees on `/yamux/1.0.0`, and from then on there are streams, each of
/// which begins with a negotiation of its own. This byte machine climbs the ladder by itself: bytes of the socket go
/// into `feed`, what is to be sent is appended to a @ref connection_output of the owner, and `seal` makes bytes for the
/// socket of that. Its owner limits the time a connection may spend before `established`, and calls `wake`.
/// @see libp2p specs, connections/README.md, "Upgrading Connections".

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/random.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/libp2p/connection/events.hpp>
#include <muster/libp2p/connection/streams.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/libp2p/multistream.hpp>
#include <muster/libp2p/noise.hpp>
#include <muster/libp2p/role.hpp>
#include <muster/libp2p/yamux.hpp>
#include <muster/peer/identity.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::libp2p {

/// One side of a connection. Movable; not thread-safe. A sink must not call back into it.
///
/// The owner passes the same output to every call, and sends what @ref seal makes of it.
class connection {
public:
    using event = connection_event;
    using output = connection_output;

    /// The side that opened the socket.
    /// @param host      signs the handshake; not kept.
    /// @param source    for the keys of this connection; not kept.
    /// @param expected  who was dialled; anyone will do when absent.
    /// @return errors of the source and of the keys.
    template <secret_source Source>
    [[nodiscard]] static result<connection> dial(peer::node_key const& host, Source& source,
                                                 std::optional<peer::peer_id> expected, connection_options options) {
        return make(role::dialer, host, source, std::move(expected), std::move(options));
    }
    /// The side that accepted the socket. See @ref dial.
    template <secret_source Source>
    [[nodiscard]] static result<connection> listen(peer::node_key const& host, Source& source,
                                                   connection_options options) {
        return make(role::listener, host, source, {}, std::move(options));
    }

    /// Says what it says first. Once, before anything else.
    void start(connection_output& out) const { start_negotiation(out.clear); }

    /// Takes bytes that the socket received, in any portions. What goes wrong is the event `failed`, the last one;
    /// later calls do nothing. What is left in the output is still to be sent: it tells the peer why.
    template <effect_sink<connection_event> Sink>
    void feed(byte_view in, instant now, connection_output& out, Sink& sink) {
        while (!in.empty() && stage_ != stage::failed) {
            auto const taken = step(in, now, out, sink);
            if (!taken) return fail(taken.error(), sink);
            in = in.subspan(taken.value());
        }
    }

    /// The bytes for the socket, empty when there is nothing to send. @p out is empty afterwards, and streams whose
    /// write found it full are told to go on.
    template <effect_sink<connection_event> Sink>
    [[nodiscard]] bytes seal(instant now, connection_output& out, Sink& sink) {
        auto sealed = std::exchange(out.clear, {});
        if (channel_ && !out.plain.empty()) {
            auto const done = channel_->seal(std::exchange(out.plain, {}), sealed);
            if (!done && stage_ != stage::failed) fail(done.error(), sink);
        }
        if (stage_ == stage::established) streams_.resume(now, out.plain, sink);
        return sealed;
    }

    /// How far the connection has come.
    [[nodiscard]] libp2p::stage stage() const noexcept { return stage_; }
    /// Who is at the other end; empty before the handshake is over.
    [[nodiscard]] peer::peer_id const& peer() const noexcept { return peer_; }
    /// Streams alive, those that are negotiating included.
    [[nodiscard]] std::size_t stream_count() const noexcept { return streams_.size(); }

    /// Opens a stream and proposes @p protocols, the most wanted first; `stream_ready` says which it became, or
    /// `stream_closed` that it became none.
    /// @return the stream's id; `not_established`; `too_many_streams`.
    [[nodiscard]] result<stream_id> open_stream(std::vector<std::string> protocols, connection_output& out) {
        MUSTER_TRY(require_established());
        return streams_.open(std::move(protocols), out.plain);
    }
    /// Opens a stream for @p protocol. See above.
    [[nodiscard]] result<stream_id> open_stream(std::string_view protocol, connection_output& out) {
        return open_stream(std::vector{std::string{protocol}}, out);
    }

    /// Sends as much of @p octets as there is room for. `stream_writable` follows when a part was refused and there is
    /// room again.
    /// @return how many bytes were accepted, from the front; `no_such_stream`; `stream_closed` after `close_stream`;
    /// `not_established` before `stream_ready`.
    [[nodiscard]] result<std::size_t> write(stream_id id, byte_view octets, connection_output& out) {
        MUSTER_TRY(require_established());
        return streams_.write(id, octets, out.plain);
    }

    /// From now on streams that the other side opens are accepted for @p protocols.
    void offer(std::vector<std::string> protocols) { streams_.offer(std::move(protocols)); }

    /// Ends streams that have not agreed on a protocol for too long, counted from the first call that found them: call
    /// it once a second or so. @see connection_options::negotiation_timeout
    template <effect_sink<connection_event> Sink>
    void wake(instant now, connection_output& out, Sink& sink) {
        if (channel_) channel_->trim();
        if (stage_ == stage::established) streams_.wake(now, out.plain, sink);
    }

    /// Says that the user is done with @p size bytes of `stream_data`. Without it the other side may send 256 KiB and
    /// then waits: that is back-pressure. A stream that is gone is ignored.
    void consume(stream_id id, std::size_t size, connection_output& out) {
        if (stage_ == stage::established) streams_.consume(id, size, out.plain);
    }

    /// Half-closes: this side sends no more, and may go on receiving.
    template <effect_sink<connection_event> Sink>
    [[nodiscard]] result<void> close_stream(stream_id id, connection_output& out, Sink& sink) {
        MUSTER_TRY(require_established());
        return streams_.close(id, out.plain, sink);
    }

    /// Ends the stream at once, both ways. No event names it again.
    void reset_stream(stream_id id, connection_output& out) {
        if (stage_ == stage::established) streams_.reset(id, out.plain);
    }

    /// Closes and forgets a stream whose user is gone, without taking from the other side what is on its way. No event
    /// names it again.
    void abandon_stream(stream_id id, connection_output& out) {
        if (stage_ == stage::established) streams_.abandon(id, out.plain);
    }

    /// Asks the other side to answer with @p opaque, as `ping_answered`.
    /// @return `not_established`, or `flooded` while 16 pings are unanswered.
    [[nodiscard]] result<void> ping(std::uint32_t opaque, connection_output& out) {
        MUSTER_TRY(require_established());
        return streams_.ping(opaque, out.plain);
    }

    /// Tells the other side that no more streams are accepted. Streams that are open go on; when they have ended, or
    /// at once, the owner closes the socket.
    void shutdown(connection_output& out) {
        if (stage_ == stage::established) streams_.go_away(out.plain);
    }

private:
    using negotiation = std::variant<multistream::dialer, multistream::listener>;

    connection(role side, noise::handshake handshake, connection_options options)
        : side_{side},
          negotiation_{negotiate(noise::protocol)},
          handshake_{std::move(handshake)},
          streams_{side, std::move(options)} {}

    template <secret_source Source>
    [[nodiscard]] static result<connection> make(role side, peer::node_key const& host, Source& source,
                                                 std::optional<peer::peer_id> expected, connection_options options) {
        MUSTER_TRY(auto static_key, crypto::x25519_key::generate(source));
        MUSTER_TRY(auto handshake,
                   noise::handshake::make(side, host, std::move(static_key), source, std::move(expected)));
        return connection{side, std::move(handshake), std::move(options)};
    }

    [[nodiscard]] result<void> require_established() const {
        if (stage_ == stage::established) return ok();
        return error{errc::not_established,
                     stage_ == stage::failed ? "the connection has failed" : "the connection is still being set up"};
    }

    /// A negotiation of the ladder, where there is one protocol to agree on.
    [[nodiscard]] negotiation negotiate(std::string_view protocol) const {
        std::vector wanted{std::string{protocol}};
        if (side_ == role::dialer) return multistream::dialer{std::move(wanted)};
        return multistream::listener{std::make_shared<std::vector<std::string> const>(std::move(wanted))};
    }
    void start_negotiation(bytes& out) const {
        std::visit([&](auto const& side) { side.start(out); }, negotiation_);
    }
    /// Takes a part of @p in. @return how much, and whether the protocol was agreed on.
    [[nodiscard]] result<std::pair<std::size_t, bool>> feed_negotiation(byte_view in, instant now, bytes& out) {
        effect_list<multistream::agreed> ended;
        MUSTER_TRY(auto const taken,
                   std::visit([&](auto& side) { return side.feed(in, now, out, ended); }, negotiation_));
        return std::pair{taken, !ended.empty()};
    }

    /// Takes a part of @p in, at least one byte, and says how much.
    template <class Sink>
    [[nodiscard]] result<std::size_t> step(byte_view in, instant now, connection_output& out, Sink& sink) {
        if (channel_) {
            bytes plain;
            auto const opened = channel_->open(in, plain);
            MUSTER_TRY(feed_plain(plain, now, out.plain, sink));
            MUSTER_TRY(opened);
            return in.size();
        }
        if (stage_ == stage::handshaking) return shake_hands(in, now, out);
        MUSTER_TRY(auto const came_to, feed_negotiation(in, now, out.clear));
        if (came_to.second) {
            stage_ = stage::handshaking;
            handshake_->start(out.clear);
        }
        return came_to.first;
    }

    [[nodiscard]] result<std::size_t> shake_hands(byte_view in, instant now, connection_output& out) {
        effect_list<noise::proved> proved;
        MUSTER_TRY(auto const taken, handshake_->feed(in, now, out.clear, proved));
        if (!proved.empty()) {
            MUSTER_TRY(auto secured, handshake_->finish());
            peer_ = secured.peer;
            channel_.emplace(std::move(secured.channel));
            handshake_.reset();
            stage_ = stage::negotiating;
            negotiation_ = negotiate(yamux::protocol);
            start_negotiation(out.plain);
        }
        return taken;
    }

    template <class Sink>
    [[nodiscard]] result<void> feed_plain(byte_view plain, instant now, bytes& out, Sink& sink) {
        if (stage_ == stage::negotiating) {
            MUSTER_TRY(auto const came_to, feed_negotiation(plain, now, out));
            if (!came_to.second) return ok();
            plain = plain.subspan(came_to.first);
            stage_ = stage::established;
            sink.push(established{peer_});
        }
        MUSTER_TRY(streams_.feed(plain, now, out, sink));
        return ok();
    }

    template <class Sink>
    void fail(error const& reason, Sink& sink) {
        stage_ = stage::failed;
        handshake_.reset();
        streams_.clear();
        sink.push(failed{reason});
    }

    role side_;
    libp2p::stage stage_ = stage::negotiating;
    negotiation negotiation_;
    std::optional<noise::handshake> handshake_;
    std::optional<noise::channel> channel_;
    peer::peer_id peer_;
    stream_set streams_;
};

}  // namespace muster::libp2p
