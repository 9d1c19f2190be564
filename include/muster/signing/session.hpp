// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One signing session as a machine: proposal, approval, two rounds, signature, broadcast.
///
///     awaiting_approval --approve--> collecting_nonces --all nonces--> collecting_shares --valid--> finished
///            |                              |                                |                     ^      |
///            |                              |                    timeout, blame, abort             |   failover
///         decline, expiry        timeout, blame, abort                       v                     |
///            |                              |                             stalled ---- valid ------+
///            +-------------> over <---------+                                |                     |
///                                                              end of its lifetime                 |
///                                                                            v                     |
///                                                                        unresolved -- valid ------+
///
/// A share that was given cannot be taken back: from then on no timeout, no abort and no blame ends the session, since
/// others may have, or get, what makes the signature. It stalls instead, asks everyone at growing intervals, and is
/// `unresolved` when its lifetime is over; a signature that verifies finishes it at any time. Whoever has the signature
/// answers with it to who asks or aborts. (Of two-phase commit this is the participant that is *in
/// doubt*: Gray, Notes on Data Base Operating Systems, 1978.)
///
/// Pure: it is handed authenticated frames and the time, and returns effects. An event that does not fit the
/// state is late news and is ignored; a contribution that comes early is kept with its sender's state until the
/// state can use it, so no order of arrival loses anything. The secret nonces live in the one state that may
/// use them, and are gone before the first share is sent.
///
/// Blame needs BIP-327's conditions, and has them: nonces are summed up here (or checked against the aggregator's sum
/// before blaming), every contribution is signed by its sender, and only shares that name the same transcript, the
/// hash of all nonces and of their sums, are added up. A signer who tells different nonces to different peers, and a
/// aggregator who tells different sums, makes transcripts differ; then the signed frames are passed on, and two of them
/// convict. A transcript that differs proves nothing by itself and blames nobody.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/signing/contributions.hpp>
#include <muster/signing/effect.hpp>
#include <muster/signing/frame.hpp>
#include <muster/signing/limits.hpp>
#include <muster/signing/session_state.hpp>
#include <muster/signing/session_terms.hpp>
#include <muster/signing/snapshot.hpp>
#include <muster/signing/topology.hpp>

namespace muster::signing {

/// One session. Move-only; one thread at a time. Memory: a few hundred bytes per signer and message.
template <musig2::backend Backend, topology Topology>
class session : public session_state<Backend, Topology> {
    using base = session_state<Backend, Topology>;

public:
    using event = authenticated_frame;
    using effect = session_effect;
    using base::aggregate_key, base::at, base::is_confirmed, base::is_open, base::may_complete, base::plan, base::self,
        base::signatures, base::why_over;

    /// A session that waits for the application's approval. @p l must outlive it.
    session(session_terms<Backend> about, limits const& l, instant now) : base{std::move(about), l, now} {}

    /// The session that @p kept is of, after a restart: its shares are out, or may be. Of a signature that nobody is
    /// known to have broadcast the application is told again.
    /// @return it, or what @ref musig2::round2::resume refuses, or `invalid_contribution` for signatures that do not
    ///         verify. Expects a snapshot with shares or signatures.
    template <effect_sink<session_effect> Sink>
    [[nodiscard]] static result<session> resume(session_terms<Backend> about, limits const& l, session_snapshot kept,
                                                instant now, Sink& out) {
        session s{std::move(about), l, now};
        if (!kept.signatures.empty() && !s.rounds_.verifies(kept.signatures)) {
            return error{errc::invalid_contribution, text("session ", to_hex(s.terms().id),
                                                          " was written down with "
                                                          "signatures that do not verify")};
        }
        s.failover_.recall(kept.broadcast_by, kept.voted_for, kept.heard);
        if (!kept.given) {
            s.finish(std::move(kept.signatures), now, out);
            return s;
        }
        MUSTER_TRY(s.rounds_.resume(*std::move(kept.given)));
        s.begin_round(now, s.round_end(now));
        if (!kept.signatures.empty()) {
            s.finish(std::move(kept.signatures), now, out);
        } else if (kept.stalled) {
            s.end({*kept.stalled, std::nullopt, "still without a signature after a restart"}, std::nullopt, out);
            if (kept.is_unresolved) s.end_lifetime(out);
        }
        return s;
    }

