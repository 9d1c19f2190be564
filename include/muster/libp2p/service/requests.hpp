// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Requests to peers and their answers, on a libp2p host: what transport::requests promises.
///
/// A request is a stream: the question goes there, the answer comes back, and each side says that it is done. What ends
/// a request early, a time limit or a size, ends its stream and nothing else. What is being collected counts as held by
/// its connection until it is whole, so unfinished questions make us stop reading from their sender instead of filling
/// our memory.

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/libp2p/host/events.hpp>
#include <muster/transport/requests.hpp>
#include <muster/wire/varint.hpp>

namespace muster::libp2p {

/// A request of ours is over. Told once.
struct request_ended {
    transport::request_id id;
    result<bytes> answer;
    bool operator==(request_ended const&) const = default;
};
/// A peer asks.
struct question_came {
    transport::asked what;
    bool operator==(question_came const&) const = default;
};
/// What the service tells.
using requests_note = std::variant<request_ended, question_came>;

/// Requests of both directions. Not thread-safe.
class requests_service {
public:
    /// @param per_peer_max  requests of ours to one peer at a time.
    explicit requests_service(std::size_t per_peer_max) noexcept : per_peer_max_{per_peer_max} {}

    /// Questions of that protocol are collected from now on, within the bounds of @p o.
    void serve(std::string_view protocol, transport::request_options const& o) { served_[std::string{protocol}] = o; }
    /// Questions of that protocol are refused from now on.
    void unserve(std::string_view protocol) {
        if (auto const found = served_.find(protocol); found != served_.end()) served_.erase(found);
    }
    [[nodiscard]] bool handles(std::string_view protocol) const { return served_.find(protocol) != served_.end(); }
    [[nodiscard]] std::vector<std::string> protocols() const {
        std::vector<std::string> out;
        for (auto const& [name, o] : served_) out.push_back(name);
        return out;
    }

    /// Asks @p who. @return `not_connected`, `congested`, or `too_large`.
    template <class Host>
    [[nodiscard]] result<transport::request_id> request(Host& host, peer::peer_id const& who, std::string_view protocol,
                                                        bytes question, transport::request_options const& o,
                                                        instant now) {
        if (question.size() > o.request_size_max) {
            return error{transport::errc::too_large,
                         text("a request of ", question.size(), " bytes, at most ", o.request_size_max)};
        }
        auto const open = std::count_if(all_.begin(), all_.end(),
                                        [&](auto const& e) { return e.second.is_ours && e.second.peer == who; });
        if (static_cast<std::size_t>(open) >= per_peer_max_) {
            return error{transport::errc::congested, text(open, " requests to ", who.to_text(),
                                                          " wait already; ask again when one of them has ended")};
        }
        auto const stream = host.open_stream(who, {std::string{protocol}}, now);
        if (!stream && stream.error() == transport::errc::not_connected) return stream.error();
        if (!stream) return error{transport::errc::congested, stream.error().to_text()};
        auto& e = add(stream.value(), who, o, o.answer_size_max, now);
        e.is_ours = true;
        e.out = framed(std::move(question), o);
        return e.id;
    }
    /// Ends a request of ours without a word.
    template <class Host, effect_sink<host_effect> Sink>
    void cancel(Host& host, transport::request_id id, instant now, Sink& out) {
        auto* const e = find(id);
        if (e == nullptr || !e->is_ours) return;
        host.reset_stream(e->stream, now);
        forget(host, *e, now, out);
    }
    /// Answers a question. @return `gone`, `too_large`, or `congested`.
    template <class Host, effect_sink<host_effect> Sink>
    [[nodiscard]] result<void> answer(Host& host, transport::request_id id, bytes content, instant now, Sink& out) {
        auto* const e = find(id);
        if (e == nullptr || e->is_ours || !e->is_whole || e->is_answered) {
            return error{transport::errc::gone, "nobody waits for this answer any more"};
        }
        if (content.size() > e->options.answer_size_max) {
            return error{transport::errc::too_large,
                         text("an answer of ", content.size(), " bytes, at most ", e->options.answer_size_max)};
        }
        if (!host.reserve(e->stream.connection, content.size())) {
            return error{transport::errc::congested, text(e->peer.to_text(), " has much to read first")};
        }
        e->reserved = content.size();
        e->is_answered = true;
        e->out = framed(std::move(content), e->options);
        write_some(host, *e, now, out);
        return ok();
    }
    /// Breaks a question off.
    template <class Host, effect_sink<host_effect> Sink>
    void refuse(Host& host, transport::request_id id, instant now, Sink& out) {
        auto* const e = find(id);
        if (e == nullptr || e->is_ours) return;
        host.reset_stream(e->stream, now);
        forget(host, *e, now, out);
    }

