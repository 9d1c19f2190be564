// SPDX-License-Identifier: MIT

// Databases that are moved away, removed, exchanged or written to while a cache has them open; and entries that cannot
// be saved.

#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/sqlite/cache_store.hpp>

#include <sqlite/faulty_vfs.hpp>
#include <support/catch.hpp>
#include <support/scratch.hpp>

namespace moved_tests {

using namespace muster;
using muster::test::faulty_vfs;

namespace {

using text_codec = cache::plain_codec<std::string, std::string>;
template <class Codec>
struct kept : cache::defaults {
    using persistence = cache::debounced<sqlite::cache_store<Codec>, manual_timers, manual_clock>;
};
using contents = std::vector<std::pair<std::string, std::string>>;  // the least recently used first

/// A directory with a database, and the process that uses it. Entries have a hundred bytes at most.
template <class Codec = text_codec>
struct machine {
    using subject = cache::persistent_cache<std::string, std::string, kept<Codec>>;

    machine() { restart(); }
    [[nodiscard]] std::string path() const { return folder.file("found"); }
    [[nodiscard]] std::unique_ptr<subject> start() {
        return std::make_unique<subject>(typename subject::options{.entries_max = 20},
                                         typename sqlite::cache_store<Codec>::options{
                                             .path = path(), .vfs = faulty_vfs::name, .change_size_max = 100},
                                         timers, clock);
    }
    cache::load_report restart() {
        cache.reset();
        cache = start();
        auto report = cache->load();
        if (!report) FAIL(report.error().to_text());
        return report.value();
    }
    std::size_t flush() {
        auto const done = cache->flush();
        if (!done) FAIL(done.error().to_text());
        return done.value().left_out;
    }
    [[nodiscard]] contents look() const {
        contents all;
        cache->for_each([&](std::string const& k, std::string const& v) { all.emplace_back(k, v); });
        return all;
    }

    faulty_vfs vfs;
    test::scratch folder;
    manual_timers timers;
    manual_clock clock;
    std::unique_ptr<subject> cache;
};

std::string const large(200, 'x');

/// Changes what is at the path between two saves, or before the changes of a save are noted.
template <class Change>
void is_written_anew(Change change) {
    for (bool const is_in_transaction : {false, true}) {
        machine<> m;
        for (auto const* key : {"a", "b", "c"}) m.cache->put(key, "1");
        m.flush();
        if (is_in_transaction) m.cache->put("b", "2");
        change(m);
        if (!is_in_transaction) m.cache->put("b", "2");
        m.cache->erase("c");
        auto const before = m.look();
        m.flush();
        CHECK_FALSE(m.restart().notes.damage.has_value());
        CHECK(m.look() == before);
        m.cache->put("d", "1");
        m.flush();
        CHECK(m.restart().loaded == 3);
    }
}

}  // namespace

TEST_CASE("a database that is moved away, removed or exchanged is written anew by the next save") {
    is_written_anew([](machine<>& m) { std::filesystem::rename(m.path(), m.path() + ".moved"); });
    is_written_anew([](machine<>& m) { std::filesystem::remove(m.path()); });
    is_written_anew([](machine<>& m) {
        std::filesystem::copy_file(m.path(), m.path() + ".copy");
        std::filesystem::rename(m.path() + ".copy", m.path());
    });
}

TEST_CASE("a database that is moved away is left as it was saved") {
    machine<> m;
    m.cache->put("a", "1");
    m.flush();
    auto const saved = test::read_all(m.path());
    std::filesystem::rename(m.path(), m.path() + ".moved");
    m.cache->put("a", "2");
    m.flush();
    CHECK(test::read_all(m.path() + ".moved") == saved);
}

TEST_CASE("what has taken the place of a database and is none of ours is put aside") {
    machine<> m;
    m.cache->put("a", "1");
    m.flush();
    auto const is_put_aside = [&](auto put_there) {
        std::filesystem::remove(m.path());
        put_there();
        auto const octets = test::read_all(m.path());
        m.cache->put("b", "2");
        m.flush();
        CHECK(test::read_all(m.path() + ".aside.1") == octets);
        std::filesystem::remove(m.path() + ".aside.1");
        CHECK(m.restart().loaded == 2);
    };
    is_put_aside([&] { test::write_all(m.path(), to_bytes(as_bytes("no database at all, but text of some length"))); });
    is_put_aside([&] {
        auto other = sqlite::database::open(m.path());
        REQUIRE(other);
        REQUIRE(other.value().run("CREATE TABLE song (title TEXT)"));
    });
}

TEST_CASE("what another connection has written, or a copy has put there in place, is written over") {
    is_written_anew([](machine<>& m) {
        auto other = sqlite::database::open(m.path());
        REQUIRE(other);
        // Within an open transaction of ours it cannot.
        (void)other.value().run("DELETE FROM entry WHERE key = x'0161'");
    });
    machine<> m;
    m.cache->put("a", "1");
    m.flush();
    auto const older = test::read_all(m.path());
    m.cache->put("b", "2");
    m.cache->erase("a");
    m.flush();
    test::write_all(m.path(), older);
    m.cache->put("c", "3");
    auto const before = m.look();
    m.flush();
    CHECK_FALSE(m.restart().notes.damage.has_value());
    CHECK(m.look() == before);
}

TEST_CASE("where no database can be made the error is said, and the save made good when there can") {
    machine<> m;
    m.cache->put("a", "1");
    m.flush();
    std::filesystem::rename(m.path(), m.path() + ".moved");
    std::filesystem::create_directory(m.path());
    m.cache->put("b", "2");
    auto const refused = m.cache->flush();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == file_errc::io_failed);
    CHECK(refused.error().message().find(m.path()) != std::string::npos);
    m.cache->put("c", "3");
    CHECK_FALSE(m.cache->flush().has_value());
    std::filesystem::remove(m.path());
    m.flush();
    CHECK(m.restart().loaded == 3);
}

