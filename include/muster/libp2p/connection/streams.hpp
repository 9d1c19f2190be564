// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The streams of an established connection: yamux, and the negotiation at the start of every stream.
///
/// A stream begins with multistream-select and carries its protocol afterwards. Bytes of the negotiation are consumed
/// here; the rest is the user's. A negotiation that fails resets its stream and nothing else. A byte machine, whose
/// output is plaintext; see core/machine.hpp.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/libp2p/connection/events.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/libp2p/multistream.hpp>
#include <muster/libp2p/role.hpp>
#include <muster/libp2p/yamux.hpp>

namespace muster::libp2p {

/// Negotiated streams over one secure stream of bytes. A part of `connection`. Movable; not thread-safe.
class stream_set {
public:
    using event = connection_event;
    using output = bytes;

    stream_set(role side, connection_options options)
        : session_{side, options.streams}, negotiation_timeout_{options.negotiation_timeout} {
        offer(std::move(options.protocols));
    }

    /// Takes plaintext of the other side. @return the errors of `yamux::session::feed`.
    template <effect_sink<connection_event> Sink>
    [[nodiscard]] result<std::size_t> feed(byte_view in, instant now, bytes& out, Sink& sink) {
        effect_list<yamux::event> events;
        auto const fed = session_.feed(in, now, out, events);
        for (auto const& e : events) {
            std::visit([&](auto const& v) { on(v, now, out, sink); }, e);
        }
        return fed;
    }

    /// @copydoc yamux::session::resume
    template <effect_sink<connection_event> Sink>
    void resume(instant now, bytes& out, Sink& sink) {
        effect_list<yamux::event> events;
        session_.resume(out, events);
        for (auto const& e : events) {
            std::visit([&](auto const& v) { on(v, now, out, sink); }, e);
        }
    }

    /// @copydoc connection::offer
    void offer(std::vector<std::string> protocols) {
        protocols_ = std::make_shared<std::vector<std::string> const>(std::move(protocols));
    }

    /// @copydoc connection::wake
    template <effect_sink<connection_event> Sink>
    void wake(instant now, bytes& out, Sink& sink) {
        std::vector<stream_id> late;
        for (auto& [id, s] : streams_) {
            if (s.ready()) continue;
            if (!s.seen) s.seen = now;
            if (now - *s.seen >= negotiation_timeout_) late.push_back(id);
        }
        for (auto const id : late) {
            bool const known = find(id)->outbound();
            reset(id, out);
            if (known) sink.push(stream_closed{id, end_of_stream::late});
        }
    }

    /// @copydoc connection::open_stream
    [[nodiscard]] result<stream_id> open(std::vector<std::string> protocols, bytes& out) {
        if (protocols.empty()) return error{errc::no_common_protocol, "a stream needs a protocol to propose"};
        MUSTER_TRY(auto const id, session_.open(out));
        auto& s = streams_.try_emplace(id).first->second;
        multistream::dialer side{std::move(protocols)};
        side.start(s.unsent);
        s.negotiation = std::move(side);
        (void)flush(id, s, out);
        return id;
    }

    /// @copydoc connection::write
    [[nodiscard]] result<std::size_t> write(stream_id id, byte_view octets, bytes& out) {
        MUSTER_TRY(auto* const s, require(id));
        if (!s->ready()) return error{errc::not_established, text("stream ", id, " has not agreed on a protocol yet")};
        if (s->close_wanted) return error{errc::stream_closed, text("stream ", id, " was closed for writing")};
        if (!flush(id, *s, out)) return std::size_t{0};
        return session_.write(id, octets, out);
    }

    /// @copydoc connection::consume
    void consume(stream_id id, std::size_t size, bytes& out) { session_.consume(id, size, out); }

    /// @copydoc connection::close_stream
    template <effect_sink<connection_event> Sink>
    [[nodiscard]] result<void> close(stream_id id, bytes& out, Sink& sink) {
        MUSTER_TRY(auto* const s, require(id));
        s->close_wanted = true;
        if (s->ready() && flush(id, *s, out)) close_now(id, *s, out, sink);
        return ok();
    }

    /// @copydoc connection::reset_stream
    void reset(stream_id id, bytes& out) {
        session_.reset_stream(id, out);
        streams_.erase(id);
    }

    /// @copydoc connection::abandon_stream
    void abandon(stream_id id, bytes& out) {
        auto const found = streams_.find(id);
        if (found == streams_.end()) return;
        if (!found->second.ready() || !flush(id, found->second, out)) return reset(id, out);
        streams_.erase(found);
        session_.abandon(id, out);
    }

    /// @copydoc connection::ping
    [[nodiscard]] result<void> ping(std::uint32_t opaque, bytes& out) { return session_.ping(opaque, out); }
    /// @copydoc connection::shutdown
    void go_away(bytes& out) { session_.go_away(yamux::go_away_code::normal, out); }

    /// The connection is over, and with it all streams. No event names them again.
    void clear() { streams_.clear(); }
    /// Streams that the user knows of.
    [[nodiscard]] std::size_t size() const noexcept { return streams_.size(); }

private:
    struct stream {
        std::variant<std::monostate, multistream::dialer, multistream::listener> negotiation;  ///< None when done.
        bytes unsent;               ///< Our part of the negotiation that the window does not admit yet.
        bool close_wanted = false;  ///< The user is done sending.
        bool we_closed = false;     ///< FIN was sent.
        bool they_closed = false;
        deadline seen;  ///< When time first passed over it while it was negotiating.

