// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// yamux 1.0: many streams over one ordered, secure stream of bytes.
///
/// Each direction of a stream has a window, at first 256 KiB: what its sender may still send as payload. The
/// receiver opens it again when its user has *consumed* bytes, not when they arrive, so a slow user slows the
/// sender and nobody else; what a stream can make us hold is its window. Payload is passed on as it arrives and
/// never kept here. A stream ends when both sides have said FIN, or at once with RST.
///
/// A @ref byte_machine: what it has to send is appended to a buffer of its owner, who passes the same one to every call
/// and empties it towards the socket. How much waits there is what bounds writes and answers.
/// @see hashicorp/yamux, spec.md; libp2p specs, yamux/README.md ("ACK backlog").

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/libp2p/role.hpp>
#include <muster/libp2p/yamux/events.hpp>
#include <muster/libp2p/yamux/frame.hpp>
#include <muster/libp2p/yamux/ids.hpp>
#include <muster/libp2p/yamux/stream.hpp>

namespace muster::libp2p::yamux {

/// The protocol's name in negotiations.
inline constexpr std::string_view protocol = "/yamux/1.0.0";

/// One side of a session. Movable; not thread-safe. No operation calls back into its user except to push an event.
///
/// Every operation that may send takes `out`, the bytes that the socket has not taken yet, and appends to it.
class session {
public:
    using event = yamux::event;
    using output = bytes;

    explicit session(role side, options limits = {}) noexcept
        : limits_{limits}, own_ids_{side == role::dialer ? 1u : 2u}, their_ids_{side == role::dialer ? 2u : 1u} {}

    /// Takes all of @p in, in any portions.
    /// @return `violation`, `window_exceeded` or `flooded`; then a go-away is in the output, every stream is gone,
    /// and each later call returns the same error.
    template <effect_sink<event> Sink>
    [[nodiscard]] result<std::size_t> feed(byte_view in, instant, bytes& out, Sink& sink) {
        auto const size = in.size();
        while (!in.empty() && !failed_) {
            auto const done = payload_left_ != 0 ? take_payload(in, out, sink) : take_header(in, out, sink);
            if (!done) fail(done.error(), out);
        }
        // Whatever it was that it provoked: one that takes nothing is not answered for ever.
        if (!failed_ && out.size() > limits_.output_size_max + limits_.reply_size_max) {
            fail(flooded_by_answers(out), out);
        }
        MUSTER_TRY(require_alive());
        return size;
    }

    /// The socket has taken what was in @p out: streams whose write met a full buffer are told to go on.
    template <effect_sink<event> Sink>
    void resume(bytes const& out, Sink& sink) {
        for (auto const id : std::exchange(blocked_, {})) {
            auto* const s = find(id);
            if (s == nullptr) continue;
            s->queued = false;
            wake(id, *s, out, sink);
        }
    }

    /// Opens a stream. It may be written to at once.
    /// @return `too_many_streams`; `not_established` when the session is failed or told to go away.
    [[nodiscard]] result<stream_id> open(bytes& out) {
        MUSTER_TRY(require_alive());
        if (they_left_ || we_left_) return error{errc::not_established, "the session opens no more streams"};
        if (outbound_ >= limits_.outbound_streams_max || unacknowledged_ >= limits_.ack_backlog_max) {
            return error{errc::too_many_streams, text(outbound_, " own streams are open and ", unacknowledged_,
                                                      " of them not yet accepted; close some first")};
        }
        MUSTER_TRY(auto const id, own_ids_.make());
        streams_.try_emplace(id).first->second.unacknowledged = true;
        ++outbound_;
        ++unacknowledged_;
        append_header(out, {frame_type::window_update, flag::syn, id, 0});
        return id;
    }

