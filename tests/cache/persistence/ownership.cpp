// SPDX-License-Identifier: MIT

// Whose a file is: one cache's at a time; and what becomes of a file that somebody else touches nevertheless.

#include <memory>
#include <string>
#include <utility>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cache/persistence/rig.hpp>
#include <support/scratch.hpp>

namespace ownership_tests {

using namespace muster;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

template <class Store>
auto another(machine<kept<Store>>& m) {
    using subject = typename machine<kept<Store>>::subject;
    return std::make_unique<subject>(typename subject::options{.entries_max = 100},
                                     typename Store::options{.path = "found", .files = sim::disk_files{m.storage}},
                                     m.timers, m.clock);
}

}  // namespace

TEMPLATE_TEST_CASE("a second cache on the same file is refused: it reads nothing, and saves nothing", "", snapshot,
                   change_log) {
    machine<kept<TestType>> m;
    m.restart();
    m.cache->put("a", 1);
    REQUIRE(m.cache->flush());
    auto const before = m.storage.at("found");
    auto second = another<TestType>(m);
    auto const refused = second->load();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == file_errc::in_use);
    CHECK(refused.error().message().find("found") != std::string::npos);
    CHECK(second->occupied() == 0);
    second->put("b", 2);
    CHECK(second->flush().error() == cache::errc::not_loaded);
    second.reset();
    CHECK(m.storage.at("found") == before);
    CHECK(m.storage.names.size() == 1);

    second = another<TestType>(m);
    CHECK_FALSE(second->load().has_value());
    m.cache.reset();
    CHECK(second->load().value().loaded == 1);  // it is free now
}

TEMPLATE_TEST_CASE("a cache that has lost its file to another one saves nothing any more", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.restart();
    m.cache->put("a", 1);
    REQUIRE(m.cache->flush());
    m.storage.locks.clear();  // somebody removes what locks are made of
    auto second = another<TestType>(m);
    REQUIRE(second->load());
    second->put("b", 2);
    REQUIRE(second->flush());
    auto const theirs = m.storage.at("found");
    m.cache->put("c", 3);
    CHECK(m.cache->flush().error() == file_errc::in_use);
    CHECK(*m.cache->last_failure() == file_errc::in_use);
    CHECK(m.timers.armed().has_value());
    CHECK(m.storage.at("found") == theirs);
    second.reset();
    REQUIRE(m.cache->flush());
    m.restart();
    CHECK(m.cache->contains("c"));
}

namespace {
/// A file system that cannot be written to.
struct read_only_files : sim::disk_files {
    using sim::disk_files::disk_files;
    result<lock_type> lock(std::string const&) { return error{file_errc::cannot_lock, "as ordered"}; }
};
}  // namespace

TEMPLATE_TEST_CASE("a file that cannot be locked is loaded and never saved; one that is damaged stays where it is", "",
                   (cache::snapshot_file<text_codec, read_only_files>),
                   (cache::append_log<text_codec, read_only_files>)) {
    using plain = std::conditional_t<TestType::keeps_changes, change_log, snapshot>;
    machine<kept<plain>> m;
    m.restart();
    m.cache->put("a", 1);
    m.cache.reset();
    auto const before = m.storage.at("found");
    auto const start = [&] {
        return std::make_unique<cache::persistent_cache<std::string, std::uint64_t, kept<TestType>>>(
            typename cache::persistent_cache<std::string, std::uint64_t, kept<TestType>>::options{.entries_max = 3},
            typename TestType::options{.path = "found", .files = read_only_files{m.storage}}, m.timers, m.clock);
    };
    auto c = start();
    auto const report = c->load();
    REQUIRE(report.has_value());
    CHECK(report.value().loaded == 1);
    REQUIRE(report.value().notes.read_only.has_value());
    CHECK(*report.value().notes.read_only == file_errc::cannot_lock);
    c->put("b", 1);
    CHECK(c->flush().error() == file_errc::cannot_lock);
    c.reset();
    CHECK(m.storage.at("found") == before);

    m.storage.at("found").back() ^= 1;
    auto const damaged = m.storage.at("found");
    c = start();
    CHECK(c->load().error() == file_errc::cannot_lock);
    CHECK(m.storage.at("found") == damaged);
    CHECK(m.storage.names.size() == 1);
}

TEST_CASE("a log that was exchanged, emptied or moved away is written anew by the same save") {
    auto const exchange = [](auto change) {
        machine<kept<change_log>> m;
        m.restart();
        for (std::uint64_t i = 0; i < 20; ++i) m.cache->put(std::to_string(i), i);
        REQUIRE(m.cache->flush());
        m.cache->put("1", 100);
        REQUIRE(m.cache->flush());
        change(m.storage);
        m.cache->put("2", 200);
        auto const before = m.look();
        REQUIRE(m.cache->flush());
        m.crash(sim::disk::luck::none);
        CHECK_FALSE(m.restart().notes.damage.has_value());
        CHECK(m.look() == before);
    };
    exchange([](sim::disk& d) { d.names.erase("found"); });
    exchange([](sim::disk& d) { d.set("found", bytes(d.at("found").size(), byte{7})); });
    exchange([](sim::disk& d) { d.at("found").assign(d.at("found").size(), byte{7}); });
    exchange([](sim::disk& d) { d.at("found").resize(30); });
    exchange([](sim::disk& d) { d.set("found", d.at("found")); });
}

