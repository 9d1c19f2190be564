// SPDX-License-Identifier: MIT

#include <muster/core/owned_file.hpp>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <muster/core/posix_files.hpp>
#include <muster/sim/disk.hpp>

#include <support/catch.hpp>
#include <support/scratch.hpp>

namespace owned_file_tests {

using namespace muster;
using muster::test::scratch;

namespace {

using on_disk = owned_file<sim::disk_files>;
on_disk own(sim::disk& d) { return on_disk{"a", sim::disk_files{d}}; }

std::string text_at(sim::disk& d) {
    auto const& octets = d.at("a");
    return {octets.begin(), octets.end()};
}

}  // namespace

TEST_CASE("a path has one owner at a time, until that one is destroyed or its machine crashes") {
    sim::disk d;
    std::optional first{own(d)};
    auto second = own(d);
    REQUIRE(first->claim());
    REQUIRE(first->claim());
    CHECK(second.claim().error() == file_errc::in_use);
    CHECK(second.claim_to_read().error() == file_errc::in_use);
    CHECK(second.replace(as_bytes("mine")).error() == file_errc::in_use);
    CHECK(d.names.empty());
    auto moved = std::move(*first);
    first.reset();
    CHECK(second.claim().error() == file_errc::in_use);
    REQUIRE(moved.replace(as_bytes("ours")));
    d.crash(sim::disk::luck::none);
    REQUIRE(second.claim());
    CHECK(moved.claim().error() == file_errc::in_use);  // what it had is over
    CHECK(moved.append(as_bytes("!")).error() == file_errc::in_use);
    CHECK(moved.replace(as_bytes("!")).error() == file_errc::in_use);
    CHECK(text_at(d) == "ours");
}

TEST_CASE("bytes are added to the file that was written or remembered, and to no other") {
    sim::disk d;
    auto f = own(d);
    CHECK_FALSE(f.append(as_bytes("x")).value());
    CHECK_FALSE(f.cut().value());
    REQUIRE(f.replace(as_bytes("one long beginning")));
    CHECK(f.append(as_bytes(", two")).value());
    CHECK(f.append(as_bytes(", three")).value());
    CHECK(text_at(d) == "one long beginning, two, three");
    CHECK(f.size() == d.at("a").size());
    auto const whole = d.at("a");

    auto const is_noticed = [&](auto change) {
        REQUIRE(f.replace(whole));
        change();
        auto const before = d.names.count("a") != 0 ? d.at("a") : bytes{};
        CHECK_FALSE(f.append(as_bytes("!")).value());
        CHECK((d.names.count("a") != 0 ? d.at("a") : bytes{}) == before);
        CHECK(f.size() == 0);
        CHECK_FALSE(f.append(as_bytes("!")).value());  // nor later, whatever is there then
    };
    is_noticed([&] { d.names.erase("a"); });
    is_noticed([&] { d.set("a", whole); });  // the same bytes in another file
    is_noticed([&] { d.at("a").clear(); });
    is_noticed([&] { d.at("a").push_back(1); });
    is_noticed([&] { std::reverse(d.at("a").begin(), d.at("a").end()); });  // emptied, and as long again

    f.remember({{0, d.names.at("a")->number}, 3, bytes{whole.begin(), whole.begin() + 3}});
    d.at("a") = whole;
    CHECK(f.cut().value());
    CHECK(f.append(as_bytes(" more")).value());
    CHECK(text_at(d) == "one more");
}

TEST_CASE("any call fails while bytes are added: the next time the file is written anew") {
    for (std::size_t n = 0;; ++n) {
        sim::disk d;
        auto f = own(d);
        REQUIRE(f.replace(as_bytes("one")));
        auto const first_call = d.calls;
        d.fails_at = first_call + n;
        auto const done = f.append(as_bytes(", two"));
        if (d.calls - first_call <= n) break;
        CHECK(done.error() == file_errc::io_failed);
        auto const again = f.append(as_bytes(", two"));
        REQUIRE(again.has_value());
        if (again.value()) CHECK(text_at(d) == "one, two");
    }
}

TEST_CASE("what fails leaves no draft, and what a dead owner left is removed by the next") {
    for (std::size_t n = 0;; ++n) {
        sim::disk d;
        auto f = own(d);
        REQUIRE(f.claim());
        auto const first_call = d.calls;
        d.fails_at = first_call + n;
        auto const done = f.replace(as_bytes("one"));
        if (d.calls - first_call <= n) break;
        CHECK(done.error() == file_errc::io_failed);
        for (auto const& [name, content] : d.names) CHECK(name == "a");
    }
    sim::disk d;
    sim::disk_files files{d};
    auto const left = files.create_draft("a").value().path;
    auto const of_another = files.create_draft("b").value().path;
    d.set("a.new", {1});
    REQUIRE(own(d).claim());
    CHECK(d.names.count(left) == 0);
    CHECK(d.names.count(of_another) == 1);
    CHECK(d.names.count("a.new") == 1);
}

namespace {
/// A disk where something happens whenever a file is made durable.
struct interrupted_files : sim::disk_files {
    using sim::disk_files::disk_files;
    result<void> sync(file& f) {
        if (auto now = std::exchange(meanwhile, nullptr)) now();
        return sim::disk_files::sync(f);
    }
    std::function<void()> meanwhile;
};
}  // namespace

TEST_CASE("two who replace a file at the same time leave the whole file of one of them") {
    sim::disk d;
    interrupted_files files{d};
    files.meanwhile = [&] {
        sim::disk_files others{d};
        REQUIRE(replace_file(others, "a", as_bytes("a shorter one")));
    };
    auto const done = replace_file(files, "a", as_bytes("a longer one than that"));
    REQUIRE(done);
    CHECK(text_at(d) == "a longer one than that");
    CHECK(d.names.size() == 1);
}

namespace {
/// A file system that cannot be written to.
struct read_only_files : sim::disk_files {
    using sim::disk_files::disk_files;
    result<lock_type> lock(std::string const&) { return error{file_errc::cannot_lock, "as ordered"}; }
};
}  // namespace

TEST_CASE("what cannot be locked can be read, and is not written for life") {
    sim::disk d;
    owned_file<read_only_files> f{"a", read_only_files{d}};
    CHECK(f.claim().error() == file_errc::cannot_lock);
    REQUIRE(f.claim_to_read());
    REQUIRE(f.read_only());
    CHECK(*f.read_only() == file_errc::cannot_lock);
    CHECK(f.replace(as_bytes("x")).error() == file_errc::cannot_lock);
    CHECK(f.claim().error() == file_errc::cannot_lock);
    CHECK(d.names.empty());
}

TEST_CASE("a lock of the operating system: one holder, who is named, in this process and among others") {
    scratch dir;
    auto const path = dir.file("a");
    std::optional<owned_file<>> first{path};
    REQUIRE(first->replace(as_bytes("ours")));
    owned_file<> second{path};
    auto const refused = second.claim();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == file_errc::in_use);
    CHECK(refused.error().message().find(path) != std::string::npos);
    CHECK(refused.error().message().find(text("process ", ::getpid())) != std::string::npos);

    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        owned_file<> third{path};
        auto const theirs = third.claim();
        bool const is_named =
            !theirs && theirs.error() == file_errc::in_use &&
            theirs.error().message().find(text("another process, ", ::getppid())) != std::string::npos;
        // Nor is it the first's owner because it was forked from its process.
        bool const is_refused = first->replace(as_bytes("theirs")).error() == file_errc::in_use;
        first.reset();
        ::_exit(is_named && is_refused ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(second.claim().error() == file_errc::in_use);  // the end of the fork did not end it
    REQUIRE(first->append(as_bytes(" still")).value());
    first.reset();
    REQUIRE(second.claim());
    CHECK(test::read_all(path) == to_bytes(as_bytes("ours still")));
}

TEST_CASE("a lock of the operating system ends with its process, however that ends") {
    scratch dir;
    auto const path = dir.file("a");
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        owned_file<> theirs{path};
        char const told = theirs.claim() ? 'y' : 'n';
        if (::write(ends[1], &told, 1) == 1) ::pause();
        ::_exit(1);
    }
    char told = 0;
    REQUIRE(::read(ends[0], &told, 1) == 1);
    CHECK(told == 'y');
    owned_file<> ours{path};
    auto const refused = ours.claim();
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    ::close(ends[0]);
    ::close(ends[1]);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message().find(text("another process, ", child)) != std::string::npos);
    CHECK(ours.claim());
}

