// SPDX-License-Identifier: MIT

#include <muster/signing/file_journal.hpp>

#include <muster/sim/disk.hpp>

#include <support/catch.hpp>
#include <support/scratch.hpp>

namespace file_journal_tests {

using namespace muster;
using namespace muster::signing;

namespace {

using journal_on_disk = file_journal<sim::disk_files>;
using content = std::map<session_id, bytes>;

session_id id_of(byte n) { return session_id{{n}}; }
bytes octets_of(byte n, std::size_t size = 40) { return bytes(size, n); }

journal_on_disk open(sim::disk& d) { return journal_on_disk{{.path = "j", .files = sim::disk_files{d}}}; }
result<content> load(journal_on_disk& j) {
    content out;
    MUSTER_TRY(j.load([&](session_id const& id, byte_view octets) { out[id] = to_bytes(octets); }));
    return out;
}
content load_again(sim::disk& d) {
    auto j = open(d);
    return load(j).value();
}

}  // namespace

TEST_CASE("what was put is there after a restart, what was erased is not, the last put counts") {
    sim::disk d;
    {
        auto j = open(d);
        CHECK(j.put(id_of(1), octets_of(1)).error() == signing::errc::wrong_state);  // would overwrite
        CHECK(load(j).value().empty());
        CHECK_FALSE(load(j));
        REQUIRE(j.put(id_of(1), octets_of(1)));
        REQUIRE(j.put(id_of(2), octets_of(2)));
        REQUIRE(j.put(id_of(3), {}));
        REQUIRE(j.put(id_of(1), octets_of(9, 7)));
        REQUIRE(j.erase(id_of(2)));
        REQUIRE(j.erase(id_of(7)));
    }
    d.crash(sim::disk::luck::none);  // all of it was durable at once
    auto j = open(d);
    CHECK(load(j).value() == content{{id_of(1), octets_of(9, 7)}, {id_of(3), {}}});
    CHECK(j.unreadable_octets() == 0);
    CHECK_FALSE(j.put_aside());
}

TEST_CASE("the file does not grow without bound") {
    sim::disk d;
    auto owner = std::optional{open(d)};
    auto& j = *owner;
    (void)load(j);
    std::size_t largest = 0;
    for (int i = 0; i < 2000; ++i) {
        REQUIRE(j.put(id_of(static_cast<byte>(i % 5)), octets_of(static_cast<byte>(i), 1000)));
        largest = std::max(largest, d.at("j").size());
    }
    CHECK(largest <= 2 * 5 * 1000 + (64u << 10));
    owner.reset();
    CHECK(load_again(d).size() == 5);
}

TEST_CASE("a file cut anywhere gives what was whole; what is not is noticed") {
    sim::disk whole;
    auto j = open(whole);
    (void)load(j);
    std::vector<std::pair<std::size_t, content>> states{{whole.at("j").size(), {}}};
    content now;
    for (byte n = 1; n <= 4; ++n) {
        REQUIRE(j.put(id_of(n), octets_of(n, n * 10u)));
        now[id_of(n)] = octets_of(n, n * 10u);
        states.emplace_back(whole.at("j").size(), now);
    }
    auto const all = whole.at("j");
    for (std::size_t size = states[0].first; size <= all.size(); ++size) {
        sim::disk d;
        d.set("j", {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size)});
        auto owner = std::optional{open(d)};
        auto& cut = *owner;
        auto const got = load(cut);
        REQUIRE(got);
        auto const last = std::find_if(states.rbegin(), states.rend(), [&](auto const& s) { return s.first <= size; });
        CHECK(got.value() == last->second);
        CHECK(cut.unreadable_octets() == size - last->first);
        CHECK_FALSE(cut.put_aside());  // a crash may have done that
        // It can be written to, and read again.
        REQUIRE(cut.put(id_of(99), octets_of(99)));
        owner.reset();
        auto again = open(d);
        auto expected = last->second;
        expected[id_of(99)] = octets_of(99);
        CHECK(load(again).value() == expected);
        CHECK(again.unreadable_octets() == 0);
    }
}