    /// A session of which a restart has left nothing but the memory that our nonces were shown. With an older copy of
    /// the journal that may be less than there was; so a signature is still taken. Expects that nothing was done to it
    /// yet.
    template <effect_sink<session_effect> Sink>
    void restarted_here(Sink& out) {
        is_lost_ = true;
        end({abort_reason::restarted, self(), "restarted before signing"}, std::nullopt, out);
    }

    // ---- what the application asks ----------------------------------------------------------------------

    /// Draws nonces and begins round one. NonceGen's extra input is the session, our epoch, both times and the number
    /// in
    /// @p fresh: a source that repeats itself (a virtual machine that is resumed twice from one image) does not by
    /// itself make two nonces equal, which would give the key away.
    /// @return `wrong_state` unless awaiting approval, `expired`, or what NonceGen refuses.
    template <secret_source Source, effect_sink<session_effect> Sink>
    [[nodiscard]] result<void> approve(Source& source, musig2::key_pair const& key, instant now, Sink& out,
                                       nonce_freshness const& fresh = {}) {
        if (at() != phase::awaiting_approval) return wrong_state("approve");
        if (now >= terms().expires) return error{errc::expired, "the proposal has expired; propose again"};
        MUSTER_TRY(rounds_.begin(source, key, now, fresh));
        begin_round(now, round_end(now, first_round_ends(now)));
        out.push(persist{});
        rounds_.contribute(*all()[self()].nonces, out);
        for (slot s = 0; s < all().size() && at() == phase::collecting_nonces; ++s)
            rounds_.use_nonces(s, giving_up(out));
        advance(now, out);
        return ok();
    }

    /// Declines, and tells everyone. @return `wrong_state` unless awaiting approval.
    template <effect_sink<session_effect> Sink>
    [[nodiscard]] result<void> decline(std::string reason, Sink& out) {
        if (at() != phase::awaiting_approval) return wrong_state("decline");
        reason.resize(std::min(reason.size(), purpose_size_max));
        out.push(send_frame{std::nullopt, decline_body{reason}});
        end({abort_reason::declined, self(), reason}, std::nullopt, out);
        return ok();
    }

    /// Gives up, and tells everyone. Once our share is given, this does not end the session: it stalls.
    /// @return `wrong_state` unless @ref is_open.
    template <effect_sink<session_effect> Sink>
    [[nodiscard]] result<void> cancel(std::string why, Sink& out, abort_reason reason = abort_reason::cancelled) {
        if (!is_open()) return wrong_state("cancel");
        give_up(reason, std::nullopt, std::move(why), out);
        return ok();
    }
    /// The last `persist` failed, so nothing after it was sent: a share that was just made is dropped. Tells everyone.
    /// Expects @ref is_open or @ref owes_record.
    template <effect_sink<session_effect> Sink>
    void not_recorded(std::string why, Sink& out) {
        if (rounds_.at() == phase::collecting_shares) state_ = {};
        rounds_.take_back();
        give_up(abort_reason::not_recorded, std::nullopt, std::move(why), out);
    }

    /// Votes for the next signer of the list, and tells everyone, again when it was said before. The turn moves when
    /// the votes are there: at once when it was ours, since that is a withdrawal; see @ref broadcast_turns.
    /// @return `wrong_state` unless finished and not confirmed, `failover_exhausted` after the last.
    template <effect_sink<session_effect> Sink>
    [[nodiscard]] result<void> trigger_coordinator_failover(instant now, Sink& out) {
        if (at() != phase::finished || is_confirmed()) return wrong_state("fail over");
        MUSTER_TRY(failover_.vote_for_next(now, out));
        keep_asking(now);
        return ok();
    }

    /// Records that we broadcast, and tells everyone. Idempotent. @return `wrong_state` unless finished.
    template <effect_sink<session_effect> Sink>
    [[nodiscard]] result<void> notify_broadcast_complete(Sink& out) {
        if (at() != phase::finished) return wrong_state("confirm a broadcast of");
        failover_.broadcast_here(out);
        return ok();
    }

    /// The broadcast that another signer claims cannot be found: the claim is ignored from now on, and the turn can
    /// pass on. This is not persisted: after a restart the claim may be believed again, and reported.
    /// @return `wrong_state` unless finished, and another signer is believed to have broadcast.
    template <effect_sink<session_effect> Sink>
    [[nodiscard]] result<void> dispute_broadcast(instant now, Sink& out) {
        auto const by = failover_.turns().confirmed_by();
        if (at() != phase::finished || !by || *by == self()) return wrong_state("dispute a broadcast of");
        failover_.dispute(*by, now, out);
        keep_asking(now);
        return ok();
    }

