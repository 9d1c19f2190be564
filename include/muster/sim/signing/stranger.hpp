// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Somebody who is no signer, and the proof that nothing comes of it.
///
/// A stranger is connected to everyone, knows the ids of all sessions, and says in its own name whatever signers say to
/// each other. What honest signers hold before and after each of its frames is compared.

#include <array>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <muster/sim/signing/laws.hpp>
#include <muster/sim/signing/liar.hpp>

namespace muster::sim {

/// A word that changes when the state of any session of @p c does.
template <class Coordinator>
[[nodiscard]] std::uint64_t fingerprint(Coordinator const& c) {
    trace all;
    for (auto const& id : c.sessions()) {
        auto const* const s = c.find(id);
        all.note(id.view());
        all.note(static_cast<std::uint64_t>(s->at()) | std::uint64_t{s->view()} << 8 | (s->is_confirmed() ? 128u : 0u));
        for (signing::slot n = 0; n < s->plan().roster.size(); ++n) {
            all.note((s->has_nonces(n) ? 1u : 0u) | (s->has_shares(n) ? 2u : 0u));
        }
        auto const next = s->next_deadline();
        all.note(next ? static_cast<std::uint64_t>(next->time_since_epoch().count()) : 0);
    }
    return all.hash();
}

/// Watches an honest signer while a stranger talks to it. Borrows all. Not thread-safe.
class stranger_watch final : public wire_tap {
public:
    /// @param state  the signer's @ref fingerprint.
    stranger_watch(transport& wire, peer_id who, signing_laws& laws, std::function<std::uint64_t()> state)
        : wire_{&wire}, stranger_{who}, laws_{&laws}, state_{std::move(state)} {
        wire_->tap(this);
    }
    stranger_watch(stranger_watch const&) = delete;
    stranger_watch& operator=(stranger_watch const&) = delete;
    ~stranger_watch() override { wire_->tap(nullptr); }

    result<void> outgoing(peer_id const& to, std::string_view protocol, bytes frame) override {
        return wire_->send_as_is(to, protocol, std::move(frame));
    }
    bool incoming(peer_id const& from, bytes const&) override {
        if (from == stranger_) before_ = state_();
        return true;
    }
    void handled(peer_id const& from) override {
        if (from == stranger_ && state_() != before_) {
            laws_->report(text("a stranger changed the state of host ", wire_->host()));
        }
    }

private:
    transport* wire_;
    peer_id stranger_;
    signing_laws* laws_;
    std::function<std::uint64_t()> state_;
    std::uint64_t before_ = 0;
};

/// The stranger itself, on a host of its own. Borrows all. Neither copyable nor movable.
class stranger {
public:
    stranger(world& w, network& n, host_id on, signing_laws const& laws, std::vector<signing::member> const& group)
        : world_{&w},
          on_{on},
          laws_{&laws},
          group_{&group},
          draw_{w.stream("stranger")},
          key_{make_key(w)},
          wire_{n, on, key_.id()} {
        w.boot(on);
        talk();
    }
    stranger(stranger const&) = delete;
    stranger& operator=(stranger const&) = delete;

    /// Who the stranger is in the run of @p w.
    [[nodiscard]] static peer_id name(world const& w) { return make_key(w).id(); }

private:
    [[nodiscard]] static peer::node_key make_key(world const& w) {
        replayed_entropy source{stream_seed(w.seed(), "keys/stranger")};
        return peer::node_key{crypto::key_pair::generate(source).value()};
    }
    void talk() {
        std::array<signing::body, 9> const bodies{signing::decline_body{"no"},
                                                  signing::nonces_body{{musig2::pubnonce{}}},
                                                  signing::aggregate_nonces_body{{}, {musig2::aggnonce{}}},
                                                  signing::shares_body{{}, {musig2::psig{}}},
                                                  signing::signatures_body{{signing::signature{}}},
                                                  signing::abort_body{signing::abort_reason::cancelled, {}, "stop"},
                                                  signing::request_body{},
                                                  signing::view_change_body{0, 1},
                                                  signing::broadcast_done_body{}};
        auto const& target = (*group_)[uniform(draw_, group_->size())].peer;
        auto const which = uniform(draw_, bodies.size());
        auto const nth = uniform(draw_, laws_->plans().size() + 1);
        (void)wire_.connect(target, {});
        signing::frame_header header;
        if (nth < laws_->plans().size())
            header.session = std::next(laws_->plans().begin(), static_cast<long>(nth))->first;
        header.sender = static_cast<signing::slot>(uniform(draw_, group_->size() + 1));
        header.sequence = ++sequence_;
        header.what = signing::kind_of(bodies[which]);
        auto frame = signing::encode_frame(header, bodies[which], key_);
        (void)wire_.send(target, signing::cosign_protocol, std::move(frame).value());
        world_->after_on(on_, between(draw_, duration{0}, duration{std::chrono::seconds{1}}), [this] { talk(); });
    }

    world* world_;
    host_id on_;
    signing_laws const* laws_;
    std::vector<signing::member> const* group_;
    splitmix64 draw_;
    peer::node_key key_;
    transport wire_;
    std::uint64_t sequence_ = 0;
};

}  // namespace muster::sim