        [[nodiscard]] bool ready() const noexcept { return negotiation.index() == 0; }
        [[nodiscard]] bool outbound() const noexcept { return negotiation.index() == 1; }
    };

    [[nodiscard]] stream* find(stream_id id) {
        auto const found = streams_.find(id);
        return found == streams_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] result<stream*> require(stream_id id) {
        if (auto* const s = find(id)) return s;
        return error{errc::no_such_stream, text("stream ", id, " is not open")};
    }

    /// Sends what the negotiation still owes; true when nothing is left.
    bool flush(stream_id id, stream& s, bytes& out) {
        if (s.unsent.empty()) return true;
        auto const sent = session_.write(id, s.unsent, out);
        if (!sent) return false;
        s.unsent.erase(s.unsent.begin(), s.unsent.begin() + static_cast<std::ptrdiff_t>(sent.value()));
        return s.unsent.empty();
    }

    /// Sends FIN. When the other side has sent it before, the stream is over.
    template <class Sink>
    void close_now(stream_id id, stream& s, bytes& out, Sink& sink) {
        if (std::exchange(s.we_closed, true)) return;
        (void)session_.close(id, out);
        if (!s.they_closed) return;
        streams_.erase(id);
        sink.push(stream_closed{id, end_of_stream::finished});
    }

    template <class Sink>
    void on(yamux::stream_opened const& e, instant, bytes&, Sink&) {
        streams_.try_emplace(e.id).first->second.negotiation = multistream::listener{protocols_};
    }

    template <class Sink>
    void on(yamux::data const& e, instant now, bytes& out, Sink& sink) {
        auto* const s = find(e.id);
        if (s == nullptr) return;
        if (s->ready()) {
            sink.push(stream_data{e.id, to_bytes(e.content)});
        } else {
            negotiate(e.id, *s, e.content, now, out, sink);
        }
    }

    template <class Sink>
    void negotiate(stream_id id, stream& s, byte_view in, instant now, bytes& out, Sink& sink) {
        effect_list<multistream::agreed> ended;
        auto const taken = std::visit(overloaded{[](std::monostate) -> result<std::size_t> { return std::size_t{0}; },
                                                 [&](auto& side) { return side.feed(in, now, s.unsent, ended); }},
                                      s.negotiation);
        if (!taken) return give_up(id, s, taken.error(), out, sink);
        session_.consume(id, taken.value(), out);
        (void)flush(id, s, out);
        if (ended.empty()) return;
        auto const way = s.outbound() ? direction::outbound : direction::inbound;
        s.negotiation = std::monostate{};
        sink.push(stream_ready{id, ended.begin()->protocol, way});
        auto const rest = in.subspan(taken.value());
        if (!rest.empty()) sink.push(stream_data{id, to_bytes(rest)});
        if (s.close_wanted && flush(id, s, out)) close_now(id, s, out, sink);
    }

    /// Ends a stream whose negotiation failed. Streams that were never announced are dropped silently.
    template <class Sink>
    void give_up(stream_id id, stream const& s, error const& why, bytes& out, Sink& sink) {
        bool const known = s.outbound();
        reset(id, out);
        if (known) {
            sink.push(
                stream_closed{id, why == errc::no_common_protocol ? end_of_stream::refused : end_of_stream::reset});
        }
    }

    template <class Sink>
    void on(yamux::window_opened const& e, instant, bytes& out, Sink& sink) {
        auto* const s = find(e.id);
        if (s == nullptr || !flush(e.id, *s, out) || !s->ready()) return;
        if (s->close_wanted) {
            close_now(e.id, *s, out, sink);
        } else {
            sink.push(stream_writable{e.id});
        }
    }

    template <class Sink>
    void on(yamux::half_closed const& e, instant, bytes& out, Sink& sink) {
        auto* const s = find(e.id);
        if (s == nullptr) return;
        if (!s->ready()) return give_up(e.id, *s, error{errc::malformed, "closed while negotiating"}, out, sink);
        s->they_closed = true;
        sink.push(stream_half_closed{e.id});
        if (!s->we_closed) return;
        streams_.erase(e.id);
        sink.push(stream_closed{e.id, end_of_stream::finished});
    }

    template <class Sink>
    void on(yamux::reset const& e, instant, bytes&, Sink& sink) {
        auto* const s = find(e.id);
        if (s == nullptr) return;
        bool const known = s->ready() || s->outbound();
        streams_.erase(e.id);
        if (known) sink.push(stream_closed{e.id, end_of_stream::reset});
    }

    template <class Sink>
    void on(yamux::ping_answered const& e, instant, bytes&, Sink& sink) {
        sink.push(ping_answered{e.opaque});
    }

    template <class Sink>
    void on(yamux::gone_away const& e, instant, bytes&, Sink& sink) {
        sink.push(gone_away{e.code});
    }

    multistream::protocol_list protocols_;
    yamux::session session_;
    duration negotiation_timeout_;
    std::map<stream_id, stream> streams_;  ///< At most as many as the session has.
};

}  // namespace muster::libp2p
