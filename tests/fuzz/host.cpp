// SPDX-License-Identifier: MIT

/// @file
/// A libp2p host whose sockets, names and peers do anything: it holds what it may, and speaks of sockets that there
/// are.

#include <set>

#include <muster/libp2p/host.hpp>
#include <muster/libp2p/service/frames.hpp>
#include <muster/libp2p/service/identify.hpp>
#include <muster/libp2p/service/ping.hpp>
#include <muster/libp2p/service/requests.hpp>

#include <support/connection_end.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::libp2p;

namespace {

struct seeded {
    splitmix64 words{1};
    result<void> fill_secret(byte_span out) {
        for (auto& b : out) b = static_cast<byte>(words());
        return ok();
    }
};
using machine = host<seeded>;

[[nodiscard]] peer::node_key key_number(byte n) {
    bytes raw(32, n);
    return peer::node_key{crypto::key_pair::from_secret(crypto::secret<32>::copy_of(raw).value()).value()};
}

struct run {
    fuzz::input in;
    peer::node_key key = key_number(1), other = key_number(2);
    host_options options = small();
    machine ours{key, options, 1, seeded{}};
    seeded secrets{splitmix64{2}};
    instant now{std::chrono::hours{1}};
    effect_list<host_effect> effects{};
    std::set<socket_id> open{}, opening{}, writing{};
    std::map<socket_id, test::connection_end> peers{};  // who is at the other end, where somebody is
    std::vector<stream_ref> streams{};
    socket_id next_accepted = 0;

    static host_options small() {
        host_options o;
        o.connections_max = 8;
        o.pending_inbound_max = 3;
        o.connections_per_prefix_max = 2;
        o.connection_buffer_max = 100'000;
        o.buffers_max = 150'000;
        return o;
    }

    void perform() {
        while (!effects.empty()) {
            for (auto& e : effects.take()) {
                if (auto* const v = std::get_if<open_socket>(&e)) fuzz::require(opening.insert(v->socket).second);
                if (auto* const v = std::get_if<close_socket>(&e)) forget(v->socket);
                if (auto* const v = std::get_if<pause_reading>(&e)) fuzz::require(open.count(v->socket) != 0);
                if (auto* const v = std::get_if<write_socket>(&e)) {
                    fuzz::require(open.count(v->socket) != 0 && writing.insert(v->socket).second &&
                                  !v->content.empty());
                    answer(v->socket, v->content);
                }
                if (auto* const v = std::get_if<stream_opened>(&e)) streams.push_back(v->stream);
                if (auto* const v = std::get_if<stream_bytes>(&e)) {
                    if (in.below(2) == 0) ours.consume(v->stream, v->content.size(), now, effects);
                }
            }
        }
        auto const s = ours.stats();
        fuzz::require(s.connections <= options.connections_max && s.inbound <= s.connections);
        fuzz::require(s.held <= options.buffers_max + (256u << 10));
    }
    void forget(socket_id id) {
        fuzz::require(open.erase(id) + opening.erase(id) == 1);
        writing.erase(id);
        peers.erase(id);
    }
    // A peer that speaks libp2p hears it.
    void answer(socket_id id, byte_view content) {
        auto const p = peers.find(id);
        if (p == peers.end()) return;
        effect_list<connection_event> events;
        p->second.feed(content, events);
    }
    void tell(socket_event const& e) {
        ours.handle(e, now, effects);
        perform();
    }
    [[nodiscard]] socket_id any_of(std::set<socket_id> const& some) {
        auto at = some.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(in.below(some.size())));
        return *at;
    }
    void accept() {
        next_accepted += 2;
        auto const id = next_accepted;
        open.insert(id);
        auto const from = peer::multiaddr::from_text(text("/ip4/10.0.0.", in.below(4), "/tcp/1")).value();
        if (in.below(2) == 0) peers.emplace(id, test::connection_end{connection::dial(other, secrets, {}, {}).value()});
        tell(accepted{id, from});
    }
    void hear() {
        auto const id = any_of(open);
        auto const p = peers.find(id);
        if (p == peers.end()) return tell(socket_bytes{id, in.octets()});
        effect_list<connection_event> events;
        if (in.below(3) == 0) (void)p->second.open_stream(in.below(2) == 0 ? "/a" : "/b");
        for (stream_id s = 1; s < 9; s += 2) (void)p->second.write(s, bytes(in.below(2) == 0 ? 10 : 30'000));
        auto content = p->second.take_output(events);
        if (!content.empty() && in.below(40) == 0) content[in.below(content.size())] ^= 1;
        if (!content.empty()) tell(socket_bytes{id, content});
    }
    void step() {
        switch (in.below(12)) {
            case 0: return accept();
            case 1:
            case 2:
            case 3:
            case 4: return open.empty() ? void() : hear();
            case 5: {
                if (writing.empty()) return;
                auto const id = any_of(writing);
                writing.erase(id);
                return tell(written{id});
            }
            case 6: {
                if (open.empty()) return;
                auto const id = any_of(open);
                open.erase(id);
                writing.erase(id);
                peers.erase(id);
                return tell(socket_closed{id, error{errc::malformed, "gone"}});
            }
            case 7: {
                if (opening.empty()) return;
                auto const id = any_of(opening);
                opening.erase(id);
                if (in.below(3) == 0) return tell(dial_failed{id, error{errc::malformed, "no"}});
                open.insert(id);
                return tell(dialled{id});
            }
            case 8: {
                std::vector<peer::multiaddr> where{peer::multiaddr::from_text("/ip4/10.0.0.9/tcp/1").value(),
                                                   peer::multiaddr::from_text("/dns/x.example/tcp/1").value()};
                (void)ours.connect(key_number(static_cast<byte>(2 + in.below(3))).id(), where, now, effects);
                return perform();
            }
            case 9:
                return tell(resolved{in.below(8), {peer::multiaddr::from_text("/ip6/2001:db8::1/tcp/1").value()}, ""});
            case 10: {
                if (streams.empty()) return;
                auto const s = streams[in.below(streams.size())];
                in.below(2) == 0 ? (void)ours.write(s, bytes(5000), now) : ours.reset_stream(s, now);
                return;
            }
            default:
                now += std::chrono::milliseconds{100 * in.below(200)};
                ours.wake(now, effects);
                return perform();
        }
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    run r{fuzz::input{data, size}};
    r.ours.offer({"/a", "/b"});
    while (!r.in.empty()) r.step();
    return 0;
}
