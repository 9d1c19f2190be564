// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How far a session has come: what can be asked about it, what is sent and asked for again, and how it ends.
///
/// Idea: one place holds all of a session's state and changes its phase; what a command or a frame means is decided in
/// session.hpp. While the rounds go on they say the phase. A session without a signature is over, with its secret
/// nonces; where our share was given, it has stalled instead, and is unresolved when its lifetime is over.
///
/// Source: the phases are those of session.hpp.

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/signing/broadcast_failover.hpp>
#include <muster/signing/effect.hpp>
#include <muster/signing/election.hpp>
#include <muster/signing/limits.hpp>
#include <muster/signing/session_terms.hpp>
#include <muster/signing/signing_rounds.hpp>
#include <muster/signing/snapshot.hpp>

namespace muster::signing {

/// What is asked of a session; @ref session changes it. Move-only; one thread at a time.
template <musig2::backend Backend, topology Topology>
class session_state {
public:
    /// How far it has come.
    struct statistics {
        phase at;
        std::size_t nonces = 0;   ///< Signers whose nonces are here.
        std::size_t shares = 0;   ///< Signers whose partial signatures are here.
        std::size_t results = 0;  ///< Signers that are known to have the group's signature.
        bool operator==(statistics const&) const = default;
    };

    // ---- what can be asked ------------------------------------------------------------------------------

