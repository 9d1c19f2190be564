// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What goes into the machines of guardians and owners, and what comes out of them.

#include <cstdint>
#include <vector>

#include <muster/core/error.hpp>
#include <muster/core/fields.hpp>
#include <muster/identity/guardian_message.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::identity {

namespace desk {

/// A message of @p from: whoever is at the other end of the connection, which for requests is a stranger.
struct received {
    peer::peer_id from;
    guardian_message what;
    MUSTER_FIELDS(received, from, what);
};

/// Send this back; where @p from has not asked just now, of our own accord.
struct reply {
    peer::peer_id to;
    guardian_message what;
    MUSTER_FIELDS(reply, to, what);
};
/// Make durable what is kept for an owner, before what follows: @ref guardian_desk::export_ward gives it, or nothing
/// when nothing is kept any more.
struct persist {
    user_id owner;
    MUSTER_FIELDS(persist, owner);
};
/// The same for what a person expects: @ref guardian_desk::export_expected gives it.
struct persist_expected {
    bool operator==(persist_expected const&) const = default;
};
/// Somebody wants this guardian to keep a share. A person has to say whether it does.
struct ask_to_keep {
    user_id owner;
    peer::peer_id from;
    MUSTER_FIELDS(ask_to_keep, owner, from);
};
/// A person has to say whether this is who they say. Show the digits.
struct ask_person {
    recovery_request request;
    MUSTER_FIELDS(ask_person, request);
};
/// Tell the owner, wherever their key is, that somebody asks for their share. Said again each hour while one is
/// approved.
struct warn_owner {
    crypto::public_key key;
    recovery_request request;
    MUSTER_FIELDS(warn_owner, key, request);
};
/// A request was approved, by digits that were expected.
struct request_approved {
    request_id request;
    MUSTER_FIELDS(request_approved, request);
};
/// A request is over: it was vetoed, declined, replaced or has expired.
struct request_closed {
    request_id request;
    MUSTER_FIELDS(request_closed, request);
};
/// What was sent is wrong, and costs its sender.
struct penalise {
    peer::peer_id peer;
    error why;
    MUSTER_FIELDS(penalise, peer, why);
};

}  // namespace desk

namespace watch {

/// A guardian says something.
struct received {
    std::uint8_t from = 0;   ///< The place in the manifest whose guardian is at the other end of the connection,
    crypto::public_key key;  ///< and their node key.
    guardian_message what;
    MUSTER_FIELDS(received, from, key, what);
};
/// A guardian warns us, who is known to be one: somebody asks for our shares.
struct warned {
    recovery_request request;
    MUSTER_FIELDS(warned, request);
};

/// The guardian at a place can be reached again: what waits for them is said at once.
struct reached {
    std::uint8_t from = 0;
    MUSTER_FIELDS(reached, from);
};

/// Send this to the guardian at a place.
struct send {
    std::uint8_t to = 0;
    guardian_message what;
    MUSTER_FIELDS(send, to, what);
};
/// Somebody asks for our shares. The person has three days to say that it was not they.
struct recovery_begun {
    recovery_request request;
    MUSTER_FIELDS(recovery_begun, request);
};
/// What @ref guardian_watch::standing gives is another one now: worth writing down.
struct standing_changed {
    bool operator==(standing_changed const&) const = default;
};
/// So few guardians answer that a new epoch has to be issued, to those who do and to others.
struct reissue_needed {
    std::vector<std::uint8_t> alive;  ///< Places.
    MUSTER_FIELDS(reissue_needed, alive);
};

}  // namespace watch

}  // namespace muster::identity