TEST_CASE("a changed bit loses nothing before it, is noticed, and the file is put aside when more was behind it") {
    sim::disk whole;
    auto j = open(whole);
    (void)load(j);
    std::vector<std::size_t> ends{whole.at("j").size()};
    for (byte n = 1; n <= 3; ++n) {
        REQUIRE(j.put(id_of(n), octets_of(n, 20)));
        ends.push_back(whole.at("j").size());
    }
    auto const all = whole.at("j");
    for (std::size_t bit = 0; bit < 8 * all.size(); ++bit) {
        sim::disk d;
        auto damaged = all;
        damaged[bit / 8] ^= static_cast<byte>(1u << bit % 8);
        d.set("j", damaged);
        auto k = open(d);
        auto const got = load(k);
        REQUIRE(got);
        std::size_t whole_records = 0;
        while (bit / 8 >= ends[whole_records]) ++whole_records;
        auto const readable = whole_records == 0 ? 0 : whole_records - 1;
        CHECK(got.value().size() == readable);
        for (auto const& [id, octets] : got.value()) CHECK(octets == octets_of(id.octets[0], 20));
        CHECK(k.unreadable_octets() > 0);
        bool const is_last = whole_records == 3;
        if (!is_last) CHECK(k.put_aside() == "j.aside.1");
        if (!is_last) CHECK(d.at("j.aside.1") == damaged);
    }
}

TEST_CASE(
    "every call of the file system fails once and for good: what was promised is there, whatever the power does") {
    for (bool const for_good : {false, true}) {
        for (auto const luck : {sim::disk::luck::none, sim::disk::luck::half, sim::disk::luck::all}) {
            for (std::size_t fails_at = 0;; ++fails_at) {
                sim::disk d;
                d.write_max = 30;
                {
                    auto j = open(d);
                    REQUIRE(load(j));
                    REQUIRE(j.put(id_of(1), octets_of(1)));
                }
                auto const calls_before = d.calls;
                d.fails_at = calls_before + fails_at;
                d.for_good = for_good;
                content promised{{id_of(1), octets_of(1)}};
                std::map<session_id, std::vector<std::optional<bytes>>> possible;  // after a failure: either
                auto const attempt = [&](auto& j, session_id const& id, std::optional<bytes> const& to) {
                    auto const done = to ? j.put(id, *to) : j.erase(id);
                    auto& either = possible[id];
                    if (done) either.clear();
                    if (!done) either.push_back(promised.count(id) ? std::optional{promised[id]} : std::nullopt);
                    if (!done) either.push_back(to);
                    if (done && to) promised[id] = *to;
                    if (done && !to) promised.erase(id);
                };
                {
                    auto j = open(d);
                    if (load(j)) {
                        attempt(j, id_of(2), octets_of(2));
                        attempt(j, id_of(1), octets_of(5, 90));
                        attempt(j, id_of(3), octets_of(3));
                        attempt(j, id_of(2), std::nullopt);
                        attempt(j, id_of(4), octets_of(4));
                    }
                }
                bool const is_over = d.calls <= *d.fails_at;
                d.crash(luck);
                auto j = open(d);
                auto const got = load(j);
                REQUIRE(got);
                for (byte n = 1; n <= 4; ++n) {
                    auto const found = got.value().find(id_of(n));
                    auto const is = found == got.value().end() ? std::nullopt : std::optional{found->second};
                    auto const was =
                        promised.count(id_of(n)) != 0 ? std::optional{promised[id_of(n)]} : std::optional<bytes>{};
                    auto const& either = possible[id_of(n)];
                    INFO("call " << fails_at << ", session " << int{n});
                    CHECK((is == was || std::find(either.begin(), either.end(), is) != either.end()));
                }
                if (is_over) break;
            }
        }
    }
}

