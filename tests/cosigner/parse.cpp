// SPDX-License-Identifier: MIT

#include <support/catch.hpp>

#include <parse.hpp>
#include <schema.hpp>

namespace parse_tests {

using namespace cosigner;

TEST_CASE("a derivation path is what it says or it is refused") {
    CHECK(parse_path("0/7").value().steps == std::vector<std::uint32_t>{0, 7});
    CHECK(parse_path("m/0/7").value().steps == std::vector<std::uint32_t>{0, 7});
    CHECK(parse_path("2147483647").value().steps == std::vector<std::uint32_t>{0x7fff'ffff});
    CHECK(to_text(parse_path("0/7").value()) == "m/0/7");
    for (auto const* const wrong : {"",
                                    "m",
                                    "m/",
                                    "/",
                                    "/0",
                                    "010",
                                    "00",
                                    "8/",
                                    "0//7",
                                    "86'/0",
                                    "86h",
                                    "+1",
                                    "-1",
                                    " 1",
                                    "1 ",
                                    "0x10",
                                    "1e3",
                                    "2147483648",
                                    "4294967296",
                                    "99999999999999999999",
                                    "M/0",
                                    "m/m/0",
                                    "0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6"}) {
        INFO(wrong);
        REQUIRE_FALSE(parse_path(wrong));
        CHECK(parse_path(wrong).error() == errc::bad_input);
    }
    CHECK_FALSE(parse_path(std::string_view{"0\0", 2}));
}

TEST_CASE("a number has decimal digits and keeps to its bounds") {
    CHECK(parse_number("n", "600", 1, 86'400).value() == 600);
    CHECK(parse_number("n", "0", 0, 1).value() == 0);
    for (auto const* const wrong :
         {"", "010", "0x10", "1.5", "1e3", "+1", "-1", " 1", "86401", "0", "9999999999999999999"}) {
        INFO(wrong);
        CHECK_FALSE(parse_number("n", wrong, 1, 86'400));
    }
}

TEST_CASE("digests take either case everywhere, and nothing but 64 digits") {
    std::string const lower(64, 'a'), upper(64, 'A');
    using muster::crypto::digest32;
    CHECK(parse_hex<digest32>("d", lower).value() == parse_hex<digest32>("d", upper).value());
    CHECK(parse_rule("digest:" + upper).value().digest == parse_hex<digest32>("d", lower).value());
    CHECK(parse_rule("digest:" + upper).value().to_text() == "digest:" + lower);
    for (auto const& wrong :
         {std::string{}, lower.substr(1), lower + "aa", "0x" + lower.substr(2), " " + lower.substr(1)}) {
        INFO(wrong);
        CHECK_FALSE(parse_hex<digest32>("d", wrong));
        CHECK_FALSE(parse_rule("digest:" + wrong));
    }
    for (auto const* const wrong : {"", "ASK", "yes", "digest", "all "}) CHECK_FALSE(parse_rule(wrong));
}

TEST_CASE("names cannot be taken for something else") {
    for (auto const* const right : {"alice", "a.b-c_d", "Z9"}) CHECK(parse_name(right));
    for (auto const& wrong : {std::string{}, std::string{"me"}, std::string{"a b"}, std::string{"a,b"},
                              std::string{"a=b"}, std::string{"\x1b[8m"}, std::string{"--json"}, std::string{"123"},
                              std::string(65, 'a'), "02" + std::string(64, 'a')}) {
        INFO(wrong);
        CHECK_FALSE(parse_name(wrong));
    }
    CHECK(parse_list("--with", "bob,carol").value() == std::vector<std::string>{"bob", "carol"});
    for (auto const* const wrong : {"", "bob,", ",bob", "bob,,carol"}) CHECK_FALSE(parse_list("--with", wrong));
}

TEST_CASE("the beginning of a session id is hexadecimal") {
    CHECK(parse_session("AbC1").value() == "abc1");
    for (auto const& wrong : {std::string{}, std::string{"xyz"}, std::string(65, 'a')})
        CHECK_FALSE(parse_session(wrong));
}

TEST_CASE("what is approved is named by as many digits as were shown") {
    CHECK(parse_approved_session("AbC1aBc1").value() == "abc1abc1");
    CHECK(parse_approved_session(std::string(64, 'a')));
    for (auto const& wrong : {std::string{}, std::string(7, 'a'), std::string{"xyzxyzxyz"}, std::string(65, 'a')})
        CHECK_FALSE(parse_approved_session(wrong));
}

TEST_CASE("a word that is nearly right is recognised") {
    CHECK(did_you_mean("aprove", {"approve", "abort"}) == "; did you mean \"approve\"?");
    CHECK(did_you_mean("taprot", {"path", "taproot"}) == "; did you mean \"taproot\"?");
    CHECK(did_you_mean("zzz", {"approve", "abort"}).empty());
}

TEST_CASE("JSON is read strictly") {
    CHECK(parse_json("x", R"({"a": 1})"));
    for (auto const* const wrong : {"", "{", "{'a':1}", "{\"a\":1}}", "{\"a\":1,\"a\":2}",
                                    "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "{\"a\":{\"b\":1,\"b\":1}}", "\"\xff\""}) {
        INFO(wrong);
        REQUIRE_FALSE(parse_json("x", wrong));
        CHECK(parse_json("x", wrong).error() == errc::bad_input);
    }
    for (auto const* const far : {"1e999", "-1e999", R"({"command": 1e999})"}) {
        CHECK(parse_json("x", far).error() == errc::bad_input);
    }
    CHECK(parse_json("settings", "{\n\"a\":}").error().message().find("line 2") != std::string::npos);
}

}  // namespace parse_tests
