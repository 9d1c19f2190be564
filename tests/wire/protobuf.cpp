// SPDX-License-Identifier: MIT

#include <muster/wire/protobuf.hpp>

#include <string>

#include <muster/core/hex.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace protobuf_tests {

using namespace muster;

namespace {

/// The fields of a message, as text; ends with `!` where it is none.
std::string shown(byte_view message) {
    std::string out;
    auto const done = wire::for_each_field(message, [&](auto tag, std::uint64_t number, byte_view content) {
        out += text(tag, ":", number, ":", to_hex(content), " ");
    });
    if (done) return out;
    CHECK(done.error() == wire::errc::malformed);
    return out + "!";
}

}  // namespace

TEST_CASE("protobuf: the example of its documentation, and fields in any order") {
    CHECK(shown(from_hex("089601").value()) == "1:150: ");
    CHECK(shown(from_hex("120774657374696e67").value()) == "2:0:74657374696e67 ");
    CHECK(shown({}).empty());
    CHECK(shown(from_hex("1200"
                         "0800"
                         "1201ff"
                         "0d01020304"
                         "110102030405060708"
                         "0801")
                    .value()) == "2:0: 1:0: 2:0:ff 1:1: ");  // fixed-size fields are skipped
    wire::protobuf_writer out;
    CHECK(to_hex(out.number(1, 150).content(2, "testing").content(300, byte_view{}).take()) ==
          "089601"
          "120774657374696e67"
          "e21200");
}

TEST_CASE("protobuf: what is no message is refused, however it is cut or disturbed") {
    for (auto const* const digits :
         {"08", "0896", "12", "1205", "120174ff", "0d010203", "00", "0b", "08ffffffffffffffffffff01", "12ffffffff0f"}) {
        INFO(digits);
        CHECK(shown(from_hex(digits).value()).back() == '!');
    }
    splitmix64 random{3};
    for (int round = 0; round < 20'000; ++round) {
        bytes input(uniform(random, 24));
        for (auto& b : input) b = static_cast<byte>(random());
        (void)wire::for_each_field(input, [&](auto tag, std::uint64_t, byte_view content) {
            REQUIRE(tag != 0);
            REQUIRE(content.size() < input.size());
        });
    }
}

}  // namespace protobuf_tests
