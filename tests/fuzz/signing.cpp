// SPDX-License-Identifier: MIT

/// @file
/// Frames and proposals from bytes: what decodes must encode to the same bytes again.

#include <algorithm>
#include <cstdlib>

#include <muster/signing/frame.hpp>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace muster;
    using namespace muster::signing;
    static limits const l;
    byte_view const input{data, size};

    wire::reader in{input};
    encoded_proposal encoded;
    encoded.terms = to_bytes(in.sized(l.frame_size_max));
    encoded.roster = to_bytes(in.raw(in.remaining()));
    // The terms name the roster's hash, which no mutation would hit: half of the inputs get it right.
    if (!encoded.roster.empty() && encoded.roster.size() % 2 == 0 && encoded.terms.size() >= 32) {
        auto const id = roster_id_of(encoded.roster);
        std::copy(id.octets.begin(), id.octets.end(), encoded.terms.begin());
    }
    if (auto const plan = decode_proposal(encoded, l)) {
        if (encode(plan.value()) != encoded) std::abort();
        (void)check(plan.value(), l);
    }
    if (auto const frame = parse_frame(input, l)) {
        if (auto const what = decode_body(frame.value(), l)) {
            wire::writer again;
            signing::detail::encode_body(again, what.value());
            if (!equal(again.view(), frame.value().body) || kind_of(what.value()) != frame.value().header.what)
                std::abort();
        }
    }
    return 0;
}
