// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One node of a simulated group: the whole libp2p stack on virtual sockets, and on it frames, requests and a signer.
///
/// Its application keeps its peers connected, by addresses that are sometimes wrong, sends frames, asks, answers what
/// it is asked, and approves what it is asked to sign.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/overloaded.hpp>
#include <muster/libp2p/network.hpp>
#include <muster/signing/coordinator.hpp>
#include <muster/signing/file_journal.hpp>
#include <muster/sim/disk.hpp>
#include <muster/sim/host.hpp>
#include <muster/sim/signing/identity.hpp>
#include <muster/sim/sockets.hpp>
#include <muster/sim/stack/invariants.hpp>
#include <muster/sim/stack/options.hpp>

namespace muster::sim::stack {

/// What all nodes of a run share. Borrowed.
struct surroundings {
    world& where;
    internet& net;
    muster::signing::static_registry& registry;
    std::vector<muster::signing::member>& group;  ///< By host.
    stack::invariants& invariants;
    group_options const& options;
};

/// The IP address of host @p h.
[[nodiscard]] inline std::string ip_of(host_id h) { return text("10.0.0.", h + 1); }
/// Where host @p h listens.
[[nodiscard]] inline peer::multiaddr address_of(host_id h) {
    return peer::multiaddr::from_text(text("/ip4/", ip_of(h), "/tcp/4001")).value();
}

/// A node: it lives on a host until that crashes. Neither copyable nor movable. Not thread-safe.
class node {
    struct policies : muster::signing::default_options {
        using entropy = signing::replayed_entropy;
        using journal = muster::signing::file_journal<disk_files>;
    };

public:
    using network = libp2p::network<sockets, signing::replayed_entropy>;
    using coordinator = muster::signing::coordinator<network, muster::signing::static_registry, host_timers, host_clock,
                                                     musig2::portable, policies>;

    node(surroundings s, host_id on, std::uint64_t key_seed, sim::disk& disk)
        : all_{s},
          on_{on},
          life_{s.where.incarnation(on)},
          draw_{s.where.stream("life", mixed(on, life_))},
          keys_{signing::keys_from(key_seed)},
          time_{s.where, s.options.faults.clock_of(s.where.seed(), on),
                instant{between(draw_, duration{0}, duration{std::chrono::hours{1000}})}},
          alarm_{s.where, on, time_},
          plugs_{s.net, on, {ip_of(on)}},
          wire_{plugs_, keys_.node, s.options.bounds, draw_(), signing::replayed_entropy{draw_()}},
          signer_{{wire_,
                   s.registry,
                   alarm_,
                   time_,
                   signing::keys_from(key_seed),
                   make_epoch(),
                   {},
                   {},
                   signing::replayed_entropy{draw_()},
                   policies::journal{{.path = "journal", .files = disk_files{disk}}}},
                  [this](muster::signing::event const& e) { on_signing(e); }} {
        all_.invariants.boots(on_);
        wire_.attach(frames_protocol, [this](muster::transport::event const& e) { on_frames(e); });
        wire_.serve(requests_protocol, requests_, [this](muster::transport::asked const& q) { on_asked(q); });
        if (!wire_.listen(address_of(on_))) all_.invariants.report("host ", on_, " cannot listen");
        if (!signer_.restore()) all_.where.say("host ", on_, " has an unreadable journal");
        keep_connected();
    }
    node(node const&) = delete;
    node& operator=(node const&) = delete;

    void vanish() { plugs_.vanish(); }
    void step_wall(duration by) { time_.step_wall(by); }

    /// Sends a frame to host @p to; what it was, unless it was refused.
    std::optional<letter> send(host_id to) {
        auto const l = next(to, frames_sent_);
        // Told before it is done: it may be there at once.
        all_.invariants.sends(l);
        if (!wire_.send(peer_of(to), frames_protocol, l.encode())) return std::nullopt;
        return l;
    }
    /// Asks host @p to; what it was, unless it was refused.
    std::optional<letter> ask(host_id to) {
        auto const l = next(to, requests_sent_);
        all_.invariants.asks(l);
        auto const id =
            wire_.request(peer_of(to), requests_protocol, l.encode(), requests_,
                          [this, l](muster::transport::request_id, result<bytes> const& a) {
                              all_.invariants.is_answered(l, a ? std::optional<byte_view>{a.value()} : std::nullopt);
                          });
        if (id) return l;
        all_.invariants.is_answered(l, std::nullopt);
        return std::nullopt;
    }
    /// Proposes to sign with @p with; the session, unless it was refused.
    std::optional<muster::signing::session_id> propose(std::vector<host_id> const& with) {
        muster::signing::signing_request r;
        for (host_id const h : with) r.signers.push_back(all_.group[h].signer);
        r.messages.push_back(crypto::sha256(as_bytes(text("message ", draw_()))));
        r.valid_for = std::chrono::minutes{2};
        auto made = signer_.propose(std::move(r));
        return made ? std::optional{made.value()} : std::nullopt;
    }
    [[nodiscard]] bool is_connected(host_id to) const { return wire_.is_connected(peer_of(to)); }
    /// Whether session @p id is signed here.
    [[nodiscard]] bool has_signed(muster::signing::session_id const& id) const {
        auto const* const s = signer_.find(id);
        return s != nullptr && s->at() == muster::signing::phase::finished;
    }
    /// What the stack holds for others, against its bounds.
    void check_bounds() {
        auto const held = wire_.stats();
        auto const& l = all_.options.bounds;
        if (held.connections > l.connections_max)
            all_.invariants.report("host ", on_, " has ", held.connections, " connections, at most ",
                                   l.connections_max);
    }

private:
    static constexpr std::string_view frames_protocol = "/stack/frames/1";
    static constexpr std::string_view requests_protocol = "/stack/requests/1";