    /// Sends as much of @p octets as the stream's window and the output buffer admit; `window_opened` follows when a
    /// part was refused and there is room again.
    /// @return how many bytes were accepted, from the front; `no_such_stream`; `stream_closed` after `close`.
    [[nodiscard]] result<std::size_t> write(stream_id id, byte_view octets, bytes& out) {
        MUSTER_TRY(auto* const s, require(id));
        if (s->we_closed) return error{errc::stream_closed, text("stream ", id, " was closed for writing")};
        auto const accepted = std::min({octets.size(), static_cast<std::size_t>(s->send_window), room(out)});
        if (out.empty()) out.reserve(header_size + std::min(accepted, limits_.frame_payload_max));
        for (auto rest = octets.first(accepted); !rest.empty();) {
            auto const part = rest.first(std::min(rest.size(), limits_.frame_payload_max));
            append_header(out, {frame_type::data, s->take_ack(), id, static_cast<std::uint32_t>(part.size())});
            append(out, part);
            rest = rest.subspan(part.size());
        }
        s->send_window -= static_cast<std::uint32_t>(accepted);
        if (accepted < octets.size()) {
            s->starved = true;
            if (room(out) == 0) queue(id, *s);
        }
        return accepted;
    }

    /// Says that the user is done with @p size bytes of the stream, so that the other side may send as many more.
    /// Counts at most what was received. A stream that is gone is ignored.
    void consume(stream_id id, std::size_t size, bytes& out) {
        auto* const s = find(id);
        if (s == nullptr) return;
        auto const done = static_cast<std::uint32_t>(std::min<std::size_t>(size, s->unconsumed));
        s->unconsumed -= done;
        s->credit += done;
        if (s->they_closed || s->abandoned || s->credit == 0) return;
        if (s->credit >= window_size / 2 || s->owes_ack) give_credit(id, *s, out);
    }

    /// Half-closes: this side sends no more, and may go on receiving. Repeating it changes nothing.
    [[nodiscard]] result<void> close(stream_id id, bytes& out) {
        MUSTER_TRY(auto* const s, require(id));
        if (s->we_closed) return ok();
        s->we_closed = true;
        append_header(out, {frame_type::data, static_cast<std::uint16_t>(flag::fin | s->take_ack()), id, 0});
        if (s->they_closed) erase(id);
        return ok();
    }

    /// Ends the stream at once, both ways. A stream that is gone is ignored.
    void reset_stream(stream_id id, bytes& out) {
        if (!contains(id)) return;
        append_header(out, {frame_type::window_update, flag::rst, id, 0});
        erase(id);
    }

    /// Closes and forgets a stream whose user is gone: no event names it again. The other side may finish what its
    /// window admits, for a RST now could destroy bytes of ours that are still on their way; if it sends more
    /// than that without FIN, the stream is reset.
    void abandon(stream_id id, bytes& out) {
        auto* const s = find(id);
        if (s == nullptr || s->abandoned) return;
        (void)close(id, out);
        if (!contains(id)) return;
        s->abandoned = true;
        reset_if_spent(id, *s, out);
    }

    /// Asks the other side to answer with @p opaque. @return `flooded` while too many pings are unanswered.
    [[nodiscard]] result<void> ping(std::uint32_t opaque, bytes& out) {
        MUSTER_TRY(require_alive());
        if (pings_.size() >= limits_.pings_max) {
            return error{errc::flooded, text(pings_.size(), " pings are unanswered already")};
        }
        pings_.push_back(opaque);
        append_header(out, {frame_type::ping, flag::syn, 0, opaque});
        return ok();
    }

    /// Says that this side opens no more streams and wants none. Streams that are open go on, and those that were on
    /// their way are accepted until the other side has gone away too.
    void go_away(go_away_code code, bytes& out) {
        if (failed_ || std::exchange(we_left_, true)) return;
        append_header(out, {frame_type::go_away, 0, 0, static_cast<std::uint32_t>(code)});
    }

    /// Streams alive, of both sides.
    [[nodiscard]] std::size_t size() const noexcept { return streams_.size(); }
    /// Whether the stream is alive.
    [[nodiscard]] bool contains(stream_id id) const { return streams_.count(id) != 0; }

private:
    [[nodiscard]] stream* find(stream_id id) {
        auto const found = streams_.find(id);
        return found == streams_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] result<void> require_alive() const {
        if (failed_) return *failed_;
        return ok();
    }

    [[nodiscard]] result<stream*> require(stream_id id) {
        MUSTER_TRY(require_alive());
        auto* const s = find(id);
        if (s == nullptr || s->abandoned) return error{errc::no_such_stream, text("stream ", id, " is not open")};
        return s;
    }

    [[nodiscard]] std::size_t room(bytes const& out) const noexcept {
        return out.size() < limits_.output_size_max ? limits_.output_size_max - out.size() : 0;
    }