TEST_CASE("any call below SQLite fails while a database is written anew that was moved away") {
    for (bool const for_good : {false, true}) {
        for (std::size_t n = 0;; ++n) {
            CAPTURE(n, for_good);
            machine<> m;
            m.cache->put("a", "1");
            m.flush();
            std::filesystem::rename(m.path(), m.path() + ".moved");
            m.cache->put("b", "2");
            auto const before = m.look();
            m.vfs.fails_at = m.vfs.calls + n;
            m.vfs.for_good = for_good;
            auto const first_call = m.vfs.calls;
            auto done = m.cache->flush().has_value();
            bool const is_over = m.vfs.calls - first_call <= n;
            if (!done) CHECK(m.cache->is_dirty());
            if (!for_good && !done) done = m.cache->flush().has_value();
            if (!for_good) CHECK(done);
            m.vfs.for_good = true;
            m.vfs.fails_at = m.vfs.calls;  // so closing does not save
            m.cache.reset();
            m.vfs.fails_at.reset();
            auto const report = m.restart();
            CHECK_FALSE(report.notes.damage.has_value());
            if (done) CHECK(m.look() == before);
            if (!done) CHECK((report.loaded == 0 || m.look() == before));
            if (is_over) break;
        }
    }
}

TEST_CASE("a second cache on the same database is refused, also in another process") {
    machine<> m;
    m.cache->put("a", "1");
    m.flush();
    auto second = m.start();
    auto const refused = second->load();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == file_errc::in_use);
    CHECK(refused.error().message().find(m.path()) != std::string::npos);
    second->put("b", "1");
    CHECK(second->flush().error() == cache::errc::not_loaded);
    second.reset();
    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        auto const theirs = m.start()->load();
        ::_exit(!theirs && theirs.error() == file_errc::in_use ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);

    std::filesystem::remove(m.path() + ".lock");
    second = m.start();
    REQUIRE(second->load());
    m.cache->put("c", "1");
    CHECK(m.cache->flush().error() == file_errc::in_use);
    second.reset();
    m.flush();
    CHECK(m.restart().loaded == 2);
}

TEST_CASE("a database that may only be read is loaded and never saved, and where there is none none is made") {
    for (bool const is_there : {true, false}) {
        machine<> m;
        m.cache->put("a", "1");
        m.flush();
        m.cache.reset();
        if (!is_there) std::filesystem::remove(m.path());
        CHECK(test::holds_for_a_reader(m.folder, [&] {
            auto c = m.start();
            auto const report = c->load();
            if (!report || !report.value().notes.read_only || report.value().loaded != (is_there ? 1u : 0u))
                return false;
            c->put("b", "2");
            return c->flush().error() == file_errc::cannot_lock;
        }));
        CHECK(std::filesystem::exists(m.path()) == is_there);
        if (is_there) CHECK(m.restart().loaded == 1);
    }
}

