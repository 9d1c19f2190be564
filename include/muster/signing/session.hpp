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
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/musig2/rounds.hpp>
#include <muster/signing/broadcast_failover.hpp>
#include <muster/signing/contributions.hpp>
#include <muster/signing/effect.hpp>
#include <muster/signing/snapshot.hpp>
#include <muster/signing/topology.hpp>

namespace muster::signing {

/// What a session is about; fixed when it is made.
template <musig2::backend Backend>
struct session_terms {
    session_id id;
    roster_id roster;                            ///< Of the plan's roster.
    std::shared_ptr<proposal const> plan;        ///< Checked against the limits.
    typename Backend::keyagg_context group;      ///< Of the plan's keys and tweaks.
    slot self = 0;                               ///< Our index in the roster.
    boot_epoch epoch;                            ///< Ours.
    instant expires;                             ///< The plan's expiry, on our clock, clamped.
    instant ends = instant::max();               ///< When its lifetime is over: `limits::session_lifetime_max`.
    timestamp created{};                         ///< When it was made, for the journal.
    [[no_unique_address]] Backend backend = {};  ///< Computes.
};

/// What makes each nonce of a signer another one even where its source of randomness repeats itself: see @ref
/// session::approve.
struct nonce_freshness {
    timestamp wall{};          ///< The time of day.
    std::uint64_t number = 0;  ///< Of nonces before it; with a journal never the same twice.
};

/// One session. Move-only; one thread at a time. Memory: a few hundred bytes per signer and message.
template <musig2::backend Backend, topology Topology>
class session {
public:
    using event = authenticated_frame;
    using effect = session_effect;
    /// How far it has come.
    struct statistics {
        phase at;
        std::size_t nonces = 0;   ///< Signers whose nonces are here.
        std::size_t shares = 0;   ///< Signers whose partial signatures are here.
        std::size_t results = 0;  ///< Signers that are known to have the group's signature.
        bool operator==(statistics const&) const = default;
    };

    /// A session that waits for the application's approval. @p l must outlive it.
    session(session_terms<Backend> terms, limits const& l, instant now)
        : terms_{std::move(terms)},
          limits_{&l},
          failover_{terms_.id, terms_.self, l, election_order(terms_.plan->election, terms_.id, terms_.plan->roster)},
          contributions_{terms_.plan->roster.size()},
          created_{now},
          last_progress_{now} {}

    /// The session that @p kept is of, after a restart: its shares are out, or may be. Of a signature that nobody is
    /// known to have broadcast the application is told again.
    /// @return it, or what @ref musig2::round2::resume refuses, or `invalid_contribution` for signatures that do not
    ///         verify. Expects a snapshot with shares or signatures.
    template <effect_sink<session_effect> Sink>
    [[nodiscard]] static result<session> resume(session_terms<Backend> terms, limits const& l, session_snapshot kept,
                                                instant now, Sink& out) {
        session s{std::move(terms), l, now};
        if (!kept.signatures.empty() && !s.verifies(kept.signatures)) {
            return error{errc::invalid_contribution, text("session ", to_hex(s.terms_.id),
                                                          " was written down with "
                                                          "signatures that do not verify")};
        }
        s.failover_.recall(kept.broadcast_by, kept.voted_for, kept.heard);
        if (!kept.given) {
            s.finish(std::move(kept.signatures), now, out);
            return s;
        }
        std::vector<musig2::message> messages;
        for (auto const& m : s.plan().messages) messages.push_back(to_message(m));
        auto const& [nonces, part] = *kept.given;
        MUSTER_TRY(auto round,
                   musig2::round2<Backend>::resume(s.terms_.backend, s.terms_.group, messages, s.terms_.self, part));
        auto const bound = contributions::bind_sums(nonces, part.signed_under);
        s.contributions_[s.terms_.self].nonces = nonces_body{part.nonces};
        s.contributions_[s.terms_.self].shares = shares_body{bound, part.shares};
        if (s.is_aggregating()) s.own_aggregate_ = aggregate_nonces_body{nonces, part.signed_under};
        s.state_ = collecting_shares{std::move(round), nonces, bound};
        s.begin_round(now, s.round_end(now));
        s.given_ = *std::move(kept.given);
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
        end({abort_reason::restarted, terms_.self, "restarted before signing"}, std::nullopt, out);
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
        if (now >= terms_.expires) return error{errc::expired, "the proposal has expired; propose again"};
        wire::writer extra;
        extra.raw(terms_.id.view()).raw(terms_.epoch.view());
        extra.i64(now.time_since_epoch().count()).i64(to_unix_millis(fresh.wall)).u64(fresh.number);
        std::vector<musig2::message> messages;
        for (auto const& m : terms_.plan->messages) messages.push_back(to_message(m));
        MUSTER_TRY(auto round,
                   musig2::round1<Backend>::open_many(
                       source, key, {terms_.group, std::move(messages), terms_.self, extra.take()}, terms_.backend));
        auto const own = round.nonces();
        contributions_[terms_.self].nonces = nonces_body{{own.begin(), own.end()}};
        state_ = collecting_nonces{std::move(round)};
        begin_round(now, round_end(now, first_round_ends(now)));
        out.push(persist{});
        contribute(*contributions_[terms_.self].nonces, out);
        for (slot s = 0; s < contributions_.size() && at() == phase::collecting_nonces; ++s) use_nonces(s, out);
        advance(now, out);
        return ok();
    }

