// SPDX-License-Identifier: MIT

// Entries that cannot be saved, which keep no other from being saved.

#include <new>
#include <set>
#include <stdexcept>
#include <string>

#include <cache/persistence/rig.hpp>

namespace left_out_tests {

using namespace muster;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

using long_codec = cache::plain_codec<std::string, std::string>;
template <class Codec>
using whole_file = cache::snapshot_file<Codec, sim::disk_files>;
template <class Codec>
using change_log_of = cache::append_log<Codec, sim::disk_files>;

/// A machine whose entries are texts, of a hundred bytes at most.
template <class Store>
struct texts {
    using subject = cache::persistent_cache<std::string, std::string, kept<Store>>;

    explicit texts(std::uint64_t file_size_max = 10'000) : bound{file_size_max} { restart(); }
    cache::load_report restart() {
        cache.reset();
        cache.emplace(
            typename subject::options{.entries_max = 100},
            typename Store::options{
                .path = "found", .file_size_max = bound, .change_size_max = 100, .files = sim::disk_files{storage}},
            timers, clock);
        auto const report = cache->load();
        REQUIRE(report.has_value());
        CHECK_FALSE(report.value().notes.damage.has_value());
        return report.value();
    }
    /// As @ref restart, after a power failure.
    cache::load_report crash() {
        storage.fails_at = storage.calls;
        storage.for_good = true;
        cache.reset();
        storage.crash(sim::disk::luck::none);
        return restart();
    }
    cache::save_report flush() {
        auto const done = cache->flush();
        REQUIRE(done.has_value());
        CHECK(cache->last_save().left_out == done.value().left_out);
        return done.value();
    }

    std::uint64_t bound;
    sim::disk storage;
    manual_timers timers;
    manual_clock clock;
    std::optional<subject> cache;
};

std::string const large(200, 'x');

}  // namespace

TEMPLATE_TEST_CASE("an entry above its bound is left out, and that is said; the others are saved", "",
                   whole_file<long_codec>, change_log_of<long_codec>) {
    texts<TestType> m;
    m.cache->put("large", large);
    for (int i = 0; i < 50; ++i) m.cache->put(std::to_string(i), "small");
    auto const report = m.flush();
    CHECK(report.left_out == 1);
    REQUIRE(report.why.has_value());
    CHECK(*report.why == file_errc::too_large);
    CHECK(report.why->message().find("raise change_size_max") != std::string::npos);
    CHECK_FALSE(m.cache->last_failure().has_value());
    CHECK_FALSE(m.cache->is_dirty());
    CHECK_FALSE(m.timers.armed().has_value());  // nothing is tried again by itself
    CHECK(m.cache->contains("large"));

    auto const calls = m.storage.calls;
    CHECK(m.flush().left_out == 1);  // nothing was to be done, and it is not there still
    CHECK(m.storage.calls == calls);
    m.cache->put("more", "small");
    CHECK(m.flush().left_out == 1);
    CHECK(m.crash().loaded == 51);
    CHECK_FALSE(m.cache->contains("large"));
    CHECK(m.flush().left_out == 0);
}

TEMPLATE_TEST_CASE("what was saved of an entry does not come back once a larger value could not be", "",
                   whole_file<long_codec>, change_log_of<long_codec>) {
    texts<TestType> m;
    m.cache->put("a", "old");
    m.cache->put("b", "old");
    m.flush();
    auto const size = m.storage.at("found").size();
    m.cache->put("a", large);
    (void)m.cache->get("a");
    CHECK(m.flush().left_out == 1);
    // A log is not written anew for that.
    CHECK((m.storage.at("found").size() > size) == TestType::keeps_changes);
    CHECK(m.crash().loaded == 1);
    CHECK_FALSE(m.cache->contains("a"));

    m.cache->put("a", large);
    CHECK(m.flush().left_out == 1);
    m.cache->put("a", "new");
    CHECK(m.flush().left_out == 0);
    m.cache->put("c", large);
    m.cache->put("b", large);
    CHECK(m.flush().left_out == 2);
    m.cache->erase("c");
    CHECK(m.flush().left_out == 1);
    m.cache->clear();
    CHECK(m.flush().left_out == 0);
    m.cache->put("a", "new");
    m.flush();
    m.crash();
    CHECK(*m.cache->peek("a") == "new");
    CHECK(m.cache->occupied() == 1);
}

TEMPLATE_TEST_CASE("a key above the bound is left out too, whatever is done with it", "", whole_file<long_codec>,
                   change_log_of<long_codec>) {
    texts<TestType> m;
    m.cache->put("a", "1");
    m.flush();
    m.cache->put(large, "1");
    m.cache->put("b", "1");
    CHECK(m.flush().left_out == 1);
    (void)m.cache->get(large);
    m.cache->put("c", "1");
    CHECK(m.flush().left_out == 1);
    m.cache->erase(large);
    CHECK(m.flush().left_out == 0);
    CHECK(m.crash().loaded == 3);
}

TEMPLATE_TEST_CASE("an entry that alone is more than a whole file may have is left out", "", whole_file<long_codec>,
                   change_log_of<long_codec>) {
    texts<TestType> m{120};  // and a change may have a hundred
    m.cache->put("large", std::string(80, 'x'));
    m.cache->put("small", "x");
    CHECK(m.flush().left_out == 1);
    CHECK(m.crash().loaded == 1);
    CHECK(m.cache->contains("small"));
}

TEST_CASE("what is left out of a log is counted once, whichever way it is saved") {
    texts<change_log_of<long_codec>> m;
    m.cache->put("a", large);
    m.flush();  // anew
    for (int i = 0; i < 3; ++i) {
        m.cache->put("a", large + "y");
        m.cache->put("b", large);
        m.cache->put("small", "x");
        CHECK(m.flush().left_out == 2);  // added
    }
    m.storage.names.erase("found");
    m.cache->put("small", "y");
    CHECK(m.flush().left_out == 2);  // anew
    CHECK(m.crash().loaded == 1);
}

TEST_CASE("saving by the timers goes on beside what is left out, and says so") {
    texts<change_log_of<long_codec>> m;
    m.cache->put("large", large);
    m.clock.advance(500ms);
    CHECK(m.timers.fire_due(m.clock.now()));
    CHECK(m.cache->last_save().left_out == 1);
    CHECK_FALSE(m.timers.armed().has_value());
    m.cache->put("small", "x");
    CHECK(m.timers.armed() == m.clock.now() + 500ms);
}

namespace {
/// Cannot write what is on its list.
struct choosy_codec : long_codec {
    static inline std::set<std::string> refused = {};
    static inline bool by_an_integer = false;
    void write_key(wire::writer& w, std::string const& key) const {
        if (refused.count(key) != 0) throw std::bad_alloc{};
        long_codec::write_key(w, key);
    }
    void write_value(wire::writer& w, std::string const& value) const {
        w.u8(7);
        if (refused.count(value) != 0 && by_an_integer) throw 1;
        if (refused.count(value) != 0) throw std::runtime_error{"I do not like it"};
        long_codec::write_value(w, value);
    }
    [[nodiscard]] std::string read_value(wire::reader& r, timestamp now) const {
        (void)r.u8();
        return long_codec::read_value(r, now);
    }
};
/// What a codec has thrown comes out of a cache that keeps changes.
template <class F>
void unheard(F change) {
    try {
        change();
    } catch (...) {
    }
}
}  // namespace

TEMPLATE_TEST_CASE("an entry whose codec throws is left out, and the others are saved", "", whole_file<choosy_codec>,
                   change_log_of<choosy_codec>) {
    for (bool const by_an_integer : {false, true}) {
        choosy_codec::refused.clear();
        choosy_codec::by_an_integer = by_an_integer;
        texts<TestType> m;
        m.cache->put("bad", "good");
        m.cache->put("a", "1");
        CHECK(m.flush().left_out == 0);
        choosy_codec::refused = {"bad", "key"};
        unheard([&] { m.cache->put("bad", "bad"); });
        unheard([&] { m.cache->put("x", "bad"); });
        unheard([&] { m.cache->put("key", "1"); });
        m.cache->put("b", "2");
        auto const report = m.flush();
        CHECK(report.left_out == 3);
        REQUIRE(report.why.has_value());
        CHECK(*report.why == cache::errc::threw);
        CHECK_FALSE(m.timers.armed().has_value());
        m.cache->put("c", "3");
        CHECK(m.flush().left_out == 3);
        CHECK(m.crash().loaded == 3);
        CHECK_FALSE(m.cache->contains("bad"));
        CHECK_FALSE(m.cache->contains("x"));

        unheard([&] { m.cache->put("x", "bad"); });
        CHECK(m.flush().left_out == 1);
        choosy_codec::refused.clear();  // it has changed its mind
        m.cache->put("d", "4");
        CHECK(m.flush().left_out == 0);
        CHECK(m.crash().loaded == 5);
        CHECK(*m.cache->peek("x") == "bad");
    }
}

namespace {
/// A store that throws when it saves, as one may that is out of memory.
struct throwing_store {
    using codec = text_codec;
    static constexpr bool keeps_changes = false;
    struct options {
        bool const* is_out_of_memory;
    };
    explicit throwing_store(options o) : is_out_of_memory{o.is_out_of_memory} {}
    template <class Apply>
    result<cache::load_notes> load(timestamp, Apply) {
        return cache::load_notes{};
    }
    template <class Entries>
    result<void> save(Entries const&, timestamp) {
        if (*is_out_of_memory) throw std::bad_alloc{};
        return ok();
    }
    bool const* is_out_of_memory;
};
}  // namespace

TEST_CASE("a store that throws is a save that failed: it is tried again, and closing goes well") {
    bool is_out_of_memory = true;
    manual_timers timers;
    manual_clock clock;
    std::optional<cache::persistent_cache<std::string, std::uint64_t, kept<throwing_store>>> c;
    c.emplace(decltype(c)::value_type::options{.entries_max = 3}, throwing_store::options{&is_out_of_memory}, timers,
              clock);
    REQUIRE(c->load());
    c->put("a", 1);
    clock.advance(500ms);
    CHECK(timers.fire_due(clock.now()));
    REQUIRE(c->last_failure().has_value());
    CHECK(*c->last_failure() == cache::errc::threw);
    CHECK(timers.armed() == clock.now() + 1s);
    is_out_of_memory = false;
    clock.advance(1s);
    CHECK(timers.fire_due(clock.now()));
    CHECK_FALSE(c->last_failure().has_value());
    CHECK(c->last_save().left_out == 0);
    c->put("b", 1);
    is_out_of_memory = true;
    c.reset();
}

}  // namespace left_out_tests