    // ---- what happens -----------------------------------------------------------------------------------

    /// Takes a frame. Total: what does not fit is ignored.
    template <effect_sink<session_effect> Sink>
    void handle(authenticated_frame const& frame, instant now, Sink& out) {
        auto const from = frame.header.sender;
        if (from >= all().size() || from == self()) return;
        auto& state = all()[from];
        // A group signature that verifies is accepted from any signer, in any boot epoch.
        if (auto const* const made = std::get_if<signatures_body>(&frame.what))
            return on_signatures(from, *made, now, out);
        // Frames that a resumed signer sent before its restart may arrive here for the first time.
        if (state.has_resumed && !state.before && state.epoch != frame.header.epoch) state.before = frame.header.epoch;
        bool const is_known = state.epoch == frame.header.epoch || state.before == frame.header.epoch;
        // Once there is a signature nonces do not matter: votes, claims and requests are accepted from any boot epoch.
        if (state.epoch && !is_known && at() != phase::finished) {
            return peer_restarted(from, frame.header.epoch, now, out);
        }
        if (!state.epoch) state.epoch = frame.header.epoch;
        std::visit(overloaded{
                       [&](hello_body const&) {},
                       [&](propose_body const&) { answer(frame.header, now, out); },
                       [&](request_body const&) { answer(frame.header, now, out); },
                       [&](decline_body const& v) { on_decline(from, v, out); },
                       [&](abort_body const& v) { on_abort(from, v, now, out); },
                       [&](nonces_body const& v) { on_nonces(from, v, frame.raw, now, out); },
                       [&](aggregate_nonces_body const& v) { on_aggregate(from, v, frame.raw, now, out); },
                       [&](shares_body const& v) { on_shares(from, v, frame.raw, now, out); },
                       [](signatures_body const&) {},
                       [&](broadcast_done_body const&) {
                           all()[from].has_result = true;
                           if (at() != phase::over) failover_.on_broadcast_done(from, frame.raw, out);
                       },
                       [&](view_change_body const& v) { on_view_change(from, v, frame.raw, now, out); },
                   },
                   frame.what);
        keep_asking(now);
    }

    /// @p who runs in boot epoch @p epoch now. If it was another before, its secret nonces are lost, and with them
    /// every session that still needs its share.
    template <effect_sink<session_effect> Sink>
    void peer_restarted(slot who, boot_epoch const& epoch, instant, Sink& out) {
        auto const& state = all()[who];
        if (!is_open() || !state.epoch || *state.epoch == epoch || state.shares) return;
        restarted(who, out);
    }

    /// A connection to @p who came up: while there is no signature, what either side may have missed is sent again and
    /// requested. Later it is offered, and sent when @p who asks.
    template <effect_sink<session_effect> Sink>
    void peer_connected(slot who, instant, Sink& out) {
        if (who == self() || !may_complete()) return;
        resend(who, out);
        if (at() == phase::awaiting_approval) return;
        auto const missing = rounds_.missing();
        bool const needed = std::find(missing.begin(), missing.end(), who) != missing.end();
        if (needed || !is_open()) out.push(send_frame{who, request_body{}});
    }

    /// @p who says that it can serve this session. We ask when we lack the signature or do not know who has broadcast
    /// it, and acknowledge what we have, so that it is not offered again.
    template <effect_sink<session_effect> Sink>
    void offered(slot who, instant now, Sink& out) {
        if (!may_answer(who, now)) return;
        bool const is_finished = at() == phase::finished;
        if (is_finished) failover_.acknowledge(who, out);
        bool const lacks_something = is_finished ? !is_confirmed() : rounds_.given().has_value() || is_lost_;
        if (lacks_something) out.push(send_frame{who, request_body{}});
    }

    /// @p who runs in boot epoch @p epoch now, and has kept what this session needs of it.
    template <effect_sink<session_effect> Sink>
    void peer_resumed(slot who, boot_epoch const& epoch, instant now, Sink& out) {
        if (auto& state = all()[who]; state.epoch != epoch) {
            state.before = std::exchange(state.epoch, epoch);
            state.has_resumed = true;
            state.last_request = 0;  // it counts from the beginning again
        }
        if (at() != phase::finished) return peer_connected(who, now, out);
        resend(who, out);  // it may have missed that, or who has broadcast; so may we
        if (!is_confirmed()) out.push(send_frame{who, request_body{}});
    }

