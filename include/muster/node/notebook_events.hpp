// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a notebook tells.

#include <chrono>
#include <cstdint>
#include <string>

#include <muster/core/error.hpp>
#include <muster/core/fields.hpp>
#include <muster/identity/user_id.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::node {

/// What is shown of a key is something else now.
struct note_changed {
    std::string key;
    bool is_conflict = false;  ///< Somebody else wrote at the same time.
    MUSTER_FIELDS(note_changed, key, is_conflict);
};
/// A member has signed two stories; the proof is for everybody. What they wrote before counts, the rest does not.
struct member_forked {
    identity::user_id who;
    bytes proof;
    MUSTER_FIELDS(member_forked, who, proof);
};
/// What is here is an older copy than others have of what we wrote: it was restored. We go on in another life.
struct copy_restored {
    std::size_t rewritten = 0;  ///< Notes that were written on it before that was known, and were written again.
    MUSTER_FIELDS(copy_restored, rewritten);
};
/// A member's clock is ahead: what they write shows when its time has come, or when they write again with a clock that
/// is right. Told once for each of their lives.
struct clock_ahead {
    identity::user_id who;
    std::chrono::milliseconds by{0};
    MUSTER_FIELDS(clock_ahead, who, by);
};
/// Our clock was ahead when we wrote, and is not any more: that was written again.
struct clock_set_back {
    std::size_t rewritten = 0;  ///< Notes.
    MUSTER_FIELDS(clock_set_back, rewritten);
};
/// A peer takes no more of our notes: we have written as much as one member may.
struct notes_full {
    peer::peer_id peer;
    MUSTER_FIELDS(notes_full, peer);
};
/// What could not be made durable: nothing goes on until it is opened anew.
struct store_failed {
    error why;
    MUSTER_FIELDS(store_failed, why);
};

}  // namespace muster::node
