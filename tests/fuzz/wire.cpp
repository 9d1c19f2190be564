// SPDX-License-Identifier: MIT

/// @file
/// The wire reader stays inside its input whatever is read, and a varint has one spelling.

#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

#include "fuzz.hpp"

using namespace muster;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::input in{data, size};
    byte_view const plan = in.octets();
    byte_view const encoded = in.rest();

    if (auto const parsed = wire::parse_varint(encoded); parsed && parsed.value()) {
        bytes again;
        wire::append_varint(again, parsed.value()->value);
        fuzz::require(equal(again, encoded.first(parsed.value()->size)));
    }
    wire::reader reader{encoded};
    for (byte const step : plan) {
        switch (step % 8) {
            case 0: (void)reader.u8(); break;
            case 1: (void)reader.u16(); break;
            case 2: (void)reader.u32(); break;
            case 3: (void)reader.u64(); break;
            case 4: fuzz::require(reader.raw(step).size() <= encoded.size()); break;
            case 5: fuzz::require(reader.sized(64).size() <= 64); break;
            case 6: fuzz::require(reader.count(1000, 3) * 3 <= encoded.size()); break;
            default: (void)reader.sized_text(SIZE_MAX); break;
        }
        fuzz::require(reader.offset() <= encoded.size());
    }
    (void)reader.finish();
    return 0;
}
