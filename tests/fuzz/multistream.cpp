// SPDX-License-Identifier: MIT

/// @file
/// Both sides of multistream-select take any bytes in any portions, and never more than there are.

#include <muster/libp2p/multistream.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::libp2p;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::input in{data, size};
    std::vector<std::string> const supported{"/noise", "/yamux/1.0.0"};
    multistream::dialer dialer{supported};
    multistream::listener listener{std::make_shared<std::vector<std::string> const>(supported)};
    bool dialling = true, listening = true;
    std::size_t answered = 0;
    while (!in.empty() && (dialling || listening)) {
        auto const part = in.octets();
        if (dialling) {
            bytes out;
            effect_list<multistream::agreed> agreed;
            auto const taken = dialer.feed(part, instant{}, out, agreed);
            fuzz::require(!taken || taken.value() <= part.size());
            dialling = taken && agreed.empty();
        }
        if (listening) {
            bytes out;
            effect_list<multistream::agreed> agreed;
            auto const taken = listener.feed(part, instant{}, out, agreed);
            fuzz::require(!taken || taken.value() <= part.size());
            listening = taken && agreed.empty();
            answered += out.size();
        }
    }
    fuzz::require(answered < 256);
    return 0;
}