    // ---- what happens on the host -----------------------------------------------------------------------

    /// @return whether the stream is one of this service.
    [[nodiscard]] bool owns(stream_ref const& s) const { return by_stream_.count(s) != 0; }

    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, stream_opened const& e, instant now, Sink& out) {
        if (e.direction == direction::inbound) {
            auto const found = served_.find(e.protocol);
            if (found == served_.end()) return host.reset_stream(e.stream, now);
            add(e.stream, e.peer, found->second, found->second.request_size_max, now).protocol = e.protocol;
        } else if (auto* const x = find(e.stream)) {
            x->is_ready = true;
            write_some(host, *x, now, out);
        }
    }
    template <class Host, effect_sink<requests_note> Notes, effect_sink<host_effect> Sink>
    void on(Host& host, stream_bytes const& e, instant now, Notes& notes, Sink& out) {
        auto* const x = find(e.stream);
        if (x == nullptr || x->is_whole) return host.consume(e.stream, e.content.size(), now, out);
        append(x->in, e.content);
        x->held += e.content.size();
        host.let_in(e.stream, e.content.size(), now);
        if (x->in.size() > x->in_max + wire::varint_size_max) {
            return break_off(host, *x, error{transport::errc::too_large, text("more than ", x->in_max, " bytes")}, now,
                             notes, out);
        }
        if (x->options.delimiter != transport::delimiter::length_prefix) return;
        auto const length = wire::parse_varint(x->in);
        if (!length || (length.value() && length.value()->value > x->in_max)) {
            auto const why = length ? error{transport::errc::too_large, text("more than ", x->in_max, " bytes")}
                                    : error{transport::errc::peer_failed, length.error().to_text()};
            return break_off(host, *x, why, now, notes, out);
        }
        if (!length.value() || x->in.size() < length.value()->size + length.value()->value) return;
        auto const begin = x->in.begin() + static_cast<std::ptrdiff_t>(length.value()->size);
        bytes content(begin, begin + static_cast<std::ptrdiff_t>(length.value()->value));
        whole(host, *x, std::move(content), now, notes, out);
    }
    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, stream_ready_again const& e, instant now, Sink& out) {
        if (auto* const x = find(e.stream)) write_some(host, *x, now, out);
    }
    template <class Host, effect_sink<requests_note> Notes, effect_sink<host_effect> Sink>
    void on(Host& host, stream_ended const& e, instant now, Notes& notes, Sink& out) {
        auto* const x = find(e.stream);
        if (x == nullptr) return host.close_stream(e.stream, now, out);
        if (x->is_whole) return;
        if (x->options.delimiter == transport::delimiter::end_of_stream) {
            if (x->in.size() > x->in_max) {
                return break_off(host, *x, error{transport::errc::too_large, text("more than ", x->in_max, " bytes")},
                                 now, notes, out);
            }
            auto content = std::exchange(x->in, {});
            return whole(host, *x, std::move(content), now, notes, out);
        }
        break_off(host, *x, error{transport::errc::refused, "ended before it was whole"}, now, notes, out);
    }
    template <class Host, effect_sink<requests_note> Notes, effect_sink<host_effect> Sink>
    void on(Host& host, stream_gone const& e, instant now, Notes& notes, Sink& out) {
        auto* const x = find(e.stream);
        if (x == nullptr) return;
        if (x->is_ours && !x->is_whole) {
            auto const code = !host.is_connected(x->peer)          ? transport::errc::peer_failed
                              : e.reason == end_of_stream::refused ? transport::errc::not_spoken
                              : e.reason == end_of_stream::late    ? transport::errc::timed_out
                                                                   : transport::errc::refused;
            notes.push(request_ended{x->id, error{code, text("the request came to nothing: ", why(code))}});
        }
        forget(host, *x, now, out);
    }
    /// Whether a question still waits for its answer.
    [[nodiscard]] bool is_open(transport::request_id id) const { return all_.count(id) != 0; }
    /// Ends what takes too long.
    template <class Host, effect_sink<requests_note> Notes, effect_sink<host_effect> Sink>
    void wake(Host& host, instant now, Notes& notes, Sink& out) {
        while (!ends_.empty() && ends_.begin()->first <= now) {
            auto& x = all_.at(ends_.begin()->second);
            break_off(host, x, error{transport::errc::timed_out, "no answer in time"}, now, notes, out);
        }
    }
    [[nodiscard]] deadline next_deadline() const { return ends_.empty() ? deadline{} : deadline{ends_.begin()->first}; }

