// SPDX-License-Identifier: MIT

#include <muster/discovery/discovery_cache.hpp>

#include <memory>
#include <string>

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/persistence/append_log.hpp>
#include <muster/cache/persistence/snapshot_file.hpp>

#include <muster/sim/disk.hpp>
#include <support/catch.hpp>

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
template <class Store>
struct kept_in : discovery::cache_defaults {
    using persistence = cache::debounced<Store, manual_timers, manual_clock>;
};
using kept = kept_in<file>;

/// The least store that is taken: one that forgets.
struct own_store {
    using codec = discovery::entry_codec<ad, ad_codec>;
    struct options {};
    static constexpr bool keeps_changes = false;
    explicit own_store(options) {}
    template <class Apply>
    result<cache::load_notes> load(timestamp, Apply) {
        return cache::load_notes{};
    }
    template <class Entries>
    result<void> save(Entries const&, timestamp) {
        return ok();
    }
};
/// A near miss: for ids of another type.
struct store_of_numbers : own_store {
    using codec = cache::plain_codec<std::uint64_t, std::uint64_t>;
};
static_assert(discovery::advertisement_store<file, ad>);
static_assert(discovery::advertisement_store<own_store, ad>);
static_assert(!discovery::advertisement_store<store_of_numbers, ad>);
using cache_options = discovery::discovery_cache<ad, kept>::entries_type::options;

}  // namespace

TEST_CASE("document 000: a cache is kept in a store of the user's own") {
    manual_timers timers;
    manual_clock clock{instant{1h}, at(0)};
    discovery::discovery_cache<ad, kept_in<own_store>> c{{.entries_max = 3}, own_store::options{}, timers, clock};
    REQUIRE(c.underlying().load());
    c.set("alice", {"hello", at(1000)}, source::gossip, at(0));
    CHECK(c.underlying().flush());
    CHECK(c.peek("alice", at(1)) != nullptr);
}

