// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The two rounds of MuSig2 in one session: from contributions to the group's signatures.
///
/// Idea: contributions are filed as they come, whatever the round; a round takes what it can use, and the next one what
/// came early. The secret nonces live in round one alone, which is consumed by signing, before the first share is sent.
///
/// Algorithm: with all nonces (or, under an aggregator, with its sums) every message is signed once, under one
/// transcript, the hash of all nonces and of their sums. Only shares that name the same transcript are added up. Blame
/// needs BIP-327's conditions: the nonces were summed up here, or checked against the aggregator's sum. What does not
/// fit together before that is evidence, and is shown.
///
/// What makes a signature impossible ends more than the rounds. It is told to @p give_up(reason, culprit, why), a
/// function that each call is handed.
///
/// Source: BIP-327.

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/musig2/rounds.hpp>
#include <muster/signing/contributions.hpp>
#include <muster/signing/effect.hpp>
#include <muster/signing/evidence.hpp>
#include <muster/signing/session_terms.hpp>
#include <muster/signing/snapshot.hpp>
#include <muster/signing/topology.hpp>

namespace muster::signing {

/// The rounds of one session. Move-only; one thread at a time. O(signers) each, unless something else is said.
template <musig2::backend Backend, topology Topology>
class signing_rounds {
public:
    /// @p elected computes the sums, where there is an aggregator.
    signing_rounds(session_terms<Backend> terms, slot elected)
        : terms_{std::move(terms)}, elected_{elected}, all_{terms_.plan->roster.size()} {}

    // ---- what can be asked ------------------------------------------------------------------------------

    [[nodiscard]] session_terms<Backend> const& terms() const noexcept { return terms_; }
    [[nodiscard]] slot elected() const noexcept { return elected_; }
    [[nodiscard]] bool under_aggregator() const noexcept {
        return Topology::signs_under_aggregator(terms_.self, elected_);
    }
    [[nodiscard]] bool is_aggregating() const noexcept {
        return Topology::id == topology_id::aggregator && terms_.self == elected_;
    }
    /// `awaiting_approval` also when they are over.
    [[nodiscard]] phase at() const noexcept {
        constexpr phase by_state[] = {phase::awaiting_approval, phase::collecting_nonces, phase::collecting_shares};
        return by_state[state_.index()];
    }
    /// What has been contributed, and what is known of those who contribute. @{
    [[nodiscard]] contributions& all() noexcept { return all_; }
    [[nodiscard]] contributions const& all() const noexcept { return all_; }
    /// @}
    /// To be shown to others.
    [[nodiscard]] evidence frames() const noexcept { return {all_, terms_.self, elected_}; }
    /// Our shares, once they are made.
    [[nodiscard]] std::optional<given_shares> const& given() const noexcept { return given_; }

    /// Whose contribution is still needed in this round. Under an aggregator everything comes through the aggregator.
    [[nodiscard]] std::vector<slot> missing() const {
        if (under_aggregator()) return {elected_};
        if (at() == phase::collecting_nonces) return all_.missing_nonces();
        std::vector<slot> out;
        auto const& round = std::get<second>(state_).round;
        for (slot s = 0; s < all_.size(); ++s) {
            if (!round.has(s)) out.push_back(s);  // also when its share names another transcript
        }
        return out;
    }
    /// Whether these are the group's signatures, one per message.
    [[nodiscard]] bool verifies(std::vector<signature> const& made) const {
        if (made.size() != terms_.plan->messages.size()) return false;
        auto const key = crypto::to_xonly(terms_.group.aggregate());
        for (std::size_t k = 0; k < made.size(); ++k) {
            if (!crypto::verify_bip340(key, to_message(terms_.plan->messages[k]).view(), made[k])) return false;
        }
        return true;
    }

    // ---- beginning and end ------------------------------------------------------------------------------

