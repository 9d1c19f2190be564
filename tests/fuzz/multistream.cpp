// SPDX-License-Identifier: MIT

/// @file
/// Both sides of multistream-select take any octets in any portions, and never more than there are.

#include <muster/libp2p/multistream.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::libp2p;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::input in{data, size};
    static std::vector<std::string> const supported{"/noise", "/yamux/1.0.0"};
    multistream::dialer dialer{supported};
    multistream::listener listener;
    bool dialling = true, listening = true;
    std::size_t answered = 0;
    while (!in.empty() && (dialling || listening)) {
        auto const part = in.octets();
        if (dialling) {
            auto const p = dialer.feed(part);
            fuzz::require(!p || p.value().consumed <= part.size());
            dialling = p && !p.value().agreed;
            (void)dialer.take_output();
        }
        if (listening) {
            auto const p = listener.feed(part, supported);
            fuzz::require(!p || p.value().consumed <= part.size());
            listening = p && !p.value().agreed;
            answered += listener.take_output().size();
        }
    }
    fuzz::require(answered < 256);
    return 0;
}
