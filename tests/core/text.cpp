// SPDX-License-Identifier: MIT

#include <muster/core/base58.hpp>
#include <muster/core/hex.hpp>

#include <support/catch.hpp>

namespace text_tests {

using namespace muster;

TEST_CASE("hexadecimal is strict") {
    CHECK(to_hex(bytes{0x00, 0xab, 0xff}) == "00abff");
    CHECK(from_hex("00aBFf").value() == bytes{0x00, 0xab, 0xff});
    CHECK(from_hex("").value().empty());
    CHECK(from_hex("abc").error() == hex_errc::odd_length);
    for (auto const* bad : {"0x", " 0", "0 ", "g0", "0g", "-1", "+1", "0\n"}) {
        CHECK(from_hex(bad).error() == hex_errc::bad_digit);
    }
    CHECK(from_hex("00zz").error().index() == 2u);
    CHECK(from_hex("000z").error().index() == 3u);
}

TEST_CASE("hexadecimal of a fixed size says which size it wanted") {
    struct tag;
    using four = fixed_bytes<tag, 4>;
    CHECK(from_hex_as<four>("01020304").value() == four{{1, 2, 3, 4}});
    auto const wrong = from_hex_as<four>("010203");
    CHECK(wrong.error() == hex_errc::wrong_size);
    CHECK(wrong.error().message() == "expected 8 hexadecimal digits, got 6");
}

TEST_CASE("base58 keeps leading zeros and refuses what is not in its alphabet") {
    // Figures of the IETF draft "The Base58 Encoding Scheme" (draft-msporny-base58).
    CHECK(to_base58(as_bytes("Hello World!")) == "2NEpo7TZRRrLZSi2U");
    CHECK(to_base58(bytes{0x00, 0x00, 0x28, 0x7f, 0xb4, 0xcd}) == "11233QC4");
    CHECK(from_base58("11233QC4").value() == bytes{0x00, 0x00, 0x28, 0x7f, 0xb4, 0xcd});
    CHECK(to_base58({}).empty());
    CHECK(from_base58("11").value() == bytes{0, 0});
    for (auto const* bad : {"0", "O", "I", "l", "2 ", "é"}) {
        CHECK(from_base58(bad).error() == base58_errc::bad_character);
    }
    CHECK(from_base58(std::string(257, '1')).error() == base58_errc::too_long);
}

TEST_CASE("base58 round trips every length") {
    bytes value;
    for (std::size_t n = 0; n < 80; ++n) {
        CHECK(from_base58(to_base58(value)).value() == value);
        value.push_back(static_cast<byte>(n * 37 % 256));
    }
}

}  // namespace text_tests