TEST_CASE("who removes the lock's file ends the lock, and whoever comes first has the next") {
    scratch dir;
    auto const path = dir.file("a");
    owned_file<> first{path};
    owned_file<> second{path};
    REQUIRE(first.claim());
    std::filesystem::remove(path + ".lock");
    REQUIRE(second.claim());
    CHECK(first.replace(as_bytes("x")).error() == file_errc::in_use);
    std::filesystem::remove(path + ".lock");
    CHECK(first.replace(as_bytes("x")));
    CHECK(second.claim().error() == file_errc::in_use);
}

TEST_CASE("a lock that cannot be made for a moment is an error, and no lock says whose it is not") {
    scratch dir;
    owned_file<> nowhere{dir.file("no/such/folder")};
    CHECK(nowhere.claim_to_read().error() == file_errc::io_failed);
    CHECK_FALSE(nowhere.read_only().has_value());

    auto const path = dir.file("a");
    std::filesystem::create_directory(path + ".lock");
    owned_file<> blocked{path};
    CHECK(blocked.claim_to_read().error() == file_errc::io_failed);
    std::filesystem::remove(path + ".lock");
    REQUIRE(blocked.claim());
    test::write_all(path + ".lock", to_bytes(as_bytes("no number\n")));  // in place: it is held still
    owned_file<> other{path};
    CHECK(other.claim().error().message().find("another process:") != std::string::npos);
}

