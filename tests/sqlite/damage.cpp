// SPDX-License-Identifier: MIT

// Databases that were cut or changed anywhere, and calls below SQLite that fail.

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/sqlite/cache_store.hpp>

#include <sqlite/faulty_vfs.hpp>
#include <support/catch.hpp>
#include <support/scratch.hpp>

namespace damage_tests {

using namespace muster;
using muster::test::faulty_vfs;

namespace {

using store = sqlite::cache_store<cache::plain_codec<std::string, std::uint64_t>>;
struct kept : cache::defaults {
    using persistence = cache::debounced<store, manual_timers, manual_clock>;
};
using subject = cache::persistent_cache<std::string, std::uint64_t, kept>;
using contents = std::vector<std::pair<std::string, std::uint64_t>>;  // the least recently used first

constexpr std::size_t header_size = 100;  // https://www.sqlite.org/fileformat2.html, 1.3
constexpr std::size_t page_size = 512;    // the smallest there is

/// A directory with a database, and the process that uses it.
struct machine {
    [[nodiscard]] std::string path() const { return folder.file("found"); }
    void start() {
        cache.reset();
        cache.emplace(subject::options{.entries_max = 20}, store::options{.path = path(), .vfs = faulty_vfs::name},
                      timers, clock);
    }
    cache::load_report restart() {
        start();
        auto report = cache->load();
        if (!report) FAIL(report.error().to_text());
        return report.value();
    }
    [[nodiscard]] contents look() const {
        contents all;
        cache->for_each([&](std::string const& k, std::uint64_t v) { all.emplace_back(k, v); });
        return all;
    }
    /// A database of some small pages.
    void fill() {
        auto small = sqlite::database::open(path(), faulty_vfs::name);
        REQUIRE(small);
        REQUIRE(small.value().run("PRAGMA page_size = 512"));
        restart();
        for (std::uint64_t i = 0; i < 12; ++i) cache->put("a rather long key " + std::to_string(i), 1000 + i);
        REQUIRE(cache->flush());
        (void)cache->get("a rather long key 3");
        cache->erase("a rather long key 5");
        REQUIRE(cache->flush());
    }

    faulty_vfs vfs;
    test::scratch folder;
    manual_timers timers;
    manual_clock clock;
    std::optional<subject> cache;
};

/// Loads the database in @p octets: it is damaged, kept aside, and nothing of it is used, or it is what was saved.
/// Whatever it was, the cache works and is saved. Says whether it was damaged.
bool load_or_keep_aside(machine& m, bytes const& octets, contents const& saved) {
    m.cache.reset();
    test::write_all(m.path(), octets);
    auto const report = m.restart();
    if (report.notes.damage) {
        CHECK_FALSE(*report.notes.damage == file_errc::io_failed);
        CHECK(m.look().empty());
        CHECK(test::read_all(report.notes.aside) == octets);
        std::filesystem::remove(report.notes.aside);
    } else {
        CHECK(m.look() == saved);
    }
    m.cache->put("afterwards", 1);
    CHECK(m.cache->flush());
    return report.notes.damage.has_value();
}

}  // namespace

TEST_CASE("a database that was cut anywhere is damaged") {
    machine m;
    m.fill();
    auto const saved = m.look();
    m.cache.reset();
    auto const whole = test::read_all(m.path());
    CHECK_FALSE(load_or_keep_aside(m, whole, saved));
    // An empty file is one that was never written to: that is how a database begins. Of what follows the header, some
    // bytes around the ends of pages and a sample, since each takes some milliseconds.
    for (std::size_t size = 1; size < whole.size(); ++size) {
        if (size > header_size && size % page_size > 1 && size % page_size < page_size - 1 && size % 19 != 0) continue;
        CAPTURE(size);
        CHECK(load_or_keep_aside(m, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}, saved));
    }
}

TEST_CASE("a database of which any bit was turned is damaged, or that bit is nobody's") {
    machine m;
    m.fill();
    auto const saved = m.look();
    m.cache.reset();
    auto const whole = test::read_all(m.path());
    std::size_t damaged = 0;
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        // All of the header, a sample of the rest, and a smaller one of zeros, which are mostly room that is not used.
        if (bit > 8 * header_size && bit % (whole[bit / 8] == 0 ? 97 : 13) != 0) continue;
        CAPTURE(bit / 8, bit % 8);
        auto changed = whole;
        changed[bit / 8] = static_cast<byte>(changed[bit / 8] ^ 1u << bit % 8);
        if (load_or_keep_aside(m, changed, saved)) ++damaged;
    }
    CHECK(damaged > 500);
}

TEST_CASE("any call below SQLite fails while saving, once or for good: the old state or the new one, whole") {
    for (bool const for_good : {false, true}) {
        for (std::size_t n = 0;; ++n) {
            CAPTURE(n, for_good);
            machine m;
            m.fill();
            std::vector<contents> saved{m.look()};
            m.vfs.fails_at = m.vfs.calls + n;
            m.vfs.for_good = for_good;
            auto const first_call = m.vfs.calls;
            std::size_t durable = 0;  // the newest state that was reported as saved
            for (std::uint64_t round = 0; round < 3; ++round) {
                for (std::uint64_t i = 0; i < 5; ++i) m.cache->put(std::to_string(10 * round + i), round);
                (void)m.cache->get("a rather long key 7");
                saved.push_back(m.look());
                auto const done = m.cache->flush();
                if (done) {
                    durable = saved.size() - 1;
                } else {
                    CHECK(done.error() == file_errc::io_failed);
                    CHECK(m.cache->is_dirty());
                }
            }
            bool const is_over = m.vfs.calls - first_call <= n;
            if (!for_good && m.cache->flush()) durable = saved.size() - 1;
            if (!for_good) CHECK(durable == 3);  // a later save made up for it
            m.vfs.for_good = true;
            m.vfs.fails_at = m.vfs.calls;  // so closing does not save
            m.cache.reset();
            m.vfs.fails_at.reset();
            CHECK_FALSE(m.restart().notes.damage.has_value());
            auto const found = std::find(saved.begin(), saved.end(), m.look());
            REQUIRE(found != saved.end());
            CHECK(static_cast<std::size_t>(found - saved.begin()) >= durable);
            if (is_over) break;
        }
    }
}

TEST_CASE("any call below SQLite fails while loading: an error, and nothing is lost") {
    machine m;
    m.fill();
    auto const saved = m.look();
    for (bool const for_good : {false, true}) {
        for (std::size_t n = 0;; ++n) {
            CAPTURE(n, for_good);
            m.start();
            m.vfs.fails_at = m.vfs.calls + n;
            m.vfs.for_good = for_good;
            auto const first_call = m.vfs.calls;
            auto const report = m.cache->load();
            bool const is_over = m.vfs.calls - first_call <= n;
            if (report) {
                CHECK_FALSE(report.value().notes.damage.has_value());
                CHECK(m.look() == saved);
            } else {
                CHECK(report.error() == file_errc::io_failed);
                CHECK(m.cache->occupied() == 0);
            }
            m.cache.reset();
            m.vfs.fails_at.reset();
            CHECK_FALSE(m.restart().notes.damage.has_value());
            CHECK(m.look() == saved);
            if (is_over) break;
        }
    }
}

}  // namespace damage_tests
