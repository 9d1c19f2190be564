// SPDX-License-Identifier: MIT

// Files that were cut, changed, written by others, or not finished: for every store the same.

#include <algorithm>

#include <cache/persistence/rig.hpp>

namespace damage_tests {

using namespace muster;
using namespace muster::test;

namespace {

/// A few saves, of which a log keeps several batches; the contents after each.
template <class Machine>
std::vector<contents> fill(Machine& m) {
    std::vector<contents> saved{{}};
    auto const save = [&] {
        REQUIRE(m.cache->flush());
        saved.push_back(m.look());
    };
    for (std::uint64_t i = 0; i < 4; ++i) m.cache->put("key " + std::to_string(i), 1000 + i);
    save();
    (void)m.cache->get("key 0");
    m.cache->erase("key 2");
    save();
    m.cache->put("key 1", 77);
    m.cache->put("one more", 5);
    save();
    return saved;
}

/// Loads the file in @p octets: it is damaged and nothing of it is used, or it is one of the states that were saved. A
/// log that ends between two saves is as it was then.
template <class Machine>
cache::load_report load_or_keep_aside(Machine& m, bytes const& octets, std::vector<contents> const& saved) {
    m.crash(sim::disk::luck::all);
    m.storage.names.clear();
    m.storage.durable_names.clear();
    m.storage.set("found", octets);
    auto const report = m.restart();
    if (report.notes.damage) {
        CHECK(m.look().empty());
        CHECK(report.notes.aside == "found.aside.1");
        CHECK(m.storage.at("found.aside.1") == octets);
        CHECK(m.storage.names.count("found") == 0);
    } else {
        CHECK(std::count(saved.begin(), saved.end(), m.look()) == 1);
    }
    // Whatever it was, the cache works and is saved.
    m.cache->put("afterwards", 1);
    REQUIRE(m.cache->flush());
    auto const now = m.look();
    m.restart();
    CHECK(m.look() == now);
    return report;
}

constexpr std::size_t header_size = 18;

std::size_t first_batch_end(bytes const& file) {
    wire::reader length{byte_view{file}.subspan(header_size)};
    return header_size + cache::detail::batch_head_size + length.u64() + cache::detail::checksum_size;
}

}  // namespace

TEMPLATE_TEST_CASE("a file that was cut anywhere", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.restart();
    auto const saved = fill(m);
    auto const whole = m.storage.at("found");
    CHECK_FALSE(load_or_keep_aside(m, whole, saved).notes.damage.has_value());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        auto const report =
            load_or_keep_aside(m, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}, saved);
        // A log may end between two saves, or within the last; but the first was put in place whole.
        bool const is_log = TestType::keeps_changes && size >= first_batch_end(whole);
        CHECK(report.notes.damage.has_value() == !is_log);
        if (report.notes.damage) CHECK(*report.notes.damage == cache::errc::damaged);
    }
}

TEMPLATE_TEST_CASE("a file of which any bit was turned", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.restart();
    auto const saved = fill(m);
    auto const whole = m.storage.at("found");
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        auto changed = whole;
        changed[bit / 8] = static_cast<byte>(changed[bit / 8] ^ 1u << bit % 8);
        auto const report = load_or_keep_aside(m, changed, saved);
        CHECK((report.notes.damage.has_value() || report.notes.torn != 0));  // never unnoticed
    }
}

TEMPLATE_TEST_CASE("bytes after the end", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.restart();
    auto const saved = fill(m);
    auto longer = m.storage.at("found");
    append(longer, bytes(40, byte{0}));  // given out by the file system, and never written
    CHECK(load_or_keep_aside(m, longer, saved).notes.damage.has_value() == !TestType::keeps_changes);
    longer.back() = 1;
    CHECK(load_or_keep_aside(m, longer, saved).notes.damage.has_value());
}

namespace {
/// Puts right the checksum over the bytes in [from, to), which is behind them.
void repair(bytes& file, std::size_t from, std::size_t to) {
    wire::writer w;
    w.u32(cache::crc32c(byte_view{file}.subspan(from, to - from)));
    std::copy(w.view().begin(), w.view().end(), file.begin() + static_cast<std::ptrdiff_t>(to));
}
}  // namespace

