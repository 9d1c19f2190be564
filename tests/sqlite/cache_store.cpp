// SPDX-License-Identifier: MIT

#include <muster/sqlite/cache_store.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>
#include <support/scratch.hpp>

namespace cache_store_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

template <std::uint32_t Id>
using store = sqlite::cache_store<cache::plain_codec<std::string, std::uint64_t, Id>>;
template <class Store>
struct kept : cache::defaults {
    using expiry = cache::uniform_expiry<timestamp>;
    using persistence = cache::debounced<Store, manual_timers, manual_clock>;
};
using contents = std::vector<std::pair<std::string, std::uint64_t>>;

/// A directory with a database, and the process that uses it.
template <std::uint32_t Id = 1>
struct machine {
    [[nodiscard]] std::string path() const { return folder.file("found.sqlite"); }
    cache::load_report restart(std::size_t entries_max = 100) {
        cache.reset();
        cache.emplace(typename subject::options{.entries_max = entries_max, .expiry_settings = {1h}},
                      typename store<Id>::options{.path = path()}, timers, clock);
        auto report = cache->load();
        REQUIRE(report.has_value());
        return report.value();
    }
    bool put(std::string key, std::uint64_t value) {
        return cache->put(std::move(key), value, clock.wall_now()) != cache::put_outcome::rejected;
    }
    [[nodiscard]] contents look() const {
        contents all;
        cache->for_each([&](std::string const& k, std::uint64_t v) { all.emplace_back(k, v); }, clock.wall_now());
        return all;
    }

    using subject = cache::persistent_cache<std::string, std::uint64_t, kept<store<Id>>>;
    test::scratch folder;
    manual_timers timers;
    manual_clock clock;
    std::optional<subject> cache;
};

}  // namespace

static_assert(cache::persistent_store<store<1>>);

TEST_CASE("entries come back from a database in the order of their use") {
    machine<> m;
    CHECK(m.restart().loaded == 0);
    for (std::uint64_t i = 0; i < 60; ++i) m.put(std::to_string(i), i);
    for (std::uint64_t i = 0; i < 60; i += 7) (void)m.cache->get(std::to_string(i), m.clock.wall_now());
    m.put("1", 100);
    m.cache->erase(std::string{"9"}, m.clock.wall_now());
    auto const before = m.look();
    REQUIRE(m.cache->flush());
    CHECK(m.restart().loaded == 59);
    CHECK(m.look() == before);
    CHECK(m.restart(10).loaded == 10);
    m.clock.advance(2h);
    CHECK(m.restart().expired > 0);
    CHECK(m.cache->size(m.clock.wall_now()) == 0);
    m.cache->clear();
}

TEST_CASE("random changes, and lives that end after a save or without one") {
    machine<> m;
    splitmix64 random{1};
    m.restart(7);
    for (int step = 0; step < 2000; ++step) {
        auto const key = std::to_string(uniform(random, 12));
        switch (uniform(random, 8)) {
            case 0: m.cache->erase(key, m.clock.wall_now()); break;
            case 1:
            case 2: (void)m.cache->get(key, m.clock.wall_now()); break;
            case 3: {
                if (uniform(random, 8) != 0) break;
                REQUIRE(m.cache->flush());
                auto const saved = m.look();
                m.restart(7);
                REQUIRE(m.look() == saved);
                break;
            }
            case 4:
                if (uniform(random, 20) == 0) m.cache->clear();
                break;
            default: m.put(key, random() >> 1);
        }
    }
}

