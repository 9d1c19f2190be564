// SPDX-License-Identifier: MIT

/// @file
/// Frames and proposals from octets: what decodes must encode to the same octets again.

#include <cstdlib>

#include <muster/signing/frame.hpp>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace muster;
    using namespace muster::signing;
    static limits const l;
    byte_view const input{data, size};

    if (auto const plan = decode_proposal(input, l)) {
        if (encode(plan.value()) != to_bytes(input)) std::abort();
        (void)check(plan.value(), l);
    }
    if (auto const frame = parse_frame(input, l)) {
        if (auto const what = decode_body(frame.value(), l)) {
            wire::writer again;
            signing::detail::encode_body(again, what.value());
            if (!equal(again.view(), frame.value().body) || kind_of(what.value()) != frame.value().header.what) std::abort();
        }
    }
    return 0;
}
