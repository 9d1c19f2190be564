// SPDX-License-Identifier: MIT

#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>

#include <array>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include <support/catch.hpp>

namespace fields_tests {

using namespace muster;

namespace {

/// With the errors that `error` wants.
MUSTER_ENUMERATION(weather, 1,
                   sunny,  ///< Commas, in a comment, and = signs are not part of the list.
                   mixed, rainy);
constexpr std::string_view category_of(weather) noexcept { return "weather"; }
static_assert(static_cast<int>(weather::rainy) == 3);
static_assert(to_string(weather::sunny) == "sunny" && to_string(weather::rainy) == "rainy");
static_assert(to_string(weather{0}) == "unknown" && to_string(weather{4}) == "unknown");

struct place {
    std::array<byte, 2> id{0, 255};
    std::optional<int> height = {};
    MUSTER_FIELDS(place, id, height);
};
struct report {
    place where = {};
    weather today = weather::mixed;
    std::vector<std::string> says = {};
    bool is_late = false;
    error why{weather::rainy, "wet"};
    MUSTER_FIELDS(report, where, today, says, is_late, why);
};
struct nothing {
    MUSTER_FIELDS(nothing);
};
struct shared_report {
    std::shared_ptr<report const> what;
    byte_view seen = {};
    static constexpr auto fields =
        field_list{"shared_report", field{"what", &shared_report::what}, field{"seen", &shared_report::seen}};
    friend bool operator==(shared_report const& a, shared_report const& b) { return have_equal_fields(a, b); }
};

}  // namespace

TEST_CASE("an aggregate that lists its fields is printed on one line, whatever it holds") {
    CHECK(to_text(nothing{}) == "nothing{}");
    CHECK(to_text(place{}) == "place{id: 00ff, height: none}");
    CHECK(to_text(place{{1, 2}, -3}) == "place{id: 0102, height: -3}");
    CHECK(to_text(report{{}, weather::sunny, {"a", "\x1b[8m\"\n"}, true}) ==
          "report{where: place{id: 00ff, height: none}, today: sunny, says: [\"a\", \"\\x1b[8m\\x22\\x0a\"], is_late: "
          "true, why: \"weather.rainy: wet\"}");
    CHECK(to_text(std::variant<nothing, place>{place{}}) == to_text(place{}));
    CHECK(to_text(shared_report{}) == "shared_report{what: none, seen: }");
}

TEST_CASE("what a peer makes long is cut, and its length told") {
    bytes const many(1'000'000, 7);
    auto const shown = to_text(shared_report{nullptr, many});
    CHECK(shown.size() < 700);
    CHECK(shown.find("0707... (1000000 bytes)") != std::string::npos);
    auto const talk = to_text(report{{}, weather::sunny, {std::string(1'000'000, 'x')}});
    CHECK(talk.size() < 700);
    CHECK(talk.find("xx\"... (1000000 bytes)") != std::string::npos);
}

TEST_CASE("aggregates that list their fields compare by them, and what is shared by its content") {
    CHECK(place{} == place{});
    CHECK_FALSE(place{} == place{{}, 1});
    auto const one = std::make_shared<report const>(), other = std::make_shared<report const>();
    bytes const a{1, 2}, b{1, 2}, c{1, 3};
    CHECK(shared_report{one, a} == shared_report{other, b});
    CHECK_FALSE(shared_report{one, a} == shared_report{other, c});
    CHECK_FALSE(shared_report{one, a} == shared_report{nullptr, a});
    CHECK(shared_report{nullptr, a} == shared_report{nullptr, a});
}

TEST_CASE("fields are visited in their order") {
    std::vector<std::string_view> names;
    for_each_field(report{}, [&](std::string_view name, auto const&) { names.push_back(name); });
    CHECK(names == std::vector<std::string_view>{"where", "today", "says", "is_late", "why"});
}

}  // namespace fields_tests
