// SPDX-License-Identifier: MIT

#include <muster/discovery/discovery_cache.hpp>

#include <string>

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/persistence/snapshot_file.hpp>

#include <support/catch.hpp>
#include <muster/sim/disk.hpp>

using namespace muster;
using namespace muster::sim;
using namespace std::chrono_literals;
using discovery::source;
using outcome = cache::put_outcome;

namespace {

struct ad {
    std::string text;
    timestamp expires_at;
    bool operator==(ad const&) const = default;
};
struct ad_codec {
    static constexpr std::uint32_t id = 3;
    void write(wire::writer& w, ad const& a) const { w.sized(a.text).i64(to_unix_millis(a.expires_at)); }
    ad read(wire::reader& r) const {
        auto text = r.sized_text(1000);
        return {std::move(text), from_unix_millis(r.i64())};
    }
};
constexpr timestamp at(std::int64_t t) { return from_unix_millis(1'000'000 + t); }

using file = cache::snapshot_file<discovery::entry_codec<ad, ad_codec>, disk_files>;
struct kept : discovery::cache_defaults {
    using persistence = cache::debounced<file, manual_timers, manual_clock>;
};
using cache_options = discovery::discovery_cache<ad, kept>::entries_type::options;

}  // namespace

TEST_CASE("an entry carries where it came from and how it is used") {
    discovery::discovery_cache<ad> c{{.entries_max = 100}};
    CHECK(c.stats(at(0)) == discovery::cache_stats{});
    CHECK(c.set("alice", {"hello", at(1000)}, source::gossip, at(0)) == outcome::inserted);
    CHECK(c.set("bob", {"hi", at(2000)}, source::direct, at(10)) == outcome::inserted);
    CHECK(*c.get("alice", at(20)) == discovery::entry<ad>{{"hello", at(1000)}, at(0), at(20), 1, source::gossip});
    CHECK(c.get("carol", at(20)) == nullptr);
    CHECK(c.set("alice", {"hello again", at(3000)}, source::dht, at(30)) == outcome::replaced);
    CHECK(*c.peek("alice", at(30)) == discovery::entry<ad>{{"hello again", at(3000)}, at(0), at(20), 1, source::dht});
    CHECK(c.set("bob", {{"hi", at(2000)}, at(5), at(6), 7, source::dht}, at(30)) == outcome::replaced);
    CHECK(c.peek("bob", at(30))->access_count == 7);
    CHECK(c.stats(at(30)) == discovery::cache_stats{2, at(0), at(5)});
    auto const all = c.entries(at(30));
    REQUIRE(all.size() == 2);
    CHECK(all[0].first == "bob");
    CHECK(all[1].first == "alice");
    CHECK(c.erase("bob", at(30)));
    CHECK_FALSE(c.erase("bob", at(30)));
    c.clear();
    CHECK(c.size(at(30)) == 0);
}

TEST_CASE("what has expired is not found, not counted, not accepted, and makes room first") {
    discovery::discovery_cache<ad> c{{.entries_max = 2}};
    CHECK(c.set("late", {"", at(0)}, source::gossip, at(0)) == outcome::rejected);
    c.set("short", {"", at(10)}, source::gossip, at(0));
    c.set("long", {"", at(100)}, source::gossip, at(1));
    (void)c.get("short", at(2));
    CHECK(c.stats(at(9)).size == 2);
    CHECK(c.stats(at(10)) == discovery::cache_stats{1, at(1), at(1)});
    CHECK(c.get("short", at(10)) == nullptr);
    c.set("new", {"", at(100)}, source::gossip, at(11));
    CHECK(c.peek("long", at(11)) != nullptr);  // though used less recently
    CHECK(c.size(at(11)) == 2);
    CHECK(c.entries(at(100)).empty());
}

TEST_CASE("the least recently used goes, whatever the clock does") {
    discovery::discovery_cache<ad> c{{.entries_max = 3}};
    for (auto const* id : {"a", "b", "c"}) c.set(id, {"", at(1000)}, source::gossip, at(0));  // at the same time
    (void)c.get("a", at(0));
    (void)c.get("b", at(-500));  // it jumps back
    CHECK(c.peek("b", at(0))->last_access == at(0));
    c.set("d", {"", at(1000)}, source::gossip, at(0));
    CHECK(c.peek("c", at(0)) == nullptr);
    CHECK(c.peek("a", at(0)) != nullptr);
}

TEST_CASE("it survives, in order, without what expired meanwhile, and without times from the future") {
    disk storage;
    manual_timers timers;
    manual_clock clock{instant{1h}, at(0)};
    auto const start = [&] {
        return std::make_unique<discovery::discovery_cache<ad, kept>>(
            cache_options{.entries_max = 100}, file::options{.path = "found", .files = disk_files{storage}}, timers,
            clock);
    };
    auto c = start();
    REQUIRE(c->underlying().load());
    c->set("a", {"A", at(10'000)}, source::direct, at(0));
    c->set("b", {"B", at(600)}, source::gossip, at(0));
    c->set("c", {"C", at(10'000)}, source::dht, at(100));
    (void)c->get("a", at(200));
    clock.advance(500ms);
    CHECK(timers.fire_due(clock.now()));
    CHECK(storage.names.count("found") == 1);
    c.reset();

    clock.set_wall(at(50));  // earlier than what it has seen
    c = start();
    CHECK(c->underlying().load().value().loaded == 3);
    CHECK(c->peek("a", at(50))->last_access == at(50));
    CHECK(c->peek("a", at(50))->access_count == 1);
    CHECK(c->peek("c", at(50))->added_at == at(50));
    CHECK(c->peek("c", at(50))->source == source::dht);
    c.reset();
    clock.set_wall(at(600));
    c = start();
    auto const report = c->underlying().load().value();
    CHECK(report.loaded == 2);
    CHECK(report.expired == 1);
    auto const all = c->entries(at(600));
    REQUIRE(all.size() == 2);
    CHECK(all[0].first == "c");
    CHECK(all[1].first == "a");
    c->clear();
    c.reset();
    c = start();
    CHECK(c->underlying().load().value().loaded == 0);
}

TEST_CASE("a flood of strangers leaves those that are asked for") {
    struct wary : discovery::cache_defaults {
        using admission = cache::demand;
    };
    discovery::discovery_cache<ad, wary> c{{.entries_max = 20}};
    c.set("friend", {"", at(1'000'000)}, source::direct, at(0));
    REQUIRE(c.get("friend", at(0)) != nullptr);
    for (int i = 0; i < 10'000; ++i) c.set(std::to_string(i), {"", at(1'000'000)}, source::gossip, at(i));
    CHECK(c.get("friend", at(10'000)) != nullptr);
}
