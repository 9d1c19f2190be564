// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a feed is told, what it wants done, and what it tells the application.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <muster/core/error.hpp>
#include <muster/core/fields.hpp>
#include <muster/feed/types.hpp>

namespace muster::feed {

/// Names a message that waits for a verdict; see the gossip's own.
using ticket = std::uint64_t;
/// Names a request of ours. Never reused.
using request_number = std::uint64_t;
/// Names a question of a peer; see the network's own.
using question_number = std::uint64_t;

/// Why there is no answer.
MUSTER_ENUMERATION(answer_failure, 0,
                   timed_out,      ///< In time.
                   refused,        ///< The peer broke it off: it has been asked too much.
                   not_connected,  ///< Or the connection broke.
                   invalid         ///< Something came that is no answer, or is too large.
);
/// Why a question is not answered.
MUSTER_ENUMERATION(refusal, 0, throttled, malformed, banned, too_large, failed);

// ---- events -----------------------------------------------------------------------------------------------

/// A peer is connected.
struct peer_connected {
    peer_id peer;
    MUSTER_FIELDS(peer_connected, peer);
};
/// It is not any more.
struct peer_disconnected {
    peer_id peer;
    MUSTER_FIELDS(peer_disconnected, peer);
};
/// A message has come by gossip, and waits for a verdict.
struct gossip_received {
    feed::ticket ticket = 0;
    peer_id from;
    kind topic = kind::record;
    bytes data = {};
    MUSTER_FIELDS(gossip_received, ticket, from, topic, data);
};
/// An answer to a request of ours.
struct answer_received {
    request_number request = 0;
    bytes data = {};
    MUSTER_FIELDS(answer_received, request, data);
};
/// There is none.
struct answer_failed {
    request_number request = 0;
    answer_failure why = answer_failure::timed_out;
    duration retry_after = {};  ///< Where it was refused, and the peer has said when to come back.
    MUSTER_FIELDS(answer_failed, request, why, retry_after);
};
/// A peer asks.
struct question_received {
    question_number number = 0;
    peer_id from;
    question what = question::head;
    bytes data = {};
    MUSTER_FIELDS(question_received, number, from, what, data);
};
using event =
    std::variant<peer_connected, peer_disconnected, gossip_received, answer_received, answer_failed, question_received>;

// ---- effects ----------------------------------------------------------------------------------------------

/// Publish on a topic.
struct publish {
    kind topic = kind::record;
    bytes data = {};
    MUSTER_FIELDS(publish, topic, data);
};
/// The verdict on a message that came by gossip: accept, ignore or reject.
struct judge {
    feed::ticket ticket = 0;
    outcome what = outcome::ignore;
    bool may_come_again = false;  ///< Of what is ignored: the same from another peer is to be judged anew.
    MUSTER_FIELDS(judge, ticket, what, may_come_again);
};
/// Ask a peer. Exactly one answer_received or answer_failed is to follow, unless it is given up first.
struct request {
    request_number number = 0;
    peer_id to;
    question what = question::head;
    bytes data = {};
    MUSTER_FIELDS(request, number, to, what, data);
};
/// Its answer is not wanted any more.
struct give_up {
    request_number number = 0;
    MUSTER_FIELDS(give_up, number);
};
/// Answer a question.
struct answer {
    question_number number = 0;
    bytes data = {};
    MUSTER_FIELDS(answer, number, data);
};
/// Break a question off.
struct refuse {
    question_number number = 0;
    refusal why = refusal::failed;
    duration retry_after = {};  ///< Where it is throttled: when it may come back.
    MUSTER_FIELDS(refuse, number, why, retry_after);
};
/// A peer has done what costs it.
struct penalise {
    peer_id peer;
    std::int32_t points = 0;
    std::string_view why = {};
    bool is_judged = false;  ///< It is told as a verdict, too, for which gossip charges the sender at the network.
    MUSTER_FIELDS(penalise, peer, points, why, is_judged);
};
/// The score of a peer has changed: gossipsub's application score.
struct rate {
    peer_id peer;
    std::int32_t score = 0;
    MUSTER_FIELDS(rate, peer, score);
};
/// A peer is banned: cut it.
struct ban {
    peer_id peer;
    MUSTER_FIELDS(ban, peer);
};
/// Something is to be read by a subscriber.
struct wake_subscribers {
    MUSTER_FIELDS(wake_subscribers);
};
using effect = std::variant<publish, judge, request, give_up, answer, refuse, penalise, rate, ban, wake_subscribers>;

// ---- what the application is told ---------------------------------------------------------------------------

/// Where something has come from.
MUSTER_ENUMERATION(origin, 0, gossip, answer, own);

struct started {
    MUSTER_FIELDS(started);
};
struct stopped {
    MUSTER_FIELDS(stopped);
};
/// A record is valid and stored.
struct record_accepted {
    feed::record record;
    feed::origin origin = origin::gossip;
    bool has_blob = false;  ///< Whether the blob that it names is here, where it names one.
    MUSTER_FIELDS(record_accepted, record, origin, has_blob);
};
/// A blob is valid and stored.
struct blob_accepted {
    digest id;
    std::size_t size = 0;
    feed::origin origin = origin::gossip;
    MUSTER_FIELDS(blob_accepted, id, size, origin);
};
/// An author has signed two records of one height: both, as evidence.
struct equivocated {
    feed::record first;
    feed::record second;
    MUSTER_FIELDS(equivocated, first, second);
};
/// The head of our chain is another one.
struct head_changed {
    height number = 0;
    digest id;
    MUSTER_FIELDS(head_changed, number, id);
};
/// How far catching up is.
struct head_sync {
    head_sync_status status;
    MUSTER_FIELDS(head_sync, status);
};
/// Catching up has to wait.
struct sync_stalled {
    std::string_view why;
    instant until = {};
    MUSTER_FIELDS(sync_stalled, why, until);
};
/// Records above @ref anchor are gone, since the chain below has changed.
struct reorganised {
    height anchor = 0;
    MUSTER_FIELDS(reorganised, anchor);
};
/// Nobody had a blob that a record of our chain names; it is asked for again later.
struct blob_unavailable {
    digest id;
    MUSTER_FIELDS(blob_unavailable, id);
};
/// A peer has answered how far it is.
struct head_answered {
    request_number request = 0;
    peer_id peer;
    std::optional<height> head;  ///< None when its height does not fit 64 bits.
    MUSTER_FIELDS(head_answered, request, peer, head);
};
/// A peer has answered with records, which went the way of all others.
struct records_answered {
    request_number request = 0;
    peer_id peer;
    std::size_t count = 0;
    MUSTER_FIELDS(records_answered, request, peer, count);
};
/// A peer has answered with a blob, or that it has none.
struct blob_answered {
    request_number request = 0;
    peer_id peer;
    digest id;
    bool is_found = false;
    MUSTER_FIELDS(blob_answered, request, peer, id, is_found);
};
/// A request of the application has come to nothing.
struct request_failed {
    request_number request = 0;
    error why;
    MUSTER_FIELDS(request_failed, request, why);
};
/// A peer asked, and was answered.
struct question_answered {
    peer_id peer;
    question what = question::head;
    MUSTER_FIELDS(question_answered, peer, what);
};
struct peer_up {
    peer_id peer;
    MUSTER_FIELDS(peer_up, peer);
};
struct peer_down {
    peer_id peer;
    MUSTER_FIELDS(peer_down, peer);
};
struct peer_banned {
    peer_id peer;
    MUSTER_FIELDS(peer_banned, peer);
};
struct ban_lifted {
    peer_id peer;
    MUSTER_FIELDS(ban_lifted, peer);
};
/// Something went wrong that is nobody's request.
struct failed {
    error why;
    MUSTER_FIELDS(failed, why);
};
/// What subscribers are told.
using news = std::variant<started, stopped, record_accepted, blob_accepted, equivocated, head_changed, head_sync,
                          sync_stalled, reorganised, blob_unavailable, head_answered, records_answered, blob_answered,
                          request_failed, question_answered, peer_up, peer_down, peer_banned, ban_lifted, failed>;

}  // namespace muster::feed
