// SPDX-License-Identifier: MIT

#include <muster/store/record_log.hpp>

#include <muster/sim/disk.hpp>

#include <support/catch.hpp>

namespace record_log_tests {

using namespace muster;
using sim::disk;
using sim::disk_files;
using store::record_log;

namespace {

std::vector<bytes> records(std::initializer_list<char const*> texts) {
    std::vector<bytes> out;
    for (auto const* t : texts) out.push_back(to_bytes(as_bytes(t)));
    return out;
}
record_log<disk_files> log_on(disk& d, std::uint64_t size_max = 1 << 20) {
    return record_log<disk_files>{{"log", "test", size_max, disk_files{d}}};
}
struct loaded {
    std::vector<bytes> all;
    store::load_report report;
};
loaded load(record_log<disk_files>& log) {
    loaded out;
    out.report = log.load([&](byte_view r) { out.all.push_back(to_bytes(r)); }).value();
    return out;
}
std::vector<bytes> content(disk& d) {
    auto log = log_on(d);
    return load(log).all;
}

}  // namespace

TEST_CASE("record log: what was added is there again") {
    disk d;
    {
        auto log = log_on(d);
        CHECK(load(log).all.empty());
        REQUIRE(log.append(records({"one", "two"})));
        REQUIRE(log.append(records({""})));
        CHECK(log.load([](byte_view) {}).error() == store::errc::wrong_state);
    }
    CHECK(content(d) == records({"one", "two", ""}));
    {
        auto log = log_on(d);
        (void)load(log);
        REQUIRE(log.replace(records({"three"})));
        REQUIRE(log.append(records({"four"})));
    }
    CHECK(content(d) == records({"three", "four"}));
}

TEST_CASE("record log: nothing is written before it was loaded, nor by a second owner") {
    disk d;
    auto log = log_on(d), other = log_on(d);
    CHECK(log.append(records({"one"})).error() == store::errc::wrong_state);
    (void)load(log);
    CHECK(other.load([](byte_view) {}).error() == file_errc::in_use);
}

TEST_CASE("record log: a frame is there as a whole or not at all, wherever the power goes") {
    // Each call to the disk is the last one, and what was not made durable is gone, half there, or there.
    for (auto const luck : {disk::luck::none, disk::luck::half, disk::luck::all}) {
        for (std::size_t call = 0; call < 40; ++call) {
            disk d;
            std::vector<bytes> promised;
            {
                auto log = log_on(d);
                d.fails_at = call;
                d.for_good = true;
                bool is_on = static_cast<bool>(log.load([](byte_view) {}));
                for (int i = 0; i < 4 && is_on; ++i) {
                    auto const two = records({i % 2 == 0 ? "even" : "odd", "and its pair"});
                    is_on = static_cast<bool>(log.append(two));
                    if (is_on) promised.insert(promised.end(), two.begin(), two.end());
                }
            }
            d.crash(luck);
            auto const found = content(d);
            REQUIRE(found.size() >= promised.size());
            REQUIRE(found.size() % 2 == 0);
            REQUIRE(std::equal(promised.begin(), promised.end(), found.begin()));
        }
    }
}

TEST_CASE("record log: cut at any byte, what was before the torn frame is there") {
    disk d;
    {
        auto log = log_on(d);
        (void)load(log);
        REQUIRE(log.append(records({"one"})));
        REQUIRE(log.append(records({"two", "three"})));
    }
    d.crash(disk::luck::all);
    auto const whole = d.at("log");
    std::size_t const header = std::string_view{"muster test 1\n"}.size(), first = header + 16;
    for (std::size_t n = header; n <= whole.size(); ++n) {
        d.set("log", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)});
        auto log = log_on(d);
        auto const found = load(log);
        CHECK_FALSE(found.report.put_aside);
        CHECK(found.all == (n == whole.size() ? records({"one", "two", "three"})
                            : n >= first      ? records({"one"})
                                              : records({})));
        REQUIRE(log.append(records({"next"})));  // and it goes on
    }
}

TEST_CASE("record log: damage with something behind it is put aside, and what is before it goes on") {
    disk d;
    {
        auto log = log_on(d);
        (void)load(log);
        for (auto const* t : {"one", "two", "three"}) REQUIRE(log.append(records({t})));
    }
    d.crash(disk::luck::all);
    auto damaged = d.at("log");
    damaged[14 + 16 + 9] ^= 1;  // in the second frame
    d.set("log", damaged);
    auto log = log_on(d);
    auto const found = load(log);
    CHECK(found.all == records({"one"}));
    CHECK(found.report.put_aside == "log.aside.1");
    CHECK(d.at("log.aside.1") == damaged);
    d.set("log", to_bytes(as_bytes("something else\n")));
    auto other = record_log<disk_files>{{"log2", "test", 1 << 20, disk_files{d}}};
    d.set("log2", to_bytes(as_bytes("something else\n")));
    CHECK(load(other).report.put_aside == "log2.aside.1");
}

TEST_CASE("record log: every flipped bit is found") {
    disk d;
    {
        auto log = log_on(d);
        (void)load(log);
        REQUIRE(log.append(records({"one", "two"})));
        REQUIRE(log.append(records({"three"})));
    }
    d.crash(disk::luck::all);
    auto const whole = d.at("log");
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        auto damaged = whole;
        damaged[bit / 8] ^= static_cast<byte>(1u << bit % 8);
        disk fresh;
        fresh.set("log", damaged);
        auto const found = content(fresh);
        CHECK(found != records({"one", "two", "three"}));
        for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == records({"one", "two", "three"})[i]);
    }
}

TEST_CASE("record log: a file that somebody has changed is not added to, and the bound holds") {
    disk d;
    auto log = log_on(d, 60);
    (void)load(log);
    REQUIRE(log.append(records({"one"})));
    CHECK(log.append(records({"far too large for what may be read again"})).error() == file_errc::too_large);
    d.at("log").push_back('x');
    CHECK(log.append(records({"two"})).error() == store::errc::changed);
    REQUIRE(log.replace(records({"one", "two"})));
    REQUIRE(log.append(records({"3"})));
}

}  // namespace record_log_tests