TEST_CASE("a log that is exchanged after it was loaded, and before the first save") {
    machine<kept<change_log>> m;
    m.restart();
    for (std::uint64_t i = 0; i < 5; ++i) m.cache->put(std::to_string(i), i);
    m.restart();
    auto const size = m.storage.at("found").size();
    m.cache->put("1", 100);
    REQUIRE(m.cache->flush());
    CHECK(m.storage.at("found").size() > size);  // it goes on with what it has loaded
    m.restart();
    m.storage.set("found", bytes(m.storage.at("found").size(), byte{7}));
    m.cache->put("2", 200);
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    CHECK(m.restart().loaded == 5);
}

TEST_CASE("any system call fails while an exchanged log is written anew, and then the power goes") {
    for (bool const for_good : {false, true}) {
        for (std::size_t n = 0;; ++n) {
            machine<kept<change_log>> m;
            m.restart();
            m.cache->put("a", 1);
            REQUIRE(m.cache->flush());
            m.storage.set("found", bytes(m.storage.at("found").size(), byte{7}));
            m.cache->put("b", 2);
            m.storage.fails_at = m.storage.calls + n;
            m.storage.for_good = for_good;
            auto const first_call = m.storage.calls;
            auto done = m.cache->flush().has_value();
            bool const is_over = m.storage.calls - first_call <= n;
            if (!done) CHECK(*m.cache->last_failure() == file_errc::io_failed);
            if (!for_good && !done) done = m.cache->flush().has_value();
            if (!for_good) CHECK(done);
            m.crash(sim::disk::luck::none);
            auto const report = m.restart();
            if (done) CHECK(m.look() == contents{{"a", 1}, {"b", 2}});
            if (!done) CHECK(report.notes.damage.has_value());
            if (is_over) break;
        }
    }
}

TEMPLATE_TEST_CASE("what killed processes left beside a file is removed when it is loaded", "", snapshot, change_log) {
    for (std::size_t n = 0;; ++n) {
        machine<kept<TestType>> m;
        m.restart();
        m.cache->put("a", 1);
        m.storage.fails_at = m.storage.calls + n;
        m.storage.for_good = true;
        auto const first_call = m.storage.calls;
        (void)m.cache->flush();
        bool const is_over = m.storage.calls - first_call <= n;
        m.crash(sim::disk::luck::all);
        m.restart();
        for (auto const& [name, content] : m.storage.names) CHECK(name == "found");
        if (is_over) break;
    }
}

namespace {

template <class Store>
struct on_this_machine : cache::defaults {
    using persistence = cache::debounced<Store, no_timers, manual_clock>;
};
/// Saves for ever, whether it was loaded or not.
template <class Store>
[[noreturn]] void insist(std::string const& path, std::string const& who, int told) {
    no_timers timers;
    manual_clock clock;
    cache::persistent_cache<std::string, std::string, on_this_machine<Store>> c{
        {.entries_max = 50}, {.path = path}, timers, clock};
    char const is_loaded = c.load() ? 'y' : 'n';
    for (int i = 0;; ++i) {
        c.put(who + std::to_string(i % 40), who);
        (void)c.flush();
        if (i == 20 && ::write(told, &is_loaded, 1) != 1) ::_exit(1);
    }
}

}  // namespace

TEMPLATE_TEST_CASE("of two processes on one file one is refused, and what they leave when they are killed is whole", "",
                   (cache::snapshot_file<cache::plain_codec<std::string, std::string>>),
                   (cache::append_log<cache::plain_codec<std::string, std::string>>)) {
    scratch dir;
    for (int round = 0; round < 10; ++round) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        pid_t children[2];
        for (int i = 0; i < 2; ++i) {
            children[i] = ::fork();
            REQUIRE(children[i] >= 0);
            if (children[i] == 0) insist<TestType>(dir.file("found"), i == 0 ? std::string(60, 'A') : "B", ends[1]);
        }
        char told[2];
        for (auto& one : told) REQUIRE(::read(ends[0], &one, 1) == 1);
        CHECK((told[0] == 'y') != (told[1] == 'y'));
        for (auto const child : children) ::kill(child, SIGKILL);
        for (auto const child : children) REQUIRE(::waitpid(child, nullptr, 0) == child);
        ::close(ends[0]);
        ::close(ends[1]);
        no_timers timers;
        manual_clock clock;
        cache::persistent_cache<std::string, std::string, on_this_machine<TestType>> c{
            {.entries_max = 50}, {.path = dir.file("found")}, timers, clock};
        auto const report = c.load();
        REQUIRE(report.has_value());
        CHECK_FALSE(report.value().notes.damage.has_value());
        CHECK(report.value().loaded > 20);
        c.clear();
    }
    posix_files files;
    CHECK(files.drafts(dir.file("found")).value().empty());
}

}  // namespace ownership_tests
