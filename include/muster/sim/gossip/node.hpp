// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A node: a router over sim::transport, which is all that binding it to a network takes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <muster/core/overloaded.hpp>
#include <muster/gossip/router.hpp>
#include <muster/sim/gossip/invariants.hpp>
#include <muster/sim/gossip/options.hpp>
#include <muster/sim/gossip/stub_signer.hpp>
#include <muster/sim/network.hpp>

namespace muster::sim::gossip {

inline constexpr std::string_view topic = "sim";

/// The policies of simulated routers, with @p Signer for signatures.
template <muster::gossip::message_signer Signer>
struct policies {
    using signing = muster::gossip::strict_sign<Signer>;
    using message_ids = muster::gossip::id_of_author;
};

/// What a node lives in.
struct surroundings {
    world& where;
    network& net;
    gossip::invariants& invariants;
    group_options const& options;
    std::function<host_id(peer_id const&)> host_of;
    std::function<peer_id(host_id)> id_of;
};

/// The data of message @p n: its number, then filling; a bad one says so.
[[nodiscard]] inline bytes data_of(message_number n, std::size_t size, bool is_bad = false) {
    bytes out(std::max<std::size_t>(size, 9));
    for (unsigned i = 0; i < 8; ++i) out[i] = static_cast<byte>(n >> (8 * i));
    out[8] = is_bad ? 1 : 0;
    return out;
}
[[nodiscard]] inline message_number number_of(byte_view data) {
    message_number n = 0;
    for (unsigned i = 0; i < 8; ++i) n |= message_number{data[i]} << (8 * i);
    return n;
}

/// An honest node.
template <class Signer>
class node {
public:
    using router = muster::gossip::router<policies<Signer>>;

    node(surroundings s, host_id on, Signer signer, std::uint64_t seed)
        : s_{std::move(s)},
          on_{on},
          draw_{seed},
          wires_{s_.net, on, s_.id_of(on)},
          router_{s_.id_of(on), s_.options.router, draw_(), s_.where.incarnation(on) << 32,
                  muster::gossip::strict_sign<Signer>{std::move(signer)}} {
        s_.invariants.boots(on_);
        wires_.attach(muster::gossip::protocols[0], [this](muster::transport::event const& e) {
            std::visit([this](auto const& v) { this->on(v); }, e);
        });
        muster::gossip::topic_options t;
        t.validates = true;
        (void)router_.subscribe(topic, t, s_.where.now(), effects_);
        perform();
        dial();
    }
    void vanish() { wires_.vanish(); }

    void publish() {
        auto const n = s_.invariants.publishes(on_);
        if (!router_.publish(topic, data_of(n, s_.options.message_size), s_.where.now(), effects_)) {
            s_.invariants.report(text("host ", on_, " cannot publish"));
        }
        perform();
    }
    [[nodiscard]] router const& routes() const noexcept { return router_; }
    /// Connections that are up.
    [[nodiscard]] std::size_t peers() const { return router_.stats().peers; }

private:
    // ---- from the network to the router -------------------------------------------------------------------

    void on(muster::transport::connected const& e) {
        auto const at = s_.host_of(e.peer);
        bool const is_ours = std::find(dialled_.begin(), dialled_.end(), at) != dialled_.end();
        if (at >= s_.options.nodes) s_.invariants.meets(on_, at);
        tell(muster::gossip::peer_up{e.peer, muster::gossip::version::v1_2,
                                     is_ours ? muster::gossip::direction::outbound : muster::gossip::direction::inbound,
                                     address_of(at)});
    }
    void on(muster::transport::connect_failed const& e) { std::erase(dialled_, s_.host_of(e.peer)); }
    void on(muster::transport::disconnected const& e) {
        std::erase(dialled_, s_.host_of(e.peer));
        tell(muster::gossip::peer_down{e.peer});
    }
    void on(muster::transport::received const& e) {
        muster::gossip::rpc::rpc_view said;
        if (muster::gossip::rpc::decode_rpc(e.frame, s_.options.router.limits, said)) {
            s_.invariants.hears(on_, e.peer, said);
            s_.invariants.hears_copies(said.messages.size());
        }
        tell(muster::gossip::received{e.peer, e.frame});
    }
    void on(muster::transport::writable const& e) { tell(muster::gossip::writable{e.peer}); }
    void on(muster::transport::frames_lost const&) {}

    void tell(muster::gossip::event const& e) {
        router_.handle(e, s_.where.now(), effects_);
        perform();
    }

    // ---- from the router to the network -------------------------------------------------------------------

