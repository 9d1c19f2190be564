// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where catching up stands, and what it wants done.

#include <cstdint>
#include <string_view>
#include <variant>

#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/feed/event.hpp>
#include <muster/feed/requester.hpp>

namespace muster::feed {

/// Where catching up stands; see catch_up.hpp.
MUSTER_ENUMERATION(catch_up_state, 0, idle, waiting_sync, discovering, paging, filling, live, gap_repair, stalled);

namespace sync {

/// What came of a page.
enum class page_end : std::uint8_t {
    some,      ///< Records of it are here that were not.
    known,     ///< All that it brought was here already, or it brought nothing of use.
    empty,     ///< There was nothing in it.
    unlinked,  ///< The parent of its first record is not here: our chain is another one.
    unplaced   ///< Its first record can be judged or kept by nobody here for now: its slot is not known, or the disk
               ///< fails.
};
/// A page is next in order: its records are to be taken in, and then `page_done` is to be called.
struct ingest {
    errand_number errand = 0;
    peer_id from;
    page_ask page;
    bytes data;
    MUSTER_FIELDS(ingest, errand, from, page, data);
};
/// The status is another one.
struct status_changed {
    head_sync_status status;
    MUSTER_FIELDS(status_changed, status);
};
struct stalled {
    std::string_view why;
    instant until;
    MUSTER_FIELDS(stalled, why, until);
};
/// Nobody had it.
struct unavailable {
    digest blob;
    height at = 0;  ///< Of the record that names it.
    MUSTER_FIELDS(unavailable, blob, at);
};
/// @ref peer has claimed a head, and has nothing below it.
struct unfounded {
    peer_id peer;
    MUSTER_FIELDS(unfounded, peer);
};
/// An errand of somebody else was abandoned.
struct abandoned {
    requester::abandoned what;
    MUSTER_FIELDS(abandoned, what);
};
using effect =
    std::variant<requester::send, give_up, ingest, status_changed, stalled, unavailable, unfounded, abandoned>;

}  // namespace sync
}  // namespace muster::feed
