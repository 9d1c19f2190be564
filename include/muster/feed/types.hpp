// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The vocabulary of the feed: records that name their parents, blobs that records name, and what is said of them.
///
/// A *record* has a height, an author and the id of its parent; it may name a *blob*, which travels apart from it. What
/// a record means is its protocol's matter (see protocol.hpp): the feed keeps its bytes, and what links it to others.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/hex.hpp>
#include <muster/core/time.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::feed {

using peer::peer_id;
/// The id of a record, of a blob, of a message.
using digest = crypto::digest32;
/// Where a record stands: one more than its parent.
using height = std::uint64_t;
struct author_tag;
/// Who has signed a record, in the form of its protocol; shorter forms are padded with zeros in front.
using author = fixed_bytes<author_tag, 32>;

/// What is published.
MUSTER_ENUMERATION(kind, 0, record, blob);
/// What peers are asked for.
MUSTER_ENUMERATION(question, 0, head, page, blob);

/// A record as the feed sees it.
struct record {
    digest id = {};                      ///< By which children name it.
    height number = 0;                   ///< Its height.
    digest parent = {};                  ///< Zero for a first one.
    std::optional<digest> blob_id = {};  ///< The blob that it names.
    feed::author author = {};            ///< Proved by its signature.
    bytes content = {};                  ///< As published.
    MUSTER_FIELDS(record, id, number, parent, blob_id, author, content);
};
/// A blob. Whether its id is that of its content is checked before it is stored.
struct blob {
    digest id = {};
    bytes content = {};
    MUSTER_FIELDS(blob, id, content);
};

/// What is to become of what has come in.
MUSTER_ENUMERATION(outcome, 0,
                   accept,   ///< Stored, served, passed on.
                   ignore,   ///< Dropped, and nobody is to blame.
                   pending,  ///< Kept for a while, until what it waits for is here. Nobody is to blame.
                   reject    ///< Dropped, and the sender is to blame: only for what the message itself shows.
);
/// What something pending waits for.
MUSTER_ENUMERATION(awaited, 0, nothing, parent, blob, schedule, record);

/// An outcome with its reason, a literal such as `bad_signature`: the label of metrics and log lines.
struct verdict {
    outcome what = outcome::accept;
    std::string_view why = "ok";
    awaited on = awaited::nothing;  ///< What it waits for, or would if there were room or it did not wait already.
    std::int32_t points = 0;        ///< What it costs the sender in peer::reputation. Only a rejection costs.
    bool may_come_again = false;    ///< Of what is ignored: nothing was found wrong with it, there was no room or time.
    MUSTER_FIELDS(verdict, what, why, on, points, may_come_again);

    [[nodiscard]] static constexpr verdict accepted() noexcept { return {}; }
    [[nodiscard]] static constexpr verdict ignored(std::string_view why) noexcept {
        return {outcome::ignore, why, awaited::nothing, 0, false};
    }
    [[nodiscard]] static constexpr verdict not_now(std::string_view why) noexcept {
        return {outcome::ignore, why, awaited::nothing, 0, true};
    }
    [[nodiscard]] static constexpr verdict waits_for(awaited on) noexcept {
        constexpr std::string_view whys[] = {"pending", "pending_parent", "pending_blob", "pending_schedule",
                                             "pending_record"};
        return {outcome::pending, whys[static_cast<std::size_t>(on)], on, 0, false};
    }
    /// @param points  where -1 of the specification's score is 20 points.
    [[nodiscard]] static constexpr verdict rejected(std::string_view why, std::int32_t points = 20) noexcept {
        return {outcome::reject, why, awaited::nothing, points, false};
    }
    [[nodiscard]] constexpr bool is_accepted() const noexcept { return what == outcome::accept; }
};

/// The name under which a message is known: of its topic and its bytes.
struct message_id {
    kind topic = kind::record;
    digest hash = {};
    auto operator<=>(message_id const&) const = default;
    static constexpr auto fields =
        field_list{"message_id", field{"topic", &message_id::topic}, field{"hash", &message_id::hash}};
};

/// How far the feed is, for an application.
MUSTER_ENUMERATION(sync_state, 0,
                   idle,     ///< Not started, or not able to go on for now.
                   syncing,  ///< Behind, and catching up.
                   live      ///< At the head of the chain.
);
/// The same with heights.
struct head_sync_status {
    sync_state state = sync_state::idle;
    height local = 0;         ///< Of our own head.
    height remote = 0;        ///< What we catch up with; our own head when live.
    std::size_t missing = 0;  ///< Blobs of our chain that are not here.
    MUSTER_FIELDS(head_sync_status, state, local, remote, missing);
};
/// A peer, for a status page.
struct peer_info {
    peer_id peer;
    std::int32_t score = 0;  ///< Points.
    bool is_connected = false;
    bool is_banned = false;
    std::optional<height> head = {};  ///< What it has claimed last.
    MUSTER_FIELDS(peer_info, peer, score, is_connected, is_banned, head);
};

}  // namespace muster::feed
