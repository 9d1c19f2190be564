// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Does what sessions want done, and keeps the journal true to them.
///
/// Idea: a session returns effects; here they meet the journal, the network and the application, in order. Nothing
/// leaves before it is written down: the first `persist` writes the session's state, and while a share is not on disk
/// nothing is sent. When it cannot be written, an open session is given up before anything was promised.
///
/// Source: write-ahead logging, Gray, Notes on Data Base Operating Systems, 1978.

#include <utility>
#include <variant>

#include <muster/core/result.hpp>
#include <muster/signing/effect.hpp>
#include <muster/signing/event.hpp>
#include <muster/signing/snapshot.hpp>

namespace muster::signing::detail {

/// Performs the effects of the sessions at a @ref desk, which must outlive it.
template <class Desk>
class performer {
    using session_type = typename Desk::session_type;
    using effects = typename Desk::effects;

public:
    explicit performer(Desk& d) noexcept : desk_{d} {}

    /// Writes the session's state to the journal, or erases it when the session is over.
    [[nodiscard]] result<void> record(session_id const& id, session_type const& s) {
        if constexpr (!Desk::has_journal) return ok();
        auto const snapshot = s.snapshot();
        return snapshot ? desk_.journal.put(id, encode(*snapshot)) : take_out(id, s);
    }
    /// Erases the session from the journal. Where our nonces were shown, a note stays that it must not open again.
    [[nodiscard]] result<void> take_out(session_id const& id, session_type const& s) {
        if (!s.has_shown_nonces()) return desk_.journal.erase(id);
        return desk_.graves.bury(desk_.journal, id, s.plan().expires_at, desk_.time.wall_now());
    }
    /// As @ref take_out; nobody here knows the session any more.
    void forget(session_id const& id) {
        (void)take_out(id, *desk_.sessions.find(id));
        desk_.sessions.forget(id);
    }

    /// Performs the session's effects in order; the first `persist` writes the journal, unless @p is_recorded says that
    /// it was written. When that fails, an open session is given up before anything was promised.
    result<void> perform(session_id const& id, session_type& s, effects& out, bool is_recorded = false) {
        desk_.sessions.touched(id);
        for (auto& effect : out.take()) {
            if (std::holds_alternative<persist>(effect)) {
                if (std::exchange(is_recorded, true)) continue;
                auto recorded = record(id, s);
                if (recorded) {
                    s.recorded();
                    continue;
                }
                desk_.events.push(journal_failed{id, recorded.error()});
                if (!s.may_complete() || !(s.is_open() || s.owes_record())) continue;
                // Some of it may be there. Where it cannot be taken out, a restart may find it and give the share: then
                // nobody can be told that there is no signature.
                effects last;
                if (take_out(id, s)) {
                    s.not_recorded(recorded.error().to_text(), last);
                } else if (!s.cancel(recorded.error().to_text(), last, abort_reason::not_recorded)) {
                    continue;  // it has stalled already, which is told below
                }
                (void)perform(id, s, last, true);
                return recorded;
            }
            bool const is_sent =
                std::holds_alternative<send_frame>(effect) || std::holds_alternative<forward_frame>(effect);
            if (is_sent && s.owes_record()) {  // nothing leaves before the share is on disk
                if (!record(id, s)) continue;
                s.recorded();
            }
            perform(id, s, effect);
        }
        return ok();
    }

    /// Calls @p f(id, session, effects) for those of @p ids that are known, and performs what comes of it. Ids are
    /// copied: a session may close, and a transport may answer, meanwhile.
    template <class Ids, class F>
    void for_each(Ids const& ids, F f) {
        for (auto const& id : ids) {
            auto* const s = desk_.sessions.find(id);
            if (s == nullptr) continue;
            effects out;
            f(id, *s, out);
            (void)perform(id, *s, out);
        }
    }

private:
    void perform(session_id const& id, session_type const& s, session_effect& effect) {
        std::visit(overloaded{
                       [&](send_frame& v) { send(id, s, v); },
                       [&](forward_frame& v) { desk_.sender.hand_over(id, s.plan().roster[v.to], std::move(v.raw)); },
                       [&](notify& v) {
                           if (std::holds_alternative<completed>(v.what)) note_roster(s);
                           desk_.events.push(std::move(v.what));
                       },
                       [](persist&) {},
                   },
                   effect);
    }

    // Everyone has contributed, so everyone knows the roster. Under an aggregator most epochs are known from hellos
    // alone.
    void note_roster(session_type const& s) {
        auto const& roster = s.plan().roster;
        for (slot who = 0; who < roster.size(); ++who) {
            auto const& seen = s.epoch_of(who);
            desk_.rosters.completed_by(s.roster(), who, seen ? seen : desk_.admission.epoch_of(roster[who].peer));
        }
    }

    void send(session_id const& id, session_type const& s, send_frame const& v) {
        auto const frame = desk_.sender.sign(id, s.self(), v.what);
        if (!frame) return;
        auto const& roster = s.plan().roster;
        for (slot to = 0; to < roster.size(); ++to) {
            if (to != s.self() && (!v.to || *v.to == to)) desk_.sender.hand_over(id, roster[to], frame.value());
        }
    }

    Desk& desk_;
};

}  // namespace muster::signing::detail