    /// O(signers).
    [[nodiscard]] statistics stats() const noexcept {
        statistics out{at()};
        for (slot s = 0; s < rounds_.all().size(); ++s) {
            out.nonces += has_nonces(s);
            out.shares += has_shares(s);
            out.results += has_result(s);
        }
        return out;
    }
    [[nodiscard]] phase at() const noexcept {
        if (auto const* const s = std::get_if<stalled_state>(&state_)) {
            return s->is_unresolved ? phase::unresolved : phase::stalled;
        }
        if (std::holds_alternative<finished_state>(state_)) return phase::finished;
        return std::holds_alternative<over_state>(state_) ? phase::over : rounds_.at();
    }
    /// Whether it is being worked on: it waits for an approval or for contributions, and counts as an open session.
    [[nodiscard]] bool is_open() const noexcept { return at() <= phase::collecting_shares; }
    /// Whether a signature may still come of it: it is open, or our share was given.
    [[nodiscard]] bool may_complete() const noexcept { return at() < phase::finished; }
    [[nodiscard]] proposal const& plan() const noexcept { return *terms().plan; }
    [[nodiscard]] std::shared_ptr<proposal const> const& shared_plan() const noexcept { return terms().plan; }
    [[nodiscard]] roster_id const& roster() const noexcept { return terms().roster; }
    [[nodiscard]] slot self() const noexcept { return terms().self; }
    [[nodiscard]] instant last_progress() const noexcept {
        return at() == phase::finished ? failover_.last_progress() : last_progress_;
    }
    /// The key that the signature verifies under, tweaks included.
    [[nodiscard]] public_key aggregate_key() const { return terms().group.aggregate(); }
    /// The boot epoch in which @p s has taken part, as far as it was seen.
    [[nodiscard]] std::optional<boot_epoch> const& epoch_of(slot s) const noexcept { return rounds_.all()[s].epoch; }
    [[nodiscard]] bool has_nonces(slot s) const noexcept { return rounds_.all()[s].nonces.has_value(); }
    [[nodiscard]] bool has_shares(slot s) const noexcept { return rounds_.all()[s].shares.has_value(); }
    /// Whether @p s is known to have the group's signature.
    [[nodiscard]] bool has_result(slot s) const noexcept {
        return s == self() ? at() == phase::finished : rounds_.all()[s].has_result;
    }
    /// Whether every signer is known to have the group's signature. O(signers).
    [[nodiscard]] bool everyone_has_result() const noexcept {
        for (slot s = 0; s < rounds_.all().size(); ++s) {
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
    [[nodiscard]] abort_body const& why_over() const { return std::get<over_state>(state_).why; }
    /// Why there is no signature, where the session is over or has stalled; nullptr otherwise. Valid until the next
    /// call.
    [[nodiscard]] abort_body const* why_unsigned() const noexcept {
        if (auto const* const o = std::get_if<over_state>(&state_)) return &o->why;
        auto const* const s = std::get_if<stalled_state>(&state_);
        return s != nullptr ? &s->why : nullptr;
    }
    /// Whether nothing more is to come of it: it is over, or its signatures were broadcast, or nobody is left to ask.
    [[nodiscard]] bool is_settled() const noexcept { return at() == phase::over || failover_.is_settled(); }
    /// Whether nobody needs it any more: it is settled, and every signer has the signature if there is one, or its
    /// lifetime is over.
    [[nodiscard]] bool may_be_forgotten(instant now) const noexcept {
        if (!is_settled()) return false;
        bool const nobody_asks = at() == phase::over ? !is_lost_ : everyone_has_result();
        return nobody_asks || now >= terms().ends;
    }
    /// Whether somebody is believed to have broadcast.
    [[nodiscard]] bool is_confirmed() const noexcept { return failover_.is_confirmed(); }
    /// What is worth writing down; nothing while that is nothing, and when the session is over.
    [[nodiscard]] std::optional<session_snapshot> snapshot() const {
        if (at() == phase::awaiting_approval || at() == phase::over) return std::nullopt;
        auto const& turns = failover_.turns();
        auto const* const s = std::get_if<stalled_state>(&state_);
        return session_snapshot{self(),
                                encode(plan()),
                                rounds_.given(),
                                signatures(),
                                turns.confirmed_by(),
                                turns.vote_of(self()),
                                terms().created,
                                s != nullptr ? std::optional{s->why.reason} : std::nullopt,
                                s != nullptr && s->is_unresolved,
                                failover_.heard()};
    }
    /// Whether others may hold nonces of ours, from this life or the one before.
    [[nodiscard]] bool has_shown_nonces() const noexcept {
        return rounds_.all()[self()].nonces.has_value() || is_lost_;
    }
    /// Whether our share is made and not written down yet: until it is, nothing may be sent.
    [[nodiscard]] bool owes_record() const noexcept { return rounds_.given() && !is_share_recorded_; }
    /// What @ref snapshot gives is written down now.
    void recorded() noexcept { is_share_recorded_ = rounds_.given().has_value(); }
    /// Whether exactly these bytes were taken before: a duplicate that needs no verification.
    [[nodiscard]] bool has_seen(parsed_frame const& f) const noexcept {
        return rounds_.all().holds(f.header.sender, f.raw);
    }

protected:
    /// Between two answers to one signer. A request costs less than its answer. Ours.
    static constexpr duration answer_interval = std::chrono::seconds{1};

    /// A session that waits for the application's approval. @p l must outlive it.
    session_state(session_terms<Backend> terms, limits const& l, instant now)
        : limits_{&l},
          failover_{terms.id, terms.self, l, election_order(terms.plan->election, terms.id, terms.plan->roster)},
          rounds_{std::move(terms), failover_.turns().elected()},
          created_{now},
          last_progress_{now} {}

    [[nodiscard]] session_terms<Backend> const& terms() const noexcept { return rounds_.terms(); }
    [[nodiscard]] contributions& all() noexcept { return rounds_.all(); }
    [[nodiscard]] bool is_initiator() const noexcept { return plan().initiator == self(); }
    [[nodiscard]] error wrong_state(std::string_view what) const {
        return error{errc::wrong_state,
                     text("cannot ", what, " session ", to_hex(terms().id), ": it is ", to_string(at()))};
    }

    // ---- rounds and their time --------------------------------------------------------------------------

    // The aggregator must time out before the initiator does, which waits from its proposal on; otherwise the initiator
    // is not told who was missing. Where that time is over and nobody has given up, the others wait as long as it does.
    [[nodiscard]] instant first_round_ends(instant now) const {
        auto const initiator_waits_until = saturating_add(created_, limits_->round_timeout);
        if (!rounds_.is_aggregating() || now >= initiator_waits_until) return terms().expires;
        return std::min(terms().expires, initiator_waits_until);
    }
    // Signers wait one extra retry interval, so the aggregator can report who was missing.
    [[nodiscard]] instant round_end(instant now, instant latest = instant::max()) const {
        auto const end = std::min(latest, saturating_add(now, limits_->round_timeout));
        return rounds_.under_aggregator() ? saturating_add(end, limits_->retry_interval) : end;
    }
    void begin_round(instant now, instant until) {
        last_progress_ = now;
        deadline_ = until;
        retry_ = saturating_add(now, limits_->retry_interval);
    }

    // ---- asking again -----------------------------------------------------------------------------------

    [[nodiscard]] bool may_answer(slot who, instant now) {
        auto& last = all()[who].last_answer;
        if (last && now < saturating_add(*last, answer_interval)) return false;
        last = now;
        return true;
    }

    // What @p to may have missed.
    template <class Sink>
    void resend(slot to, Sink& out) {
        if (is_initiator() && !all()[to].nonces && is_open()) out.push(send_frame{to, propose_body{encode(plan())}});
        rounds_.repeat(to, out);
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
        if (at() == phase::collecting_shares && !rounds_.under_aggregator() && std::exchange(has_asked_, true)) {
            return out.push(send_frame{std::nullopt, request_body{}});
        }
        auto const missing = rounds_.missing();
        if (is_initiator() && at() == phase::collecting_nonces) {
            for (slot const s : all().missing_nonces()) out.push(send_frame{s, propose_body{encode(plan())}});
        }
        for (slot const s : missing) out.push(send_frame{s, request_body{}});
    }

    // Any signer may have the signature, or be able to make it with our share. The interval grows.
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
        } else if (!retry_ && now < terms().ends) {
            patience_ = limits_->retry_interval;
            retry_ = saturating_add(now, patience_);
        }
    }

