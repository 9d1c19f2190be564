// SPDX-License-Identifier: MIT

/// @file
/// Names as people and peers write them: hexadecimal, base58, peer ids. What is read is written the same way again.

#include <muster/core/base58.hpp>
#include <muster/core/hex.hpp>
#include <muster/peer/peer_id.hpp>

#include "fuzz.hpp"

using namespace muster;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const text{reinterpret_cast<char const*>(data), size};
    if (auto const octets = from_hex(text)) fuzz::require(from_hex(to_hex(octets.value())).value() == octets.value());
    if (size <= 512) {  // decoding is quadratic
        if (auto const octets = from_base58(text)) fuzz::require(to_base58(octets.value()) == text);
    }
    if (auto const id = peer::peer_id::from_text(text)) fuzz::require(id.value().to_text() == text);
    if (auto const id = peer::peer_id::from_multihash({data, size})) {
        fuzz::require(equal(id.value().view(), {data, size}));
        fuzz::require(peer::peer_id::from_text(id.value().to_text()).value() == id.value());
        (void)id.value().secp256k1_key();
    }
    return 0;
}
