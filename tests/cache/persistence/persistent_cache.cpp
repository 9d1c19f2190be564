// SPDX-License-Identifier: MIT

#include <muster/cache/persistence/persistent_cache.hpp>

#include <memory>
#include <new>
#include <span>
#include <stdexcept>

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/core/random.hpp>

#include <cache/persistence/rig.hpp>

namespace persistent_cache_tests {

using namespace muster;
using namespace muster::test;
using namespace std::chrono_literals;

TEMPLATE_TEST_CASE("entries come back in the order of their use", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    CHECK(m.restart().loaded == 0);
    for (std::uint64_t i = 0; i < 50; ++i) m.cache->put(std::to_string(i), i);
    for (std::uint64_t i = 0; i < 50; i += 3) (void)m.cache->get(std::to_string(i));
    m.cache->erase("7");
    auto const before = m.look();
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    auto const report = m.restart();
    CHECK(report.loaded == 49);
    CHECK(report.expired == 0);
    CHECK_FALSE(report.notes.damage.has_value());
    CHECK(m.look() == before);
    CHECK(m.cache->stats().hits == 0);
    CHECK_FALSE(m.cache->is_dirty());
}

TEMPLATE_TEST_CASE("saved when it calms down, at five seconds at the latest, and by the timers alone", "", snapshot,
                   change_log) {
    machine<kept<TestType>> m;
    m.restart();
    CHECK_FALSE(m.timers.armed().has_value());
    auto const start = m.clock.now();
    m.cache->put("a", 1);
    CHECK(m.timers.armed() == start + 500ms);
    m.clock.advance(400ms);
    m.cache->put("b", 2);
    CHECK(m.cache->next_deadline() == start + 900ms);
    m.timers.fire();  // early
    CHECK(m.storage.names.empty());
    CHECK(m.timers.armed() == start + 900ms);
    m.clock.advance(500ms);
    CHECK(m.timers.fire_due(m.clock.now()));
    CHECK(m.storage.names.count("found") == 1);
    CHECK_FALSE(m.cache->is_dirty());
    CHECK_FALSE(m.timers.armed().has_value());

    for (int i = 0; i < 13; ++i) {
        m.cache->put("a", static_cast<std::uint64_t>(i));
        m.clock.advance(400ms);
        m.timers.fire_due(m.clock.now());
    }
    m.crash(sim::disk::luck::none);  // without the last of them
    m.restart();
    CHECK(*m.cache->get("a") == 12);
}

TEMPLATE_TEST_CASE("a new order alone is saved too", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.restart();
    m.cache->put("a", 1);
    m.cache->put("b", 2);
    REQUIRE(m.cache->flush());
    (void)m.cache->get("a");
    auto const used = m.clock.now();
    CHECK(m.timers.armed() == used + 5s);
    m.clock.advance(5s);
    CHECK(m.timers.fire_due(m.clock.now()));
    m.crash(sim::disk::luck::none);
    m.restart();
    CHECK(m.look() == contents{{"b", 2}, {"a", 1}});
}

TEMPLATE_TEST_CASE("entries longer than the buffer that they are read through", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.storage.write_max = 5000;
    m.restart();
    for (std::size_t const size : {1u, 16'300u, 16'384u, 40'000u, 7u, 100'000u})
        m.cache->put(std::string(size, 'x'), size);
    auto const before = m.look();
    REQUIRE(m.cache->flush());
    m.cache->put("more", 1);
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    CHECK(m.restart().loaded == 7);
    m.cache->erase("more");
    CHECK(m.look() == before);
}

TEMPLATE_TEST_CASE("uses by touch and by get_many are saved", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.restart();
    for (auto const* key : {"a", "b", "c", "d"}) m.cache->put(key, 1);
    REQUIRE(m.cache->flush());
    CHECK_FALSE(m.cache->touch("z"));
    CHECK_FALSE(m.cache->is_dirty());
    CHECK(m.cache->touch("b"));
    CHECK(m.cache->is_dirty());
    REQUIRE(m.cache->flush());

    std::vector<std::string_view> const none{"y", "z"};
    m.cache->get_many(std::span{none}, [](std::size_t, std::uint64_t* value) { CHECK(value == nullptr); });
    CHECK_FALSE(m.cache->is_dirty());
    std::vector<std::string> const some{"c", "z", "a"};
    std::vector<bool> found;
    m.cache->get_many(std::span{some}, [&](std::size_t i, std::uint64_t* value) {
        CHECK(i == found.size());
        found.push_back(value != nullptr);
    });
    CHECK(found == std::vector{true, false, true});
    CHECK(m.cache->is_dirty());
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    m.restart();
    CHECK(m.look() == contents{{"d", 1}, {"b", 1}, {"c", 1}, {"a", 1}});
}

namespace {
template <class Store>
struct not_touched : kept<Store> {
    using touch = cache::touch_on_put;
};
}  // namespace

TEMPLATE_TEST_CASE("look-ups that are no uses are not saved", "", snapshot, change_log) {
    machine<not_touched<TestType>> m;
    m.restart();
    m.cache->put("a", 1);
    REQUIRE(m.cache->flush());
    std::vector<std::string> const keys{"a"};
    m.cache->get_many(std::span{keys}, [](std::size_t, std::uint64_t* value) { CHECK(value != nullptr); });
    CHECK_FALSE(m.cache->is_dirty());
    CHECK(m.cache->touch("a"));
    CHECK(m.cache->is_dirty());
}

namespace {
/// A key that cannot be copied.
struct ticket {
    explicit ticket(std::uint64_t n) : number{std::make_unique<std::uint64_t>(n)} {}
    bool operator==(ticket const& other) const { return *number == *other.number; }
    std::unique_ptr<std::uint64_t> number;
};
struct ticket_codec {
    using key_type = ticket;
    using value_type = std::uint64_t;
    static constexpr std::uint32_t id = 3;
    void write_key(wire::writer& w, ticket const& k) const { w.u64(*k.number); }
    void write_value(wire::writer& w, std::uint64_t v) const { w.u64(v); }
    [[nodiscard]] ticket read_key(wire::reader& r) const { return ticket{r.u64()}; }
    [[nodiscard]] std::uint64_t read_value(wire::reader& r, timestamp) const { return r.u64(); }
};
struct tickets : cache::defaults {
    struct hash {
        std::uint64_t operator()(ticket const& k) const { return *k.number * 0x9e37'79b9'7f4a'7c15u; }
    };
    using expiry = cache::uniform_expiry<timestamp>;
    using persistence = cache::debounced<cache::snapshot_file<ticket_codec, sim::disk_files>, no_timers, manual_clock>;
};
}  // namespace

TEST_CASE("keys that cannot be copied are saved and loaded") {
    sim::disk d;
    no_timers timers;
    manual_clock clock;
    std::optional<cache::persistent_cache<ticket, std::uint64_t, tickets>> c;
    auto const restart = [&] {
        c.emplace(
            decltype(c)::value_type::options{.entries_max = 3, .expiry_settings = {10s}},
            cache::snapshot_file<ticket_codec, sim::disk_files>::options{.path = "t", .files = sim::disk_files{d}},
            timers, clock);
        return c->load().value();
    };
    restart();
    c->put(ticket{1}, 10, clock.wall_now());
    clock.advance(6s);
    c->put(ticket{2}, 20, clock.wall_now());
    REQUIRE(c->flush());
    clock.advance(5s);
    auto const report = restart();
    CHECK(report.loaded == 1);
    CHECK(report.expired == 1);
    CHECK(*c->peek(ticket{2}, clock.wall_now()) == 20);
    CHECK(c->is_dirty());  // what expired is still in the file
}

TEMPLATE_TEST_CASE("what could not be saved is said and tried again", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.restart();
    m.cache->put("a", 1);
    m.storage.fails_at = m.storage.calls;
    m.storage.for_good = true;
    m.clock.advance(500ms);
    CHECK(m.timers.fire_due(m.clock.now()));
    CHECK(*m.cache->last_failure() == file_errc::io_failed);
    CHECK(m.timers.armed() == m.clock.now() + 1s);
    m.clock.advance(1s);
    m.timers.fire_due(m.clock.now());
    CHECK(m.timers.armed() == m.clock.now() + 2s);
    m.storage.fails_at.reset();
    m.clock.advance(2s);
    m.timers.fire_due(m.clock.now());
    CHECK_FALSE(m.cache->last_failure().has_value());
    CHECK_FALSE(m.timers.armed().has_value());
    m.crash(sim::disk::luck::none);
    CHECK(m.restart().loaded == 1);
}

TEST_CASE("closing saves, and an empty cache is saved as one") {
    machine<kept<snapshot>> m;
    m.restart();
    m.cache->put("a", 1);
    CHECK(m.restart().loaded == 1);
    m.cache->clear();
    CHECK(m.cache->is_dirty());
    CHECK(m.restart().loaded == 0);
    CHECK(m.storage.names.count("found") == 1);
}

TEST_CASE("without timers nothing happens by itself") {
    struct by_hand : kept<snapshot, cache::no_expiry, no_timers> {};
    sim::disk d;
    no_timers none;
    manual_clock clock;
    cache::persistent_cache<std::string, std::uint64_t, by_hand> c{
        {.entries_max = 3}, {.path = "found", .files = sim::disk_files{d}}, none, clock};
    REQUIRE(c.load());
    c.put("a", 1);
    clock.advance(1h);
    c.put("b", 1);
    CHECK(d.names.empty());
    c.wake();
    CHECK(d.names.count("found") == 1);
}

TEST_CASE("fewer places than the file has: the most recently used are kept, and within the weight as well") {
    struct weighed : kept<change_log> {
        struct weight {
            std::uint64_t operator()(std::string const&, std::uint64_t v) const { return v; }
        };
    };
    machine<weighed> m{{.entries_max = 100, .weight_max = 10'000}};
    m.restart();
    for (std::uint64_t i = 1; i <= 100; ++i) m.cache->put(std::to_string(i), i);
    REQUIRE(m.cache->flush());
    m.options.entries_max = 10;
    CHECK(m.restart().loaded == 10);
    CHECK(m.cache->contains("100"));
    m.options.weight_max = 295;
    CHECK(m.restart().loaded == 2);
    CHECK(m.cache->weight() == 199);
    m.options.entries_max = 100;
    m.options.weight_max = 10'000;
    m.cache->put("new", 1);
    CHECK(m.restart().loaded == 3);  // what was given up on loading went with the next save
}

TEMPLATE_TEST_CASE("wall time: what expired meanwhile does not come back, and nothing lives longer than it had", "",
                   snapshot, change_log) {
    using policies = kept<TestType, cache::uniform_expiry<timestamp>>;
    machine<policies> m{{.entries_max = 100, .expiry_settings = {10s}}};
    m.restart();
    auto const now = [&] { return m.clock.wall_now(); };
    m.cache->put("a", 1, now());
    m.clock.advance(3s);
    m.cache->put("b", 2, now());
    m.clock.advance(3s);
    m.cache->put("c", 3, now());
    (void)m.cache->get("a", now());  // the order of use is not that of expiry
    CHECK(m.look(now()) == contents{{"b", 2}, {"c", 3}, {"a", 1}});
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    m.clock.advance(4s);
    auto const report = m.restart();
    CHECK(report.loaded == 2);
    CHECK(report.expired == 1);
    CHECK(m.cache->size(now()) == 2);
    m.clock.advance(3s);
    CHECK(m.cache->size(now()) == 1);  // in the order of expiry
    CHECK(m.cache->contains("c", now()));
    m.clock.set_wall(now() - 24h);
    REQUIRE(m.cache->flush());
    m.restart();
    CHECK(m.cache->contains("c", now()));
    m.clock.advance(11s);
    CHECK_FALSE(m.cache->contains("c", now()));
}

TEMPLATE_TEST_CASE("monotonic time: a deadline goes on with what was left of it", "", snapshot, change_log) {
    struct policies : kept<TestType, cache::per_entry_expiry<instant>> {};
    machine<policies> m;
    m.restart();
    auto const now = [&] { return m.clock.now(); };
    m.cache->put("a", 1, now() + 10s, now());
    m.cache->put("for ever", 2, instant::max(), now());
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    m.clock = manual_clock{instant{5s}, m.clock.wall_now() + 4s};  // another boot
    CHECK(m.restart().loaded == 2);
    CHECK(m.cache->contains("a", instant{10s}));
    CHECK_FALSE(m.cache->contains("a", instant{11s}));
    CHECK(m.cache->contains("for ever", instant{24h}));

    m.clock.set_wall(m.clock.wall_now() - 24h);  // set back: six seconds are left, not a day
    m.crash(sim::disk::luck::none);
    CHECK(m.restart().loaded == 2);
    CHECK_FALSE(m.cache->contains("a", now() + 10s));
}

TEST_CASE("a deadline that was renewed and has passed does not bring an older value back") {
    struct policies : kept<change_log, cache::per_entry_expiry<timestamp>> {};
    machine<policies> m;
    m.restart();
    auto const now = m.clock.wall_now();
    m.cache->put("a", 1, now + 1h, now);
    REQUIRE(m.cache->flush());
    m.cache->put("a", 2, now + 1min, now);
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    m.clock.advance(2min);
    CHECK(m.restart().loaded == 0);
}

TEST_CASE("times in a file may be anything") {
    struct policies : kept<change_log, cache::per_entry_expiry<instant>> {};
    for (auto const written : {timestamp::min(), timestamp{}, timestamp::max()}) {
        for (auto const at : {timestamp::min(), timestamp{}, timestamp::max() - 1ms, timestamp::max()}) {
            machine<policies> m;
            cache::detail::batch<text_codec> batch;
            REQUIRE(batch.put({}, "a", 1, at));
            wire::writer w;
            cache::detail::write_file_header(w, text_codec::id);
            batch.write_to(w, written);
            m.storage.set("found", w.take());
            auto const report = m.restart();
            CHECK(report.loaded + report.expired == 1);
            CHECK(report.loaded == (at > timestamp{} && (at == timestamp::max() || written < at) ? 1 : 0));
        }
    }
}

TEST_CASE("a log is rewritten before it takes twice its entries, and what waits is bounded") {
    machine<kept<change_log>> m{{.entries_max = 50}};
    m.restart();
    for (std::uint64_t i = 0; i < 50; ++i) m.cache->put(std::to_string(i), i);
    REQUIRE(m.cache->flush());
    auto const size = m.storage.at("found").size();
    for (std::uint64_t round = 0; round < 2000; ++round) {
        m.cache->put(std::to_string(round % 60), round);
        for (int i = 0; i < 5; ++i) (void)m.cache->get(std::to_string(i));
        REQUIRE(m.cache->flush());
        REQUIRE(m.storage.at("found").size() <= 2 * size + 4096 + 1000);
    }
    for (std::uint64_t i = 0; i < 100'000; ++i) m.cache->put(std::to_string(i % 60), i);  // never saved in between
    auto const before = m.look();
    REQUIRE(m.cache->flush());
    CHECK(m.storage.at("found").size() <= 2 * size);
    m.crash(sim::disk::luck::none);
    m.restart();
    CHECK(m.look() == before);
}

TEST_CASE("random lives: whatever was reported as saved is there after a crash") {
    splitmix64 random{1};
    for (int life = 0; life < 40; ++life) {
        machine<kept<change_log>> m{{.entries_max = 7}};
        m.storage.write_max = 1 + uniform(random, 100);
        m.restart();
        contents saved;
        for (int step = 0; step < 300; ++step) {
            auto const key = std::to_string(uniform(random, 12));
            switch (uniform(random, 8)) {
                case 0: m.cache->erase(key); break;
                case 1:
                case 2: (void)m.cache->get(key); break;
                case 3:
                    if (m.cache->flush()) saved = m.look();
                    break;
                case 4:
                    if (uniform(random, 10) == 0) m.cache->clear();
                    break;
                case 5:
                    if (uniform(random, 10) != 0) break;
                    m.crash(sim::disk::luck::none);
                    m.restart();
                    REQUIRE(m.look() == saved);
                    break;
                default: m.cache->put(key, random());
            }
        }
    }
}

TEST_CASE("other orders come back as far as they can") {
    struct by_sieve : kept<snapshot> {
        using eviction = cache::sieve;
    };
    struct by_queues : kept<snapshot> {
        using eviction = cache::adaptive_s3_fifo;
    };
    auto const survives = [](auto m) {
        m->restart();
        for (std::uint64_t i = 0; i < 150; ++i) m->cache->put(std::to_string(i), i);
        auto before = m->look();
        auto after = (m->restart(), m->look());
        std::sort(before.begin(), before.end());
        std::sort(after.begin(), after.end());
        CHECK(before == after);
    };
    survives(std::make_unique<machine<by_sieve>>());
    survives(std::make_unique<machine<by_queues>>());
}

TEST_CASE("a listener is told") {
    struct told : kept<change_log> {
        struct listener {
            std::vector<std::string>* removed = nullptr;
            void operator()(cache::removal, std::string const& key, std::uint64_t&) const { removed->push_back(key); }
        };
    };
    std::vector<std::string> removed;
    machine<told> m{{.entries_max = 2, .on_removal = {&removed}}};
    m.restart();
    for (auto const* key : {"a", "b", "c"}) m.cache->put(key, 1);
    CHECK(removed == std::vector<std::string>{"a"});
}

TEST_CASE("a value that was changed in place is saved when that is said") {
    machine<kept<change_log>> m;
    m.restart();
    m.cache->put("a", 1);
    REQUIRE(m.cache->flush());
    *m.cache->get("a") = 2;
    m.cache->note_change("a");
    m.cache->note_change("b");
    m.restart();
    CHECK(*m.cache->get("a") == 2);
}

TEST_CASE("the time that a caller tells may lag behind the clock") {
    struct policies : kept<change_log, cache::per_entry_expiry<instant>> {};
    machine<policies> m;
    m.restart();
    auto const now = m.clock.now();
    m.cache->put("z", 1, now + 1h, now);
    REQUIRE(m.cache->flush());
    m.clock.advance(5s);
    m.cache->put("a", 1, now + 1s, now);
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    m.restart();
    CHECK_FALSE(m.cache->contains("a", m.clock.now()));
    CHECK(m.cache->contains("z", m.clock.now()));
}

TEMPLATE_TEST_CASE("what could not be read again is not written", "", snapshot, change_log) {
    sim::disk d;
    manual_timers timers;
    manual_clock clock;
    {
        cache::persistent_cache<std::string, std::uint64_t, kept<TestType>> c{
            {.entries_max = 500}, {.path = "found", .file_size_max = 3000, .files = sim::disk_files{d}}, timers, clock};
        REQUIRE(c.load());
        for (std::uint64_t i = 0; i < 60; ++i) c.put(std::to_string(i), i);
        for (int round = 0; round < 100; ++round) {
            c.put("1", 7);
            REQUIRE(c.flush());
            REQUIRE(d.at("found").size() <= 3000);
        }
        auto const before = d.at("found");
        for (std::uint64_t i = 0; i < 300; ++i) c.put(std::to_string(i), i);
        CHECK(c.flush().error() == file_errc::too_large);
        CHECK(d.at("found") == before);
    }
    cache::persistent_cache<std::string, std::uint64_t, kept<TestType>> c{
        {.entries_max = 500}, {.path = "found", .file_size_max = 3000, .files = sim::disk_files{d}}, timers, clock};
    CHECK(c.load().value().loaded == 60);
}

namespace {
struct thrower {
    bool* armed = nullptr;
    void operator()(cache::removal, std::string const&, std::uint64_t&) const {
        if (*armed) throw std::runtime_error{"told"};
    }
};
template <class Store>
struct with_thrower : kept<Store> {
    using listener = thrower;
};
}  // namespace

TEMPLATE_TEST_CASE("a change that was interrupted by its listener is saved all the same", "", snapshot, change_log) {
    bool armed = false;
    machine<with_thrower<TestType>> m{{.entries_max = 2, .on_removal = {&armed}}};
    m.restart();
    m.cache->put("a", 1);
    m.cache->put("b", 1);
    REQUIRE(m.cache->flush());
    armed = true;
    CHECK_THROWS_AS(m.cache->put("a", 2), std::runtime_error);
    CHECK_THROWS_AS(m.cache->put("c", 3), std::runtime_error);
    armed = false;
    auto const before = m.look();
    CHECK(m.cache->is_dirty());
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    m.restart();
    CHECK(m.look() == before);
}

TEST_CASE("loading happens once, from the start, and silently") {
    struct heard : kept<change_log> {
        struct listener {
            int* calls = nullptr;
            void operator()(cache::removal, std::string const&, std::uint64_t&) const { ++*calls; }
        };
    };
    int calls = 0;
    machine<heard> m{{.entries_max = 2, .on_removal = {&calls}}};
    m.restart();
    for (auto const* key : {"a", "b", "c"}) m.cache->put(key, 1);
    m.cache->put("c", 2);
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    calls = 0;
    m.start();
    m.storage.fails_at = m.storage.calls;
    CHECK_FALSE(m.cache->load().has_value());
    m.cache->put("d", 1);
    m.storage.fails_at.reset();
    CHECK(m.cache->load().value().loaded == 2);
    CHECK(m.look() == contents{{"b", 1}, {"c", 2}});
    CHECK(calls == 0);
    CHECK(m.cache->load().error() == cache::errc::already_loaded);
}

TEST_CASE("what was put before loading leaves no trace in the file") {
    machine<kept<change_log>> m;
    m.restart();
    m.cache->put("a", 1);
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    m.start();
    m.cache->put("a", 2);
    m.cache->put("x", 2);
    CHECK(m.cache->load().value().loaded == 1);
    m.cache->put("b", 1);
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    m.restart();
    CHECK(m.look() == contents{{"a", 1}, {"b", 1}});
}

TEST_CASE("text of any type is looked up in a cache that keeps changes") {
    machine<kept<change_log>> m;
    m.restart();
    m.cache->put("a", 1);
    CHECK(*m.cache->get(std::string_view{"a"}) == 1);
    CHECK(*m.cache->get("a") == 1);
}

TEST_CASE("a log that somebody else changed is written anew") {
    machine<kept<change_log>> m;
    m.restart();
    m.cache->put("a", 1);
    REQUIRE(m.cache->flush());
    m.storage.at("found").clear();
    m.cache->put("b", 1);
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    CHECK(m.restart().loaded == 2);
}

TEST_CASE("nobody is woken who is gone") {
    machine<kept<snapshot>> m;
    m.restart();
    m.cache->put("a", 1);
    REQUIRE(m.timers.armed().has_value());
    m.cache.reset();
    CHECK_FALSE(m.timers.armed().has_value());
    m.timers.fire();  // as a timer may that was not stopped in time
}

namespace {
template <class Store>
struct wanted_only : kept<Store> {
    using admission = cache::demand;
    using touch = cache::touch_on_both;
};
}  // namespace

TEMPLATE_TEST_CASE("what was asked for withstands a flood after a restart as before", "", snapshot, change_log) {
    machine<wanted_only<TestType>> m;
    m.restart();
    auto const flood = [&](std::string const& prefix) {
        for (std::uint64_t i = 0; i < 500; ++i) {
            m.cache->put(prefix + std::to_string(i), i);
            m.cache->put(prefix + std::to_string(i), i + 1);  // no way out of probation, also not by way of the file
        }
    };
    for (std::uint64_t i = 0; i < 45; ++i) {
        (void)m.cache->get(std::to_string(i));
        m.cache->put(std::to_string(i), i);
    }
    REQUIRE(m.cache->flush());
    for (std::uint64_t i = 45; i < 90; ++i) {
        m.cache->put(std::to_string(i), i);
        (void)m.cache->get(std::to_string(i));
    }
    flood("first ");
    REQUIRE(m.cache->flush());
    auto const before = m.look();
    m.crash(sim::disk::luck::none);
    m.restart();
    CHECK(m.look() == before);
    flood("second ");
    for (std::uint64_t i = 0; i < 90; ++i) CHECK(m.cache->contains(std::to_string(i)));
    CHECK(m.cache->occupied() == 100);
}

namespace {
/// Cannot write keys while there is no memory for them.
struct moody_codec : text_codec {
    static inline bool is_out_of_memory = false;
    void write_key(wire::writer& w, std::string const& key) const {
        if (is_out_of_memory) throw std::bad_alloc{};
        text_codec::write_key(w, key);
    }
};
using moody_log = cache::append_log<moody_codec, sim::disk_files>;
}  // namespace

TEST_CASE("what could not be noted is saved all the same") {
    machine<kept<moody_log>> m{{.entries_max = 3}};
    m.restart();
    for (auto const* key : {"a", "b", "c"}) m.cache->put(key, 1);
    auto const fails = [&](auto change) {
        REQUIRE(m.cache->flush());
        moody_codec::is_out_of_memory = true;
        CHECK_THROWS_AS(change(), std::bad_alloc);
        moody_codec::is_out_of_memory = false;
        CHECK(m.cache->is_dirty());
        auto const before = m.look();
        REQUIRE(m.cache->flush());
        m.crash(sim::disk::luck::none);
        m.restart();
        CHECK(m.look() == before);
    };
    fails([&] { (void)m.cache->get("a"); });
    fails([&] { m.cache->erase("a"); });
    fails([&] { m.cache->put("b", 2); });
    fails([&] { m.cache->clear(); });
}

}  // namespace persistent_cache_tests