TEMPLATE_TEST_CASE("a later version, another codec, and counts that cannot be, with checksums that fit", "", snapshot,
                   change_log) {
    machine<kept<TestType>> m;
    m.restart();
    auto const saved = fill(m);
    auto const whole = m.storage.at("found");

    auto later = whole;
    later[9] = 2;
    repair(later, 0, 14);
    CHECK(*load_or_keep_aside(m, later, saved).notes.damage == cache::errc::unsupported_version);

    auto other = whole;
    other[13] = 8;
    repair(other, 0, 14);
    CHECK(*load_or_keep_aside(m, other, saved).notes.damage == cache::errc::other_codec);

    for (unsigned const bit : {60u, 40u, 3u}) {
        auto many = whole;
        many[26 + 7 - bit / 8] = static_cast<byte>(1u << bit % 8);  // the count of the first batch
        repair(many, 18, 18 + 24);
        CHECK(*load_or_keep_aside(m, many, saved).notes.damage == cache::errc::damaged);
    }
    for (unsigned const bit : {63u, 60u, 40u, 20u}) {
        auto long_one = whole;
        long_one[18 + 7 - bit / 8] = static_cast<byte>(1u << bit % 8);  // the length of the first batch
        repair(long_one, 18, 18 + 24);
        CHECK(*load_or_keep_aside(m, long_one, saved).notes.damage == cache::errc::damaged);
    }
    auto empty = whole;
    empty.resize(18);
    if (!TestType::keeps_changes) CHECK(load_or_keep_aside(m, empty, saved).notes.damage.has_value());
}

TEMPLATE_TEST_CASE("a file above its bound is not read", "", snapshot, change_log) {
    sim::disk d;
    d.set("found", bytes(1001, byte{'x'}));
    TestType store{{.path = "found", .file_size_max = 1000, .files = sim::disk_files{d}}};
    auto const notes = store.load({}, [](auto&&) {});
    REQUIRE(notes.has_value());
    CHECK(*notes.value().damage == file_errc::too_large);
    CHECK(notes.value().aside == "found.aside.1");
}

TEMPLATE_TEST_CASE("an entry above its bound is damage where it is read", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.restart();
    fill(m);
    std::string const long_key(30, 'k');
    m.cache->put(long_key, 1);
    REQUIRE(m.cache->flush());
    m.cache.reset();
    TestType store{{.path = "found", .change_size_max = 30, .files = sim::disk_files{m.storage}}};
    std::size_t applied = 0;
    auto const notes = store.load({}, [&](auto&&) { ++applied; });
    CHECK(*notes.value().damage == cache::errc::damaged);
    CHECK(applied == 0);
}

namespace {
/// A disk on which somebody replaces the file between its first and its second reading.
struct replaced_files : sim::disk_files {
    replaced_files(sim::disk& d, bytes b) : sim::disk_files{d}, storage{&d}, other{std::move(b)} {}
    result<std::optional<file>> open(std::string const& path, open_mode mode) {
        if (mode == open_mode::read && ++readings == 2) storage->set(path, other);
        return sim::disk_files::open(path, mode);
    }
    sim::disk* storage;
    bytes other;
    int readings = 0;
};
}  // namespace

TEMPLATE_TEST_CASE("a file that is another one when it is read again is not trusted", "",
                   (cache::snapshot_file<text_codec, replaced_files>),
                   (cache::append_log<text_codec, replaced_files>)) {
    using plain = std::conditional_t<TestType::keeps_changes, change_log, snapshot>;
    machine<kept<plain>> m;
    m.restart();
    fill(m);
    auto const first = m.storage.at("found");
    m.cache->clear();
    for (std::uint64_t i = 0; i < 4; ++i) m.cache->put("key " + std::to_string(i), 2000 + i);
    m.storage.names.clear();  // so a log is written anew
    REQUIRE(m.cache->flush());
    m.cache.reset();
    auto const second = m.storage.at("found");
    bytes const shorter{first.begin(), first.end() - 1};
    for (auto const& other : {second, shorter, bytes{}, bytes(first.size(), byte{0})}) {
        m.storage.set("found", first);
        cache::persistent_cache<std::string, std::uint64_t, kept<TestType>> c{
            {.entries_max = 3}, {.path = "found", .files = replaced_files{m.storage, other}}, m.timers, m.clock};
        auto const report = c.load();
        REQUIRE_FALSE(report.has_value());
        CHECK(report.error() == file_errc::io_failed);
        CHECK(c.occupied() == 0);
        CHECK(c.flush().error() == cache::errc::not_loaded);
        CHECK(m.storage.at("found") == other);
    }
}

