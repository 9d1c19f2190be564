// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where a coordinator writes down what it promises, before it does.
///
/// Idea: a durable map from sessions to bytes, so small that a file, a table or a replicated log can be one. The
/// coordinator puts a session in before its nonces are sent, again before its shares are, and takes it out when it is
/// over. What comes back after a restart may be an old copy: since no secret is in it, nothing that is signed again is
/// signed with an old nonce.
///
/// One more entry, under the id of zeros, which no session has, counts the sessions that nonces were drawn for: see
/// nonce_counter.hpp.

#include <concepts>
#include <cstdint>
#include <functional>

#include <muster/core/result.hpp>
#include <muster/signing/proposal.hpp>

namespace muster::signing {

/// A durable map.
///
/// Semantics: `load(f)` is called once, before anything else, and calls `f(id, content)` for every entry. When
/// `put(id, content)` has returned without an error, the content survives a crash and replaces what was there; after an
/// error either of the two is there. `erase(id)` removes an entry; the removal may be lost in a crash. None of them
/// throws.
template <class J>
concept journal = std::movable<J> &&
    requires(J& j, session_id const& id, byte_view content, std::function<void(session_id const&, byte_view)> f) {
    { j.load(f) } -> std::same_as<result<void>>;
    { j.put(id, content) } -> std::same_as<result<void>>;
    { j.erase(id) } -> std::same_as<result<void>>;
};

/// Keeps nothing: a restart forgets every session, and peers are told by the new boot epoch.
struct no_journal {
    result<void> load(std::function<void(session_id const&, byte_view)> const&) const { return ok(); }
    result<void> put(session_id const&, byte_view) const { return ok(); }
    result<void> erase(session_id const&) const { return ok(); }
};
static_assert(journal<no_journal>);

}  // namespace muster::signing
