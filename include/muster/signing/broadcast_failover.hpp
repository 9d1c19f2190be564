// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The last part of a session: the group has its signatures, and somebody has to broadcast them.
///
/// Pure, as the session it belongs to: votes, claims and the time come in, effects go out. The votes decide whose turn
/// it is (see broadcast.hpp); this makes all signers see the same votes. A signer whose timeout has passed sends its
/// vote to everyone, and repeats it, since votes get lost. A signer that is behind is sent the signed votes of the
/// others; one that is ahead is asked for them. Votes and claims may come before our own signature does, and count from
/// then on.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/signing/broadcast.hpp>
#include <muster/signing/effect.hpp>
#include <muster/signing/snapshot.hpp>

namespace muster::signing {

/// One session's way to a broadcast, as one of its signers sees it. Not thread-safe.
class broadcast_failover {
public:
    /// @param order  see @ref election_order. @p l must outlive it.
    broadcast_failover(session_id const& id, slot self, limits const& l, std::vector<slot> order)
        : id_{id}, self_{self}, limits_{&l}, turns_{std::move(order)}, said_(turns_.order().size()) {}

    // ---- what can be asked ------------------------------------------------------------------------------

    /// Whose turn it is, what was voted for and claimed.
    [[nodiscard]] broadcast_turns const& turns() const noexcept { return turns_; }
    /// What is to be broadcast; empty until there is something.
    [[nodiscard]] std::vector<signature> const& signatures() const noexcept { return signatures_; }
    /// Whether somebody is believed to have broadcast.
    [[nodiscard]] bool is_confirmed() const noexcept { return turns_.confirmed_by().has_value(); }
    /// Whether nothing more is to come: somebody has broadcast, or nobody is left to ask, or nobody answers.
    [[nodiscard]] bool is_settled() const noexcept { return is_confirmed() || turns_.is_exhausted() || has_given_up_; }
    /// When the signer whose turn it is times out.
    [[nodiscard]] deadline next_deadline() const noexcept { return deadline_; }
    /// When the turn last passed on, or the signatures came.
    [[nodiscard]] instant last_progress() const noexcept { return last_progress_; }

    /// What others have said, for @ref recall. O(signers).
    [[nodiscard]] std::vector<broadcast_word> heard() const {
        std::vector<broadcast_word> out;
        for (slot s = 0; s < said_.size(); ++s) {
            if (!said_[s].vote.empty()) out.push_back({s, turns_.vote_of(s), said_[s].vote});
            if (!said_[s].claim.empty() && turns_.has_claimed(s)) out.push_back({s, 0, said_[s].claim});
            if (turns_.is_disputed(s)) out.push_back({s, broadcast_word::disputed, {}});
        }
        return out;
    }

    // ---- what happens -----------------------------------------------------------------------------------

    /// What is known from before a restart: @p heard is what others had said. Entries of unknown signers are ignored.
    void recall(std::optional<slot> broadcast_by, view_number voted_for, std::vector<broadcast_word> const& heard) {
        if (broadcast_by && *broadcast_by < said_.size()) turns_.confirm(*broadcast_by);
        turns_.vote(self_, voted_for);
        for (auto const& word : heard) {
            if (word.from >= said_.size() || word.from == self_) continue;
            if (word.wants == broadcast_word::disputed) {
                turns_.dispute(word.from);
            } else if (word.wants == 0) {
                turns_.claim(word.from);
                said_[word.from].claim = word.frame;
            } else if (turns_.vote(word.from, word.wants)) {
                said_[word.from].vote = word.frame;
            }
        }
        while (turns_.pass_on()) {  // that was told then
        }
    }
    /// The signatures are complete; nobody is asked to broadcast yet.
    void hold(std::vector<signature> signatures, instant now) {
        signatures_ = std::move(signatures);
        last_progress_ = now;
    }
    /// Asks the signer whose turn it is now; the turn may have passed on already.
    template <effect_sink<session_effect> Sink>
    void begin(instant now, Sink& out) {
        if (change_view(now, out)) return;
        if (turns_.is_exhausted()) {
            out.push(notify{failover_exhausted{id_, true}});
        } else {
            await_broadcast(now, out);
        }
        believe_broadcast(out);
    }

    /// Votes for the next signer of the list, and tells everyone, again when it was said before.
    /// @return `failover_exhausted` after the last. Expects signatures, and that nobody has broadcast.
    template <effect_sink<session_effect> Sink>
    [[nodiscard]] result<void> vote_for_next(instant now, Sink& out) {
        if (turns_.is_exhausted()) {
            return error{errc::failover_exhausted, "every signer has had its turn to broadcast"};
        }
        if (turns_.vote(self_, turns_.view() + 1)) out.push(persist{});
        out.push(send_frame{std::nullopt, view_change_body{turns_.view(), turns_.vote_of(self_)}});
        (void)change_view(now, out);
        return ok();
    }
    /// We have broadcast.
    template <effect_sink<session_effect> Sink>
    void broadcast_here(Sink& out) {
        if (is_confirmed()) return;
        out.push(send_frame{std::nullopt, broadcast_done_body{}});
        confirm(self_, out);
    }
    /// @p by, who claims to have broadcast, has not. Expects signatures.
    template <effect_sink<session_effect> Sink>
    void dispute(slot by, instant now, Sink& out) {
        turns_.dispute(by);
        out.push(persist{});
        if (change_view(now, out)) return;
        if (turns_.is_exhausted()) {
            out.push(notify{failover_exhausted{id_, true}});
        } else {
            await_broadcast(now, out);
        }
        believe_broadcast(out);
    }

