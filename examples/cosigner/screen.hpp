// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A proposal as its approver reads it: who signs what, under which key, until when. On one screen, or all of it.

#include <functional>
#include <string>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/signing/proposal.hpp>

#include "escape.hpp"

namespace cosigner {

namespace signing = muster::signing;

/// What is shown of a session.
struct session_view {
    std::string id;
    signing::proposal const& plan;
    signing::public_key aggregate_key;                           ///< That the signature verifies under.
    std::vector<signing::slot> order;                            ///< In which the signers are asked to broadcast.
    std::function<std::string(signing::member const&)> name_of;  ///< `me`, a configured name, or `unknown KEY`.
};

/// At most 24 lines, one screen of the oldest terminals. @param now  wall time.  @param more  the command for the rest.
[[nodiscard]] lines summary_of(session_view const& s, muster::timestamp now, std::string const& more);
/// Everything that the proposal says.
[[nodiscard]] lines all_of(session_view const& s, muster::timestamp now);

/// What a key is that @p tweaks were applied to, e.g. `Taproot output key of the group's key at m/0/7`.
[[nodiscard]] std::string meaning_of_key(std::vector<muster::musig2::tweak> const& tweaks);
/// What one tweak does.
[[nodiscard]] std::string meaning_of(muster::musig2::tweak const& t);
/// `2026-01-31 12:00:00 UTC`.
[[nodiscard]] std::string to_text(muster::timestamp t);
/// `1 h 2 min`, `3 min 4 s`, `5 s`; for a span that is over, `over`.
[[nodiscard]] std::string time_left(std::chrono::milliseconds left);

}  // namespace cosigner