    /// Draws our nonces: round one. @return what NonceGen refuses. See `session::approve` for @p fresh.
    template <secret_source Source>
    [[nodiscard]] result<void> begin(Source& source, musig2::key_pair const& key, instant now,
                                     nonce_freshness const& fresh) {
        wire::writer extra;
        extra.raw(terms_.id.view()).raw(terms_.epoch.view());
        extra.i64(now.time_since_epoch().count()).i64(to_unix_millis(fresh.wall)).u64(fresh.number);
        MUSTER_TRY(auto round, musig2::round1<Backend>::open_many(
                                   source, key, {terms_.group, messages(), terms_.self, extra.take()}, terms_.backend));
        auto const own = round.nonces();
        all_[terms_.self].nonces = nonces_body{{own.begin(), own.end()}};
        state_ = first{std::move(round)};
        return ok();
    }
    /// Takes round two up again with the shares of before a restart. @return what @ref musig2::round2::resume refuses.
    [[nodiscard]] result<void> resume(given_shares kept) {
        auto const& [nonces, part] = kept;
        MUSTER_TRY(auto round,
                   musig2::round2<Backend>::resume(terms_.backend, terms_.group, messages(), terms_.self, part));
        auto const bound = contributions::bind_sums(nonces, part.signed_under);
        all_[terms_.self].nonces = nonces_body{part.nonces};
        all_[terms_.self].shares = shares_body{bound, part.shares};
        if (is_aggregating()) all_.file(aggregate_nonces_body{nonces, part.signed_under}, {});
        state_ = second{std::move(round), nonces, bound};
        given_ = std::move(kept);
        return ok();
    }
    /// The shares that were just made are nobody's: they were not written down, so they were not sent.
    void take_back() noexcept {
        given_.reset();
        if (at() == phase::collecting_shares) state_ = std::monostate{};
    }
    /// No round goes on, and the secret nonces are gone.
    void stop() noexcept { state_ = std::monostate{}; }

    // ---- what comes in ----------------------------------------------------------------------------------

    /// Hands a signer's nonces to the round that wants them.
    template <class GiveUp>
    void use_nonces(slot from, GiveUp give_up) {
        if (from == terms_.self || !all_[from].nonces) return;
        auto const& nonces = all_[from].nonces->nonces;
        result<void> taken = ok();
        if (auto* const one = std::get_if<first>(&state_)) taken = one->round.receive(from, nonces);
        if (auto* const two = std::get_if<second>(&state_)) taken = two->round.receive_nonces(from, nonces);
        if (!taken) give_up(abort_reason::invalid_nonce, from, taken.error().message());
    }

    /// Hands a signer's shares to round two, if they were made under the same nonces.
    template <class GiveUp, effect_sink<session_effect> Sink>
    void use_shares(slot from, GiveUp give_up, Sink& out) {
        auto* const two = std::get_if<second>(&state_);
        if (two == nullptr || from == terms_.self || !all_[from].shares) return;
        auto const& theirs = *all_[from].shares;
        if (theirs.transcript != two->transcript) {
            if (!std::exchange(all_[from].was_sent_evidence, true)) frames().show(from, out);
            return;
        }
        auto const taken = two->round.receive(from, theirs.shares);
        if (!taken) give_up(abort_reason::invalid_share, from, taken.error().message());
    }

    // ---- what is made of it -----------------------------------------------------------------------------

    /// Signs when all nonces are here, or their sums: round two, and the secret nonces are gone. False when nothing
    /// was signed. Expects round one.
    template <class GiveUp>
    [[nodiscard]] bool sign(GiveUp give_up) {
        auto& round = std::get<first>(state_).round;
        std::optional<digest32> transcript;
        if (under_aggregator()) {
            auto const& claimed = all_.aggregate().what;
            if (!claimed) return false;
            if (auto const taken = round.receive_aggregate(claimed->nonces); !taken) {
                give_up(abort_reason::invalid_aggregate, elected_, taken.error().message());
                return false;
            }
            transcript = claimed->transcript;
        } else {
            if (!round.has_all_nonces()) return false;
            transcript = all_.transcript(terms_.id);
        }
        if (is_aggregating()) {
            auto totals = round.aggregate_nonces();
            if (!totals) return blame(totals.error(), give_up);
            all_.file(aggregate_nonces_body{*transcript, std::move(totals).value()}, {});
            (void)round.receive_aggregate(all_.aggregate().what->nonces);  // or sign() would sum them up again
        }
        auto next = std::move(round).sign();
        if (!next) return blame(next.error(), give_up);
        auto const own = next.value().shares();
        auto const sums = next.value().signed_under();
        auto const bound = contributions::bind_sums(*transcript, sums);
        all_[terms_.self].shares = shares_body{bound, {own.begin(), own.end()}};
        given_ = given_shares{*transcript,
                              {all_[terms_.self].nonces->nonces, {sums.begin(), sums.end()}, {own.begin(), own.end()}}};
        state_ = second{std::move(next).value(), *transcript, bound};
        return true;
    }