TEST_CASE("drafts of the operating system have names of their own, and the dead owners' are removed") {
    scratch dir;
    posix_files files;
    auto const path = dir.file("a");
    auto const one = files.create_draft(path).value();
    auto const two = files.create_draft(path).value();
    CHECK(one.path != two.path);
    auto const mode = std::filesystem::status(one.path).permissions();
    CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    for (auto const* other : {"a.new", "a.draft", "a.draft-1234567", "b.draft-123456"})
        test::write_all(dir.file(other), {1});
    CHECK(files.drafts(path).value().size() == 2);
    owned_file<> f{path};
    REQUIRE(f.replace(as_bytes("x")));
    CHECK(files.drafts(path).value().empty());
    for (auto const* other : {"a.new", "a.draft", "a.draft-1234567", "b.draft-123456"})
        CHECK(std::filesystem::exists(dir.file(other)));

    REQUIRE(files.remove(dir.file("a.new")));
    REQUIRE(files.remove(dir.file("a.new")));  // nothing to remove
    std::filesystem::create_directory(dir.file("full"));
    test::write_all(dir.file("full/x"), {1});
    CHECK(files.remove(dir.file("full")).error() == file_errc::io_failed);
    CHECK(files.create_draft(dir.file("no/a")).error() == file_errc::io_failed);
    CHECK(files.drafts(dir.file("no/a")).error() == file_errc::io_failed);
}

TEST_CASE("a file of the operating system is known by what it is, not by its length") {
    scratch dir;
    auto const path = dir.file("a");
    owned_file<> f{path};
    auto const is_noticed = [&](auto change) {
        REQUIRE(f.replace(as_bytes("0123456789")));
        REQUIRE(f.append(as_bytes("abc")).value());
        change();
        CHECK_FALSE(f.append(as_bytes("!")).value());
    };
    is_noticed([&] { std::filesystem::rename(path, path + ".moved"); });
    is_noticed([&] {
        std::filesystem::copy_file(path, path + ".copy");
        std::filesystem::rename(path + ".copy", path);  // the same bytes
    });
    is_noticed([&] { test::write_all(path, to_bytes(as_bytes("another file."))); });  // in place, as long
    is_noticed([&] { std::filesystem::resize_file(path, 3); });
    posix_files files;
    CHECK_FALSE(files.open(path, open_mode::create).value().has_value());  // it exists
    CHECK(files.open(dir.file("new"), open_mode::create).value().has_value());
}

TEST_CASE("who may not write in a directory has no lock there, and is told so") {
    scratch dir;
    auto const path = dir.file("a");
    REQUIRE(owned_file<>{path}.replace(as_bytes("ours")));
    CHECK(test::holds_for_a_reader(dir, [&] {
        owned_file<> f{path};
        auto const refused = f.claim();
        return !refused && refused.error() == file_errc::cannot_lock && f.claim_to_read() && f.read_only() &&
               refused.error().message().find(path) != std::string::npos &&
               f.replace(as_bytes("theirs")).error() == file_errc::cannot_lock;
    }));
    CHECK(test::read_all(path) == to_bytes(as_bytes("ours")));
}

TEST_CASE("a lock is given back although a process that was forked meanwhile lives on") {
    scratch dir;
    std::optional<owned_file<>> first{dir.file("a")};
    REQUIRE(first->claim());
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::close(ends[1]);
        char end = 0;
        (void)!::read(ends[0], &end, 1);  // until the parent closes its end
        ::_exit(0);
    }
    first.reset();
    owned_file<> second{dir.file("a")};
    CHECK(second.claim());
    ::close(ends[0]);
    ::close(ends[1]);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
}

}  // namespace owned_file_tests