    /// A contribution of @p who was delayed for so long that @p who has restarted meanwhile.
    template <effect_sink<session_effect> Sink>
    void contribution_outlived(slot who, Sink& out) {
        auto const& state = all()[who];
        if (is_open() && !state.shares && !state.has_resumed) restarted(who, out);
    }

    /// The deadline may have passed. Early, late and repeated calls are harmless.
    template <effect_sink<session_effect> Sink>
    void wake(instant now, Sink& out) {
        if (at() == phase::awaiting_approval && now >= terms().expires) {
            return give_up(abort_reason::expired, std::nullopt, "the proposal expired before approval", out);
        }
        if (at() == phase::finished) return wake_finished(now, out);
        if (at() == phase::stalled) return wake_stalled(now, out);
        if (deadline_ && now >= *deadline_) return time_out(out);
        if (retry_ && now >= *retry_) {
            request_missing(out);
            retry_ = saturating_add(now, limits_->retry_interval);
        }
    }

    /// When @ref wake next has something to do; none when only events matter.
    [[nodiscard]] deadline next_deadline() const noexcept {
        if (at() == phase::awaiting_approval) return terms().expires;
        if (at() == phase::finished) return earlier(failover_.next_deadline(), retry_);
        if (at() == phase::stalled) return earlier(terms().ends, retry_);
        return earlier(deadline_, retry_);
    }

private:
    using base::all, base::ask_everyone, base::begin_round, base::end, base::end_lifetime, base::finish_with,
        base::first_round_ends, base::give_up, base::is_initiator, base::keep_asking, base::may_answer,
        base::request_missing, base::resend, base::restarted, base::show_result, base::round_end, base::terms,
        base::time_out, base::wrong_state;
    using base::deadline_, base::failover_, base::is_lost_, base::last_progress_, base::limits_, base::retry_,
        base::rounds_, base::state_;

    // ---- contributions ----------------------------------------------------------------------------------

    // Files a contribution; true when it is new. A second, different one proves equivocation.
    template <class Body, class Sink>
    [[nodiscard]] bool is_news(slot from, Body const& what, bytes const& held, bytes const& raw, instant now,
                               Sink& out) {
        if (!may_complete()) return false;
        auto const filed = all().file(from, what, raw);
        if (filed == contributions::outcome::conflict) convict(from, held, raw, out);
        if (filed != contributions::outcome::fresh) return false;
        last_progress_ = now;
        return true;
    }

    template <class Sink>
    void on_nonces(slot from, nonces_body const& what, bytes const& raw, instant now, Sink& out) {
        if (!is_news(from, what, all()[from].nonces_frame, raw, now, out)) return;
        out.push(notify{nonces_received{terms().id, from}});
        rounds_.use_nonces(from, giving_up(out));
        advance(now, out);
    }

    template <class Sink>
    void on_shares(slot from, shares_body const& what, bytes const& raw, instant now, Sink& out) {
        if (!is_news(from, what, all()[from].shares_frame, raw, now, out)) return;
        out.push(notify{shares_received{terms().id, from}});
        rounds_.use_shares(from, giving_up(out), out);
        advance(now, out);
    }

    template <class Sink>
    void on_aggregate(slot from, aggregate_nonces_body const& what, bytes const& raw, instant now, Sink& out) {
        if (from != rounds_.elected() || !rounds_.under_aggregator() || !may_complete()) return;
        auto const filed = all().file(what, raw);
        if (filed == contributions::outcome::conflict) convict(from, all().aggregate().frame, raw, out);
        if (filed != contributions::outcome::fresh) return;
        last_progress_ = now;
        advance(now, out);
    }

    // Taken whenever our share was given, or may have been in a life whose journal is gone.
    template <class Sink>
    void on_signatures(slot from, signatures_body const& what, instant now, Sink& out) {
        if (at() == phase::finished) {
            all()[from].has_result = all()[from].has_result || what.signatures == signatures();
            return;
        }
        if ((!rounds_.given() && !is_lost_) || !rounds_.verifies(what.signatures)) return;
        all()[from].has_result = true;
        finish(what.signatures, now, out);
    }

    // Moves on as far as what has arrived allows.
    template <class Sink>
    void advance(instant now, Sink& out) {
        if (at() == phase::collecting_nonces && rounds_.sign(giving_up(out))) begin_second_round(now, out);
        if (rounds_.at() != phase::collecting_shares) return;
        if (auto made = rounds_.aggregate(giving_up(out), out)) finish(*std::move(made), now, out);
    }

