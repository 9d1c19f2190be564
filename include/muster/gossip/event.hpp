// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the router is told, and what it wants done.
///
/// The router stands on frames between named peers and knows no network. Who binds it hands it what the network tells
/// (`peer_up`, `peer_down`, `received`, `writable`) and performs `send`; a send that the network refuses as congested
/// is handed back as `send_refused`, and nothing is lost.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <muster/core/bytes.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/time.hpp>
#include <muster/gossip/message_id.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::gossip {

using peer::peer_id;

/// Versions of the protocol that are spoken, oldest first.
MUSTER_ENUMERATION(version, 0, v1_0, v1_1, v1_2);
/// Their names, newest first: what is to be proposed for a stream.
inline constexpr std::array<std::string_view, 3> protocols{"/meshsub/1.2.0", "/meshsub/1.1.0", "/meshsub/1.0.0"};
/// The version that a protocol's name stands for.
[[nodiscard]] constexpr std::optional<version> version_of(std::string_view protocol) noexcept {
    if (protocol == protocols[0]) return version::v1_2;
    if (protocol == protocols[1]) return version::v1_1;
    if (protocol == protocols[2]) return version::v1_0;
    return std::nullopt;
}

/// Who dialled. An attacker chooses whom it dials, not who dials it, so a mesh wants some that we dialled.
MUSTER_ENUMERATION(direction, 0, inbound, outbound);
/// What a frame carries, most important first: when a peer reads too slowly, what is last here is dropped first.
MUSTER_ENUMERATION(traffic, 0,
                   control,    ///< Subscriptions, grafts, prunes, iwant, idontwant.
                   own,        ///< Messages published here.
                   forwarded,  ///< Messages of others.
                   gossip      ///< Announcements, and answers to iwant.
);
/// What a validator says of a message.
MUSTER_ENUMERATION(verdict, 0,
                   accept,   ///< Delivered and forwarded.
                   ignore,   ///< Neither, and nobody is to blame.
                   reject,   ///< Neither, and whoever relayed it is to blame.
                   unjudged  ///< Neither, and the same from another peer is judged as if this had never come: for a
                             ///< validator that has no time for who relayed it. Else whoever is the first to relay what
                             ///< others say would silence it.
);
/// Why a peer is charged.
MUSTER_ENUMERATION(offence, 1,
                   malformed_rpc,       ///< Bytes that are no RPC.
                   oversized_rpc,       ///< An RPC with more elements than our limits.
                   empty_rpcs,          ///< RPCs with nothing in them, again and again.
                   too_many_topics,     ///< Subscriptions to more topics than a peer may have.
                   subscription_flood,  ///< Subscriptions that change all the time.
                   not_authentic,       ///< A message that breaks the signature policy.
                   invalid_message,     ///< A message that the validator rejects.
                   early_graft,         ///< A graft while the back-off was running.
                   broken_promise,      ///< An announced message that was not sent.
                   invalid_exchange,    ///< Peer exchange with what is no peer.
                   stalled              ///< Reads nothing: even control did not fit any more.
);
/// Why a mesh link ended.
MUSTER_ENUMERATION(prune_reason, 0,
                   pruned_by_peer,  ///< It said so.
                   oversubscribed,  ///< The mesh was too large.
                   negative_score,  ///< It behaved badly.
                   left,            ///< We, or the peer, left the topic.
                   disconnected,    ///< It is gone.
                   stalled_peer     ///< It reads nothing.
);
/// Why a connection is wanted.
MUSTER_ENUMERATION(want_reason, 0,
                   explicit_peer,  ///< Both sides agreed to be connected.
                   peer_exchange   ///< A peer that pruned us recommends it.
);

/// Names a message that is being validated. Never reused.
using ticket = std::uint64_t;

/// A message as the application sees it.
struct message {
    message_id id;
    std::string topic;
    bytes data;
    std::optional<peer_id> author;  ///< Proved by its signature; none where the policy has no authors.
    std::uint64_t seqno = 0;        ///< The author's number; 0 where the policy has none.
    peer_id relayed_by;             ///< Who sent it to us first.
    MUSTER_FIELDS(message, id, topic, data, author, seqno, relayed_by);
};
/// Shared among effects; never changes.
using shared_message = std::shared_ptr<message const>;
/// An encoded RPC, shared among those it is sent to; never changes.
using shared_frame = std::shared_ptr<bytes const>;

// ---- events -----------------------------------------------------------------------------------------------

