// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What every model of entry_store does.

#include <map>

#include <muster/sync/entry_store.hpp>

#include <support/catch.hpp>

namespace muster::test {

[[nodiscard]] inline std::vector<sync::entry> some_entries() {
    return {{{{0, 7}, 1}, {}},
            {{{0, 7}, 2}, bytes{1, 2, 3}},
            {{{0, UINT64_MAX}, 1}, bytes(4096, 9)},
            {{{300, 1}, 1}, bytes{0}}};
}

/// @p open gives a store over the same place each time.
template <class Open>
void check_entry_store(Open open) {
    auto const all = some_entries();
    auto const load = [](auto& store) {
        sync::entry_log log;
        REQUIRE(store.load([&](sync::entry e) { REQUIRE(log.add(std::move(e))); }));
        return log;
    };
    {
        auto store = open();
        CHECK_FALSE(store.add(std::span{all}.first(1)));  // not loaded yet
        CHECK(load(store).size() == 0);
        REQUIRE(store.add(std::span{all}.first(2)));
        REQUIRE(store.add(std::span{all}.subspan(2)));
        REQUIRE(store.add({}));
    }
    {
        auto store = open();
        auto const log = load(store);
        CHECK(log.size() == all.size());
        for (auto const& e : all) {
            REQUIRE(log.find(e.at) != nullptr);
            CHECK(*log.find(e.at) == e.content);
        }
        REQUIRE(store.add(std::vector{sync::entry{{{0, 7}, 3}, bytes{5}}}));
    }
    auto store = open();
    CHECK(load(store).last_of({0, 7}) == 3);
    // What was not taken when it was loaded comes again: the last one in a place counts.
    REQUIRE(store.add(std::vector{sync::entry{{{0, 7}, 2}, bytes{9, 9}}}));
    REQUIRE(store.add(std::vector{sync::entry{{{0, 7}, 2}, bytes{9, 9}}}));
    REQUIRE(store.add(std::vector{sync::entry{{{0, 7}, 0}, bytes{1}}}));  // a mark
    REQUIRE(store.add(std::vector{sync::entry{{{0, 7}, 0}, bytes{2}}}));
    std::map<sync::dot, bytes> last;
    auto again = [&] {
        { auto const closed = std::move(store); }
        return open();
    }();
    REQUIRE(again.load([&](sync::entry e) { last[e.at] = std::move(e.content); }));
    CHECK(last.at({{0, 7}, 2}) == bytes{9, 9});
    CHECK(last.at({{0, 7}, 3}) == bytes{5});
    CHECK(last.at({{0, 7}, 0}) == bytes{2});
}

}  // namespace muster::test
