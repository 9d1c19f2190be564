// SPDX-License-Identifier: MIT

#include <muster/sqlite/entry_store.hpp>

#include <support/entry_store_models.hpp>
#include <support/scratch.hpp>

namespace sqlite_entry_store_tests {

using namespace muster;

TEST_CASE("entry store: in a database") {
    test::scratch dir;
    test::check_entry_store([&] { return sqlite::entries{dir.file("entries.sqlite")}; });
}

TEST_CASE("entry store in a database: all or none, and nothing twice") {
    test::scratch dir;
    sqlite::entries store{dir.file("entries.sqlite")};
    REQUIRE(store.load([](sync::entry const&) {}));
    auto const all = test::some_entries();
    REQUIRE(store.add(std::span{all}.first(1)));
    CHECK_FALSE(store.add(std::vector{all[1], all[0]}));
    REQUIRE(store.add(std::span{all}.subspan(1)));  // what failed has left nothing
    sqlite::entries again{dir.file("entries.sqlite")};
    std::size_t n = 0;
    REQUIRE(again.load([&](sync::entry const&) { ++n; }));
    CHECK(n == all.size());
}

TEST_CASE("entry store in a database: another version is not touched") {
    test::scratch dir;
    {
        auto db = sqlite::database::open(dir.file("entries.sqlite")).value();
        REQUIRE(db.run("PRAGMA user_version = 2"));
    }
    sqlite::entries store{dir.file("entries.sqlite")};
    CHECK_FALSE(store.load([](sync::entry const&) {}));
}

}  // namespace sqlite_entry_store_tests
