// SPDX-License-Identifier: MIT

#include <support/catch.hpp>

#include <escape.hpp>

namespace escape_tests {

using namespace cosigner;

TEST_CASE("what could move a cursor, hide or reorder text is shown as an escape") {
    CHECK(escape("plain, with \xc3\xa4 and \xe6\x97\xa5") == "plain, with \xc3\xa4 and \xe6\x97\xa5");
    CHECK(escape("\x1b[8m") == "\\x1b[8m");
    CHECK(escape("a\r\nb\tc\x7f") == "a\\x0d\\x0ab\\x09c\\x7f");
    CHECK(escape(std::string_view{"\0", 1}) == "\\x00");
    CHECK(escape("\xc2\x9b"
                 "31m") == "\\u009b31m");  // CSI in one character of C1
    CHECK(escape("\xe2\x80\xae"
                 "fdp.exe") == "\\u202efdp.exe");  // right-to-left override
    CHECK(escape("\xe2\x81\xa6") == "\\u2066");    // isolate
    CHECK(escape("\xe2\x80\x8b") == "\\u200b");    // zero-width space
    CHECK(escape("\xe2\x80\xa8\xe2\x80\xa9") == "\\u2028\\u2029");
    CHECK(escape("\xc2\xa0\xe3\x80\x80") == "\\u00a0\\u3000");  // blanks that look like the space
    CHECK(escape("\xef\xbb\xbf\xef\xbf\xbe") == "\\ufeff\\ufffe");
    CHECK(escape("\xf3\xa0\x81\x81") == "\\U000e0041");  // a tag: a letter that is not shown
    CHECK(escape("\xd8\x9c") == "\\u061c");              // Arabic letter mark
}

TEST_CASE("bytes that are not UTF-8 are shown one by one") {
    CHECK(escape("\xff\xfe") == "\\xff\\xfe");
    CHECK(escape("\xc0\xaf") == "\\xc0\\xaf");                    // overlong
    CHECK(escape("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // a surrogate
    CHECK(escape("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
    CHECK(escape("\xe2\x82") == "\\xe2\\x82");                    // cut off
    CHECK_FALSE(is_utf8("\xe2\x82"));
    CHECK(is_utf8("\xe2\x82\xac"));
}

TEST_CASE("what is printed to be copied is one argument of a shell") {
    CHECK(as_argument("/home/alice/.cosigner-1") == "/home/alice/.cosigner-1");
    CHECK(as_argument("") == "''");
    CHECK(as_argument("my keys") == "'my keys'");
    CHECK(as_argument("it's; rm $HOME") == "'it'\\''s; rm $HOME'");
    CHECK(as_argument("~alice") == "'~alice'");
}

TEST_CASE("a long text is cut between characters, and ends with an ellipsis") {
    CHECK(escape(std::string(10, 'a'), 10) == std::string(10, 'a'));
    CHECK(escape(std::string(11, 'a'), 10) == std::string(10, 'a') + "\xe2\x80\xa6");
    CHECK(escape("aaa\x1b", 6) == "aaa\xe2\x80\xa6");          // never half an escape
    CHECK(escape("aaa\xe2\x82\xac", 5) == "aaa\xe2\x80\xa6");  // never half a character
    CHECK(in_quotes(std::string(300, 'a')).size() == value_size_max + 3 + 2);
}

TEST_CASE("where a value ends cannot be forged, and neither can a line") {
    CHECK(in_quotes("rent\" approved \\") == "\"rent\\\" approved \\\\\"");
    CHECK(joined({"one\nsession 00000000: forged", "two"}) == "one\\x0asession 00000000: forged\ntwo");
    std::string const raw = "a\x1b\xff\xe2\x80\xae\"\\";
    CHECK(escape(escape(raw)) == escape(raw));
    CHECK(escape(in_quotes(raw)) == in_quotes(raw));
}

}  // namespace escape_tests
