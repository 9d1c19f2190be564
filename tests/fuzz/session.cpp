// SPDX-License-Identifier: MIT

/// @file
/// Bytes become frames, wake-ups and commands of one session: it must survive them all, and never sign twice.

#include <cstdlib>

#include <muster/musig2/portable.hpp>
#include <muster/signing/session.hpp>

#include <support/keys.hpp>

namespace {

using namespace muster;
using namespace muster::signing;

/// A fixed group of three, of which slot 0 is under test.
struct group {
    std::vector<peer::key_set> keys;
    std::shared_ptr<proposal const> plan;
    session_id id;
    musig2::portable::keyagg_context context;

    group() : context{make()} {}

private:
    musig2::portable::keyagg_context make() {
        proposal p;
        std::vector<public_key> signers;
        for (std::uint64_t i = 1; i <= 3; ++i) {
            test::predictable source{i};
            keys.push_back(peer::derive_keys(crypto::secret<32>::generate(source).value()).value());
            p.roster.push_back({keys.back().signer.public_key(), keys.back().node.id(), {}});
            signers.push_back(keys.back().signer.public_key());
        }
        p.messages = {digest32{{1}}};
        id = id_of(encode(p));
        plan = std::make_shared<proposal const>(std::move(p));
        return musig2::portable{}.key_agg(signers).value();
    }
};

/// What is heard of a peer beside its frames, and what may happen to the machine itself.
template <class Session, class Sink>
void change_of_life(Session& s, byte op, session_terms<musig2::portable> terms, limits const& l, instant now,
                    Sink& out) {
    auto const who = static_cast<slot>(op % 3);
    auto const epoch = boot_epoch{{static_cast<byte>(op / 3 % 2)}};
    switch (op / 6 % 6) {
        case 0: return s.peer_connected(who, now, out);
        case 1: return who == 0 ? void() : s.peer_restarted(who, epoch, now, out);
        case 2: return who == 0 ? void() : s.peer_resumed(who, epoch, now, out);
        case 3: return who == 0 ? void() : s.contribution_outlived(who, out);
        case 4: return void(s.dispute_broadcast(now, out));
        default: {
            auto kept = s.snapshot();
            if (!kept || !kept->given) return;
            auto again = decode_snapshot(encode(*kept), l);
            auto resumed = Session::resume(std::move(terms), l, std::move(again).value(), now, out);
            if (!resumed) std::abort();
            s = std::move(resumed).value();
        }
    }
}

template <class Topology>
void run(byte_view input) {
    static group const g;
    static limits const l;
    instant now{std::chrono::hours{1}};
    session_terms<musig2::portable> const terms{g.id, {}, g.plan, g.context, 0, {}, now + std::chrono::minutes{10}};
    session<musig2::portable, Topology> s{terms, l, now};
    test::predictable source{1};
    effect_list<session_effect> out;
    wire::reader in{input};
    std::size_t signings = 0;
    while (in.ok() && in.remaining() != 0) {
        switch (in.u8() % 8) {
            case 0: (void)s.approve(source, g.keys[0].signer, now, out); break;
            case 1:
                now += std::chrono::seconds{in.u8()};
                s.wake(now, out);
                break;
            case 2: (void)s.cancel("", out); break;
            case 3: (void)s.trigger_coordinator_failover(now, out); break;
            case 4: (void)s.notify_broadcast_complete(out); break;
            case 5: change_of_life(s, in.u8(), terms, l, now, out); break;
            default: {
                auto const what = static_cast<kind>(in.u8() % 11 + 1);
                auto const epoch = boot_epoch{{static_cast<byte>(in.u8() % 2)}};
                auto const from = static_cast<slot>(in.u8() % 4);
                auto const octets = in.sized(512);
                parsed_frame f;
                f.header = {g.id, epoch, from, in.u8(), what};
                f.body = octets;
                auto decoded = decode_body(f, l);
                if (decoded) s.handle({f.header, std::move(decoded).value(), to_bytes(octets)}, now, out);
            }
        }
        for (auto const& effect : out.take()) {
            auto const* const n = std::get_if<notify>(&effect);
            if (n != nullptr && std::holds_alternative<nonces_complete>(n->what)) ++signings;
        }
        if (signings > 1) std::abort();
        (void)s.next_deadline();
    }
    if (crypto::secp256k1::illegal_calls() != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size == 0) return 0;
    if (data[0] % 2 == 0) {
        run<mesh>({data + 1, size - 1});
    } else {
        run<aggregator>({data + 1, size - 1});
    }
    return 0;
}
