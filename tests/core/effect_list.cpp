// SPDX-License-Identifier: MIT

#include <muster/core/effect_sink.hpp>

#include <stdexcept>
#include <string>
#include <vector>

#include <support/catch.hpp>

namespace effect_list_tests {

using namespace muster;

namespace {

/// Asks for more while it is handed some, and throws when it is told to.
struct desk {
    void push(std::string e) {
        if (e == "throw") throw std::runtime_error{e};
        if (e == "more") from->push("late");
        got.push_back(std::move(e));
    }
    effect_list<std::string>* from = nullptr;
    std::vector<std::string> got = {};
};

}  // namespace

TEST_CASE("a list of effects is handed over in order, once, and what that causes is kept") {
    effect_list<std::string> list;
    desk d{&list};
    for (int round = 0; round < 3; ++round) {
        for (auto const* const e : {"one", "more", "two"}) list.push(e);
        list.move_to(d);
        CHECK(d.got == std::vector<std::string>{"one", "more", "two"});
        CHECK(list.size() == 1);
        d.got.clear();
        list.move_to(d);
        CHECK(d.got == std::vector<std::string>{"late"});
        CHECK(list.empty());
        d.got.clear();
    }
    for (int i = 0; i < 1000; ++i) list.push("x");
    list.move_to(d);
    CHECK(d.got.size() == 1000);
    CHECK(list.empty());
}

TEST_CASE("a list whose taker throws holds nothing of what was handed over") {
    effect_list<std::string> list;
    desk d{&list};
    for (auto const* const e : {"one", "throw", "two"}) list.push(e);
    CHECK_THROWS(list.move_to(d));
    CHECK(d.got == std::vector<std::string>{"one"});
    CHECK(list.empty());
    list.push("three");
    list.move_to(d);
    CHECK(d.got == std::vector<std::string>{"one", "three"});
}

}  // namespace effect_list_tests