    /// Declines, and tells everyone. @return `wrong_state` unless awaiting approval.
    template <effect_sink<session_effect> Sink>
    [[nodiscard]] result<void> decline(std::string reason, Sink& out) {
        if (at() != phase::awaiting_approval) return wrong_state("decline");
        reason.resize(std::min(reason.size(), purpose_size_max));
        out.push(send_frame{std::nullopt, decline_body{reason}});
        end({abort_reason::declined, terms_.self, reason}, std::nullopt, out);
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
        given_.reset();
        if (std::holds_alternative<collecting_shares>(state_)) state_ = awaiting_approval{};
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
        if (at() != phase::finished || !by || *by == terms_.self) return wrong_state("dispute a broadcast of");
        failover_.dispute(*by, now, out);
        keep_asking(now);
        return ok();
    }

    // ---- what happens -----------------------------------------------------------------------------------

    /// Takes a frame. Total: what does not fit is ignored.
    template <effect_sink<session_effect> Sink>
    void handle(authenticated_frame const& frame, instant now, Sink& out) {
        auto const from = frame.header.sender;
        if (from >= contributions_.size() || from == terms_.self) return;
        auto& state = contributions_[from];
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
                           contributions_[from].has_result = true;
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
        auto const& state = contributions_[who];
        if (!is_open() || !state.epoch || *state.epoch == epoch || state.shares) return;
        restarted(who, out);
    }

    /// A connection to @p who came up: while there is no signature, what either side may have missed is sent again and
    /// requested. Later it is offered, and sent when @p who asks.
    template <effect_sink<session_effect> Sink>
    void peer_connected(slot who, instant, Sink& out) {
        if (who == terms_.self || !may_complete()) return;
        resend(who, out);
        if (at() == phase::awaiting_approval) return;
        auto const missing = missing_contributions();
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
        bool const lacks_something = is_finished ? !is_confirmed() : given_.has_value() || is_lost_;
        if (lacks_something) out.push(send_frame{who, request_body{}});
    }