TEST_CASE("an entry above its bound is left out of a database, with what was saved of it before") {
    machine<> m;
    for (auto const* key : {"a", "b"}) m.cache->put(key, "old");
    CHECK(m.flush() == 0);
    m.cache->put("a", large);
    m.cache->put(large, "1");
    m.cache->put("c", "1");
    (void)m.cache->get("a");
    (void)m.cache->get(large);
    CHECK(m.flush() == 2);
    CHECK(*m.cache->last_save().why == file_errc::too_large);
    CHECK_FALSE(m.timers.armed().has_value());
    m.cache->erase(large);
    m.cache->put("d", "1");
    CHECK(m.flush() == 1);
    std::filesystem::remove(m.path());
    m.cache->put("e", "1");
    CHECK(m.flush() == 1);  // when all is written anew, too
    CHECK(m.restart().loaded == 4);
    CHECK_FALSE(m.cache->contains("a"));
    CHECK(m.flush() == 0);
}

namespace {
/// Cannot write the value "bad".
struct choosy_codec : text_codec {
    static inline bool is_choosy = true;
    void write_value(wire::writer& w, std::string const& value) const {
        if (is_choosy && value == "bad") throw std::runtime_error{"I do not like it"};
        text_codec::write_value(w, value);
    }
};
}  // namespace

TEST_CASE("an entry whose codec throws is left out of a database, and the others are saved") {
    machine<choosy_codec> m;
    m.cache->put("x", "good");
    m.flush();
    CHECK_THROWS_AS(m.cache->put("x", "bad"), std::runtime_error);
    m.cache->put("a", "1");
    CHECK(m.flush() == 1);
    CHECK(*m.cache->last_save().why == cache::errc::threw);
    m.cache->put("b", "1");
    CHECK(m.flush() == 1);
    CHECK(m.restart().loaded == 2);
    CHECK_THROWS_AS(m.cache->put("x", "bad"), std::runtime_error);
    CHECK(m.flush() == 1);
    choosy_codec::is_choosy = false;
    m.cache->put("c", "1");
    CHECK(m.flush() == 0);
    CHECK(m.restart().loaded == 4);
}

TEST_CASE("a database does not grow beyond what is read again, and one entry does not fill it") {
    test::scratch folder;
    no_timers timers;
    manual_clock clock;
    struct by_hand : cache::defaults {
        using persistence = cache::debounced<sqlite::cache_store<text_codec>, no_timers, manual_clock>;
    };
    using subject = cache::persistent_cache<std::string, std::string, by_hand>;
    std::optional<subject> c;
    constexpr std::uint64_t size_max = 100'000;
    auto const restart = [&] {
        c.reset();
        c.emplace(subject::options{.entries_max = 500},
                  sqlite::cache_store<text_codec>::options{.path = folder.file("f"), .file_size_max = size_max}, timers,
                  clock);
        return c->load().value();
    };
    restart();
    c->put("large", std::string(size_max / 2, 'x'));
    for (int i = 0; i < 20; ++i) c->put(std::to_string(i), std::string(300, 'x'));
    REQUIRE(c->flush());
    CHECK(c->last_save().left_out == 1);
    for (int i = 20; i < 490; ++i) c->put(std::to_string(i), std::string(300, 'x'));
    CHECK(c->flush().error() == file_errc::io_failed);
    CHECK(std::filesystem::file_size(folder.file("f")) <= size_max);
    auto report = restart();
    CHECK_FALSE(report.notes.damage.has_value());
    CHECK(report.loaded == 20);
    for (int i = 20; i < 490; ++i) c->put(std::to_string(i), std::string(300, 'x'));
    CHECK_FALSE(c->flush());
    for (int i = 0; i < 460; ++i) c->erase(std::to_string(i));
    REQUIRE(c->flush());
    CHECK(restart().loaded == 30);
}

TEST_CASE("what SQLite itself takes for too large is left out") {
    test::scratch folder;
    auto opened = sqlite::database::open(folder.file("f"));
    REQUIRE(opened);
    auto& db = opened.value();
    REQUIRE(db.run("CREATE TABLE t (b BLOB NOT NULL)"));
    // More than the limit of a build of SQLite, which is 2^31 - 1 at most.
    static byte const one = 0;
    auto s = db.prepare("INSERT INTO t VALUES (?1)");
    REQUIRE(s);
    s.value().bind(1, byte_view{&one, std::size_t{1} << 31});
    CHECK(s.value().step().error() == file_errc::too_large);
}

}  // namespace moved_tests