TEMPLATE_TEST_CASE("nothing is saved over a file that could not be put aside", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    for (int i = 1; i <= 16; ++i) m.storage.set(text("found.aside.", i), {1});
    m.storage.set("found", {2, 3});
    auto const loaded = m.cache->load();
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error() == file_errc::cannot_keep_aside);
    CHECK_FALSE(m.cache->last_failure());
    m.cache->put("a", 1);
    CHECK(*m.cache->last_failure() == cache::errc::not_loaded);  // document 000: reported at once, not when it is lost
    CHECK(m.cache->flush().error() == cache::errc::not_loaded);
    m.start();  // the destructor does not save either
    CHECK(m.storage.at("found") == bytes{2, 3});
    m.storage.names.erase("found.aside.3");
    m.cache->put("b", 1);
    CHECK(*m.cache->last_failure() == cache::errc::not_loaded);
    CHECK(m.restart().notes.aside == "found.aside.3");
    CHECK_FALSE(m.cache->last_failure());
}

TEMPLATE_TEST_CASE("any system call fails while loading: an error, and nothing is lost", "", snapshot, change_log) {
    machine<kept<TestType>> m;
    m.restart();
    auto const saved = fill(m);
    auto torn = m.storage.at("found");
    torn.pop_back();
    for (bool const is_torn : {false, true}) {
        for (std::size_t n = 0;; ++n) {
            m.crash(sim::disk::luck::all);
            m.storage.names.clear();
            m.storage.set("found", torn);
            if (!is_torn) m.storage.at("found").push_back(0);  // which it may not have been; then it is damaged
            auto const before = m.storage.at("found");
            m.start();
            m.storage.fails_at = m.storage.calls + n;
            m.storage.for_good = false;
            auto const first_call = m.storage.calls;
            auto const report = m.cache->load();
            if (m.storage.calls - first_call <= n) break;
            auto const somewhere =
                m.storage.names.count("found") != 0 ? m.storage.at("found") : m.storage.at("found.aside.1");
            if (!report) {
                CHECK(report.error() == file_errc::io_failed);
                CHECK(somewhere == before);
                CHECK(m.cache->flush().error() == cache::errc::not_loaded);
            } else {
                CHECK((report.value().notes.torn != 0 || somewhere == before));
            }
        }
    }
    CHECK_FALSE(saved.empty());
}

TEMPLATE_TEST_CASE("any system call fails while saving, once or for good, and then the power goes", "", snapshot,
                   change_log) {
    for (bool const for_good : {false, true}) {
        for (auto const luck : {sim::disk::luck::none, sim::disk::luck::half, sim::disk::luck::all}) {
            for (std::size_t n = 0;; ++n) {
                machine<kept<TestType>> m;
                m.storage.write_max = 16;
                m.restart();
                std::vector<contents> saved{{}};
                m.storage.fails_at = m.storage.calls + n;
                m.storage.for_good = for_good;
                auto const first_call = m.storage.calls;
                std::size_t durable = 0;  // the newest state that was reported as saved
                for (std::uint64_t round = 0; round < 4; ++round) {
                    m.cache->put("key " + std::to_string(round), round);
                    (void)m.cache->get("key 0");
                    saved.push_back(m.look());
                    if (m.cache->flush()) {
                        durable = saved.size() - 1;
                        CHECK_FALSE(m.cache->last_failure().has_value());
                    } else {
                        CHECK(*m.cache->last_failure() == file_errc::io_failed);
                        CHECK(m.cache->is_dirty());
                    }
                }
                bool const is_over = m.storage.calls - first_call <= n;
                if (!for_good && m.cache->flush()) durable = saved.size() - 1;
                if (!for_good) CHECK(durable == 4);  // a later save made up for it
                CAPTURE(n, for_good, int(luck), TestType::keeps_changes, durable);
                m.crash(luck);
                auto const report = m.restart();
                CHECK_FALSE(report.notes.damage.has_value());
                auto const found = std::find(saved.begin(), saved.end(), m.look());
                REQUIRE(found != saved.end());
                CHECK(static_cast<std::size_t>(found - saved.begin()) >= durable);
                if (is_over) break;
            }
        }
    }
}

TEST_CASE("in the middle of a log there is no unfinished save, and at its end a half-written head is one") {
    machine<kept<change_log>> m;
    m.restart();
    auto const saved = fill(m);
    auto const whole = m.storage.at("found");
    auto middle = whole;
    auto const first_length = std::size_t{whole[24]} << 8 | whole[25];
    middle[18 + 28 + first_length - 1] ^= 1;  // in the changes of the first batch
    CHECK(load_or_keep_aside(m, middle, saved).notes.damage.has_value());

    auto half = whole;
    append(half, bytes{0, 0, 0, 0, 0, 0, 0, 50, 0});
    append(half, bytes(4000, byte{0}));
    auto const report = load_or_keep_aside(m, half, saved);
    CHECK_FALSE(report.notes.damage.has_value());
    CHECK(report.notes.torn == 4009);
}