    void perform() {
        while (!effects_.empty()) {
            for (auto const& e : effects_.take()) std::visit([this](auto const& v) { this->perform(v); }, e);
        }
        arm();
    }
    void perform(muster::gossip::send const& e) {
        if (e.traffic == muster::gossip::traffic::control) {
            muster::gossip::rpc::rpc_view said;
            (void)muster::gossip::rpc::decode_rpc(*e.frame, s_.options.router.limits, said);
            s_.invariants.says(on_, e.peer, said);
        }
        auto const sent = wires_.send(e.peer, muster::gossip::protocols[0], *e.frame);
        if (!sent && sent.error() == muster::transport::errc::congested) {
            router_.handle(muster::gossip::send_refused{e.peer, e.traffic, e.frame}, s_.where.now(), effects_);
        }
    }
    void perform(muster::gossip::validate const& e) {  // takes a few milliseconds
        bool const is_bad = e.message->data.size() < 9 || e.message->data[8] != 0;
        auto const verdict = is_bad ? muster::gossip::verdict::reject : muster::gossip::verdict::accept;
        s_.where.after_on(on_, between(draw_, duration{0}, duration{std::chrono::milliseconds{5}}),
                          [this, t = e.ticket, verdict] {
                              tell(muster::gossip::validated{t, verdict});
                          });
    }
    void perform(muster::gossip::deliver const& e) {
        if (e.message->data.size() < 9 || e.message->data[8] != 0)
            s_.invariants.report("an invalid message is delivered");
        s_.invariants.delivers(on_, number_of(e.message->data));
    }
    void perform(muster::gossip::want_peer const& e) { (void)wires_.connect(e.peer, {}); }
    void perform(muster::gossip::validation_missed const&) {}
    void perform(muster::gossip::grafted const&) {}
    void perform(muster::gossip::pruned const&) {}
    void perform(muster::gossip::penalise const&) {}

    void arm() {
        auto const next = router_.next_deadline();
        if (!next || (armed_ && *armed_ <= *next)) return;
        armed_ = next;
        s_.where.after_on(on_, std::max(*next - s_.where.now(), duration{0}), [this, at = *next] {
            if (armed_ == at) armed_.reset();
            auto const before = router_.heartbeats();
            router_.wake(s_.where.now(), effects_);
            auto const beats = router_.heartbeats() != before;
            if (beats) check_mesh();
            if (beats) check_scores();
            perform();
        });
    }
    // Whoever could be in the mesh: subscribed, of good standing, and not backed off.
    void check_mesh() {
        auto const mesh = router_.mesh_of(topic);
        auto const& o = s_.options.router.mesh;
        if (mesh.size() >= o.d_low && mesh.size() <= o.d_high) return;
        std::size_t could = 0;
        for (auto const& p : router_.subscribers_of(topic)) {
            bool const is_in = std::find(mesh.begin(), mesh.end(), p) != mesh.end();
            could += is_in || (router_.score_of(p) >= 0 && !router_.is_backed_off(topic, p, s_.where.now()));
        }
        if (mesh.size() > o.d_high || mesh.size() < std::min(o.d_low, could)) {
            s_.invariants.report(
                text("host ", on_, " has a mesh of ", mesh.size(), " of ", could, " after a heartbeat"));
        }
    }

    void check_scores() {
        router_.for_each_score([&](peer_id const& who, double score) {
            if (score >= s_.options.router.score.graylist_threshold) return;
            auto const n = s_.host_of(who);
            if (n < s_.options.nodes) return s_.invariants.report(text("host ", on_, " graylists the honest host ", n));
            s_.invariants.graylists(on_, n);
        });
    }

    // ---- connections --------------------------------------------------------------------------------------

    // What a manager of connections does: so many are begun, and begun anew when they end.
    void dial() {
        bool const meets_attackers = s_.options.attack != attack::eclipse;  // those dial, and whom they choose
        auto const all = s_.options.nodes + (meets_attackers ? s_.options.attackers : 0);
        for (std::size_t tries = 0; dialled_.size() < s_.options.dials && tries < 4 * s_.options.dials; ++tries) {
            auto const h = static_cast<host_id>(uniform(draw_, all));
            if (h == on_ || wires_.is_connected(s_.id_of(h))) continue;
            if (std::find(dialled_.begin(), dialled_.end(), h) != dialled_.end()) continue;
            if (wires_.connect(s_.id_of(h), {})) dialled_.push_back(h);
        }
        s_.where.after_on(on_, std::chrono::seconds{3}, [this] { dial(); });
    }
    // Honest nodes have an address each; attackers of one kind share one.
    [[nodiscard]] std::string address_of(host_id h) const {
        return h >= s_.options.nodes && s_.options.attack == attack::sybils ? "sybils" : text("host ", h);
    }

    surroundings s_;
    host_id on_;
    splitmix64 draw_;
    transport wires_;
    router router_;
    effect_list<muster::gossip::effect> effects_;
    std::vector<host_id> dialled_;
    deadline armed_;
};

}  // namespace muster::sim::gossip
