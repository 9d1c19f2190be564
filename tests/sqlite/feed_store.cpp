// SPDX-License-Identifier: MIT

#include <muster/sqlite/feed_store.hpp>

#include <fstream>

#include <muster/sim/feed/mesh.hpp>

#include <feed/store_laws.hpp>
#include <support/scratch.hpp>

namespace sqlite_feed_store_tests {

using namespace muster;
using namespace muster::test;

namespace {

struct policies : kit_policies<preconf_kit> {
    using store = sqlite::feed_store;
};
using client = fd::client<policies>;

client::parts parts_at(std::string const& path) {
    auto o = fd::options{}.with_storage(path);
    return {.protocol = preconf_kit::make_protocol(),
            .options = o,
            .self = feed_peer(0),
            .store = sqlite::feed_store::open(o.storage_path).value(),
            .seed = 7};
}

}  // namespace

TEST_CASE("feed: the store in SQLite keeps the laws of stores") {
    scratch const dir;
    int n = 0;
    check_store_laws(
        [&](fd::store_limits l) { return sqlite::feed_store::open(dir.file(text("laws", ++n)), l).value(); });
}

TEST_CASE("feed: with storage on disk a feed goes on where it was, and asks for what was missing") {
    scratch const dir;
    auto const all = chain<preconf_kit>(5);
    instant const now{1h};
    effect_list<fd::effect> out;
    {
        client c{parts_at(dir.file("feed"))};
        for (std::size_t i = 0; i < 4; ++i) REQUIRE(c.publish_pair(*all[i].blob, all[i].content(), now, out));
        REQUIRE(c.publish_record(all[4].content(), now, out));  // without its list
        // One process has it at a time.
        CHECK(sqlite::feed_store::open(dir.file("feed")).error() == fd::errc::storage);
    }
    client c{parts_at(dir.file("feed"))};
    CHECK(c.stored().head()->id == all[4].link.id);
    CHECK(c.stored().sizes().blobs == 4);
    (void)out.take();
    REQUIRE(c.start(now, out));
    REQUIRE(c.sync_ready(0, now, out));
    CHECK(c.sync_status().local == 5);
    CHECK(c.sync_status().missing == 1);
    c.handle(fd::peer_connected{feed_peer(1)}, now, out);
    c.wake(now, out);
    bool is_asked = false;
    for (auto const& e : out.take()) {
        auto const* const r = std::get_if<fd::request>(&e);
        is_asked = is_asked || (r != nullptr && r->data == to_bytes(all[4].blob->id.view()));
    }
    CHECK(is_asked);
}

TEST_CASE("feed: a record that becomes the head is stored with its chain, or not at all") {
    scratch const dir;
    auto const first = plain_record(1, 1), second = plain_record(2, 2, first.id);
    REQUIRE(sqlite::feed_store::open(dir.file("feed")).value().put_head(first));
    {
        auto db = sqlite::database::open(dir.file("feed")).value();
        REQUIRE(
            db.run("CREATE TRIGGER halt BEFORE UPDATE OF chain ON records WHEN NEW.chain = 1 BEGIN SELECT "
                   "RAISE(FAIL, 'as if the power had gone'); END"));
    }
    auto s = sqlite::feed_store::open(dir.file("feed")).value();
    CHECK(s.put_head(second).error() == fd::errc::storage);
    CHECK_FALSE(s.contains(second.id));
    CHECK(s.head() == std::optional{first});
}

TEST_CASE("feed: a file that is no feed's is left alone, and damage is an error") {
    scratch const dir;
    std::ofstream{dir.file("text")} << "this is no database, and it is longer than a header of one would be ....."
                                       "............................................................";
    CHECK(sqlite::feed_store::open(dir.file("text")).error() == fd::errc::storage);
    {
        auto other = sqlite::database::open(dir.file("other")).value();
        REQUIRE(other.run("CREATE TABLE records (a INTEGER)"));
    }
    CHECK(sqlite::feed_store::open(dir.file("other")).error() == fd::errc::storage);
    CHECK(sqlite::feed_store::open(dir.file("nowhere/at/all")).error() == fd::errc::storage);
}

}  // namespace sqlite_feed_store_tests