    void fail(error reason, bytes& out) {
        append_header(out, {frame_type::go_away, 0, 0, static_cast<std::uint32_t>(go_away_code::protocol_error)});
        streams_.clear();
        blocked_.clear();
        failed_ = std::move(reason);
    }

    void erase(stream_id id) {
        auto const found = streams_.find(id);
        if (found->second.unacknowledged) --unacknowledged_;
        --(own_ids_.owns(id) ? outbound_ : inbound_);
        streams_.erase(found);
    }

    void queue(stream_id id, stream& s) {
        if (!std::exchange(s.queued, true)) blocked_.push_back(id);
    }

    /// Tells the user of a starved stream to go on, when it can.
    template <class Sink>
    void wake(stream_id id, stream& s, bytes const& out, Sink& sink) {
        if (!s.starved || s.send_window == 0 || s.we_closed) return;
        if (room(out) == 0) {
            queue(id, s);
        } else {
            s.starved = false;
            sink.push(window_opened{id});
        }
    }

    void give_credit(stream_id id, stream& s, bytes& out) {
        append_header(out, {frame_type::window_update, s.take_ack(), id, s.credit});
        s.receive_window += std::exchange(s.credit, 0);
    }

    void reset_if_spent(stream_id id, stream const& s, bytes& out) {
        if (s.abandoned && s.receive_window == 0 && !s.they_closed && !payload_of(id)) reset_stream(id, out);
    }

    [[nodiscard]] bool payload_of(stream_id id) const noexcept { return payload_left_ != 0 && payload_stream_ == id; }

    /// Queues an answer that the other side provoked.
    [[nodiscard]] result<void> reply(header const& h, bytes& out) const {
        append_header(out, h);
        if (out.size() <= limits_.output_size_max + limits_.reply_size_max) return ok();
        return flooded_by_answers(out);
    }
    [[nodiscard]] error flooded_by_answers(bytes const& out) const {
        return error{errc::flooded,
                     text("the other side provokes answers and takes none: ", out.size(), " bytes wait")};
    }

    template <class Sink>
    [[nodiscard]] result<void> take_header(byte_view& in, bytes& out, Sink& sink) {
        auto const part = std::min(in.size(), header_size - head_.size());
        append(head_, in.first(part));
        in = in.subspan(part);
        if (head_.size() < header_size) return ok();
        auto const parsed = parse_header(head_);
        head_.clear();
        MUSTER_TRY(auto const h, parsed);
        switch (h.type) {
            case frame_type::ping: return on_ping(h, out, sink);
            case frame_type::go_away: return on_go_away(h, sink);
            default: return on_stream_frame(h, out, sink);
        }
    }

    template <class Sink>
    [[nodiscard]] result<void> on_ping(header const& h, bytes& out, Sink& sink) {
        if (h.stream != 0) return error{errc::violation, text("a ping on stream ", h.stream)};
        if (h.has(flag::syn)) return reply({frame_type::ping, flag::ack, 0, h.length}, out);
        auto const asked = std::find(pings_.begin(), pings_.end(), h.length);
        if (!h.has(flag::ack) || asked == pings_.end()) return ok();  // an answer to nothing is no news
        pings_.erase(asked);
        sink.push(ping_answered{h.length});
        return ok();
    }

    template <class Sink>
    [[nodiscard]] result<void> on_go_away(header const& h, Sink& sink) {
        if (h.stream != 0) return error{errc::violation, text("a go-away on stream ", h.stream)};
        if (!std::exchange(they_left_, true)) sink.push(gone_away{h.length});
        return ok();
    }

    template <class Sink>
    [[nodiscard]] result<void> on_stream_frame(header const& h, bytes& out, Sink& sink) {
        if (h.stream == 0) return error{errc::violation, "a stream frame on the session's own id 0"};
        if (h.has(flag::syn)) {
            MUSTER_TRY(accept(h.stream, out, sink));
        }
        auto* const s = find(h.stream);
        if (s == nullptr || h.has(flag::rst)) return on_dead_frame(h, s, sink);
        if (h.has(flag::ack) && std::exchange(s->unacknowledged, false)) --unacknowledged_;
        return h.type == frame_type::data ? on_data(h, *s, sink) : on_window_update(h, *s, out, sink);
    }

