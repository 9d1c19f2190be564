// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A node that speaks the protocol and means harm; see @ref attack for the kinds.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/gossip/wire/message.hpp>
#include <muster/gossip/wire/rpc_writer.hpp>
#include <muster/sim/gossip/node.hpp>

namespace muster::sim::gossip {

/// An attacker. It dials honest nodes, subscribes, grafts whoever lets it, and forwards nothing.
class attacker {
public:
    attacker(surroundings s, host_id on, std::uint64_t seed)
        : s_{std::move(s)}, on_{on}, draw_{seed}, signer_{s_.id_of(on)}, wires_{s_.net, on, signer_.id()} {
        wires_.attach(muster::gossip::protocols[0], [this](muster::transport::event const& e) {
            if (auto const* const v = std::get_if<muster::transport::connected>(&e)) greet(v->peer);
            if (auto const* const v = std::get_if<muster::transport::disconnected>(&e)) std::erase(peers_, v->peer);
        });
        dial();
        s_.where.after_on(on_, std::chrono::seconds{2}, [this] { act(); });
    }
    void vanish() { wires_.vanish(); }

private:
    void greet(peer_id const& who) {
        if (s_.host_of(who) >= s_.options.nodes) return;  // another one
        peers_.push_back(who);
        muster::gossip::rpc::rpc_content c;
        c.subscriptions.emplace_back(std::string{topic}, true);
        c.grafts.emplace_back(topic);
        say(who, c);
    }
    void dial() {
        host_id const targets = s_.options.attack == attack::eclipse ? 1 : s_.options.nodes;
        for (host_id h = 0; h < targets; ++h) {
            if (!wires_.is_connected(s_.id_of(h))) (void)wires_.connect(s_.id_of(h), {});
        }
        s_.where.after_on(on_, std::chrono::seconds{5}, [this] { dial(); });
    }
    void act() {
        for (auto const& p : std::vector<peer_id>{peers_}) act(p);
        s_.where.after_on(on_, std::chrono::milliseconds{500}, [this] { act(); });
    }
    void act(peer_id const& who) {
        muster::gossip::rpc::rpc_content c;
        switch (s_.options.attack) {
            case attack::ihave_flood:
                for (int i = 0; i < 6; ++i) c.ihave.push_back({std::string{topic}, fakes(30)});
                break;
            case attack::broken_promises: c.ihave.push_back({std::string{topic}, fakes(1)}); break;
            case attack::spam_grafts: c.grafts.emplace_back(topic); break;
            case attack::invalid_messages: return publish_invalid(who);
            default:  // quiet, but back in the mesh as soon as may be
                if (beats_++ % 130 == 0) c.grafts.emplace_back(topic);
        }
        if (!c.empty()) say(who, c);
    }
    [[nodiscard]] std::vector<muster::gossip::message_id> fakes(int count) {
        std::vector<muster::gossip::message_id> out;
        for (int i = 0; i < count; ++i) {
            std::array<byte, 12> id{};
            auto word = draw_();
            for (std::size_t k = 0; k < 8; ++k) id[k] = static_cast<byte>(word >> (8 * k));
            out.emplace_back(byte_view{id});
        }
        return out;
    }
    void publish_invalid(peer_id const& who) {
        muster::gossip::strict_sign<stub_signer> const policy{signer_};
        auto const raw = policy.seal(data_of(draw_(), 9, true), topic, ++seqno_);
        if (raw) send(who, muster::gossip::rpc::encode_publish(raw.value()));
    }
    void say(peer_id const& who, muster::gossip::rpc::rpc_content const& c) {
        send(who, muster::gossip::rpc::encode_rpc(c));
    }
    void send(peer_id const& who, bytes frame) {
        (void)wires_.send(who, muster::gossip::protocols[0], std::move(frame));
    }

    surroundings s_;
    host_id on_;
    splitmix64 draw_;
    stub_signer signer_;
    transport wires_;
    std::vector<peer_id> peers_;
    std::uint64_t seqno_ = 0;
    std::uint64_t beats_ = 0;
};

}  // namespace muster::sim::gossip