/// A peer speaks the protocol: frames can go both ways. A second one for the same peer replaces what was known.
struct peer_up {
    peer_id peer;
    gossip::version version = version::v1_2;
    gossip::direction direction = direction::inbound;
    std::string ip_group = {};  ///< Peers with the same text share an address or its prefix; empty when not known.
    MUSTER_FIELDS(peer_up, peer, version, direction, ip_group);
};
/// The connection to @p peer is gone.
struct peer_down {
    peer_id peer;
    MUSTER_FIELDS(peer_down, peer);
};
/// @p peer sent an RPC.
struct received {
    peer_id peer;
    byte_view frame;  ///< Valid during the call.

    static constexpr auto fields =
        field_list{"received", field{"peer", &received::peer}, field{"frame", &received::frame}};
    friend bool operator==(received const& a, received const& b) { return have_equal_fields(a, b); }
};
/// @p peer takes frames again.
struct writable {
    peer_id peer;
    MUSTER_FIELDS(writable, peer);
};
/// A @ref send was not taken: the frame goes first when @p peer is @ref writable, and nothing goes before that.
struct send_refused {
    peer_id peer;
    gossip::traffic traffic = traffic::control;
    shared_frame frame = {};

    static constexpr auto fields =
        field_list{"send_refused", field{"peer", &send_refused::peer}, field{"traffic", &send_refused::traffic},
                   field{"frame", &send_refused::frame}};
    friend bool operator==(send_refused const& a, send_refused const& b) { return have_equal_fields(a, b); }
};
/// The validator's word on a message; see @ref validate. Late ones are ignored.
struct validated {
    gossip::ticket ticket = 0;
    gossip::verdict verdict = verdict::ignore;
    MUSTER_FIELDS(validated, ticket, verdict);
};
/// What the application thinks of @p peer: P5 of the score, until it says something else.
struct rated {
    peer_id peer;
    double score = 0;

    static constexpr auto fields =
        field_list{"rated", field{"peer", &rated::peer},
                   shown_field{"score", &rated::score, +[](double const& s) { return std::to_string(s); }}};
    bool operator==(rated const&) const = default;
};
/// The signed record of @p peer, as identify tells it: what others are given in peer exchange.
struct record_learned {
    peer_id peer;
    bytes record;
    MUSTER_FIELDS(record_learned, peer, record);
};
/// What the router is told.
using event = std::variant<peer_up, peer_down, received, writable, send_refused, validated, rated, record_learned>;

// ---- effects ----------------------------------------------------------------------------------------------

/// Send @p frame to @p peer. What the network refuses comes back as @ref send_refused.
struct send {
    peer_id peer;
    gossip::traffic traffic = traffic::control;
    shared_frame frame = {};

    static constexpr auto fields =
        field_list{"send", field{"peer", &send::peer}, field{"traffic", &send::traffic}, field{"frame", &send::frame}};
    friend bool operator==(send const& a, send const& b) { return have_equal_fields(a, b); }
};
/// A message of a topic that is subscribed to, once per id.
struct deliver {
    shared_message message;

    static constexpr auto fields = field_list{"deliver", field{"message", &deliver::message}};
    friend bool operator==(deliver const& a, deliver const& b) { return have_equal_fields(a, b); }
};
/// Judge a message, and answer with @ref validated before the deadline; after it the message is ignored.
struct validate {
    gossip::ticket ticket = 0;
    shared_message message = {};
    instant until = {};

    static constexpr auto fields = field_list{"validate", field{"ticket", &validate::ticket},
                                              field{"message", &validate::message}, field{"until", &validate::until}};
    friend bool operator==(validate const& a, validate const& b) { return have_equal_fields(a, b); }
};
/// A message was not judged in time, or its peer had no place left: it is as if it had not come.
struct validation_missed {
    message_id id;
    peer_id relayed_by;
    MUSTER_FIELDS(validation_missed, id, relayed_by);
};
/// @p peer is in the mesh of @p topic now.
struct grafted {
    std::string topic;
    peer_id peer;
    MUSTER_FIELDS(grafted, topic, peer);
};
/// @p peer is not in the mesh of @p topic any more.
struct pruned {
    std::string topic;
    peer_id peer;
    prune_reason why = prune_reason::left;
    MUSTER_FIELDS(pruned, topic, peer, why);
};
/// A connection to @p peer is wanted.
struct want_peer {
    peer_id peer;
    bytes record;  ///< A signed envelope as somebody sent it, not verified; empty when none is known.
    want_reason why = want_reason::explicit_peer;
    MUSTER_FIELDS(want_peer, peer, record, why);
};
/// @p peer did something that costs its sender, here and perhaps elsewhere.
struct penalise {
    peer_id peer;
    std::uint32_t points = 1;  ///< How often.
    offence why = offence::malformed_rpc;
    MUSTER_FIELDS(penalise, peer, points, why);
};
/// What the router wants done.
using effect = std::variant<send, deliver, validate, validation_missed, grafted, pruned, want_peer, penalise>;

}  // namespace muster::gossip