    // ---- ends -------------------------------------------------------------------------------------------

    void finish_with(std::vector<signature> made, instant now) {
        state_ = finished_state{};
        rounds_.stop();
        failover_.hold(std::move(made), now);
        deadline_.reset();
        retry_.reset();
    }

    template <class Sink>
    void time_out(Sink& out) {
        bool const first = at() == phase::collecting_nonces;
        auto missing = rounds_.missing();
        auto const why = text(missing.size(), " signers sent no usable ", first ? "nonces" : "shares", " in time");
        abort_body const what{abort_reason::timeout, std::nullopt, why, std::move(missing)};
        out.push(send_frame{std::nullopt, what});
        end(what, std::nullopt, out);
    }

    template <class Sink>
    void restarted(slot who, Sink& out) {
        give_up(abort_reason::restarted, who, text("signer ", who, " restarted; its nonces are gone"), out);
    }

    // Ends the session for a reason found here, and tells everyone. A stalled session has told already; the culprit may
    // still be found later.
    template <class Sink>
    void give_up(abort_reason reason, std::optional<slot> culprit, std::string why, Sink& out) {
        if (auto const* const s = std::get_if<stalled_state>(&state_)) {
            if (!culprit || s->why.culprit || s->is_unresolved) return;
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
        if (rounds_.at() == phase::collecting_shares) {
            bool const is_unresolved = at() == phase::unresolved;
            state_ = stalled_state{std::move(said), is_unresolved};
            out.push(notify{stalled{terms().id, what.reason, what.culprit, reported_by, what.missing, what.text}});
        } else {
            rounds_.stop();
            state_ = over_state{std::move(said)};
            retry_.reset();
            out.push(notify{aborted{terms().id, what.reason, what.culprit, reported_by, what.missing, what.text}});
        }
        out.push(persist{});
    }

    template <class Sink>
    void end_lifetime(Sink& out) {
        std::get<stalled_state>(state_).is_unresolved = true;
        retry_.reset();
        out.push(persist{});
        out.push(notify{unresolved{terms().id}});
    }

    struct working_state {};
    struct stalled_state {
        abort_body why;  // as we would say it
        bool is_unresolved = false;
    };
    struct finished_state {};
    struct over_state {
        abort_body why;  // as we would say it: naming nobody whom we did not find out ourselves
    };

    limits const* limits_;
    broadcast_failover failover_;
    signing_rounds<Backend, Topology> rounds_;
    std::variant<working_state, stalled_state, finished_state, over_state> state_;  // working: as the rounds say
    deadline deadline_;                                                             // of the round
    deadline retry_;
    instant created_;
    instant last_progress_;
    bool has_asked_ = false;  // for missing shares
    duration patience_{0};    // between two questions to everyone
    bool is_lost_ = false;    // a restart lost whether our share was given
    bool is_share_recorded_ = false;
};

}  // namespace muster::signing
