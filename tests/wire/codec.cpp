// SPDX-License-Identifier: MIT

#include <muster/core/hex.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

#include <support/catch.hpp>

#include <muster/core/random.hpp>

namespace codec_tests {

using namespace muster;
using wire::errc;
using wire::reader;
using wire::writer;

TEST_CASE("what is written is read back") {
    auto const encoded = writer{}
                             .u8(0xfe)
                             .u16(0x0102)
                             .u32(0x01020304)
                             .u64(0x0102030405060708)
                             .i64(-2)
                             .sized(as_bytes("muster"))
                             .raw(bytes{9, 9})
                             .take();
    CHECK(to_hex(byte_view{encoded}.first(15)) == "fe0102010203040102030405060708");
    reader in{encoded};
    CHECK(in.u8() == 0xfe);
    CHECK(in.u16() == 0x0102);
    CHECK(in.u32() == 0x01020304);
    CHECK(in.u64() == 0x0102030405060708);
    CHECK(in.i64() == -2);
    CHECK(in.sized_text(6) == "muster");
    CHECK(equal(in.raw(2), bytes{9, 9}));
    CHECK(in.finish());
}

TEST_CASE("a reader never reads past the end, and remembers the first failure") {
    bytes const two{1, 2};
    reader in{two};
    CHECK(in.u32() == 0);
    CHECK(in.u8() == 0);  // nothing is read after a failure
    CHECK(in.raw(0).empty());
    CHECK(in.finish().error() == errc::truncated);
    CHECK(in.finish().error().message() == "4 bytes wanted, 2 left at offset 0");
}

TEST_CASE("bytes after the end are refused") {
    bytes const two{1, 2};
    reader in{two};
    CHECK(in.u8() == 1);
    CHECK(in.finish().error() == errc::trailing);
}

TEST_CASE("lengths are checked before they are used") {
    auto const huge = writer{}.size(std::size_t{1} << 60).take();
    reader limited{huge};
    CHECK(limited.sized(100).empty());
    CHECK(limited.finish().error() == errc::too_large);

    reader unlimited{huge};
    CHECK(unlimited.sized(SIZE_MAX).empty());
    CHECK(unlimited.finish().error() == errc::truncated);

    auto const many = writer{}.size(1000).raw(bytes(10)).take();
    reader counted{many};
    CHECK(counted.count(1000, 33) == 0);
    CHECK(counted.finish().error() == errc::truncated);
}

TEST_CASE("a length has one spelling") {
    bytes const padded{0x81, 0x00, 7};
    reader in{padded};
    CHECK(in.sized(10).empty());
    CHECK(in.finish().error() == errc::not_canonical);
}

TEST_CASE("varints take the shortest form and at most nine bytes") {
    for (std::uint64_t const v : {0ull, 1ull, 127ull, 128ull, 300ull, 16384ull, 0x7fff'ffff'ffff'ffffull}) {
        bytes out;
        wire::append_varint(out, v);
        auto const parsed = wire::parse_varint(out).value();
        REQUIRE(parsed);
        CHECK(*parsed == wire::varint{v, out.size()});
        CHECK_FALSE(wire::parse_varint(byte_view{out}.first(out.size() - 1)).value());
    }
    CHECK(wire::parse_varint(bytes(10, 0xff)).error() == errc::too_large);
    CHECK(wire::parse_varint(bytes(9, 0xff)).error() == errc::too_large);
    CHECK(wire::parse_varint(bytes{0x80, 0x00}).error() == errc::not_canonical);
}

TEST_CASE("enumerators outside their range are refused") {
    enum class colour : std::uint8_t { red = 1, green };
    bytes const octets{2, 3};
    reader in{octets};
    CHECK(in.enumerator(colour::red, colour::green) == colour::green);
    CHECK(in.enumerator(colour::red, colour::green) == colour::red);
    CHECK(in.finish().error() == errc::bad_value);
}

TEST_CASE("a reader survives any bytes") {
    splitmix64 random{7};
    for (int round = 0; round < 20'000; ++round) {
        bytes input(uniform(random, 40));
        for (auto& octet : input) octet = static_cast<byte>(random());
        reader in{input};
        while (in.ok() && in.remaining() != 0) {
            switch (uniform(random, 6)) {
                case 0: (void)in.u8(); break;
                case 1: (void)in.u64(); break;
                case 2: (void)in.sized(16); break;
                case 3: (void)in.raw(uniform(random, 50)); break;
                case 4: (void)in.count(100, 2); break;
                default: (void)in.sized_text(1000); break;
            }
            REQUIRE(in.offset() <= input.size());
        }
        (void)in.finish();
    }
}

}  // namespace codec_tests
