// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Frames to peers and from them, on a libp2p host: what transport::frames promises.
///
/// Each protocol has one long-lived stream per peer and direction, with frames behind their length. Received bytes stay
/// as they came until somebody takes the frames one by one; taking a frame reopens the window by its size. So a frame
/// costs memory for its bytes, however small it is, and a slow reader slows the writer. When only the beginning of a
/// frame has arrived, the window is reopened at once, or a frame larger than the window could never arrive; those bytes
/// still count as held.
///
/// A protocol may have several names, versions of it, which are proposed together; the first one names it here.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/libp2p/framing.hpp>
#include <muster/libp2p/host/events.hpp>
#include <muster/transport/errc.hpp>

namespace muster::libp2p {

/// Frames of a stream can be taken.
struct frames_came {
    stream_ref stream;
    bool operator==(frames_came const&) const = default;
};
/// There is room again for frames to a peer.
struct frames_writable {
    peer::peer_id peer;
    std::string protocol;
    bool operator==(frames_writable const&) const = default;
};
/// Frames to a peer that is still connected will not arrive.
struct frames_dropped {
    peer::peer_id peer;
    std::string protocol;
    std::size_t size;  ///< Bytes that waited here.
    error why;
    bool operator==(frames_dropped const&) const = default;
};
/// What the service tells.
using frames_note = std::variant<frames_came, frames_writable, frames_dropped>;

/// The streams that carry frames. Not thread-safe.
class frames_service {
public:
    frames_service(std::size_t frame_size_max, std::size_t queue_max) noexcept
        : frame_size_max_{frame_size_max}, queue_max_{queue_max} {}

    /// Frames of the protocol that @p names name, the most wanted first, are taken from now on.
    void attach(std::vector<std::string> names) {
        auto const first = names.front();
        std::erase_if(first_names_, [&](auto const& n) { return n.second == first; });
        for (auto const& n : names) first_names_[n] = first;
        names_[first] = std::move(names);
    }
    /// Nobody takes them any more. Streams that carry them are broken off, so that their senders know.
    template <class Host, effect_sink<host_effect> Sink>
    void detach(Host& host, std::string_view protocol, instant now, Sink& out) {
        auto const found = names_.find(protocol);
        if (found == names_.end()) return;
        std::erase_if(first_names_, [&](auto const& n) { return n.second == found->first; });
        for (auto r = readers_.begin(); r != readers_.end();) {
            auto const next = std::next(r);
            if (r->second.from.second == found->first) {
                if (writer_on(r->first) == nullptr) host.reset_stream(r->first, now);
                erase(host, r, now, out);
            }
            r = next;
        }
        names_.erase(found);
    }
    [[nodiscard]] bool handles(std::string_view protocol) const {
        return first_names_.find(protocol) != first_names_.end();
    }
    /// All names, for host::offer.
    [[nodiscard]] std::vector<std::string> protocols() const {
        std::vector<std::string> out;
        for (auto const& [name, first] : first_names_) out.push_back(name);
        return out;
    }

    /// Hands a frame over. @return `too_large`, `not_connected`, or `congested`: @ref frames_writable follows.
    template <class Host, effect_sink<host_effect> Sink>
    [[nodiscard]] result<void> send(Host& host, peer::peer_id const& to, std::string_view protocol, byte_view frame,
                                    instant now, Sink& out) {
        if (frame.size() > frame_size_max_) {
            return error{transport::errc::too_large,
                         text("frame of ", frame.size(), " bytes, at most ", frame_size_max_)};
        }
        MUSTER_TRY(auto* const w, writer_to(host, to, protocol, now));
        auto const before = w->queue.size();
        bool const fits = host.reserve(w->stream.connection, frame.size() + wire::varint_size_max);
        if (!fits || !w->queue.try_push(frame)) {
            if (fits) host.release(w->stream.connection, frame.size() + wire::varint_size_max);
            w->is_congested = true;
            return error{transport::errc::congested,
                         text(to.to_text(), " has ", w->queue.size(), " bytes to read first")};
        }
        host.release(w->stream.connection, frame.size() + wire::varint_size_max - (w->queue.size() - before));
        if (w->is_ready) write_some(host, *w, now, out);
        return ok();
    }