    // Shares and nonces that came early count now.
    template <class Sink>
    void begin_second_round(instant now, Sink& out) {
        out.push(persist{});
        begin_round(now, round_end(now));
        out.push(notify{nonces_complete{terms().id}});
        rounds_.contribute_shares(out);
        for (slot s = 0; s < all().size(); ++s) {
            rounds_.use_nonces(s, giving_up(out));
            rounds_.use_shares(s, giving_up(out), out);
        }
    }

    // What the rounds call when there can be no signature.
    template <class Sink>
    [[nodiscard]] auto giving_up(Sink& out) {
        return [this, &out](abort_reason reason, std::optional<slot> culprit, std::string why) {
            give_up(reason, culprit, std::move(why), out);
        };
    }

    // Two frames that contradict each other: everyone gets both and verifies them.
    template <class Sink>
    void convict(slot who, bytes const& first, bytes const& second, Sink& out) {
        if (!may_complete() || std::exchange(all()[who].is_convicted, true)) return;
        out.push(notify{equivocation_proven{terms().id, who, first, second}});
        rounds_.frames().show_contradiction(who, first, second, out);
        give_up(abort_reason::equivocation, who, text("signer ", who, " signed two different contributions"), out);
    }

    // ---- asking again -----------------------------------------------------------------------------------

    template <class Sink>
    void answer(frame_header const& request, instant now, Sink& out) {
        if (at() == phase::awaiting_approval) return;  // there is nothing to repeat, so it does not count as an answer
        auto& state = all()[request.sender];
        bool const is_of_this_life = request.epoch == state.epoch;
        if (is_of_this_life ? request.sequence <= state.last_request : at() != phase::finished) return;
        if (!may_answer(request.sender, now)) return;
        if (is_of_this_life) state.last_request = request.sequence;
        if (at() == phase::over) {
            out.push(send_frame{request.sender, why_over()});
        } else {
            resend(request.sender, out);
        }
    }

    // ---- the signature ----------------------------------------------------------------------------------

    template <class Sink>
    void finish(std::vector<signature> made, instant now, Sink& out) {
        finish_with(std::move(made), now);
        out.push(persist{});
        if (rounds_.is_aggregating()) out.push(send_frame{std::nullopt, signatures_body{signatures()}});
        if (!is_confirmed()) {  // before a restart
            out.push(notify{completed{terms().id, aggregate_key(), signatures(), failover_.turns().elected()}});
            failover_.begin(now, out);
        }
        keep_asking(now);
    }

    // A vote may come before our own signature does.
    template <class Sink>
    void on_view_change(slot from, view_change_body const& v, bytes const& raw, instant now, Sink& out) {
        all()[from].has_result = true;  // before it there is nothing to vote about
        if (at() == phase::over) return;
        failover_.on_view_change(
            from, v, raw, now, [&] { return may_answer(from, now); }, out);
    }

    // ---- ends without a signature -----------------------------------------------------------------------

    // The initiator forwards a decline, since the signer who declined may not reach everyone.
    template <class Sink>
    void on_decline(slot from, decline_body const& v, Sink& out) {
        if (!is_open() || all()[from].shares) return;
        abort_body const what{abort_reason::declined, from, v.reason};
        if (is_initiator()) out.push(send_frame{std::nullopt, what});
        end(what, std::nullopt, out);
    }

    // A signer that aborts lacks the signature, which we may have. After its share was given, its abort alone ends
    // nothing.
    template <class Sink>
    void on_abort(slot from, abort_body const& v, instant now, Sink& out) {
        if (at() == phase::finished && may_answer(from, now)) return show_result(from, out);
        if (!is_open() || all()[from].shares) return;
        auto what = v;
        auto const is_nobody = [this](slot s) { return s >= all().size(); };
        if (what.culprit && is_nobody(*what.culprit)) what.culprit.reset();
        std::erase_if(what.missing, is_nobody);
        end(what, from, out);
    }

    // Asks everyone: any signer may have the signature, or be able to make it with our share. The interval grows, and
    // asking ends with the session's lifetime; after that a signer that reconnects may still offer it.
    template <class Sink>
    void wake_stalled(instant now, Sink& out) {
        if (now >= terms().ends) return end_lifetime(out);
        if (retry_ && now >= *retry_) ask_everyone(now, out);
    }
    template <class Sink>
    void wake_finished(instant now, Sink& out) {
        failover_.wake(now, out);
        if (retry_ && now >= *retry_) {
            retry_.reset();
            if (now < terms().ends) ask_everyone(now, out);
        }
        keep_asking(now);
    }
};

}  // namespace muster::signing
