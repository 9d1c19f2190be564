// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What muster asks of a network beside frames: a question to a named peer, and one answer.
///
/// Each request has a stream of its own, so a slow one holds up no other. Both sides bound the size of what they take
/// and the time that they wait.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/transport/errc.hpp>

namespace muster::transport {

/// Names a request of ours or a question to us. Both come from one counter; a value is used once in the life of a
/// network. 0 names none.
struct request_id {
    std::uint64_t value = 0;
    auto operator<=>(request_id const&) const = default;
    MUSTER_FIELDS(request_id, value);
};

/// How a request and its answer end.
MUSTER_ENUMERATION(delimiter, 0,
                   end_of_stream,  ///< Each is all that its side sends.
                   length_prefix   ///< Each is behind its length as a varint.
);

/// Bounds of a protocol of requests. Both sides choose their own; the defaults are ours.
struct request_options {
    duration time_limit = std::chrono::seconds{10};  ///< From the request to the whole answer, for either side.
    std::size_t request_size_max = 64u << 10;        ///< Bytes.
    std::size_t answer_size_max = 1u << 20;          ///< Bytes.
    transport::delimiter delimiter = transport::delimiter::end_of_stream;
};

/// A peer asks. The peer is authenticated, the contents are only its claim.
struct asked {
    request_id id;
    peer::peer_id peer;
    std::string protocol;
    bytes request;
    MUSTER_FIELDS(asked, id, peer, protocol, request);
};

/// Takes what peers ask.
using question_handler = std::function<void(asked const&)>;
/// Takes the answer to a request of ours, or why there is none: `not_spoken`, `refused`, `timed_out`, `too_large`, or
/// `peer_failed` when the connection broke.
using answer_handler = std::function<void(request_id, result<bytes> const&)>;

/// A network of peers that answer.
///
/// Semantics:
/// - `serve(protocol, options, handler)` takes questions; `unserve(protocol)` ends it, and the handler is not called
///   afterwards.
/// - `answer(id, bytes)` answers one question, once. Refused with `gone` when nobody is known to wait for it, with
///   `too_large`, `congested` while the peer has much to read, or `closed`. `refuse(id)` breaks it off; harmless when
///   it is gone. A question that is not answered in time is broken off, where the network has a time.
/// - `request(peer, protocol, bytes, options, handler)` asks; the handler is called exactly once, unless the request is
///   cancelled or the network closed. Refused with `not_connected`, `congested` while too many to that peer wait (ask
///   again when one of them has ended), `too_large` or `closed`; then the handler is not called.
/// - `cancel(id)` ends a request: the handler is not called. Harmless when it has ended.
/// Handlers are called one at a time, never from inside one of these functions, and may call all of them.
template <class T>
concept requests = requires(T& t, peer::peer_id const& peer, std::string_view protocol, bytes content,
                            request_options const& options, question_handler on_question, answer_handler on_answer,
                            request_id id) {
    t.serve(protocol, options, std::move(on_question));
    t.unserve(protocol);
    { t.answer(id, std::move(content)) } -> std::same_as<result<void>>;
    t.refuse(id);
    {
        t.request(peer, protocol, std::move(content), options, std::move(on_answer))
        } -> std::same_as<result<request_id>>;
    t.cancel(id);
};

}  // namespace muster::transport