    [[nodiscard]] peer::peer_id const& peer_of(host_id h) const { return all_.group[h].peer; }
    [[nodiscard]] std::optional<host_id> host_of(peer::peer_id const& who) const {
        for (host_id h = 0; h < all_.group.size(); ++h) {
            if (all_.group[h].peer == who) return h;
        }
        return std::nullopt;
    }
    [[nodiscard]] muster::signing::boot_epoch make_epoch() {
        muster::signing::boot_epoch fresh;
        for (auto& b : fresh.octets) b = static_cast<byte>(draw_());
        return fresh;
    }
    [[nodiscard]] letter next(host_id to, std::uint64_t& counter) {
        auto const padding = static_cast<std::uint32_t>(uniform(draw_, all_.options.frame_size_max));
        return {on_, life_, to, connections_[to], counter++, padding};
    }

    // An application keeps its peers connected; what it knows of their addresses may be old.
    void keep_connected() {
        for (host_id h = 0; h < all_.group.size(); ++h) {
            bool const is_wrong = chance(draw_, all_.options.wrong_address);
            auto const other = static_cast<host_id>(uniform(draw_, all_.group.size() + 1));  // the last one is nobody's
            if (h == on_ || wire_.is_connected(peer_of(h))) continue;
            std::vector<peer::multiaddr> where;
            if (is_wrong) where.push_back(address_of(other));
            where.push_back(address_of(h));
            (void)wire_.connect(peer_of(h), where);
        }
        all_.where.after_on(on_, std::chrono::seconds{5}, [this] { keep_connected(); });
    }

    void on_frames(muster::transport::event const& e) {
        all_.where.log().note(e.index());

        std::visit(overloaded{[&](muster::transport::connected const& v) {
                                  with_host_of(v.peer, &invariants::connected);
                                  if (auto const h = host_of(v.peer)) ++connections_[*h];
                              },
                              [&](muster::transport::disconnected const& v) {
                                  with_host_of(v.peer, &invariants::disconnected);
                              },
                              [&](muster::transport::received const& v) {
                                  if (auto const h = host_of(v.peer)) all_.invariants.receives(on_, *h, v.frame);
                              },
                              [](auto const&) {}},
                   e);
    }
    void with_host_of(peer::peer_id const& who, void (invariants::*tell)(host_id, host_id)) {
        if (auto const h = host_of(who)) (all_.invariants.*tell)(on_, *h);
    }
    void on_asked(muster::transport::asked const& q) {
        auto const from = host_of(q.peer);
        if (!from) return all_.invariants.report("host ", on_, " is asked by nobody of the group");
        all_.invariants.is_asked(on_, *from, q.request);
        auto const l = letter::decode(q.request);
        if (l) (void)wire_.answer(q.id, invariants::answer_to(*l).encode());
    }
    void on_signing(muster::signing::event const& e) {
        all_.where.log().note(e.index());
        std::visit(overloaded{[&](muster::signing::approval_requested const& v) { (void)signer_.approve(v.session); },
                              [&](muster::signing::should_broadcast const& v) {
                                  (void)signer_.notify_broadcast_complete(v.session);
                              },
                              [&](muster::signing::completed const& v) {
                                  auto const& plan = signer_.find(v.session)->plan();
                                  auto const& digest = std::get<crypto::digest32>(plan.messages.front());
                                  all_.invariants.signs(on_, v.aggregate_key, digest.view(), v.signatures.front());
                              },
                              [](auto const&) {}},
                   e);
    }

    surroundings all_;
    host_id on_;
    std::uint64_t life_;
    splitmix64 draw_;
    peer::key_set keys_;
    host_clock time_;
    host_timers alarm_;
    sockets plugs_;
    network wire_;
    coordinator signer_;
    muster::transport::request_options requests_{.request_size_max = 128u << 10};
    std::uint64_t frames_sent_ = 0;
    std::uint64_t requests_sent_ = 0;
    std::map<host_id, std::uint64_t> connections_;  ///< To each, so far.
};
static_assert(process<node>);

}  // namespace muster::sim::stack