private:
    struct exchange_of {
        transport::request_id id;
        stream_ref stream;
        peer::peer_id peer;
        std::string protocol;
        transport::request_options options;
        instant ends;
        bytes in;
        std::size_t held = 0;  // bytes that count as held by the connection
        std::size_t in_max = 0;
        std::size_t reserved = 0;  // bytes of an answer that are not sent
        bytes out;
        std::size_t written = 0;
        bool is_ours = false;
        bool is_ready = false;     // ours: a protocol was agreed on
        bool is_whole = false;     // all that the peer has to say is here
        bool is_answered = false;  // theirs: by the application
        bool is_said = false;      // all that we have to say is sent
    };

    exchange_of& add(stream_ref const& s, peer::peer_id const& who, transport::request_options const& o,
                     std::size_t in_max, instant now) {
        transport::request_id const id{++last_};
        exchange_of e;
        e.id = id;
        e.stream = s;
        e.peer = who;
        e.options = o;
        e.in_max = in_max;
        e.ends = saturating_add(now, o.time_limit);
        by_stream_[s] = id;
        ends_.insert({e.ends, id});
        return all_.emplace(id, std::move(e)).first->second;
    }
    // Gives back what it held.
    template <class Host, class Sink>
    void forget(Host& host, exchange_of const& e, instant now, Sink& out) {
        host.release_held(e.stream.connection, e.held, now, out);
        host.release(e.stream.connection, e.reserved);
        by_stream_.erase(e.stream);
        ends_.erase({e.ends, e.id});
        all_.erase(transport::request_id{e.id});
    }
    [[nodiscard]] exchange_of* find(transport::request_id id) {
        auto const found = all_.find(id);
        return found == all_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] exchange_of* find(stream_ref const& s) {
        auto const found = by_stream_.find(s);
        return found == by_stream_.end() ? nullptr : &all_.at(found->second);
    }
    [[nodiscard]] static bytes framed(bytes content, transport::request_options const& o) {
        if (o.delimiter == transport::delimiter::end_of_stream) return content;
        bytes out;
        wire::append_varint(out, content.size());
        append(out, content);
        return out;
    }
    template <class Host, class Sink>
    void write_some(Host& host, exchange_of& e, instant now, Sink& out) {
        if (e.is_said || (e.is_ours ? !e.is_ready : !e.is_answered)) return;
        while (e.written < e.out.size()) {
            auto const taken = host.write(e.stream, byte_view{e.out}.subspan(e.written), now);
            if (taken == 0) return;
            e.written += taken;
        }
        e.is_said = true;
        discard(e.out);
        host.release(e.stream.connection, std::exchange(e.reserved, 0));  // all of it was kept until now
        host.close_stream(e.stream, now, out);
    }
    // All of a question or an answer is here.
    template <class Host, class Notes, class Sink>
    void whole(Host& host, exchange_of& e, bytes content, instant now, Notes& notes, Sink& out) {
        host.release_held(e.stream.connection, std::exchange(e.held, 0), now, out);
        discard(e.in);
        e.is_whole = true;
        if (!e.is_ours) {
            return notes.push(question_came{{e.id, e.peer, e.protocol, std::move(content)}});
        }
        notes.push(request_ended{e.id, std::move(content)});
        host.abandon_stream(e.stream, now);  // what is left of the question, or behind the answer, is of no use
        forget(host, e, now, out);
    }
    template <class Host, class Notes, class Sink>
    void break_off(Host& host, exchange_of& e, error why, instant now, Notes& notes, Sink& out) {
        host.reset_stream(e.stream, now);
        if (e.is_ours && !e.is_whole) notes.push(request_ended{e.id, std::move(why)});
        forget(host, e, now, out);
    }
    [[nodiscard]] static char const* why(transport::errc code) {
        switch (code) {
            case transport::errc::not_spoken: return "the peer does not speak the protocol";
            case transport::errc::timed_out: return "no protocol was agreed on in time";
            case transport::errc::refused: return "the peer broke it off";
            default: return "the connection is gone";
        }
    }

    std::size_t per_peer_max_;
    std::map<std::string, transport::request_options, std::less<>> served_;
    std::map<transport::request_id, exchange_of> all_;
    std::map<stream_ref, transport::request_id> by_stream_;
    std::set<std::pair<instant, transport::request_id>> ends_;
    std::uint64_t last_ = 0;
};

}  // namespace muster::libp2p