TEST_CASE("the last batch of a log, when any bit of its changes was turned, is kept aside and the rest goes on") {
    machine<kept<change_log>> m;
    m.restart();
    auto const saved = fill(m);
    auto const whole = m.storage.at("found");
    auto last = header_size;  // where the last batch begins
    for (auto end = first_batch_end(whole); end != whole.size();) {
        last = end;
        wire::reader length{byte_view{whole}.subspan(last)};
        end = last + cache::detail::batch_head_size + length.u64() + cache::detail::checksum_size;
    }
    for (auto bit = 8 * (last + cache::detail::batch_head_size); bit < 8 * whole.size(); ++bit) {
        auto octets = whole;
        octets[bit / 8] ^= static_cast<byte>(1u << bit % 8);
        m.crash(sim::disk::luck::all);
        m.storage.names.clear();
        m.storage.set("found", octets);
        auto const report = m.restart();
        CHECK_FALSE(report.notes.damage.has_value());
        REQUIRE(report.notes.damaged_end.has_value());
        CHECK(*report.notes.damaged_end == cache::errc::damaged);
        CHECK(report.notes.torn == whole.size() - last);
        CHECK(report.notes.aside == "found.aside.1");
        m.storage.crash(sim::disk::luck::none);
        CHECK(m.storage.at("found.aside.1") == octets);
        CHECK(m.storage.at("found") == bytes{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(last)});
        CHECK(m.look() == saved[saved.size() - 2]);
    }
    auto shorter = whole;
    shorter.pop_back();
    auto const report = load_or_keep_aside(m, shorter, saved);
    CHECK(report.notes.torn == whole.size() - last - 1);
    CHECK_FALSE(report.notes.damaged_end.has_value());
    CHECK(report.notes.aside.empty());
    CHECK(m.storage.names.count("found.aside.1") == 0);
}

TEST_CASE("the end of a log is not cut off before it is kept aside, whichever system call fails") {
    machine<kept<change_log>> m;
    m.restart();
    auto const saved = fill(m);
    auto changed = m.storage.at("found");
    changed.back() ^= 1;
    for (std::size_t n = 0;; ++n) {
        m.crash(sim::disk::luck::all);
        m.storage.names.clear();
        m.storage.set("found", changed);
        m.start();
        auto const first_call = m.storage.calls;
        m.storage.fails_at = first_call + n;
        m.storage.for_good = false;
        auto const report = m.cache->load();
        if (m.storage.calls - first_call <= n) break;
        if (!report) {
            CHECK(report.error() == file_errc::io_failed);
            CHECK(m.storage.at("found") == changed);
        } else {
            CHECK(m.storage.at(report.value().notes.aside) == changed);
        }
        m.crash(sim::disk::luck::none);
        bool const is_kept = m.storage.names.count("found.aside.1") != 0 && m.storage.at("found.aside.1") == changed;
        CHECK((is_kept || m.storage.at("found") == changed));
    }
    m.crash(sim::disk::luck::all);
    for (int i = 1; i <= 16; ++i) m.storage.set(text("found.aside.", i), {1});
    m.storage.set("found", changed);
    m.start();
    CHECK(m.cache->load().error() == file_errc::cannot_keep_aside);
    CHECK(m.storage.at("found") == changed);
}

TEST_CASE("the first batch of a log is put aside when any bit of it was turned, or it was cut") {
    machine<kept<change_log>> m;
    m.restart();
    for (std::uint64_t i = 0; i < 5; ++i) m.cache->put("key " + std::to_string(i), i);
    REQUIRE(m.cache->flush());
    auto const whole = m.storage.at("found");
    std::vector<contents> const saved{m.look()};
    for (std::size_t bit = 8 * header_size; bit < 8 * whole.size(); ++bit) {
        auto octets = whole;
        octets[bit / 8] ^= static_cast<byte>(1u << bit % 8);
        CHECK(load_or_keep_aside(m, octets, saved).notes.damage.has_value());
    }
    for (std::size_t size = header_size + 1; size < whole.size(); ++size) {
        bytes const octets{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
        CHECK(load_or_keep_aside(m, octets, saved).notes.damage.has_value());
    }
}

}  // namespace damage_tests