TEST_CASE("nothing of a damaged database is used, and it is put aside") {
    machine<> m;
    m.restart();
    for (std::uint64_t i = 0; i < 40; ++i) m.put("a rather long key " + std::to_string(i), i);
    REQUIRE(m.cache->flush());
    auto const saved = m.look();
    m.cache.reset();
    auto const whole = test::read_all(m.path());
    splitmix64 random{1};
    std::size_t damaged = 0;
    for (int round = 0; round < 300; ++round) {
        auto changed = whole;
        if (round % 3 == 0) {
            changed.resize(uniform(random, whole.size() - 1) + 1);
        } else {
            auto const bit = uniform(random, 8 * whole.size());
            changed[bit / 8] = static_cast<byte>(changed[bit / 8] ^ 1u << bit % 8);
        }
        test::write_all(m.path(), changed);
        auto const report = m.restart();
        if (report.notes.damage) {
            ++damaged;
            CHECK(m.look().empty());
            CHECK(test::read_all(report.notes.aside) == changed);
            std::filesystem::remove(report.notes.aside);
        } else {
            CHECK(m.look() == saved);  // a bit that nobody needs
        }
        m.put("works", 1);
        REQUIRE(m.cache->flush());
        m.cache.reset();
        std::filesystem::remove(m.path());
    }
    CHECK(damaged > 100);
}

TEST_CASE("an order, a claim or a time that somebody changed is damage") {
    for (auto const* change : {"UPDATE entry SET used = used + 100 WHERE key = x'0161'", "UPDATE entry SET wanted = 1",
                               "UPDATE entry SET deadline = deadline + 1", "UPDATE about SET written_at = 7"}) {
        machine<> m;
        m.restart();
        m.put("a", 1);
        m.put("b", 2);
        REQUIRE(m.cache->flush());
        CHECK_FALSE(m.restart().notes.damage.has_value());
        CHECK(m.look() == contents{{"a", 1}, {"b", 2}});
        m.cache.reset();
        {
            auto other = sqlite::database::open(m.path());
            REQUIRE(other);
            REQUIRE(other.value().run(change));
        }
        CHECK(*m.restart().notes.damage == cache::errc::damaged);
        CHECK(m.look().empty());
    }
}

TEST_CASE("what was put aside for an order that cannot be leaves nothing of it behind") {
    for (auto const* change : {"UPDATE entry SET used = 4611686018427387905",
                               "UPDATE entry SET used = 9223372036854775807", "UPDATE entry SET used = -1"}) {
        machine<> m;
        m.restart();
        m.put("a", 1);
        REQUIRE(m.cache->flush());
        m.cache.reset();
        {
            auto other = sqlite::database::open(m.path());
            REQUIRE(other);
            REQUIRE(other.value().run(change));
        }
        CHECK(*m.restart().notes.damage == cache::errc::damaged);
        m.put("b", 2);
        m.put("c", 3);
        REQUIRE(m.cache->flush());
        CHECK_FALSE(m.restart().notes.damage.has_value());
        CHECK(m.look() == contents{{"b", 2}, {"c", 3}});
    }
}

TEST_CASE("a use that is saved alone changes the order, and the row stays whole") {
    machine<> m;
    m.restart();
    m.put("a", 1);
    m.put("b", 2);
    REQUIRE(m.cache->flush());
    (void)m.cache->get("a", m.clock.wall_now());
    CHECK_FALSE(m.restart().notes.damage.has_value());
    CHECK(m.look() == contents{{"b", 2}, {"a", 1}});
}

TEST_CASE("what was asked for withstands a flood after a restart from a database, noted or written anew") {
    for (bool const anew : {false, true}) {
        test::scratch folder;
        no_timers timers;
        manual_clock clock;
        struct wanted_only : cache::defaults {
            using admission = cache::demand;
            using touch = cache::touch_on_both;
            using persistence = cache::debounced<store<1>, no_timers, manual_clock>;
        };
        std::optional<cache::persistent_cache<std::string, std::uint64_t, wanted_only>> c;
        auto const restart = [&] {
            c.reset();
            c.emplace(decltype(c)::value_type::options{.entries_max = 100}, store<1>::options{.path = folder.file("f")},
                      timers, clock);
            REQUIRE(c->load());
        };
        auto const flood = [&](std::string const& prefix) {
            for (std::uint64_t i = 0; i < 500; ++i) {
                c->put(prefix + std::to_string(i), i);
                c->put(prefix + std::to_string(i), i + 1);  // no way out of probation, also not by way of the file
            }
        };
        restart();
        std::optional<sqlite::database> blocker;
        if (anew) {  // what is noted meanwhile cannot be, so all is written anew
            auto other = sqlite::database::open(folder.file("f"));
            REQUIRE(other);
            blocker.emplace(std::move(other).value());
            REQUIRE(blocker->run("BEGIN IMMEDIATE"));
        }
        for (std::uint64_t i = 0; i < 90; ++i) {
            c->put(std::to_string(i), i);
            (void)c->get(std::to_string(i));
        }
        flood("first ");
        if (anew) REQUIRE(blocker->run("ROLLBACK"));
        REQUIRE(c->flush());
        restart();
        flood("second ");
        for (std::uint64_t i = 0; i < 90; ++i) CHECK(c->contains(std::to_string(i)));
        CHECK(c->occupied() == 100);
    }
}

