// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The cryptography of one session and nothing else: what a coordinator cannot do without.
///
/// A recorder looks at the frames of a real session; the list of calls follows from them and from session.hpp. For one
/// message, no tweak, known bindings, in the order in which a signer makes them:
///
///     call                                   mesh              aggregator: aggregator    spoke
///     hash of the proposal (session id)      1                 1                  1
///     key_agg over n keys                    1                 1                  1
///     hash of the message's tag and content  1                 1                  1
///     nonce_gen with all of its inputs       1                 1                  1
///     frames hashed and signed               2 (+1 proposal)   2                  2 (+1 proposal)
///     frames hashed and verified             2(n-1) (+1)       2(n-1) + 1         2 (+1)
///     hash of all nonces (transcript)        1                 1                  none
///     nonce_agg over n nonces                1                 1                  none
///     session_values                         1                 1                  1
///     sign, with its check of the result     1                 1                  1
///     partial_sig_agg over n shares          1                 1                  none
///     verification of the group's signature  1                 1                  1
///
/// The proposer signs one frame more, the proposal, and everyone else verifies it. A mesh signer sends nonces and
/// shares; a spoke the same, to the aggregator; the aggregator sends the aggregate nonces and the signatures. Bindings
/// are verified when a signer is registered, not in a session. Nothing is repeated on a network that loses nothing.

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <support/co_signers.hpp>
#include <support/signing_group.hpp>

namespace muster::bench {

/// The frames that one signer makes and gets in a session.
struct frame_work {
    std::vector<bytes> made;
    std::vector<std::pair<peer::peer_id, bytes>> taken;  ///< With their signers.
};

/// Runs one session of @p group, and returns the frames of every slot.
template <class Topology>
[[nodiscard]] std::vector<frame_work> record_session(co_signers<Topology>& group) {
    std::map<peer::peer_id, std::size_t> slots;
    for (std::size_t i = 0; i < group.size(); ++i) slots[group.peer(i)] = i;
    std::vector<frame_work> work(group.size());
    group.wires.set_filter([&](transport::memory_network::packet const& p) {
        auto& made = work[slots[p.from]].made;
        if (std::find(made.begin(), made.end(), p.frame) == made.end()) made.push_back(p.frame);
        work[slots[p.to]].taken.emplace_back(p.from, p.frame);
        return true;
    });
    crypto::detail::must(group.sign());
    group.wires.set_filter({});
    return work;
}

/// Makes the calls of the list above for every signer of a session.
template <class Topology>
class session_crypto {
public:
    /// Runs a session of @p real to see its frames.
    explicit session_crypto(co_signers<Topology>& real)
        : group_{real.size()}, host_{crypto::key_pair::generate(group_.random).value()}, work_{record_session(real)} {
        auto const proposed = work_[proposing_slot].made.front();
        signing::limits const l;
        auto const said = signing::decode_body(signing::parse_frame(proposed, l).value(), l).value();
        proposal_ = std::get<signing::propose_body>(said).encoded;
    }

    /// All signers' calls; false when one of them fails.
    [[nodiscard]] bool run() const {
        for (std::size_t i = 0; i < group_.size(); ++i) {
            if (!run(i)) return false;
        }
        return true;
    }

private:
    static constexpr std::size_t signature_size = 64;

    [[nodiscard]] bool run(std::size_t i) const {
        auto const& b = group_.backend;
        bool const sums_up = !Topology::signs_under_aggregator(static_cast<signing::slot>(i), elected_slot);
        auto const id = signing::id_of(proposal_);
        auto const context = b.key_agg(group_.public_keys);
        benchmark::DoNotOptimize(musig2::message::tagged("muster/benchmark", bytes(32, 1)));
        auto nonce = group_.draw_nonce(i);
        if (!context || !run_frames(work_[i])) return false;
        if (sums_up) {
            benchmark::DoNotOptimize(transcript(id));
            benchmark::DoNotOptimize(b.nonce_agg(group_.nonces).value());
        }
        auto const values = b.session_values(context.value(), group_.total, group_.message.view());
        if (!values || !b.sign(std::move(nonce.first), group_.keys[i], values.value())) return false;
        if (sums_up) return static_cast<bool>(musig2::aggregate(b, values.value(), group_.nonces, group_.shares));
        auto const q = crypto::to_xonly(context.value().aggregate());
        return crypto::verify_bip340(q, group_.message.view(), group_.signed_by_all);
    }

    [[nodiscard]] bool run_frames(frame_work const& work) const {
        for (auto const& frame : work.made) benchmark::DoNotOptimize(host_.sign(digest(frame)).value());
        for (auto const& [signer, frame] : work.taken) {
            auto const signature = crypto::signature::from(byte_view{frame}.last(signature_size));
            if (!peer::verify(signer, digest(frame), signature)) return false;
        }
        return true;
    }

    [[nodiscard]] static crypto::digest32 digest(byte_view frame) {
        static crypto::hash_tag const tag{"muster/frame/v1"};
        return crypto::tagged_hash(tag, frame.first(frame.size() - signature_size));
    }

    [[nodiscard]] crypto::digest32 transcript(signing::session_id const& id) const {
        static crypto::hash_tag const tag{"muster/transcript/v1"};
        auto hasher = crypto::tagged_hasher(tag);
        hasher.update(id.view());
        for (auto const& nonce : group_.nonces) hasher.update(nonce.view());
        return hasher.finish();
    }

    signing_group group_;
    peer::node_key host_;
    std::vector<frame_work> work_;
    signing::encoded_proposal proposal_;
};

}  // namespace muster::bench
