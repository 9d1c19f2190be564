// SPDX-License-Identifier: MIT

/// @file
/// A gossip router among peers that send anything in any order: meshes are of subscribers, and all bounds hold.

#include <algorithm>
#include <string>

#include <muster/gossip/router.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::gossip;

namespace {

[[nodiscard]] peer_id peer_number(std::size_t n) {
    bytes const id{0x00, 0x01, static_cast<byte>(n)};
    return peer_id::from_multihash(id).value();
}

struct run {
    fuzz::input in;
    options parameters = small();
    router<> ours{peer_number(200), small(), 1, 1};
    instant now{std::chrono::hours{1}};
    effect_list<effect> effects{};
    ticket last = 0;

    static options small() {
        options o;
        o.seen_max = 64;
        o.outbound_bytes_max = 400;
        o.pending_max = 4;
        o.pending_per_peer_max = 2;
        o.topics_per_peer_max = 3;
        o.topics_max = 3;
        o.mesh.backoffs_max = 8;
        o.gossip.history_bytes_max = 300;
        o.gossip.idontwant_size_min = 4;
        o.score.retained_max = 3;
        return o;
    }
    [[nodiscard]] std::string topic() { return std::string(1, static_cast<char>('a' + in.below(4))); }
    void perform() {
        for (auto const& e : effects.take()) {
            if (auto const* const v = std::get_if<validate>(&e)) last = v->ticket;
            auto const* const s = std::get_if<send>(&e);
            if (s == nullptr) continue;
            rpc::rpc_view v;
            fuzz::require(static_cast<bool>(rpc::decode_rpc(*s->frame, {}, v)) && !v.empty());
            if (in.below(4) == 1) ours.handle(send_refused{s->peer, s->traffic, s->frame}, now, effects);
        }
        (void)effects.take();
        auto const s = ours.stats();
        fuzz::require(s.pending <= 4 && s.backoffs <= 8 && s.cached_bytes <= 300 && s.remembered <= 3);
        fuzz::require(s.queued_bytes <= s.peers * 400 && s.topics <= s.peers * 3 + 6);
        for (char const c : {'a', 'b', 'c', 'd'}) {
            auto const mesh = ours.mesh_of(std::string(1, c)), all = ours.subscribers_of(std::string(1, c));
            for (auto const& p : mesh) fuzz::require(std::count(all.begin(), all.end(), p) == 1);
            fuzz::require(mesh.size() <= all.size());
        }
    }
    void tell(event const& e) {
        ours.handle(e, now, effects);
        perform();
    }
    void step() {
        auto const who = peer_number(in.below(16));
        switch (in.below(12)) {
            case 0:
                return tell(peer_up{who, static_cast<version>(in.below(3)), static_cast<direction>(in.below(2)),
                                    std::to_string(in.below(2))});
            case 1: return tell(peer_down{who});
            case 2: return tell(writable{who});
            case 3: return tell(validated{last - in.below(3), static_cast<verdict>(in.below(3))});
            case 4: return tell(rated{who, static_cast<double>(in.number()) - 150});
            case 5: {
                topic_options o;
                o.validates = in.below(2) == 0;
                (void)ours.subscribe(topic(), o, now, effects);
                return perform();
            }
            case 6: (void)ours.unsubscribe(topic(), now, effects); return perform();
            case 7: (void)ours.publish(topic(), in.octets(), now, effects); return perform();
            case 8:
                now += std::chrono::milliseconds{20 * in.number()};
                ours.wake(now, effects);
                return perform();
            default: {
                auto const frame = to_bytes(in.octets());
                return tell(received{who, frame});
            }
        }
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    run r{fuzz::input{data, size}};
    while (!r.in.empty()) r.step();
    return 0;
}