    /// @p who runs in boot epoch @p epoch now, and has kept what this session needs of it.
    template <effect_sink<session_effect> Sink>
    void peer_resumed(slot who, boot_epoch const& epoch, instant now, Sink& out) {
        if (auto& state = contributions_[who]; state.epoch != epoch) {
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
        auto const& state = contributions_[who];
        if (is_open() && !state.shares && !state.has_resumed) restarted(who, out);
    }

    /// The deadline may have passed. Early, late and repeated calls are harmless.
    template <effect_sink<session_effect> Sink>
    void wake(instant now, Sink& out) {
        if (at() == phase::awaiting_approval && now >= terms_.expires) {
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
        if (at() == phase::awaiting_approval) return terms_.expires;
        if (at() == phase::finished) return earlier(failover_.next_deadline(), retry_);
        if (at() == phase::stalled) return earlier(terms_.ends, retry_);
        return earlier(deadline_, retry_);
    }

    // ---- what can be asked ------------------------------------------------------------------------------

    /// O(signers).
    [[nodiscard]] statistics stats() const noexcept {
        statistics out{at()};
        for (slot s = 0; s < contributions_.size(); ++s) {
            out.nonces += has_nonces(s);
            out.shares += has_shares(s);
            out.results += has_result(s);
        }
        return out;
    }
    [[nodiscard]] phase at() const noexcept {
        if (auto const* const two = std::get_if<collecting_shares>(&state_); two != nullptr && two->stalled) {
            return two->is_unresolved ? phase::unresolved : phase::stalled;
        }
        constexpr phase by_state[] = {phase::awaiting_approval, phase::collecting_nonces, phase::collecting_shares,
                                      phase::finished, phase::over};
        return by_state[state_.index()];
    }
    /// Whether it is being worked on: it waits for an approval or for contributions, and counts as an open session.
    [[nodiscard]] bool is_open() const noexcept { return at() <= phase::collecting_shares; }
    /// Whether a signature may still come of it: it is open, or our share was given.
    [[nodiscard]] bool may_complete() const noexcept { return at() < phase::finished; }
    [[nodiscard]] proposal const& plan() const noexcept { return *terms_.plan; }
    [[nodiscard]] std::shared_ptr<proposal const> const& shared_plan() const noexcept { return terms_.plan; }
    [[nodiscard]] roster_id const& roster() const noexcept { return terms_.roster; }
    [[nodiscard]] slot self() const noexcept { return terms_.self; }
    [[nodiscard]] instant last_progress() const noexcept {
        return at() == phase::finished ? failover_.last_progress() : last_progress_;
    }
    /// The key that the signature verifies under, tweaks included.
    [[nodiscard]] public_key aggregate_key() const { return terms_.group.aggregate(); }
    /// The boot epoch in which @p s has taken part, as far as it was seen.
    [[nodiscard]] std::optional<boot_epoch> const& epoch_of(slot s) const noexcept { return contributions_[s].epoch; }
    [[nodiscard]] bool has_nonces(slot s) const noexcept { return contributions_[s].nonces.has_value(); }
    [[nodiscard]] bool has_shares(slot s) const noexcept { return contributions_[s].shares.has_value(); }
    /// Whether @p s is known to have the group's signature.
    [[nodiscard]] bool has_result(slot s) const noexcept {
        return s == terms_.self ? at() == phase::finished : contributions_[s].has_result;
    }
    /// Whether every signer is known to have the group's signature. O(signers).
    [[nodiscard]] bool everyone_has_result() const noexcept {
        for (slot s = 0; s < contributions_.size(); ++s) {
            if (!has_result(s)) return false;
        }
        return true;
    }
    /// Slots in the order in which they are asked to broadcast.
    [[nodiscard]] std::vector<slot> const& order() const noexcept { return failover_.turns().order(); }
    /// Whose turn it is to broadcast.
    [[nodiscard]] slot coordinator() const noexcept { return failover_.turns().holder(); }
    /// Which turn it is.
    [[nodiscard]] view_number view() const noexcept { return failover_.turns().view(); }
    /// Who has voted for what, and who has claimed to have broadcast.
    [[nodiscard]] broadcast_turns const& turns() const noexcept { return failover_.turns(); }
    /// The signatures; empty unless finished.
    [[nodiscard]] std::vector<signature> const& signatures() const noexcept { return failover_.signatures(); }
    /// Why there will be no signature, as others are told. Expects a session that is over.
    [[nodiscard]] abort_body const& why_over() const { return std::get<over>(state_).why; }
    /// Why there is no signature, where the session is over or has stalled; nullptr otherwise. Valid until the next
    /// call.
    [[nodiscard]] abort_body const* why_unsigned() const noexcept {
        if (auto const* const o = std::get_if<over>(&state_)) return &o->why;
        auto const* const two = std::get_if<collecting_shares>(&state_);
        return two != nullptr && two->stalled ? &*two->stalled : nullptr;
    }
    /// Whether nothing more is to come of it: it is over, or its signatures were broadcast, or nobody is left to ask.
    [[nodiscard]] bool is_settled() const noexcept { return at() == phase::over || failover_.is_settled(); }
    /// Whether nobody needs it any more: it is settled, and every signer has the signature if there is one, or its
    /// lifetime is over.
    [[nodiscard]] bool may_be_forgotten(instant now) const noexcept {
        if (!is_settled()) return false;
        bool const nobody_asks = at() == phase::over ? !is_lost_ : everyone_has_result();
        return nobody_asks || now >= terms_.ends;
    }
    /// Whether somebody is believed to have broadcast.
    [[nodiscard]] bool is_confirmed() const noexcept { return failover_.is_confirmed(); }
    /// What is worth writing down; nothing while that is nothing, and when the session is over.
    [[nodiscard]] std::optional<session_snapshot> snapshot() const {
        if (at() == phase::awaiting_approval || at() == phase::over) return std::nullopt;
        auto const& turns = failover_.turns();
        auto const* const two = std::get_if<collecting_shares>(&state_);
        bool const is_stalled = two != nullptr && two->stalled;
        return session_snapshot{terms_.self,
                                encode(plan()),
                                given_,
                                signatures(),
                                turns.confirmed_by(),
                                turns.vote_of(terms_.self),
                                terms_.created,
                                is_stalled ? std::optional{two->stalled->reason} : std::nullopt,
                                is_stalled && two->is_unresolved,
                                failover_.heard()};
    }
    /// Whether others may hold nonces of ours, from this life or the one before.
    [[nodiscard]] bool has_shown_nonces() const noexcept {
        return contributions_[terms_.self].nonces.has_value() || is_lost_;
    }
    /// Whether our share is made and not written down yet: until it is, nothing may be sent.
    [[nodiscard]] bool owes_record() const noexcept { return given_ && !is_share_recorded_; }
    /// What @ref snapshot gives is written down now.
    void recorded() noexcept { is_share_recorded_ = given_.has_value(); }
    /// Whether exactly these bytes were taken before: a duplicate that needs no verification.
    [[nodiscard]] bool has_seen(parsed_frame const& f) const noexcept {
        return contributions_.holds(f.header.sender, f.raw);
    }

private:
    struct awaiting_approval {};
    struct collecting_nonces {
        musig2::round1<Backend> round;
    };
    struct collecting_shares {
        musig2::round2<Backend> round;
        digest32 nonces;                         // the transcript, ours or the aggregator's claim
        digest32 transcript;                     // with the sums: what shares must name
        std::optional<abort_body> stalled = {};  // why, as we would say it
        bool is_unresolved = false;              // stalled, and the lifetime is over
    };
    struct finished {};
    struct over {
        abort_body why;  // as we would say it: naming nobody whom we did not find out ourselves
    };

    /// Between two answers to one signer. A request costs less than its answer. Ours.
    static constexpr duration answer_interval = std::chrono::seconds{1};

    [[nodiscard]] slot elected() const noexcept { return failover_.turns().elected(); }
    [[nodiscard]] bool under_aggregator() const noexcept {
        return Topology::signs_under_aggregator(terms_.self, elected());
    }
    [[nodiscard]] bool is_aggregating() const noexcept {
        return Topology::id == topology_id::aggregator && terms_.self == elected();
    }
    [[nodiscard]] bool is_initiator() const noexcept { return terms_.plan->initiator == terms_.self; }

    [[nodiscard]] error wrong_state(std::string_view what) const {
        return error{errc::wrong_state,
                     text("cannot ", what, " session ", to_hex(terms_.id), ": it is ", to_string(at()))};
    }

    // The aggregator must time out before the initiator does, which waits from its proposal on; otherwise the initiator
    // is not told who was missing. Where that time is over and nobody has given up, the others wait as long as it does.
    [[nodiscard]] instant first_round_ends(instant now) const {
        auto const initiator_waits_until = saturating_add(created_, limits_->round_timeout);
        if (!is_aggregating() || now >= initiator_waits_until) return terms_.expires;
        return std::min(terms_.expires, initiator_waits_until);
    }
    // Signers wait one extra retry interval, so the aggregator can report who was missing.
    [[nodiscard]] instant round_end(instant now, instant latest = instant::max()) const {
        auto const end = std::min(latest, saturating_add(now, limits_->round_timeout));
        return under_aggregator() ? saturating_add(end, limits_->retry_interval) : end;
    }
    void begin_round(instant now, instant until) {
        last_progress_ = now;
        deadline_ = until;
        retry_ = saturating_add(now, limits_->retry_interval);
    }

    // Sends our contribution to whomever the topology says.
    template <class Sink>
    void contribute(body const& what, Sink& out) {
        bool everyone = true;
        for (slot s = 0; s < contributions_.size(); ++s)
            everyone = everyone && Topology::talk(terms_.self, s, elected());
        if (everyone) {
            out.push(send_frame{std::nullopt, what});
            return;
        }
        for (slot s = 0; s < contributions_.size(); ++s) {
            if (s != terms_.self && Topology::talk(terms_.self, s, elected())) out.push(send_frame{s, what});
        }
    }

    // ---- contributions ----------------------------------------------------------------------------------

    // Files a contribution; true when it is new. A second, different one proves equivocation.
    template <class Body, class Sink>
    [[nodiscard]] bool is_news(slot from, Body const& what, bytes const& held, bytes const& raw, instant now,
                               Sink& out) {
        if (!may_complete()) return false;
        auto const filed = contributions_.file(from, what, raw);
        if (filed == contributions::outcome::conflict) convict(from, held, raw, out);
        if (filed != contributions::outcome::fresh) return false;
        last_progress_ = now;
        return true;
    }

    template <class Sink>
    void on_nonces(slot from, nonces_body const& what, bytes const& raw, instant now, Sink& out) {
        if (!is_news(from, what, contributions_[from].nonces_frame, raw, now, out)) return;
        out.push(notify{nonces_received{terms_.id, from}});
        use_nonces(from, out);
        advance(now, out);
    }

    template <class Sink>
    void on_shares(slot from, shares_body const& what, bytes const& raw, instant now, Sink& out) {
        if (!is_news(from, what, contributions_[from].shares_frame, raw, now, out)) return;
        out.push(notify{shares_received{terms_.id, from}});
        use_shares(from, out);
        advance(now, out);
    }

    template <class Sink>
    void on_aggregate(slot from, aggregate_nonces_body const& what, bytes const& raw, instant now, Sink& out) {
        if (from != elected() || !under_aggregator() || !may_complete()) return;
        if (claimed_aggregate_) {
            if (*claimed_aggregate_ != what) convict(from, claimed_aggregate_frame_, raw, out);
            return;
        }
        claimed_aggregate_ = what;
        claimed_aggregate_frame_ = raw;
        last_progress_ = now;
        advance(now, out);
    }

    // Taken whenever our share was given, or may have been in a life whose journal is gone.
    template <class Sink>
    void on_signatures(slot from, signatures_body const& what, instant now, Sink& out) {
        if (at() == phase::finished) {
            contributions_[from].has_result = contributions_[from].has_result || what.signatures == signatures();
            return;
        }
        if ((!given_ && !is_lost_) || !verifies(what.signatures)) return;
        contributions_[from].has_result = true;
        finish(what.signatures, now, out);
    }

    // Whether these are the group's signatures, one per message.
    [[nodiscard]] bool verifies(std::vector<signature> const& made) const {
        if (made.size() != plan().messages.size()) return false;
        auto const key = crypto::to_xonly(aggregate_key());
        for (std::size_t k = 0; k < made.size(); ++k) {
            if (!crypto::verify_bip340(key, to_message(plan().messages[k]).view(), made[k])) return false;
        }
        return true;
    }

    // Hands a signer's nonces to the round that wants them.
    template <class Sink>
    void use_nonces(slot from, Sink& out) {
        if (from == terms_.self || !contributions_[from].nonces) return;
        auto const& nonces = contributions_[from].nonces->nonces;
        result<void> taken = ok();
        if (auto* const one = std::get_if<collecting_nonces>(&state_)) taken = one->round.receive(from, nonces);
        if (auto* const two = std::get_if<collecting_shares>(&state_)) taken = two->round.receive_nonces(from, nonces);
        if (!taken) give_up(abort_reason::invalid_nonce, from, taken.error().message(), out);
    }

    // Hands a signer's shares to round two, if they were made under the same nonces.
    template <class Sink>
    void use_shares(slot from, Sink& out) {
        auto* const two = std::get_if<collecting_shares>(&state_);
        if (two == nullptr || from == terms_.self || !contributions_[from].shares) return;
        auto const& theirs = *contributions_[from].shares;
        if (theirs.transcript != two->transcript) {
            if (!std::exchange(contributions_[from].was_sent_evidence, true)) show_evidence(from, out);
            return;
        }
        auto const taken = two->round.receive(from, theirs.shares);
        if (!taken) give_up(abort_reason::invalid_share, from, taken.error().message(), out);
    }

    // Moves on as far as what has arrived allows.
    template <class Sink>
    void advance(instant now, Sink& out) {
        if (at() == phase::collecting_nonces) sign_when_complete(now, out);
        if (std::holds_alternative<collecting_shares>(state_)) aggregate_when_complete(now, out);
    }

    template <class Sink>
    void sign_when_complete(instant now, Sink& out) {
        auto& round = std::get<collecting_nonces>(state_).round;
        std::optional<digest32> transcript;
        if (under_aggregator()) {
            if (!claimed_aggregate_) return;
            if (auto const taken = round.receive_aggregate(claimed_aggregate_->nonces); !taken) {
                return give_up(abort_reason::invalid_aggregate, elected(), taken.error().message(), out);
            }
            transcript = claimed_aggregate_->transcript;
        } else {
            if (!round.has_all_nonces()) return;
            transcript = contributions_.transcript(terms_.id);
        }
        if (is_aggregating()) {
            auto totals = round.aggregate_nonces();
            if (!totals) return blame(totals.error(), out);
            own_aggregate_ = aggregate_nonces_body{*transcript, std::move(totals).value()};
            (void)round.receive_aggregate(own_aggregate_->nonces);  // or sign() would sum them up again
        }
        auto next = std::move(round).sign();
        if (!next) return blame(next.error(), out);
        auto const own = next.value().shares();
        auto const bound = contributions::bind_sums(*transcript, next.value().signed_under());
        contributions_[terms_.self].shares = shares_body{bound, {own.begin(), own.end()}};
        auto const& sums = next.value().signed_under();
        given_ = given_shares{
            *transcript,
            {contributions_[terms_.self].nonces->nonces, {sums.begin(), sums.end()}, {own.begin(), own.end()}}};
        state_ = collecting_shares{std::move(next).value(), *transcript, bound};
        out.push(persist{});
        begin_round(now, round_end(now));
        out.push(notify{nonces_complete{terms_.id}});
        if (own_aggregate_) out.push(send_frame{std::nullopt, *own_aggregate_});
        contribute(*contributions_[terms_.self].shares, out);
        for (slot s = 0; s < contributions_.size(); ++s) {
            use_nonces(s, out);
            use_shares(s, out);
        }
    }

    template <class Sink>
    void aggregate_when_complete(instant now, Sink& out) {
        auto& two = std::get<collecting_shares>(state_);
        if (!two.round.complete()) return;
        if (under_aggregator() && two.round.has_all_nonces()) {
            // Other nonces than the aggregator's: somebody told two different things. The signed frames show who.
            if (contributions_.transcript(terms_.id) != two.nonces) {
                if (!std::exchange(showed_everyone_, true)) show_evidence_to_all(out);
                return;
            }
            if (!two.round.nonces_match()) {
                return give_up(abort_reason::invalid_aggregate, elected(),
                               "the aggregator's nonce is not the sum of the signed nonces", out);
            }
        }
        auto made = two.round.aggregate();
        if (made) return finish(std::move(made).value(), now, out);
        if (made.error() == musig2::errc::incomplete) return;  // under an aggregator, until its evidence is here
        if (contributions_.transcript(terms_.id) != two.nonces) {
            // We signed before our restart, and the nonces that we know since are not those of then.
            return give_up(abort_reason::restarted, std::nullopt,
                           "a signer drew its nonces anew after ours were signed; propose again", out);
        }
        if (is_aggregating() && !std::exchange(showed_everyone_, true)) show_evidence_to_all(out);
        blame(made.error(), out);
    }

    // ---- evidence ---------------------------------------------------------------------------------------

    // Two frames that contradict each other: everyone gets both and verifies them.
    template <class Sink>
    void convict(slot who, bytes const& first, bytes const& second, Sink& out) {
        if (!may_complete() || std::exchange(contributions_[who].is_convicted, true)) return;
        out.push(notify{equivocation_proven{terms_.id, who, first, second}});
        for (slot s = 0; s < contributions_.size(); ++s) {
            if (s == terms_.self || s == who) continue;
            out.push(forward_frame{s, first});
            out.push(forward_frame{s, second});
        }
        give_up(abort_reason::equivocation, who, text("signer ", who, " signed two different contributions"), out);
    }

    // A signer signed under other nonces or sums than we did: it is sent all signed frames that we have.
    template <class Sink>
    void show_evidence(slot to, Sink& out) {
        out.push(send_frame{to, *contributions_[terms_.self].nonces});
        if (own_aggregate_) out.push(send_frame{to, *own_aggregate_});
        if (!claimed_aggregate_frame_.empty() && to != elected()) out.push(forward_frame{to, claimed_aggregate_frame_});
        for (slot s = 0; s < contributions_.size(); ++s) {
            if (s != to && !contributions_[s].nonces_frame.empty())
                out.push(forward_frame{to, contributions_[s].nonces_frame});
        }
    }

    // Shares that passed through an aggregator do not add up: every signer gets all signed frames, to find the culprit
    // by itself.
    template <class Sink>
    void show_evidence_to_all(Sink& out) {
        for (slot to = 0; to < contributions_.size(); ++to) {
            if (to == terms_.self) continue;
            show_evidence(to, out);
            out.push(send_frame{to, *contributions_[terms_.self].shares});
            for (slot s = 0; s < contributions_.size(); ++s) {
                if (s != to && !contributions_[s].shares_frame.empty())
                    out.push(forward_frame{to, contributions_[s].shares_frame});
            }
        }
    }

    // ---- asking again -----------------------------------------------------------------------------------

    template <class Sink>
    void answer(frame_header const& request, instant now, Sink& out) {
        if (at() == phase::awaiting_approval) return;  // there is nothing to repeat, so it does not count as an answer
        auto& state = contributions_[request.sender];
        bool const is_of_this_life = request.epoch == state.epoch;
        if (is_of_this_life ? request.sequence <= state.last_request : at() != phase::finished) return;
        if (!may_answer(request.sender, now)) return;
        if (is_of_this_life) state.last_request = request.sequence;
        if (auto const* const o = std::get_if<over>(&state_)) {
            out.push(send_frame{request.sender, o->why});
        } else {
            resend(request.sender, out);
        }
    }

    [[nodiscard]] bool may_answer(slot who, instant now) {
        auto& last = contributions_[who].last_answer;
        if (last && now < saturating_add(*last, answer_interval)) return false;
        last = now;
        return true;
    }

    // What @p to may have missed. What it has provably used is left out.
    template <class Sink>
    void resend(slot to, Sink& out) {
        auto const& own = contributions_[terms_.self];
        bool const used_nonces = contributions_[to].shares.has_value();
        if (is_initiator() && !contributions_[to].nonces && is_open())
            out.push(send_frame{to, propose_body{encode(plan())}});
        if (own.nonces && !used_nonces && Topology::talk(terms_.self, to, elected()))
            out.push(send_frame{to, *own.nonces});
        if (own_aggregate_ && !used_nonces) out.push(send_frame{to, *own_aggregate_});
        if (own.shares && Topology::talk(terms_.self, to, elected())) out.push(send_frame{to, *own.shares});
        if (auto const* const two = std::get_if<collecting_shares>(&state_);
            two != nullptr && contributions_[to].shares && contributions_[to].shares->transcript != two->transcript) {
            show_evidence(to, out);
        }
        if (at() == phase::finished) show_result(to, out);
    }
    // All that one needs who missed a share.
    template <class Sink>
    void show_result(slot to, Sink& out) {
        out.push(send_frame{to, signatures_body{signatures()}});
        failover_.show_views(to, out);
    }

    // First the signers whose part is missing are asked; when they do not answer, everyone is, since others may have
    // the signature.
    template <class Sink>
    void request_missing(Sink& out) {
        if (at() == phase::collecting_shares && !under_aggregator() && std::exchange(has_asked_, true)) {
            return out.push(send_frame{std::nullopt, request_body{}});
        }
        auto const missing = missing_contributions();
        if (is_initiator() && at() == phase::collecting_nonces) {
            for (slot const s : contributions_.missing_nonces()) out.push(send_frame{s, propose_body{encode(plan())}});
        }
        for (slot const s : missing) out.push(send_frame{s, request_body{}});
    }

    // ---- the signature ----------------------------------------------------------------------------------

    template <class Sink>
    void finish(std::vector<signature> made, instant now, Sink& out) {
        state_ = finished{};
        failover_.hold(std::move(made), now);
        deadline_.reset();
        retry_.reset();
        out.push(persist{});
        if (is_aggregating()) out.push(send_frame{std::nullopt, signatures_body{signatures()}});
        if (!is_confirmed()) {  // before a restart
            out.push(notify{completed{terms_.id, aggregate_key(), signatures(), failover_.turns().elected()}});
            failover_.begin(now, out);
        }
        keep_asking(now);
    }

    // A vote may come before our own signature does.
    template <class Sink>
    void on_view_change(slot from, view_change_body const& v, bytes const& raw, instant now, Sink& out) {
        contributions_[from].has_result = true;  // before it there is nothing to vote about
        if (at() == phase::over) return;
        failover_.on_view_change(
            from, v, raw, now, [&] { return may_answer(from, now); }, out);
    }

    // ---- ends without a signature -----------------------------------------------------------------------

    // The initiator forwards a decline, since the signer who declined may not reach everyone.
    template <class Sink>
    void on_decline(slot from, decline_body const& v, Sink& out) {
        if (!is_open() || contributions_[from].shares) return;
        abort_body const what{abort_reason::declined, from, v.reason};
        if (is_initiator()) out.push(send_frame{std::nullopt, what});
        end(what, std::nullopt, out);
    }

    // A signer that aborts lacks the signature, which we may have. After its share was given, its abort alone ends
    // nothing.
    template <class Sink>
    void on_abort(slot from, abort_body const& v, instant now, Sink& out) {
        if (at() == phase::finished && may_answer(from, now)) return show_result(from, out);
        if (!is_open() || contributions_[from].shares) return;
        auto what = v;
        auto const is_nobody = [this](slot s) { return s >= contributions_.size(); };
        if (what.culprit && is_nobody(*what.culprit)) what.culprit.reset();
        std::erase_if(what.missing, is_nobody);
        end(what, from, out);
    }

    // Whose contribution is still needed in this round. Under an aggregator everything comes through the aggregator.
    [[nodiscard]] std::vector<slot> missing_contributions() const {
        if (under_aggregator()) return {elected()};
        if (at() == phase::collecting_nonces) return contributions_.missing_nonces();
        std::vector<slot> out;
        auto const& round = std::get<collecting_shares>(state_).round;
        for (slot s = 0; s < contributions_.size(); ++s) {
            if (!round.has(s)) out.push_back(s);  // also when its share names another transcript
        }
        return out;
    }

    template <class Sink>
    void time_out(Sink& out) {
        bool const first = at() == phase::collecting_nonces;
        auto missing = missing_contributions();
        auto const why = text(missing.size(), " signers sent no usable ", first ? "nonces" : "shares", " in time");
        abort_body const what{abort_reason::timeout, std::nullopt, why, std::move(missing)};
        out.push(send_frame{std::nullopt, what});
        end(what, std::nullopt, out);
    }

    // From an error of the scheme to the signer it names.
    template <class Sink>
    void blame(error const& e, Sink& out) {
        if (e == musig2::errc::invalid_pubnonce)
            return give_up(abort_reason::invalid_nonce, e.index(), e.message(), out);
        if (e == musig2::errc::invalid_psig) return give_up(abort_reason::invalid_share, e.index(), e.message(), out);
        if (e == musig2::errc::invalid_aggnonce)
            return give_up(abort_reason::invalid_aggregate, elected(), e.message(), out);
        give_up(abort_reason::self_check_failed, std::nullopt, e.message(), out);
    }

    template <class Sink>
    void restarted(slot who, Sink& out) {
        give_up(abort_reason::restarted, who, text("signer ", who, " restarted; its nonces are gone"), out);
    }

    // Ends the session for a reason found here, and tells everyone. A stalled session has told already; the culprit may
    // still be found later.
    template <class Sink>
    void give_up(abort_reason reason, std::optional<slot> culprit, std::string why, Sink& out) {
        if (auto const* const two = std::get_if<collecting_shares>(&state_); two != nullptr && two->stalled) {
            if (!culprit || two->stalled->culprit || two->is_unresolved) return;
        }
        why.resize(std::min(why.size(), purpose_size_max));
        abort_body const what{reason, culprit, std::move(why)};
        out.push(send_frame{std::nullopt, what});
        end(what, std::nullopt, out);
    }

    // Ends the session, and the secret nonces with the state that held them; once our share is given it only stalls.
    template <class Sink>
    void end(abort_body const& what, std::optional<slot> reported_by, Sink& out) {
        auto said = what;  // another signer's word is not passed on as our finding
        if (reported_by) {
            said.culprit.reset();
            said.missing.clear();
        }
        deadline_.reset();
        if (auto* const two = std::get_if<collecting_shares>(&state_)) {
            two->stalled = std::move(said);
            out.push(notify{stalled{terms_.id, what.reason, what.culprit, reported_by, what.missing, what.text}});
        } else {
            state_ = over{std::move(said)};
            retry_.reset();
            out.push(notify{aborted{terms_.id, what.reason, what.culprit, reported_by, what.missing, what.text}});
        }
        out.push(persist{});
    }

    // Asks everyone: any signer may have the signature, or be able to make it with our share. The interval grows, and
    // asking ends with the session's lifetime; after that a signer that reconnects may still offer it.
    template <class Sink>
    void wake_stalled(instant now, Sink& out) {
        if (now >= terms_.ends) return end_lifetime(out);
        if (retry_ && now >= *retry_) ask_everyone(now, out);
    }
    template <class Sink>
    void ask_everyone(instant now, Sink& out) {
        out.push(send_frame{std::nullopt, request_body{}});
        patience_ = std::max(limits_->retry_interval, std::min(2 * patience_, limits_->stuck_session_timeout));
        retry_ = saturating_add(now, patience_);
    }
    // Nobody is known to have broadcast and nobody is left to ask: other signers may know of a broadcast.
    void keep_asking(instant now) {
        bool const is_in_vain = at() == phase::finished && failover_.is_settled() && !is_confirmed();
        if (!is_in_vain) {
            if (at() == phase::finished) retry_.reset();
        } else if (!retry_ && now < terms_.ends) {
            patience_ = limits_->retry_interval;
            retry_ = saturating_add(now, patience_);
        }
    }
    template <class Sink>
    void wake_finished(instant now, Sink& out) {
        failover_.wake(now, out);
        if (retry_ && now >= *retry_) {
            retry_.reset();
            if (now < terms_.ends) ask_everyone(now, out);
        }
        keep_asking(now);
    }
    template <class Sink>
    void end_lifetime(Sink& out) {
        std::get<collecting_shares>(state_).is_unresolved = true;
        retry_.reset();
        out.push(persist{});
        out.push(notify{unresolved{terms_.id}});
    }

    session_terms<Backend> terms_;
    limits const* limits_;
    broadcast_failover failover_;
    contributions contributions_;
    std::variant<awaiting_approval, collecting_nonces, collecting_shares, finished, over> state_;
    deadline deadline_;  // of the round
    deadline retry_;
    instant created_;
    instant last_progress_;
    std::optional<aggregate_nonces_body> claimed_aggregate_;  // the aggregator's, first one wins
    bytes claimed_aggregate_frame_;
    std::optional<aggregate_nonces_body> own_aggregate_;  // ours, as the aggregator
    bool showed_everyone_ = false;                        // the evidence, once
    bool has_asked_ = false;                              // for missing shares
    bool is_lost_ = false;                                // a restart lost whether our share was given
    bool is_share_recorded_ = false;
    duration patience_{0};               // between two questions to everyone
    std::optional<given_shares> given_;  // what must survive a restart
};

}  // namespace muster::signing
