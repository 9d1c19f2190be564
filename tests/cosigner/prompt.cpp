// SPDX-License-Identifier: MIT

#include <support/catch.hpp>

#include <prompt.hpp>

namespace prompt_tests {

using namespace cosigner;

namespace {

std::string const one(64, '1'), two(64, '2'), three(64, '3');
using std::chrono::milliseconds;

/// A prompt, and a time that moves by hand.
struct desk {
    approval_prompt prompt;
    approval_prompt::time now{std::chrono::hours{1}};

    /// Types, after all that was shown was there for long enough to be read.
    prompt_step type(std::string_view line) {
        now += 10 * approval_prompt::settling;
        return prompt.typed(line, now);
    }
};

bool shows(prompt_step const& s, std::string const& id) {
    return s.draw && s.draw->find("session " + id.substr(0, 8)) != std::string::npos;
}

}  // namespace

TEST_CASE("a question is drawn at once, and the next one when it was answered") {
    desk d;
    CHECK(shows(d.prompt.asked(one, d.now), one));
    CHECK_FALSE(d.prompt.asked(two, d.now).draw);
    auto const step = d.type("y");
    REQUIRE(step.decided);
    CHECK(step.decided->session == one);
    CHECK(step.decided->approved);
    CHECK_FALSE(step.draw);
    CHECK(shows(d.prompt.next(d.now), two));
    CHECK(d.type("no").decided->session == two);
    CHECK_FALSE(d.prompt.next(d.now).draw);
}

TEST_CASE("yes and no in any case decide, everything else asks again") {
    for (auto const* const yes : {"y", "Y", "yes", "YES", "Yes", " y ", "y\r"}) {
        desk d;
        (void)d.prompt.asked(one, d.now);
        INFO(yes);
        CHECK(d.type(yes).decided->approved);
    }
    for (auto const* const no : {"n", "N", "no", "NO"}) {
        desk d;
        (void)d.prompt.asked(one, d.now);
        CHECK_FALSE(d.type(no).decided->approved);
    }
    desk d;
    (void)d.prompt.asked(one, d.now);
    for (auto const* const unclear : {"", " ", "yy", "yes please", "ja", "0", "1", "\x1b[A", "nope", "y y"}) {
        auto const step = d.type(unclear);
        INFO(unclear);
        CHECK_FALSE(step.decided);
        CHECK(shows(step, one));
        CHECK_FALSE(step.say.empty());
    }
    CHECK(d.type("y").decided);
}

TEST_CASE("a question that ends otherwise is withdrawn aloud, and the next one drawn") {
    desk d;
    (void)d.prompt.asked(one, d.now);
    (void)d.prompt.asked(two, d.now);
    auto const step = d.prompt.ended(one, "the session is over", d.now);
    REQUIRE(step.say.size() == 1);
    CHECK(step.say[0] == "session 11111111: the question is withdrawn: the session is over");
    CHECK(shows(step, two));
    CHECK(step.is_new);
    CHECK(d.type("y").decided->session == two);
}

TEST_CASE("what ends behind the question on the screen leaves it alone") {
    desk d;
    (void)d.prompt.asked(one, d.now);
    (void)d.prompt.asked(two, d.now);
    (void)d.prompt.asked(three, d.now);
    auto const step = d.prompt.ended(two, "the session is over", d.now);
    CHECK((step.say.empty() && !step.draw));
    CHECK(d.type("y").decided->session == one);
    CHECK(shows(d.prompt.next(d.now), three));
}

TEST_CASE("an answer to what was withdrawn does not answer what took its place") {
    desk d;
    (void)d.prompt.asked(one, d.now);
    (void)d.prompt.asked(two, d.now);
    d.now += 10 * approval_prompt::settling;
    (void)d.prompt.ended(one, "the session is over", d.now);
    auto const hasty = d.prompt.typed("y", d.now + approval_prompt::settling - milliseconds{1});
    CHECK_FALSE(hasty.decided);
    CHECK(shows(hasty, two));
    CHECK(d.type("y").decided->session == two);
}

TEST_CASE("a second answer that follows at once is not for the next question") {
    desk d;
    (void)d.prompt.asked(one, d.now);
    (void)d.prompt.asked(two, d.now);
    CHECK(d.prompt.typed("y", d.now).decided->session == one);
    CHECK(shows(d.prompt.next(d.now), two));
    CHECK_FALSE(d.prompt.typed("y", d.now + milliseconds{60}).decided);
    CHECK(d.type("y").decided->session == two);
}

TEST_CASE("a question that comes up just after another was withdrawn is guarded as well") {
    desk d;
    (void)d.prompt.asked(one, d.now);
    (void)d.prompt.ended(one, "the session is over", d.now);
    d.now += approval_prompt::settling / 2;
    CHECK(shows(d.prompt.asked(two, d.now), two));
    d.now += approval_prompt::settling - milliseconds{1};
    CHECK_FALSE(d.prompt.typed("y", d.now).decided);
    CHECK(d.type("y").decided->session == two);
}

TEST_CASE("without a question nothing that is typed decides anything") {
    desk d;
    CHECK_FALSE(d.type("y").decided);
    (void)d.prompt.asked(one, d.now);
    (void)d.prompt.ended(one, "the session is over", d.now);
    CHECK_FALSE(d.type("y").decided);
    CHECK_FALSE(d.prompt.asked(two, d.now).decided);
}

TEST_CASE("asking twice is asking once") {
    desk d;
    (void)d.prompt.asked(one, d.now);
    CHECK_FALSE(d.prompt.asked(one, d.now).draw);
    CHECK(d.prompt.waiting().size() == 1);
    CHECK_FALSE(d.prompt.ended(two, "", d.now).draw);
}

}  // namespace prompt_tests
