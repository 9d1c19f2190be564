// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What signers have signed, and whether it convicts whom somebody blames.
///
/// BIP-327 lets a signer be blamed under conditions: whoever blames has summed up the nonces itself, or checked the
/// sum; every contribution is authenticated; and all have signed under the same nonces. The book keeps each
/// contribution that has reached a host, as it was signed, and judges a blame from nothing else, with arithmetic of
/// its own: a blame that signed contributions do not bear out is none, whoever it hits.
///
/// Source: BIP-327, "Identifying Disruptive Signers".

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <muster/musig2/aggregate.hpp>
#include <muster/musig2/portable.hpp>
#include <muster/signing/contributions.hpp>
#include <muster/signing/event.hpp>
#include <muster/sim/world.hpp>

namespace muster::sim::signing {

/// The contributions that have reached each host, over all its lives. Not thread-safe.
class evidence_book {
public:
    /// @p frame has come to host @p at, or was sent by it. What is no contribution is not kept. O(contributions).
    void note(host_id at, byte_view frame) {
        auto const parsed = muster::signing::parse_frame(frame, limits_);
        if (!parsed) return;
        auto const& header = parsed.value().header;
        auto const body = parsed.value().body;
        if (!is_contribution(header.what)) return;
        latest_.push_back(to_bytes(frame));
        if (latest_.size() > latest_max) latest_.pop_front();
        auto& items = items_[{at, header.session}];
        auto const known = std::find_if(items.begin(), items.end(), [&](item const& i) {
            return i.from == header.sender && i.what == header.what && equal(i.body, body);
        });
        auto& kept =
            known == items.end() ? items.emplace_back(item{header.sender, header.what, to_bytes(body), {}}) : *known;
        auto octets = to_bytes(frame);
        if (std::find(kept.frames.begin(), kept.frames.end(), octets) == kept.frames.end()) {
            kept.frames.push_back(std::move(octets));
        }
    }
    /// The last contributions anywhere, as signed.
    [[nodiscard]] std::deque<bytes> const& latest() const noexcept { return latest_; }

    /// A blame: who says so, about which session and slot, and why.
    struct charge {
        host_id by = 0;
        muster::signing::session_id session;
        muster::signing::slot culprit = 0;
        muster::signing::abort_reason reason{};
    };
    /// Whether what had reached `by` bears @p c out. Expects a reason that stands for a false contribution.
    [[nodiscard]] bool bears_out(charge const& c, muster::signing::proposal const& plan) const {
        auto const found = items_.find({c.by, c.session});
        if (found == items_.end()) return false;
        trial t{*this, found->second, c, plan};
        switch (c.reason) {
            case muster::signing::abort_reason::invalid_nonce: return t.has_false_nonces();
            case muster::signing::abort_reason::invalid_share: return t.has_false_shares();
            case muster::signing::abort_reason::invalid_aggregate: return t.has_false_sums();
            default: return false;
        }
    }
    /// Whether the two frames of @p proof, and nothing else, show that its author has contributed two stories.
    [[nodiscard]] static bool bears_out(muster::signing::equivocation_proven const& proof,
                                        muster::signing::proposal const& plan) {
        muster::signing::limits const bounds;
        auto const first = muster::signing::parse_frame(proof.first, bounds);
        auto const second = muster::signing::parse_frame(proof.second, bounds);
        if (!first || !second || proof.by >= plan.roster.size()) return false;
        auto const& author = plan.roster[proof.by].peer;
        auto const& [a, b] = std::pair{first.value(), second.value()};
        return is_contribution(a.header.what) && a.header.session == proof.session &&
               b.header.session == proof.session && a.header.sender == proof.by && b.header.sender == proof.by &&
               a.header.what == b.header.what && !equal(a.body, b.body) && muster::signing::is_authentic(a, author) &&
               muster::signing::is_authentic(b, author);
    }

private:
    [[nodiscard]] static bool is_contribution(muster::signing::kind k) noexcept {
        using muster::signing::kind;
        return k == kind::nonces || k == kind::aggregate_nonces || k == kind::shares;
    }

    struct item {
        muster::signing::slot from;
        muster::signing::kind what;
        bytes body;
        std::vector<bytes> frames;  // that it came in: some may be damaged, or signed by somebody else
    };

    /// One charge, tried.
    class trial {
    public:
        trial(evidence_book const& book, std::vector<item> const& items, charge const& c,
              muster::signing::proposal const& plan)
            : book_{&book}, items_{&items}, charge_{c}, plan_{&plan} {
            for (auto const& m : plan.messages) messages_.push_back(muster::signing::to_message(m));
            for (muster::signing::slot s = 0; s < plan.roster.size(); ++s) {
                nonces_.push_back(said_by<muster::signing::nonces_body>(s, muster::signing::kind::nonces));
            }
        }

