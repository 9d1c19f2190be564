// SPDX-License-Identifier: MIT

/// @file
/// Frames on a stream: however the bytes are cut, the same frames come out, and what is written is read again.

#include <muster/libp2p/framing.hpp>

#include <vector>

#include "fuzz.hpp"

using namespace muster;

namespace {

constexpr std::size_t frame_size_max = 300;

struct outcome {
    std::vector<bytes> frames;
    bool failed = false;
    bool operator==(outcome const&) const = default;
};

/// The frames of @p stream, fed in pieces of at most @p piece bytes.
outcome read(byte_view stream, std::size_t piece) {
    libp2p::frame_reader reader{frame_size_max};
    outcome out;
    while (!stream.empty() && !out.failed) {
        auto const part = stream.first(std::min(piece, stream.size()));
        stream = stream.subspan(part.size());
        reader.feed(part);
        for (;;) {
            auto const next = reader.next();
            out.failed = !next;
            if (!next || !next.value()) break;
            out.frames.push_back(to_bytes(*next.value()));
        }
        if (!out.failed) fuzz::require(reader.held() <= frame_size_max + wire::varint_size_max + piece);
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::input in{data, size};
    auto const piece = 1 + in.below(64);
    auto const stream = in.rest();
    auto const found = read(stream, piece);
    fuzz::require(found == read(stream, size + 1));
    libp2p::frame_writer writer{1u << 20};
    for (auto const& frame : found.frames) fuzz::require(writer.try_push(frame));
    auto const again = read(writer.front(), piece);
    fuzz::require(again.frames == found.frames && !again.failed);
    return 0;
}