    /// Takes the next frame that came on @p s, and lets the peer send more.
    /// @return it; none when no whole one is there; what is wrong with the stream, which has ended its connection.
    template <class Host, effect_sink<host_effect> Sink>
    [[nodiscard]] result<std::optional<bytes>> take(Host& host, stream_ref const& s, instant now, Sink& out) {
        auto const found = readers_.find(s);
        if (found == readers_.end()) return std::optional<bytes>{};
        auto& r = found->second;
        auto const next = r.frames.next();
        if (!next) {
            auto const why = next.error();
            erase(host, found, now, out);
            host.fail(s.connection, error{transport::errc::peer_failed, why.to_text()}, now, out);
            return why;
        }
        if (!next.value()) {
            // The beginning of a frame stays held, but more must come, or one above the window could never arrive.
            r.is_told = false;
            host.let_in(s, std::exchange(r.unconsumed, 0), now);
            if (r.has_ended) finish(host, found, now, out);
            return std::optional<bytes>{};
        }
        std::optional<bytes> frame{to_bytes(*next.value())};
        auto const size = frame->size() + wire::varint_size(frame->size());
        auto const fresh = std::min(size, r.unconsumed);
        r.unconsumed -= fresh;
        host.let_in(s, fresh, now);
        r.held -= std::min(size, r.held);
        host.release_held(s.connection, size, now, out);
        return frame;
    }
    /// Who sends on a stream, and under which protocol; null when it is gone. Valid until the next call.
    [[nodiscard]] std::pair<peer::peer_id, std::string> const* origin(stream_ref const& s) const {
        auto const found = readers_.find(s);
        return found == readers_.end() ? nullptr : &found->second.from;
    }
    /// What @p who, who is disconnected, has sent is not wanted any more.
    void forget(peer::peer_id const& who) {
        std::erase_if(readers_, [&](auto const& r) { return r.second.from.first == who; });
    }
    /// Who was refused for want of room in all is told when there is some. Call it once a second or so. O(writers).
    template <class Host, effect_sink<frames_note> Notes>
    void wake(Host& host, Notes& notes) {
        for (auto& [ref, w] : streams_) {
            if (w.is_congested && host.has_room(ref.connection)) note_room(w, notes);
        }
    }

    // ---- what happens on the host -----------------------------------------------------------------------

    template <class Host, effect_sink<frames_note> Notes, effect_sink<host_effect> Sink>
    void on(Host& host, stream_opened const& e, instant now, Notes& notes, Sink& out) {
        if (e.direction == direction::inbound) {
            readers_.emplace(e.stream,
                             reader{{e.peer, first_names_.find(e.protocol)->second}, frame_reader{frame_size_max_}});
        } else if (auto* const w = writer_on(e.stream)) {
            w->is_ready = true;
            write_some(host, *w, now, out);
            note_room(*w, notes);
        }
    }
    template <class Host, effect_sink<frames_note> Notes, effect_sink<host_effect> Sink>
    void on(Host& host, stream_bytes const& e, instant now, Notes& notes, Sink& out) {
        auto found = readers_.find(e.stream);
        if (found == readers_.end()) {
            auto* const w = writer_on(e.stream);
            if (w == nullptr) return host.consume(e.stream, e.content.size(), now, out);  // detached meanwhile
            found = readers_.emplace(e.stream, reader{{w->peer, w->protocol}, frame_reader{frame_size_max_}}).first;
        }
        auto& r = found->second;
        r.frames.feed(e.content);
        r.unconsumed += e.content.size();
        r.held += e.content.size();
        if (!std::exchange(r.is_told, true)) notes.push(frames_came{e.stream});
    }
    template <class Host, effect_sink<frames_note> Notes, effect_sink<host_effect> Sink>
    void on(Host& host, stream_ready_again const& e, instant now, Notes& notes, Sink& out) {
        auto* const w = writer_on(e.stream);
        if (w == nullptr) return;
        write_some(host, *w, now, out);
        note_room(*w, notes);
    }
    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, stream_ended const& e, instant now, Sink& out) {
        auto const found = readers_.find(e.stream);
        if (found == readers_.end()) {
            if (writer_on(e.stream) == nullptr) host.close_stream(e.stream, now, out);
            return;
        }
        found->second.has_ended = true;
        if (!found->second.is_told) finish(host, found, now, out);
    }
    template <class Host, effect_sink<frames_note> Notes, effect_sink<host_effect> Sink>
    void on(Host& host, stream_gone const& e, instant now, Notes& notes, Sink& out) {
        if (auto const r = readers_.find(e.stream); r != readers_.end()) {
            r->second.has_ended = true;  // what came whole may still be taken
            if (!r->second.is_told) erase(host, r, now, out);
        }
        auto const at = streams_.find(e.stream);
        if (at == streams_.end()) return;
        auto const w = std::move(at->second);
        streams_.erase(at);
        if (auto const mine = writers_.find(w.protocol); mine != writers_.end()) {
            auto const known = mine->second.find(w.peer);
            if (known != mine->second.end() && known->second == e.stream) mine->second.erase(known);
        }
        host.release(e.stream.connection, w.queue.size());  // whether or not anybody is told
        if (!host.is_connected(w.peer) || w.is_leaving) return;
        auto const code = e.reason == end_of_stream::refused ? transport::errc::not_spoken
                          : e.reason == end_of_stream::late  ? transport::errc::timed_out
                                                             : transport::errc::refused;
        if (e.reason != end_of_stream::finished || w.queue.size() != 0) {
            auto const* const what = e.reason == end_of_stream::refused ? "the peer does not speak "
                                     : e.reason == end_of_stream::late  ? "the peer did not answer in time for "
                                                                        : "the peer broke off ";
            notes.push(frames_dropped{w.peer, w.protocol, w.queue.size(), error{code, text(what, w.protocol)}});
        }
        if (w.is_congested) notes.push(frames_writable{w.peer, w.protocol});
    }
    /// A connection is to end: what waits on it is sent, and what comes later goes elsewhere.
    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, leaving const& e, instant now, Sink& out) {
        for (auto& [ref, w] : streams_) {
            if (ref.connection != e.connection) continue;
            w.is_leaving = true;
            if (auto const mine = writers_.find(w.protocol); mine != writers_.end()) mine->second.erase(w.peer);
            if (w.is_ready) write_some(host, w, now, out);
        }
    }

