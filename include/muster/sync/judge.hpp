// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who decides what becomes of entries that others send: what is taken, and what proves that an author has told two
/// stories.

#include <concepts>
#include <cstdint>
#include <optional>

#include <muster/core/result.hpp>
#include <muster/sync/entry_log.hpp>
#include <muster/sync/message.hpp>

namespace muster::sync {

/// What becomes of an entry that somebody has sent.
enum class judgement : std::uint8_t {
    take,    ///< It is good.
    later,   ///< It may be good when others have come.
    refuse,  ///< It is not, and whoever sends it is at fault.
};

/// Decides whether the next entry of a chain is taken.
///
/// Semantics: called once for each entry, in the order of its chain, before it is made durable. What is refused or put
/// off is asked for again.
template <class J>
concept entry_judge = requires(J& judge, entry const& e) {
    { judge(e) } -> std::same_as<judgement>;
};

/// An entry_judge whose entries are signed, so that two of one place can be held against their author, and not against
/// whoever passes them on.
///
/// Semantics: `name_of(e)` is a hash of what is signed; two entries of one place with different names are two stories.
/// `vouch(e)` says whether @p e is its author's, wherever its chain is. `contrast(known, other)`, of entries of one
/// place: the proof that its author has signed two stories; nothing when it is one story; `malformed` when @p other is
/// not its author's, and any other error when that cannot be said now. `convict(proof)` checks a proof that somebody
/// sent, and says where the stories part: `malformed` when it proves nothing.
template <class J>
concept evidence_judge = entry_judge<J> && requires(J& judge, entry const& e, byte_view proof) {
    { judge.name_of(e) } -> std::same_as<entry_name>;
    { judge.vouch(e) } -> std::same_as<judgement>;
    { judge.contrast(e, e) } -> std::same_as<result<std::optional<bytes>>>;
    { judge.convict(proof) } -> std::same_as<result<dot>>;
};

}  // namespace muster::sync
