// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a restart finds in the journal, and whom it has to be told.
///
/// Idea: a session whose shares were given goes on; one in round one is over, since its secret nonces are gone. Either
/// way the others must hear of it. A hello names the sessions that we can serve; it goes to every peer once per
/// connection, before anything else does.
///
/// Source: ours.

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/signing/detail/desk.hpp>
#include <muster/signing/detail/performer.hpp>
#include <muster/signing/proposal.hpp>
#include <muster/signing/snapshot.hpp>

namespace muster::signing {

/// What a restart has found.
struct recovered {
    std::size_t resumed = 0;     ///< Sessions that can go on: our shares are given, or there is a signature.
    std::size_t restarted = 0;   ///< Sessions that are over, since their secret nonces are gone.
    std::size_t unreadable = 0;  ///< What is not ours, or not of this version.
};

namespace detail {

/// Takes the sessions of a @ref desk up again, and introduces us. Desk and performer must outlive it.
template <class Desk>
class recovery {
    using session_type = typename Desk::session_type;
    using effects = typename Desk::effects;

public:
    recovery(Desk& d, performer<Desk>& p) noexcept : desk_{d}, performer_{p} {}

    /// Takes up what the journal has kept. @return `wrong_state` the second time; what the journal's `load` refuses.
    [[nodiscard]] result<recovered> restore() {
        if (has_restored_) return error{errc::wrong_state, "this coordinator was restored before"};
        recovered found;
        std::vector<std::pair<session_id, bytes>> kept;
        MUSTER_TRY(desk_.journal.load(
            [&](session_id const& id, byte_view content) { kept.emplace_back(id, to_bytes(content)); }));
        desk_.is_restored = has_restored_ = true;
        for (auto const& [id, content] : kept) {
            if (id == nonce_counter::entry()) {
                found.unreadable += desk_.nonces_drawn.restore(content) ? 0u : 1u;
                continue;
            }
            if (desk_.graves.restore(desk_.journal, id, content, desk_.time.wall_now())) continue;
            auto const resumed = resume(id, content);
            found.resumed += resumed && resumed.value() ? 1u : 0u;
            found.restarted += resumed && !resumed.value() ? 1u : 0u;
            found.unreadable += resumed ? 0u : 1u;
        }
        return found;
    }

    /// Says who we are, once per connection of @p who.
    void introduce_once(peer_id const& who) {
        if (desk_.binding && introduced_.insert(who).second) introduce(who);
    }
    /// @p who is not connected any more.
    void forget_introduction(peer_id const& who) { introduced_.erase(who); }

private:
    // True when the session goes on, false when it is over.
    [[nodiscard]] result<bool> resume(session_id const& id, byte_view content) {
        // Our limits may be narrower than when it was written; a promise made then still holds.
        MUSTER_TRY(auto kept, decode_snapshot(content, protocol_limits(), desk_.time.wall_now()));
        MUSTER_TRY(auto plan, decode_proposal(kept.what, protocol_limits()));
        MUSTER_TRY(check_form(plan));
        bool const is_ours = id_of(kept.what) == id && kept.self < plan.roster.size() &&
                             plan.roster[kept.self].signer == desk_.signer_key() &&
                             plan.roster[kept.self].peer == desk_.local_peer() &&
                             plan.topology == Desk::topology_policy::id;
        if (!is_ours) return error{errc::invalid_proposal, text("session ", to_hex(id), " was kept for somebody else")};
        MUSTER_TRY(auto terms, desk_.make_terms(id, named_roster(kept.what), std::move(plan), kept.self, kept.created));
        auto const roster = terms.plan->roster;
        effects out;
        if (!kept.given && kept.signatures.empty()) {
            session_type gone{std::move(terms), desk_.bounds, desk_.time.now()};
            gone.restarted_here(out);
            (void)performer_.perform(id, desk_.sessions.add(id, std::move(gone)), out);
            lost_.insert(id);
            return false;
        }
        MUSTER_TRY(auto made,
                   session_type::resume(std::move(terms), desk_.bounds, std::move(kept), desk_.time.now(), out));
        auto& s = desk_.sessions.add(id, std::move(made));
        desk_.rosters.remember(s.roster(), roster);
        resumed_.insert(id);
        s.recorded();
        (void)performer_.perform(id, s, out, true);
        return true;
    }

    // The sessions that a peer must be told of after a restart: those that can go on, those that are over, and those
    // whose signature it may lack. Sessions for which others may still need our shares come first.
    void introduce(peer_id const& who) {
        std::vector<session_id> served, offered;
        std::vector<std::pair<session_id, session_type const*>> lost;
        for (auto const& id : desk_.sessions.all()) {
            auto const& s = *desk_.sessions.find(id);
            auto const at = desk_.slot_of(s.plan(), who);
            if (!at) continue;
            bool const is_owed = s.at() == phase::finished && !s.has_result(*at);
            if (resumed_.count(id) != 0 && s.may_complete()) {
                served.push_back(id);
            } else if (resumed_.count(id) != 0 || is_owed) {
                offered.push_back(id);
            }
            if (lost_.count(id) != 0 && s.at() == phase::over) lost.emplace_back(id, &s);
        }
        served.insert(served.end(), offered.begin(), offered.end());
        served.resize(std::min(served.size(), resumed_max));
        desk_.sender.post(who, {}, 0, hello_body{desk_.signer_key(), desk_.binding.value(), std::move(served)});
        for (auto const& [id, s] : lost) desk_.sender.post(who, id, s->self(), s->why_over());
    }

    Desk& desk_;
    performer<Desk>& performer_;
    std::set<session_id> resumed_;  // went on after a restart
    std::set<session_id> lost_;     // ended with it
    std::set<peer_id> introduced_;  // on the connections that they have now; the network's bound
    bool has_restored_ = false;
};

}  // namespace detail

}  // namespace muster::signing