TEST_CASE("an entry carries where it came from and how it is used") {
    discovery::discovery_cache<ad> c{{.entries_max = 100}};
    CHECK(c.stats(at(0)) == discovery::cache_stats{});
    CHECK(c.set("alice", {"hello", at(1000)}, source::gossip, at(0)) == outcome::inserted);
    CHECK(c.set("bob", {"hi", at(2000)}, source::direct, at(10)) == outcome::inserted);
    CHECK(*c.get("alice", at(20)) == discovery::entry<ad>{{"hello", at(1000)}, at(0), at(20), 1, source::gossip});
    CHECK(c.get("carol", at(20)) == nullptr);
    CHECK(c.set("alice", {"hello again", at(3000)}, source::dht, at(30)) == outcome::replaced);
    CHECK(*c.peek("alice", at(30)) == discovery::entry<ad>{{"hello again", at(3000)}, at(0), at(20), 1, source::dht});
    CHECK(c.set("bob", {{"hi", at(2000)}, at(5), at(6), 7, source::dht}, at(30)) == outcome::replaced);  // the same
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

namespace {
struct counted_ad {
    std::string text;
    std::uint64_t sequence;
    timestamp expires_at;
    bool operator==(counted_ad const&) const = default;
};
/// Its version is told by a trait.
struct dated_ad {
    timestamp signed_at;
    timestamp expires_at;
};
/// Of two with the same version nobody can tell whether they are the same.
struct bare_ad {
    std::string text;
    timestamp expires_at;
};
}  // namespace
template <>
struct muster::discovery::version_of<dated_ad> {
    static timestamp get(dated_ad const& a) { return a.signed_at; }
};

TEST_CASE("an older advertisement does not replace a newer one, whatever the source and its expiry") {
    discovery::discovery_cache<counted_ad> c{{.entries_max = 4}};
    CHECK(c.set("x", {"five", 5, at(1000)}, source::gossip, at(0)) == outcome::inserted);
    CHECK(c.set("x", {"four", 4, at(9000)}, source::direct, at(1)) == outcome::outdated);
    CHECK(c.set("x", {{"three", 3, at(9000)}, at(0), at(0), 0, source::direct}, at(1)) == outcome::outdated);
    CHECK(c.set("x", {"another five", 5, at(9000)}, source::direct, at(1)) == outcome::outdated);
    CHECK(c.peek("x", at(2))->advertisement.text == "five");
    CHECK(c.peek("x", at(2))->source == source::gossip);
    CHECK(c.set("x", {"five", 5, at(1000)}, source::direct, at(2)) == outcome::replaced);  // the same, from nearer
    CHECK(c.set("x", {"six", 6, at(500)}, source::gossip, at(3)) == outcome::replaced);  // newer, though it ends sooner
    CHECK(c.peek("x", at(4))->advertisement.text == "six");

    discovery::discovery_cache<dated_ad> d{{.entries_max = 4}};
    d.set("x", {at(10), at(1000)}, source::gossip, at(10));
    CHECK(d.set("x", {at(9), at(2000)}, source::gossip, at(11)) == outcome::outdated);
    CHECK(d.set("x", {at(11), at(900)}, source::gossip, at(12)) == outcome::replaced);
    CHECK(d.set("x", {at(10), at(12)}, source::direct, at(13)) == outcome::outdated);  // an old one that has expired
    CHECK(d.peek("x", at(13)) != nullptr);
}

TEST_CASE("without a sequence what expires later is newer") {
    discovery::discovery_cache<bare_ad> c{{.entries_max = 4}};
    c.set("x", {"newer", at(5000)}, source::direct, at(0));
    CHECK(c.set("x", {"older", at(2000)}, source::gossip, at(1)) == outcome::outdated);
    CHECK(c.set("x", {"as old", at(5000)}, source::gossip, at(1)) == outcome::outdated);
    CHECK(c.peek("x", at(2))->advertisement.text == "newer");
    CHECK(c.set("x", {"newest", at(5001)}, source::gossip, at(2)) == outcome::replaced);
}

TEST_CASE("a withdrawn advertisement is gone, and no replay brings it back") {
    discovery::discovery_cache<counted_ad> c{{.entries_max = 4}};
    c.set("x", {"live", 5, at(9000)}, source::gossip, at(0));
    CHECK(c.set("x", {"replayed withdrawal", 4, at(50)}, source::direct, at(100)) == outcome::outdated);
    CHECK(c.peek("x", at(100)) != nullptr);
    CHECK(c.set("x", {"withdrawn", 6, at(50)}, source::direct, at(100)) == outcome::withdrawn);
    CHECK(c.get("x", at(101)) == nullptr);
    CHECK(c.set("x", {"live", 5, at(9000)}, source::gossip, at(102)) == outcome::outdated);
    CHECK(c.set("x", {"withdrawn", 6, at(50)}, source::gossip, at(102)) == outcome::rejected);
    CHECK(c.set("x", {"live", 5, at(9000)}, source::gossip, at(102)) == outcome::outdated);
    CHECK(c.set("x", {"back", 7, at(9000)}, source::gossip, at(103)) == outcome::inserted);
    CHECK(c.erase("x", at(104)));
    CHECK(c.set("x", {"live", 5, at(9000)}, source::gossip, at(105)) == outcome::outdated);  // since 6

    // A withdrawal that overtakes what it withdraws.
    CHECK(c.set("y", {"withdrawn", 2, at(50)}, source::direct, at(100)) == outcome::rejected);
    CHECK(c.set("y", {"live", 1, at(9000)}, source::gossip, at(101)) == outcome::outdated);
    c.clear();
    CHECK(c.set("y", {"live", 1, at(9000)}, source::gossip, at(101)) == outcome::inserted);

    // Ten times as many withdrawals are remembered as there may be entries.
    CHECK(c.set("z", {"withdrawn", 2, at(50)}, source::direct, at(100)) == outcome::rejected);
    for (int i = 0; i < 39; ++i) c.set(std::to_string(i), {"withdrawn", 2, at(50)}, source::direct, at(100));
    CHECK(c.set("z", {"live", 1, at(9000)}, source::gossip, at(101)) == outcome::outdated);
    for (int i = 39; i < 44; ++i) c.set(std::to_string(i), {"withdrawn", 2, at(50)}, source::direct, at(100));
    CHECK(c.set("z", {"live", 1, at(9000)}, source::gossip, at(101)) == outcome::inserted);

    discovery::discovery_cache<bare_ad> bare{{.entries_max = 4}};
    bare.set("x", {"live", at(9000)}, source::gossip, at(0));
    CHECK(bare.set("x", {"withdrawn", at(50)}, source::direct, at(100)) == outcome::withdrawn);
    CHECK(bare.get("x", at(101)) == nullptr);
    CHECK(bare.set("x", {"live", at(9000)}, source::gossip, at(102)) == outcome::outdated);
    CHECK(bare.set("x", {"back", at(9001)}, source::gossip, at(103)) == outcome::inserted);
}

TEST_CASE("one call with a time far ahead keeps no advertisement out for ever") {
    discovery::discovery_cache<counted_ad> c{{.entries_max = 4}};
    c.set("x", {"five", 5, at(1000)}, source::gossip, at(0));
    CHECK(c.set("x", {"six", 6, at(2000)}, source::gossip, at(1'000'000'000)) != outcome::outdated);
    CHECK(c.set("x", {"six", 6, at(2000)}, source::gossip, at(10)) == outcome::inserted);
    CHECK(c.peek("x", at(10)) != nullptr);
}

TEMPLATE_TEST_CASE("a withdrawn advertisement stays away after a restart", "", file,
                   (cache::append_log<discovery::entry_codec<ad, ad_codec>, disk_files>)) {
    disk storage;
    manual_timers timers;
    manual_clock clock{instant{1h}, at(0)};
    using subject = discovery::discovery_cache<ad, kept_in<TestType>>;
    typename subject::entries_type::options const bounds{.entries_max = 100};
    typename TestType::options const where{.path = "found", .files = disk_files{storage}};
    auto c = std::make_unique<subject>(bounds, where, timers, clock);
    REQUIRE(c->underlying().load());
    c->set("gone", {"", at(1'000'000)}, source::gossip, at(0));
    c->set("kept", {"", at(1'000'000)}, source::gossip, at(0));
    REQUIRE(c->underlying().flush());
    CHECK(c->set("gone", {"withdrawn", at(50)}, source::direct, at(100)) == outcome::withdrawn);
    c = nullptr;
    c = std::make_unique<subject>(bounds, where, timers, clock);
    CHECK(c->underlying().load().value().loaded == 1);
    CHECK(c->peek("gone", at(100)) == nullptr);
    CHECK(c->peek("kept", at(100)) != nullptr);
}