TEST_CASE("other programs' databases, other codecs and later versions are put aside") {
    machine<1> m;
    m.restart();
    m.put("a", 1);
    m.cache.reset();
    {
        auto other = sqlite::database::open(m.path());
        REQUIRE(other);
        REQUIRE(other.value().run("PRAGMA user_version = 9"));
    }
    CHECK(*m.restart().notes.damage == cache::errc::unsupported_version);
    m.cache.reset();
    std::filesystem::remove(m.path());
    {
        auto other = sqlite::database::open(m.path());
        REQUIRE(other);
        REQUIRE(other.value().run("CREATE TABLE song (title TEXT)"));
    }
    CHECK(*m.restart().notes.damage == cache::errc::damaged);
    m.cache.reset();
    test::write_all(m.path(), to_bytes(as_bytes("no database at all, but text of some length, which is not empty")));
    CHECK(*m.restart().notes.damage == cache::errc::damaged);
    m.cache.reset();
    machine<2> other;
    std::filesystem::copy_file(m.path(), other.path());
    CHECK(*other.restart().notes.damage == cache::errc::other_codec);
}

TEST_CASE("a save that fails is made good by a later one") {
    machine<> m;
    m.restart();
    m.put("a", 1);
    REQUIRE(m.cache->flush());
    auto blocker = sqlite::database::open(m.path());
    REQUIRE(blocker);
    REQUIRE(blocker.value().run("BEGIN EXCLUSIVE"));
    m.put("b", 2);
    m.cache->erase(std::string{"a"}, m.clock.wall_now());
    auto const refused = m.cache->flush();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == file_errc::io_failed);
    CHECK(m.cache->last_failure().has_value());
    REQUIRE(blocker.value().run("ROLLBACK"));
    m.clock.advance(1s);
    CHECK(m.timers.fire_due(m.clock.now()));
    CHECK_FALSE(m.cache->last_failure().has_value());
    CHECK(m.restart().loaded == 1);
    CHECK(m.look() == contents{{"b", 2}});
}

TEST_CASE("what expires while nobody runs is removed, and the file is its owner's alone") {
    machine<> m;
    for (int life = 0; life < 5; ++life) {
        m.restart();
        for (std::uint64_t i = 0; i < 50; ++i) m.put(std::to_string(life) + ":" + std::to_string(i), i);
        REQUIRE(m.cache->flush());
        m.clock.advance(2h);
    }
    CHECK(m.restart().expired == 50);
    CHECK(m.cache->is_dirty());
    REQUIRE(m.cache->flush());
    auto database = sqlite::database::open(m.path());
    REQUIRE(database);
    CHECK(database.value().number("SELECT count(*) FROM entry").value() == 0);
    auto const mode = std::filesystem::status(m.path()).permissions();
    CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    REQUIRE(database.value().run(
        "INSERT INTO entry VALUES (x'0161', x'0000000000000001', 0, 0, 9223372036854775807, 0, 0)"));
    CHECK(*m.restart().notes.damage == cache::errc::damaged);
}

}  // namespace cache_store_tests