    /// The group's signatures when all shares are here that can be added up; nothing otherwise. Expects round two.
    template <class GiveUp, effect_sink<session_effect> Sink>
    [[nodiscard]] std::optional<std::vector<signature>> aggregate(GiveUp give_up, Sink& out) {
        auto& two = std::get<second>(state_);
        if (!two.round.complete()) return std::nullopt;
        if (under_aggregator() && two.round.has_all_nonces()) {
            // Other nonces than the aggregator's: somebody told two different things. The signed frames show who.
            if (all_.transcript(terms_.id) != two.nonces) {
                if (!std::exchange(showed_everyone_, true)) frames().show_to_all(out);
                return std::nullopt;
            }
            if (!two.round.nonces_match()) {
                give_up(abort_reason::invalid_aggregate, elected_,
                        "the aggregator's nonce is not the sum of the signed nonces");
                return std::nullopt;
            }
        }
        auto made = two.round.aggregate();
        if (made) return std::move(made).value();
        if (made.error() == musig2::errc::incomplete) return std::nullopt;  // until the aggregator's evidence is here
        if (all_.transcript(terms_.id) != two.nonces) {
            // We signed before our restart, and the nonces that we know since are not those of then.
            give_up(abort_reason::restarted, std::nullopt,
                    "a signer drew its nonces anew after ours were signed; propose again");
            return std::nullopt;
        }
        if (is_aggregating() && !std::exchange(showed_everyone_, true)) frames().show_to_all(out);
        (void)blame(made.error(), give_up);
        return std::nullopt;
    }

    // ---- what goes out ----------------------------------------------------------------------------------

    /// Sends our contribution to whomever the topology says.
    template <effect_sink<session_effect> Sink>
    void contribute(body const& what, Sink& out) const {
        bool everyone = true;
        for (slot s = 0; s < all_.size(); ++s) everyone = everyone && Topology::talk(terms_.self, s, elected_);
        if (everyone) {
            out.push(send_frame{std::nullopt, what});
            return;
        }
        for (slot s = 0; s < all_.size(); ++s) {
            if (s != terms_.self && Topology::talk(terms_.self, s, elected_)) out.push(send_frame{s, what});
        }
    }
    /// Sends what @ref sign has made.
    template <effect_sink<session_effect> Sink>
    void contribute_shares(Sink& out) const {
        if (is_aggregating()) out.push(send_frame{std::nullopt, *all_.aggregate().what});
        contribute(*all_[terms_.self].shares, out);
    }
    /// Sends @p to again what it may have missed of our contributions. What it has provably used is left out.
    template <effect_sink<session_effect> Sink>
    void repeat(slot to, Sink& out) const {
        auto const& own = all_[terms_.self];
        auto const& theirs = all_[to].shares;
        bool const talks = Topology::talk(terms_.self, to, elected_);
        if (own.nonces && !theirs && talks) out.push(send_frame{to, *own.nonces});
        if (is_aggregating() && all_.aggregate().what && !theirs) out.push(send_frame{to, *all_.aggregate().what});
        if (own.shares && talks) out.push(send_frame{to, *own.shares});
        auto const* const two = std::get_if<second>(&state_);
        if (two != nullptr && theirs && theirs->transcript != two->transcript) frames().show(to, out);
    }

private:
    struct first {
        musig2::round1<Backend> round;
    };
    struct second {
        musig2::round2<Backend> round;
        digest32 nonces;      // the transcript, ours or the aggregator's claim
        digest32 transcript;  // with the sums: what shares must name
    };

    [[nodiscard]] std::vector<musig2::message> messages() const {
        std::vector<musig2::message> out;
        for (auto const& m : terms_.plan->messages) out.push_back(to_message(m));
        return out;
    }

    // From an error of the scheme to the signer it names. False, as what has failed.
    template <class GiveUp>
    bool blame(error const& e, GiveUp give_up) const {
        if (e == musig2::errc::invalid_pubnonce) {
            give_up(abort_reason::invalid_nonce, e.index(), e.message());
        } else if (e == musig2::errc::invalid_psig) {
            give_up(abort_reason::invalid_share, e.index(), e.message());
        } else if (e == musig2::errc::invalid_aggnonce) {
            give_up(abort_reason::invalid_aggregate, elected_, e.message());
        } else {
            give_up(abort_reason::self_check_failed, std::nullopt, e.message());
        }
        return false;
    }

    session_terms<Backend> terms_;
    slot elected_;
    contributions all_;
    std::variant<std::monostate, first, second> state_;
    bool showed_everyone_ = false;       // the evidence, once
    std::optional<given_shares> given_;  // what must survive a restart
};

}  // namespace muster::signing