        [[nodiscard]] bool has_false_nonces() const {
            auto const& said = nonces_[charge_.culprit];
            return std::any_of(said.begin(), said.end(), [&](muster::signing::nonces_body const& v) {
                return v.nonces.size() != messages_.size() ||
                       std::any_of(v.nonces.begin(), v.nonces.end(), [](musig2::pubnonce const& n) {
                           return !musig2::portable{}.nonce_agg(std::span{&n, 1});
                       });
            });
        }
        [[nodiscard]] bool has_false_shares() const {
            std::vector<crypto::public_key> keys;
            for (auto const& m : plan_->roster) keys.push_back(m.signer);
            auto const group = musig2::key_agg(musig2::portable{}, keys, plan_->tweaks);
            if (!group) return false;
            auto const said = said_by<muster::signing::shares_body>(charge_.culprit, muster::signing::kind::shares);
            return std::any_of(said.begin(), said.end(), [&](muster::signing::shares_body const& v) {
                return is_under_some_nonces(
                    [&](muster::signing::digest32 const& transcript, auto const& sums, auto const& nonces) {
                        return muster::signing::contributions::bind_sums(transcript, sums) == v.transcript &&
                               !fits(v, group.value(), sums, nonces);
                    });
            });
        }
        // A sum of the aggregator's that is no nonce, or that is not the sum of the nonces it names.
        [[nodiscard]] bool has_false_sums() const {
            using muster::signing::aggregate_nonces_body;
            auto const said = said_by<aggregate_nonces_body>(charge_.culprit, muster::signing::kind::aggregate_nonces);
            return std::any_of(said.begin(), said.end(), [&](aggregate_nonces_body const& v) {
                return v.nonces.size() != messages_.size() || !can_be_used(v.nonces) ||
                       is_under_some_nonces(
                           [&](muster::signing::digest32 const& transcript, auto const& sums, auto const&) {
                               return transcript == v.transcript && sums != v.nonces;
                           });
            });
        }

    private:
        using nonces_of_all = std::vector<muster::signing::nonces_body const*>;

        template <class Body>
        [[nodiscard]] std::vector<Body> said_by(muster::signing::slot who, muster::signing::kind what) const {
            std::vector<Body> out;
            for (auto const& i : *items_) {
                if (i.from != who || i.what != what) continue;
                auto const decoded = said_in(i, plan_->roster[who].peer);
                if (decoded) out.push_back(std::get<Body>(*decoded));
            }
            return out;
        }
        [[nodiscard]] std::optional<muster::signing::body> said_in(item const& i, peer::peer_id const& author) const {
            for (auto const& frame : i.frames) {
                auto const parsed = muster::signing::parse_frame(frame, book_->limits_);
                if (!muster::signing::is_authentic(parsed.value(), author)) continue;
                auto decoded = muster::signing::decode_body(parsed.value(), book_->limits_);
                if (decoded) return std::move(decoded).value();
            }
            return std::nullopt;
        }
        // Who told two stories has several nonces; whether @p holds for one choice of everybody's.
        template <class Holds>
        [[nodiscard]] bool is_under_some_nonces(Holds holds) const {
            nonces_of_all chosen;
            return choose(chosen, holds);
        }
        template <class Holds>
        [[nodiscard]] bool choose(nonces_of_all& chosen, Holds& holds) const {
            if (chosen.size() < nonces_.size()) {
                for (auto const& v : nonces_[chosen.size()]) {
                    if (v.nonces.size() != messages_.size()) continue;
                    chosen.push_back(&v);
                    bool const found = choose(chosen, holds);
                    chosen.pop_back();
                    if (found) return true;
                }
                return false;
            }
            muster::signing::contributions filed{chosen.size()};
            for (muster::signing::slot s = 0; s < chosen.size(); ++s) filed.file(s, *chosen[s], {});
            auto const sums = sums_of(chosen);
            return sums && holds(*filed.transcript(charge_.session), *sums, chosen);
        }
        [[nodiscard]] std::optional<std::vector<musig2::aggnonce>> sums_of(nonces_of_all const& chosen) const {
            std::vector<musig2::aggnonce> out;
            for (std::size_t k = 0; k < messages_.size(); ++k) {
                std::vector<musig2::pubnonce> one_each;
                for (auto const* const v : chosen) one_each.push_back(v->nonces[k]);
                auto const sum = musig2::portable{}.nonce_agg(one_each);
                if (!sum) return std::nullopt;
                out.push_back(sum.value());
            }
            return out;
        }
        [[nodiscard]] bool fits(muster::signing::shares_body const& v, musig2::portable::keyagg_context const& group,
                                std::vector<musig2::aggnonce> const& sums, nonces_of_all const& nonces) const {
            if (v.shares.size() != messages_.size()) return false;
            auto const who = charge_.culprit;
            for (std::size_t k = 0; k < messages_.size(); ++k) {
                auto const values = musig2::portable{}.session_values(group, sums[k], messages_[k].view());
                if (!values) return false;
                auto const is_right = musig2::partial_sig_verify(musig2::portable{}, values.value(),
                                                                 {who, nonces[who]->nonces[k], v.shares[k]});
                if (!is_right || !is_right.value()) return false;
            }
            return true;
        }
        [[nodiscard]] bool can_be_used(std::vector<musig2::aggnonce> const& sums) const {
            std::vector<crypto::public_key> keys;
            for (auto const& m : plan_->roster) keys.push_back(m.signer);
            auto const group = musig2::key_agg(musig2::portable{}, keys, plan_->tweaks);
            return group && std::all_of(sums.begin(), sums.end(), [&](musig2::aggnonce const& sum) {
                       return musig2::portable{}.session_values(group.value(), sum, messages_[0].view()).has_value();
                   });
        }

        evidence_book const* book_;
        std::vector<item> const* items_;
        charge charge_;
        muster::signing::proposal const* plan_;
        std::vector<musig2::message> messages_;
        std::vector<std::vector<muster::signing::nonces_body>> nonces_;  // per slot, all it was heard to say
    };

    static constexpr std::size_t latest_max = 64;

    muster::signing::limits limits_;
    std::map<std::pair<host_id, muster::signing::session_id>, std::vector<item>> items_;
    std::deque<bytes> latest_;
};

}  // namespace muster::sim::signing
