// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Somebody who is no signer, and the proof that nothing comes of it.
///
/// An outsider is connected to everyone, knows the ids of all sessions and the frames that signers have sent each
/// other, and says in its own name whatever signers say: contributions and votes, hellos, proposals, and their own
/// frames once more. What honest signers hold before and after each of its frames is compared; see watch.hpp.

#include <array>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include <muster/sim/clock.hpp>
#include <muster/sim/network.hpp>
#include <muster/sim/signing/identity.hpp>
#include <muster/sim/signing/invariants.hpp>

namespace muster::sim::signing {

/// The outsider itself, on a host of its own. Borrows all. Neither copyable nor movable.
class outsider {
public:
    outsider(world& w, network& n, host_id on, safety_invariants const& invariants,
             std::vector<muster::signing::member> const& group)
        : world_{&w},
          on_{on},
          invariants_{&invariants},
          group_{&group},
          draw_{w.stream("stranger")},
          keys_{make_keys(w)},
          wire_{n, on, keys_.node.id()} {
        w.boot(on);
        talk();
    }
    outsider(outsider const&) = delete;
    outsider& operator=(outsider const&) = delete;

    /// Who the outsider is in the run of @p w.
    [[nodiscard]] static peer_id name(world const& w) { return make_keys(w).node.id(); }

private:
    [[nodiscard]] static peer::key_set make_keys(world const& w) {
        return keys_from(stream_seed(w.seed(), "keys/stranger"));
    }
    void talk() {
        auto const& target = (*group_)[uniform(draw_, group_->size())].peer;
        (void)wire_.connect(target, {});
        auto frame = something();
        if (!frame.empty()) (void)wire_.send(target, muster::signing::cosign_protocol, std::move(frame));
        world_->after_on(on_, between(draw_, duration{0}, duration{std::chrono::seconds{1}}), [this] { talk(); });
    }
    // In most cases a body of a session's in its own name; else what a signer has said, a hello, or a proposal.
    [[nodiscard]] bytes something() {
        auto const which = uniform(draw_, 12);
        auto const& heard = invariants_->evidence().latest();
        if (which == 9 && !heard.empty()) return heard[uniform(draw_, heard.size())];
        if (which == 10) return hello();
        if (which == 11) return proposal();
        return of_a_session(which);
    }
    [[nodiscard]] bytes of_a_session(std::uint64_t which) {
        std::array<muster::signing::body, 9> const bodies{
            muster::signing::decline_body{std::string{safety_invariants::a_forged_no}},
            muster::signing::nonces_body{{musig2::pubnonce{}}},
            muster::signing::aggregate_nonces_body{{}, {musig2::aggnonce{}}},
            muster::signing::shares_body{{}, {musig2::psig{}}},
            muster::signing::signatures_body{{muster::signing::signature{}}},
            muster::signing::abort_body{muster::signing::abort_reason::cancelled, {}, "stop"},
            muster::signing::request_body{},
            muster::signing::view_change_body{0, 1},
            muster::signing::broadcast_done_body{}};
        auto const nth = uniform(draw_, invariants_->plans().size() + 1);
        muster::signing::frame_header header;
        if (nth < invariants_->plans().size())
            header.session = std::next(invariants_->plans().begin(), static_cast<long>(nth))->first;
        header.sender = static_cast<muster::signing::slot>(uniform(draw_, group_->size() + 1));
        return signed_by_us(header, bodies[which % bodies.size()]);
    }
    // As itself, or as one of the group whose binding it has seen.
    [[nodiscard]] bytes hello() {
        auto const& other = (*group_)[uniform(draw_, group_->size())];
        auto const own = us();
        auto const& who = uniform(draw_, 2) == 0 ? other : own;
        muster::signing::hello_body what{who.signer, who.binding};
        for (auto const& [id, plan] : invariants_->plans()) {
            if (what.resumed.size() < 16) what.resumed.push_back(id);
        }
        muster::signing::frame_header header;
        for (auto& octet : header.epoch.octets) octet = static_cast<byte>(draw_());
        return signed_by_us(header, what);
    }
    // To the group: by itself as one more of it, or in somebody's name.
    [[nodiscard]] bytes proposal() {
        muster::signing::proposal p;
        p.roster = *group_;
        p.roster.push_back(us());
        p.initiator = static_cast<muster::signing::slot>(p.roster.size() - 1 - (uniform(draw_, 2) == 0 ? 1 : 0));
        p.messages = {crypto::sha256(as_bytes("for the stranger"))};
        p.expires_at = host_clock::wall_beginning + std::chrono::hours{3};
        for (auto& octet : p.salt) octet = static_cast<byte>(draw_());
        auto const encoded = muster::signing::encode(p);
        muster::signing::frame_header header;
        header.session = muster::signing::id_of(encoded);
        header.sender = p.initiator;
        return signed_by_us(header, muster::signing::propose_body{encoded});
    }
    [[nodiscard]] muster::signing::member us() const {
        return {keys_.signer.public_key(), keys_.node.id(), peer::bind(keys_.signer, keys_.node.id()).value()};
    }
    [[nodiscard]] bytes signed_by_us(muster::signing::frame_header header, muster::signing::body const& what) {
        header.sequence = ++sequence_;
        header.what = muster::signing::kind_of(what);
        return muster::signing::encode_frame(header, what, keys_.node).value();
    }

    world* world_;
    host_id on_;
    safety_invariants const* invariants_;
    std::vector<muster::signing::member> const* group_;
    splitmix64 draw_;
    peer::key_set keys_;
    transport wire_;
    std::uint64_t sequence_ = 0;
};

}  // namespace muster::sim::signing