    /// The vote of @p from, in the frame @p raw. What helps it along, or us, is sent only if @p may_answer().
    template <class MayAnswer, effect_sink<session_effect> Sink>
    void on_view_change(slot from, view_change_body const& v, bytes const& raw, instant now, MayAnswer may_answer,
                        Sink& out) {
        if (turns_.vote(from, v.wants)) said_[from].vote = raw;
        if (signatures_.empty()) return;
        if (!is_confirmed()) (void)change_view(now, out);
        // Votes that are only shown want no more than their sender has; so this never goes back and forth.
        bool const is_behind = v.wants > v.in && (v.in < turns_.view() || is_confirmed());
        bool const is_ahead = v.in > turns_.view() && !is_confirmed();
        if ((!is_behind && !is_ahead) || !may_answer()) return;
        if (is_behind) show_views(from, out);
        if (is_ahead) out.push(send_frame{from, request_body{}});
    }
    /// The claim of @p from, in the frame @p raw.
    template <effect_sink<session_effect> Sink>
    void on_broadcast_done(slot from, bytes const& raw, Sink& out) {
        turns_.claim(from);
        if (said_[from].claim.empty()) said_[from].claim = raw;
        if (!signatures_.empty()) believe_broadcast(out);
    }

    /// Says that we have the signatures, and shows what @ref show_views shows.
    template <effect_sink<session_effect> Sink>
    void acknowledge(slot to, Sink& out) const {
        show_views(to, out);
        if (votes_shown() == 0) out.push(send_frame{to, view_change_body{turns_.view(), 0}});
    }
    /// All that another signer needs to come to our view, and to know who has broadcast.
    template <effect_sink<session_effect> Sink>
    void show_views(slot to, Sink& out) const {
        for (slot s = 0; s < said_.size(); ++s) {
            if (s != to && !said_[s].vote.empty()) out.push(forward_frame{to, said_[s].vote});
        }
        if (auto const own = votes_shown(); own != 0) out.push(send_frame{to, view_change_body{turns_.view(), own}});
        auto const done = turns_.confirmed_by();
        if (done == self_) out.push(send_frame{to, broadcast_done_body{}});
        if (done && *done != self_ && *done != to && !said_[*done].claim.empty()) {
            out.push(forward_frame{to, said_[*done].claim});
        }
    }

    /// The timeout has passed: sends our vote, repeatedly, since votes get lost and others wake up late; at most
    /// `failover_attempts_max` times in a view, since too many signers may be gone for good. Harmless when called
    /// early.
    template <effect_sink<session_effect> Sink>
    void wake(instant now, Sink& out) {
        if (!deadline_ || now < *deadline_) return;
        deadline_.reset();
        auto const view = turns_.view();
        auto const timeouts = timeouts_in_view_ + 1;
        (void)vote_for_next(now, out);
        if (turns_.view() != view) return;
        timeouts_in_view_ = timeouts;
        if (timeouts < limits_->failover_attempts_max) {
            deadline_ = saturating_add(now, *limits_->broadcast_timeout);
        } else {
            has_given_up_ = true;
            out.push(notify{failover_exhausted{id_, false}});
        }
    }

private:
    // Our vote, as far as it has had its effect: showing it moves nobody further than we are.
    [[nodiscard]] view_number votes_shown() const noexcept { return std::min(turns_.vote_of(self_), turns_.view()); }

    /// What a signer has said about broadcasting, as signed; empty at our own place.
    struct said {
        bytes vote;   // its highest
        bytes claim;  // that it has broadcast
    };

    // Tells the application whose turn it is: ours, or another signer's.
    template <class Sink>
    void await_broadcast(instant now, Sink& out) {
        deadline_.reset();
        timeouts_in_view_ = 0;
        has_given_up_ = false;
        if (limits_->broadcast_timeout) deadline_ = saturating_add(now, *limits_->broadcast_timeout);
        if (turns_.holder() == self_) out.push(notify{should_broadcast{id_, turns_.view(), signatures_}});
    }

    // Goes as far as the votes say; false when that is nowhere. A view that is only passed through is nobody's turn.
    template <class Sink>
    bool change_view(instant now, Sink& out) {
        auto const before = turns_.view();
        auto old = turns_.holder();
        while (turns_.pass_on()) {
            if (turns_.is_exhausted()) {
                deadline_.reset();
                out.push(notify{failover_exhausted{id_, true}});
            } else {
                out.push(notify{coordinator_failed{id_, turns_.view(), old, turns_.holder()}});
                old = turns_.holder();
            }
        }
        if (turns_.view() == before) return false;
        last_progress_ = now;
        if (!turns_.is_exhausted()) await_broadcast(now, out);
        believe_broadcast(out);
        return true;
    }

    template <class Sink>
    void believe_broadcast(Sink& out) {
        if (is_confirmed()) return;
        if (auto const by = turns_.credible_claim()) confirm(*by, out);
    }
    template <class Sink>
    void confirm(slot by, Sink& out) {
        turns_.confirm(by);
        deadline_.reset();
        out.push(persist{});
        out.push(notify{broadcast_confirmed{id_, by}});
    }

    session_id id_;
    slot self_;
    limits const* limits_;
    broadcast_turns turns_;
    std::vector<said> said_;  // per slot
    std::vector<signature> signatures_;
    deadline deadline_;
    instant last_progress_{};
    std::size_t timeouts_in_view_ = 0;
    bool has_given_up_ = false;  // the votes never came
};

}  // namespace muster::signing
