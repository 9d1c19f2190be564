// SPDX-License-Identifier: MIT

/// @file
/// Noise: handshakes of both roles, a channel, and the decoders of what a handshake carries.

#include <muster/libp2p/noise.hpp>

#include <support/keys.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::libp2p;

namespace {

noise::handshake start(role side) {
    static peer::node_key const host{std::move(test::make_keys(1)[0])};
    test::predictable source{1};
    return noise::handshake::make(side, host, crypto::x25519_key::generate(source).value(), source).value();
}

void shake_hands(fuzz::input in) {
    auto side = start(in.below(2) == 0 ? role::dialer : role::listener);
    bytes out;
    effect_list<noise::proved> proved;
    side.start(out);
    while (!in.empty()) {
        auto const part = in.octets();
        auto const taken = side.feed(part, instant{}, out, proved);
        if (!taken) return;
        fuzz::require(taken.value() <= part.size());
        fuzz::require(!side.finished() && proved.empty());  // nobody finishes without keys
    }
}

/// Opens bytes that are sealed by the fuzzed side with the right keys, then disturbed by the fuzzer.
void open_channel(fuzz::input in) {
    bytes const one(32, 1), two(32, 2);
    noise::channel a{{noise::cipher{one}, noise::cipher{two}}}, b{{noise::cipher{two}, noise::cipher{one}}};
    bytes opened;
    while (!in.empty()) {
        bytes wire;
        fuzz::require(static_cast<bool>(a.seal(in.octets(), wire)));
        if (in.below(4) == 0) append(wire, in.octets());
        if (!b.open(wire, opened)) return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::input in{data, size};
    switch (in.below(3)) {
        case 0: shake_hands(in); break;
        case 1: open_channel(in); break;
        default: {
            if (auto const payload = decode_handshake_payload(in.rest())) {
                fuzz::require(decode_handshake_payload(encode(payload.value())).value() == payload.value());
            }
            if (auto const key = peer::host_key::decode(in.rest())) {
                fuzz::require(peer::host_key::decode(key.value().encoded()).value() == key.value());
                fuzz::require(!key.value().id().empty());
                (void)key.value().verify(in.rest(), in.rest());
            }
        }
    }
    return 0;
}