    /// A frame of a stream that is over, or that it ends. Its payload, if any, is dropped.
    template <class Sink>
    [[nodiscard]] result<void> on_dead_frame(header const& h, stream const* s, Sink& sink) {
        if (s != nullptr) {
            if (!s->abandoned) sink.push(reset{h.stream});
            erase(h.stream);
        } else if (!own_ids_.was_used(h.stream) && !their_ids_.was_used(h.stream)) {
            return error{errc::violation, text("a frame of stream ", h.stream, ", which nobody opened")};
        }
        if (h.type == frame_type::data) expect_payload(0, h.length, false);
        return ok();
    }

    template <class Sink>
    [[nodiscard]] result<void> accept(stream_id id, bytes& out, Sink& sink) {
        if (!their_ids_.use(id)) return error{errc::violation, text("stream ", id, " cannot be opened, or not again")};
        if ((we_left_ && they_left_) || inbound_ >= limits_.inbound_streams_max) {
            return reply({frame_type::window_update, flag::rst, id, 0}, out);
        }
        streams_.try_emplace(id).first->second.owes_ack = true;
        ++inbound_;
        sink.push(stream_opened{id});
        return ok();
    }

    template <class Sink>
    [[nodiscard]] result<void> on_data(header const& h, stream& s, Sink& sink) {
        if (h.length > s.receive_window) {
            return error{errc::window_exceeded,
                         text(h.length, " bytes on stream ", h.stream, ", which may take ", s.receive_window)};
        }
        if (h.length != 0 && s.they_closed) return error{errc::violation, text("data after FIN on stream ", h.stream)};
        s.receive_window -= h.length;
        if (h.length != 0) {
            expect_payload(h.stream, h.length, h.has(flag::fin));
        } else if (h.has(flag::fin)) {
            on_fin(h.stream, sink);
        }
        return ok();
    }

    template <class Sink>
    [[nodiscard]] result<void> on_window_update(header const& h, stream& s, bytes const& out, Sink& sink) {
        if (h.length > UINT32_MAX - s.send_window) {
            return error{errc::violation, text("the window of stream ", h.stream, " grows beyond 32 bits")};
        }
        s.send_window += h.length;
        wake(h.stream, s, out, sink);
        if (h.has(flag::fin)) on_fin(h.stream, sink);
        return ok();
    }

    template <class Sink>
    void on_fin(stream_id id, Sink& sink) {
        auto* const s = find(id);
        if (s == nullptr || std::exchange(s->they_closed, true)) return;
        if (!s->abandoned) sink.push(half_closed{id});
        if (s->we_closed) erase(id);
    }

    void expect_payload(stream_id id, std::uint32_t size, bool fin) noexcept {
        payload_stream_ = id;
        payload_left_ = size;
        payload_fin_ = fin;
    }

    template <class Sink>
    [[nodiscard]] result<void> take_payload(byte_view& in, bytes& out, Sink& sink) {
        auto const part = in.first(std::min<std::size_t>(in.size(), payload_left_));
        in = in.subspan(part.size());
        payload_left_ -= static_cast<std::uint32_t>(part.size());
        auto* const s = find(payload_stream_);
        if (s != nullptr && !s->abandoned) {
            s->unconsumed += static_cast<std::uint32_t>(part.size());
            sink.push(data{payload_stream_, part});
        }
        if (payload_left_ == 0 && payload_fin_) {
            on_fin(payload_stream_, sink);
        } else if (s != nullptr) {
            reset_if_spent(payload_stream_, *s, out);
        }
        return ok();
    }

    options limits_;
    own_ids own_ids_;
    their_ids their_ids_;
    std::map<stream_id, stream> streams_;
    std::size_t inbound_ = 0;
    std::size_t outbound_ = 0;
    std::size_t unacknowledged_ = 0;
    bool we_left_ = false;
    bool they_left_ = false;
    std::optional<error> failed_;
    std::vector<std::uint32_t> pings_;  ///< Sent, and not yet answered.
    std::vector<stream_id> blocked_;    ///< Starved for want of output, the longest first.
    bytes head_;                        ///< The header that is being collected.
    stream_id payload_stream_ = 0;      ///< Whose payload is arriving; 0 when it is dropped.
    std::uint32_t payload_left_ = 0;
    bool payload_fin_ = false;
};

}  // namespace muster::libp2p::yamux
