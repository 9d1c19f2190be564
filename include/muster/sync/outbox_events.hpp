// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What an outbox is told, and what it asks for.

#include <cstdint>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/sync/entry_log.hpp>

namespace muster::sync {

/// A peer can be talked to, or no longer.
struct peer_reached {
    peer::peer_id peer;
    MUSTER_FIELDS(peer_reached, peer);
};
struct peer_lost {
    peer::peer_id peer;
    MUSTER_FIELDS(peer_lost, peer);
};
/// A peer says something.
struct heard {
    peer::peer_id peer;
    bytes message;
    MUSTER_FIELDS(heard, peer, message);
};

/// Make these durable, before what follows. One with sequence 0 is a mark on its chain, see mark.hpp.
struct persist {
    std::vector<entry> entries;
    MUSTER_FIELDS(persist, entries);
};
/// Somebody else's entry, the next one of its chain: it is durable, and to be applied.
struct deliver {
    entry what;
    MUSTER_FIELDS(deliver, what);
};
/// Send this.
struct send {
    peer::peer_id peer;
    bytes message;
    MUSTER_FIELDS(send, peer, message);
};
/// A peer does not take an entry; its chain waits.
struct dead_lettered {
    peer::peer_id peer;
    dot at;
    MUSTER_FIELDS(dead_lettered, peer, at);
};
/// Somebody has more of our own chain than we: what we have is an old copy, and what we write now would contradict what
/// they have. It takes another life to go on.
struct outlived {
    std::uint64_t sequence = 0;  ///< Up to which they have our chain.
    MUSTER_FIELDS(outlived, sequence);
};
/// What others have of our own chain differs from what we have, from @p from on: we have an old copy, on which
/// something was written. Ours is taken back; it takes another life to write it again.
struct taken_back {
    dot from;
    std::vector<entry> dropped;
    MUSTER_FIELDS(taken_back, from, dropped);
};
/// An author has signed two stories, which part at @p at. The chain ends before it for everybody, so that all copies
/// are equal whatever came to whom; what was applied of the rest is to be undone.
struct forked {
    dot at;
    bytes proof;
    std::vector<entry> dropped;
    MUSTER_FIELDS(forked, at, proof, dropped);
};
/// A peer takes no more of our entries: all that may be of one member.
struct quota_reached {
    peer::peer_id peer;
    MUSTER_FIELDS(quota_reached, peer);
};
/// A peer has sent what nobody may.
struct penalise {
    peer::peer_id peer;
    error why;
    MUSTER_FIELDS(penalise, peer, why);
};

}  // namespace muster::sync
