// SPDX-License-Identifier: MIT

#include <muster/libp2p/framing.hpp>

#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace framing_tests {

using namespace muster;
using libp2p::frame_reader;
using libp2p::frame_writer;

namespace {

/// Everything that is whole by now.
std::vector<bytes> take_all(frame_reader& in) {
    std::vector<bytes> out;
    for (;;) {
        auto const next = in.next();
        REQUIRE(next);
        if (!next.value()) return out;
        out.push_back(to_bytes(*next.value()));
    }
}

}  // namespace

TEST_CASE("frames come out as they went in, in whatever portions they travel") {
    splitmix64 random{1};
    std::vector<bytes> sent, got;
    bytes stream;
    for (int i = 0; i < 200; ++i) {
        bytes frame(uniform(random, i % 10 == 0 ? 5000 : 200));
        for (auto& octet : frame) octet = static_cast<byte>(random());
        frame_writer out{1u << 20};
        REQUIRE(out.try_push(frame));
        append(stream, out.front());
        sent.push_back(std::move(frame));
    }
    frame_reader in{5000};
    for (byte_view rest{stream}; !rest.empty();) {
        auto const size = std::min<std::size_t>(rest.size(), 1 + uniform(random, 300));
        in.feed(rest.first(size));
        rest = rest.subspan(size);
        for (auto& frame : take_all(in)) got.push_back(std::move(frame));
    }
    CHECK(got == sent);
}

TEST_CASE("whatever the portions, a reader keeps no more than a frame and a portion") {
    frame_reader in{1000};
    bytes const frame = [] {
        frame_writer out{1u << 20};
        REQUIRE(out.try_push(bytes(200, 7)));  // its length takes two bytes
        return to_bytes(out.front());
    }();
    in.feed(byte_view{frame}.first(1));
    for (int i = 0; i < 1000; ++i) {  // every portion ends inside the next length
        in.feed(byte_view{frame}.subspan(1));
        in.feed(byte_view{frame}.first(1));
        CHECK(take_all(in).size() == 1);
        CHECK(in.held() <= 1);
    }
}

TEST_CASE("a frame that is announced as too long is refused before it is kept") {
    frame_reader in{100};
    in.feed(bytes{101});
    CHECK(in.next().error() == transport::errc::too_large);
    frame_reader padded{100};
    padded.feed(bytes{0x81, 0x00});
    CHECK(padded.next().error() == wire::errc::not_canonical);
    frame_reader endless{100};
    endless.feed(bytes(20, 0xff));
    CHECK(endless.next().error() == wire::errc::too_large);
}

TEST_CASE("a writer refuses what exceeds its bound while others wait, and frees what was written") {
    frame_writer out{100};
    REQUIRE(out.try_push(bytes(60, 1)));
    CHECK_FALSE(out.try_push(bytes(60, 2)));
    CHECK(out.size() == 61);
    out.pop(61);
    CHECK(out.size() == 0);
    CHECK(out.try_push(bytes(500, 3)));  // alone, one frame of any permitted size goes
    out.pop(200);
    CHECK(out.front().size() == 302);
    CHECK(out.front()[0] == 3);
}

}  // namespace framing_tests
