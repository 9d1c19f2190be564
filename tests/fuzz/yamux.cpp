// SPDX-License-Identifier: MIT

/// @file
/// A yamux session takes any bytes between any commands: its bounds hold, and no stream receives beyond its window.

#include <muster/libp2p/yamux.hpp>

#include <map>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::libp2p;
using namespace muster::libp2p::yamux;

namespace {

/// A frame whose fields are likely to mean something.
bytes frame(fuzz::input& in) {
    auto const type = static_cast<frame_type>(in.below(4));
    auto const flags = static_cast<std::uint16_t>(in.number() & 0xf);
    auto const id = static_cast<stream_id>(in.below(12));
    bytes out;
    if (type != frame_type::data) {
        append_header(out, {type, flags, id, static_cast<std::uint32_t>(in.number() << (in.below(4) * 6))});
        return out;
    }
    auto const payload = in.octets();
    append_header(out, {type, flags, id, static_cast<std::uint32_t>(payload.size())});
    append(out, payload);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::input in{data, size};
    options o;
    o.inbound_streams_max = 4;
    o.outbound_streams_max = 4;
    o.output_size_max = 300;
    o.reply_size_max = 100;
    session s{in.below(2) == 0 ? role::dialer : role::listener, o};
    bytes out;
    effect_list<event> events;
    bytes fed;  // outlives the events, which look into it
    std::map<stream_id, std::size_t> held;
    while (!in.empty()) {
        auto const id = static_cast<stream_id>(in.below(12));
        switch (in.below(11)) {
            case 0: (void)s.open(out); break;
            case 1: (void)s.write(id, in.octets(), out); break;
            case 2:
                held[id] = 0;
                s.consume(id, window_size, out);
                break;
            case 3: (void)s.close(id, out); break;
            case 4: s.reset_stream(id, out); break;
            case 5: s.abandon(id, out); break;
            case 6: (void)s.ping(id, out); break;
            case 7: s.go_away(go_away_code::normal, out); break;
            case 8:
                out.clear();
                s.resume(out, events);
                break;
            case 9: (void)s.feed(in.octets(), instant{}, out, events); break;
            default: (void)s.feed(fed = frame(in), instant{}, out, events);
        }
        for (auto const& e : events.take()) {
            if (auto const* d = std::get_if<yamux::data>(&e)) held[d->id] += d->content.size();
        }
        for (auto const& [ignored, octets] : held) fuzz::require(octets <= window_size);
        fuzz::require(s.size() <= 8);
    }
    return 0;
}