private:
    struct writer {
        stream_ref stream;
        peer::peer_id peer;
        std::string protocol;
        frame_writer queue;
        bool is_ready = false;
        bool is_congested = false;  // a frame was refused, and `frames_writable` is owed
        bool is_leaving = false;    // no more frames will come; to be closed when it is empty
    };
    struct reader {
        std::pair<peer::peer_id, std::string> from;
        frame_reader frames;
        std::size_t unconsumed = 0;  // bytes that the peer may not send again yet
        std::size_t held = 0;        // bytes that count as held
        bool is_told = false;        // `frames_came` was told, and not all that came is taken
        bool has_ended = false;      // the peer sends no more
    };

    [[nodiscard]] writer* writer_on(stream_ref const& s) {
        auto const found = streams_.find(s);
        return found == streams_.end() ? nullptr : &found->second;
    }
    template <class Host>
    [[nodiscard]] result<writer*> writer_to(Host& host, peer::peer_id const& to, std::string_view protocol,
                                            instant now) {
        auto mine = writers_.find(protocol);
        if (mine == writers_.end()) mine = writers_.emplace(protocol, std::map<peer::peer_id, stream_ref>{}).first;
        if (auto const known = mine->second.find(to); known != mine->second.end()) return &streams_.at(known->second);
        auto const names = names_.find(protocol);
        MUSTER_TRY(
            auto const ref,
            host.open_stream(to, names == names_.end() ? std::vector{std::string{protocol}} : names->second, now));
        mine->second[to] = ref;
        return &streams_.emplace(ref, writer{ref, to, std::string{protocol}, frame_writer{queue_max_}}).first->second;
    }
    template <class Host, class Sink>
    void write_some(Host& host, writer& w, instant now, Sink& out) {
        while (w.queue.size() != 0) {
            auto const taken = host.write(w.stream, w.queue.front(), now);
            if (taken == 0) return;
            w.queue.pop(taken);
            host.release(w.stream.connection, taken);
        }
        if (w.is_leaving) host.close_stream(w.stream, now, out);
    }
    template <class Notes>
    void note_room(writer& w, Notes& notes) {
        if (!w.is_congested || w.queue.size() > queue_max_ / 2) return;
        w.is_congested = false;
        notes.push(frames_writable{w.peer, w.protocol});
    }
    using reader_at = std::map<stream_ref, reader>::iterator;
    template <class Host, class Sink>
    void erase(Host& host, reader_at r, instant now, Sink& out) {
        host.release_held(r->first.connection, r->second.held, now, out);
        readers_.erase(r);
    }
    // All that came is taken, and the peer sends no more.
    template <class Host, class Sink>
    void finish(Host& host, reader_at r, instant now, Sink& out) {
        auto const s = r->first;
        erase(host, r, now, out);
        if (writer_on(s) == nullptr) host.close_stream(s, now, out);
    }

    std::size_t frame_size_max_;
    std::size_t queue_max_;
    std::map<std::string, std::vector<std::string>, std::less<>> names_;  // by the first one
    std::map<std::string, std::string, std::less<>> first_names_;
    std::map<stream_ref, writer> streams_;
    std::map<std::string, std::map<peer::peer_id, stream_ref>, std::less<>> writers_;  // those in use
    std::map<stream_ref, reader> readers_;
};

}  // namespace muster::libp2p
