// SPDX-License-Identifier: MIT

/// @file
/// A connection takes any bytes in any stage, and negotiated streams take any plaintext between any commands.

#include <muster/libp2p/connection.hpp>

#include <support/connection_end.hpp>
#include <support/keys.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::libp2p;

namespace {

using box = effect_list<connection_event>;

test::connection_end start(role side) {
    static peer::node_key const host{std::move(test::make_keys(1)[0])};
    test::predictable source{side == role::dialer ? 1u : 2u};
    return test::connection_end{side == role::dialer ? connection::dial(host, source, {}, {{"/a"}, {}}).value()
                                                     : connection::listen(host, source, {{"/a"}, {}}).value()};
}

/// Two connections, disturbed on the way after some undisturbed flights.
void disturb(fuzz::input in) {
    auto a = start(role::dialer), b = start(role::listener);
    box events;
    for (auto calm = in.below(5); calm > 0; --calm) {
        b.feed(a.take_output(events), events);
        a.feed(b.take_output(events), events);
    }
    while (!in.empty()) {
        if (in.below(2) == 0) (void)a.open_stream("/a");
        auto wire = a.take_output(events);
        auto const noise = in.octets();
        auto const at = in.number();
        for (std::size_t i = 0; i < noise.size() && at + i < wire.size(); ++i) wire[at + i] ^= noise[i];
        if (in.below(4) == 0) append(wire, noise);
        b.feed(wire, events);
        a.feed(b.take_output(events), events);
    }
}

/// The plaintext side of one connection, where the fuzzer is the authenticated peer.
void command(fuzz::input in) {
    connection_options o;
    o.protocols = {"/a", "/b"};
    o.streams.inbound_streams_max = 4;
    o.streams.output_size_max = 400;
    stream_set streams{in.below(2) == 0 ? role::dialer : role::listener, o};
    box events;
    bytes out;
    while (!in.empty()) {
        auto const id = static_cast<stream_id>(in.below(8));
        switch (in.below(10)) {
            case 0: (void)streams.open({"/a", "/c"}, out); break;
            case 1: (void)streams.write(id, in.octets(), out); break;
            case 2: streams.consume(id, 1000, out); break;
            case 3: (void)streams.close(id, out, events); break;
            case 4: streams.reset(id, out); break;
            case 5: streams.abandon(id, out); break;
            case 6:
                out.clear();
                streams.resume(instant{}, out, events);
                break;
            case 7:
                if (!streams.feed(in.octets(), instant{}, out, events)) return;
                break;
            default: {
                bytes frame, payload;
                if (in.below(2) == 0) multistream::append_message(payload, multistream::header);
                if (in.below(2) == 0) multistream::append_message(payload, in.below(2) == 0 ? "/a" : "na");
                append(payload, in.octets());
                yamux::append_header(frame, {yamux::frame_type::data, static_cast<std::uint16_t>(in.number() & 0xf), id,
                                             static_cast<std::uint32_t>(payload.size())});
                append(frame, payload);
                if (!streams.feed(frame, instant{}, out, events)) return;
            }
        }
        (void)events.take();
        fuzz::require(streams.size() <= 4 + 1024);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::input in{data, size};
    if (in.below(8) == 0) {
        disturb(in);
    } else {
        command(in);
    }
    return 0;
}