TEST_CASE("on the file system of this machine") {
    test::scratch dir;
    {
        file_journal<> j{{.path = dir.file("j")}};
        REQUIRE(j.load([](session_id const&, byte_view) {}));
        REQUIRE(j.put(id_of(1), octets_of(1)));
    }
    file_journal<> j{{.path = dir.file("j")}};
    std::size_t count = 0;
    REQUIRE(j.load([&](session_id const&, byte_view) { ++count; }));
    CHECK(count == 1);
    file_journal<> nowhere{{.path = dir.file("no/such/folder")}};
    CHECK(nowhere.load([](session_id const&, byte_view) {}).error() == file_errc::io_failed);
}

TEST_CASE("a journal has one owner, and a second one changes nothing") {
    sim::disk d;
    auto first = std::optional{open(d)};
    REQUIRE(load(*first));
    REQUIRE(first->put(id_of(1), octets_of(1)));
    auto const before = d.at("j");
    auto second = open(d);
    CHECK(load(second).error() == file_errc::in_use);
    CHECK(second.put(id_of(2), octets_of(2)).error() == signing::errc::wrong_state);
    CHECK(d.at("j") == before);
    CHECK(d.names.size() == 1);
    auto moved = std::move(*first);
    first.reset();
    CHECK(load(second).error() == file_errc::in_use);
    REQUIRE(moved.put(id_of(2), octets_of(2)));

    d.locks.clear();  // somebody removes what locks are made of
    CHECK(load(second).value().size() == 2);
    CHECK(moved.put(id_of(3), octets_of(3)).error() == file_errc::in_use);
    CHECK(moved.erase(id_of(1)).error() == file_errc::in_use);
    second = journal_on_disk{{.path = "other", .files = sim::disk_files{d}}};  // which gives the lock back
    CHECK(load_again(d).size() == 2);
}

TEST_CASE("a journal that was moved away, exchanged or emptied is written anew with the next record") {
    auto const exchange = [](auto change) {
        sim::disk d;
        {
            auto j = open(d);
            REQUIRE(load(j));
            for (byte n = 1; n <= 3; ++n) REQUIRE(j.put(id_of(n), octets_of(n)));
            change(d);
            REQUIRE(j.put(id_of(4), octets_of(4)));
            REQUIRE(j.erase(id_of(1)));
        }
        d.crash(sim::disk::luck::none);
        CHECK(load_again(d) == content{{id_of(2), octets_of(2)}, {id_of(3), octets_of(3)}, {id_of(4), octets_of(4)}});
    };
    exchange([](sim::disk& d) { d.names.erase("j"); });
    exchange([](sim::disk& d) { d.set("j", bytes(d.at("j").size(), byte{7})); });
    exchange([](sim::disk& d) { d.at("j").assign(d.at("j").size(), byte{7}); });
    exchange([](sim::disk& d) { d.at("j").resize(20); });
}

TEST_CASE("what could not be read again is refused, and keeps nothing else out") {
    sim::disk d;
    journal_on_disk::options const bounded{.path = "j", .file_size_max = 1000, .files = sim::disk_files{d}};
    {
        journal_on_disk j{bounded};
        REQUIRE(load(j));
        REQUIRE(j.put(id_of(1), octets_of(1, 100)));
        CHECK(j.put(id_of(2), octets_of(2, 900)).error() == file_errc::too_large);
        for (int i = 0; i < 30; ++i) {
            REQUIRE(j.put(id_of(3), octets_of(3, 100)));
            CHECK(d.at("j").size() <= 1000);
        }
        CHECK(j.put(id_of(1), octets_of(2, 900)).error() == file_errc::too_large);
    }
    journal_on_disk j{bounded};
    CHECK(load(j).value() == content{{id_of(1), octets_of(1, 100)}, {id_of(3), octets_of(3, 100)}});
}

}  // namespace file_journal_tests
