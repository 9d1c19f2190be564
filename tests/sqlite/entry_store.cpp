// SPDX-License-Identifier: MIT

#include <muster/sqlite/entry_store.hpp>

#include <map>

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
    auto const path = dir.file("entries.sqlite");
    sqlite::entries store{path};
    REQUIRE(store.load([](sync::entry const&) {}));
    auto const all = test::some_entries();
    REQUIRE(store.add(std::span{all}.first(1)));
    auto other = sqlite::database::open(path).value();
    REQUIRE(
        other.run("CREATE TRIGGER failing BEFORE INSERT ON content WHEN NEW.content = x'010203' "
                  "BEGIN SELECT RAISE(ABORT, 'no'); END"));
    CHECK_FALSE(store.add(std::vector{all[2], all[3], all[1]}));
    REQUIRE(other.run("DROP TRIGGER failing"));
    CHECK(other.number("SELECT COUNT(*) FROM content").value() == 1);  // what failed has left nothing
    CHECK(other.number("SELECT COUNT(*) FROM chain").value() == 1);
    REQUIRE(store.add(std::span{all}.subspan(1)));
    REQUIRE(store.add(std::vector{all[1], all[0]}));  // what is there is there once
    sqlite::entries again{path};
    std::size_t n = 0;
    REQUIRE(again.load([&](sync::entry const&) { ++n; }));
    CHECK(n == all.size());
}

TEST_CASE("entry store in a database: version 1 is read, and written anew") {
    test::scratch dir;
    auto const path = dir.file("entries.sqlite");
    auto const all = test::some_entries();
    {
        auto db = sqlite::database::open(path).value();
        REQUIRE(
            db.run("CREATE TABLE entry (member INTEGER NOT NULL, life INTEGER NOT NULL, sequence INTEGER NOT NULL, "
                   "content BLOB NOT NULL, PRIMARY KEY (member, life, sequence)) WITHOUT ROWID"));
        for (auto const& e : all) {
            REQUIRE(db.run("INSERT INTO entry VALUES (?, ?, ?, ?)", static_cast<std::int64_t>(e.at.by.member),
                           static_cast<std::int64_t>(e.at.by.life), static_cast<std::int64_t>(e.at.sequence),
                           byte_view{e.content}));
        }
        REQUIRE(db.run("PRAGMA user_version = 1"));
    }
    for (int i = 0; i < 2; ++i) {
        sqlite::entries store{path};
        std::map<sync::dot, bytes> found;
        REQUIRE(store.load([&](sync::entry e) { found[e.at] = std::move(e.content); }));
        CHECK(found.size() == all.size());
        for (auto const& e : all) CHECK(found.at(e.at) == e.content);
        REQUIRE(store.add(std::vector{all[3]}));
    }
}

TEST_CASE("entry store in a database: another version is not touched") {
    test::scratch dir;
    {
        auto db = sqlite::database::open(dir.file("entries.sqlite")).value();
        REQUIRE(db.run("PRAGMA user_version = 3"));
    }
    sqlite::entries store{dir.file("entries.sqlite")};
    CHECK_FALSE(store.load([](sync::entry const&) {}));
}

}  // namespace sqlite_entry_store_tests
