// SPDX-License-Identifier: MIT

#include <muster/core/posix_files.hpp>

#include <filesystem>

#include <support/catch.hpp>
#include <support/scratch.hpp>

using namespace muster;
using muster::test::scratch;

TEST_CASE("files are written, read, cut, renamed") {
    scratch dir;
    posix_files files;
    auto const path = dir.file("a");
    CHECK_FALSE(read_file(files, path, 100).value().has_value());
    REQUIRE(replace_file(files, path, as_bytes("hello")));
    CHECK(*read_file(files, path, 100).value() == to_bytes(as_bytes("hello")));
    CHECK(read_file(files, path, 4).error() == file_errc::too_large);
    CHECK_FALSE(files.exists(path + ".new").value());
    {
        auto file = files.open(path, open_mode::append).value();
        REQUIRE(write_all(files, *file, as_bytes(" you")));
        REQUIRE(files.truncate(*file, 7));
        REQUIRE(write_all(files, *file, as_bytes("!")));
        REQUIRE(files.sync(*file));
    }
    CHECK(*read_file(files, path, 100).value() == to_bytes(as_bytes("hello y!")));
    CHECK(keep_aside(files, path).value() == path + ".aside.1");
    CHECK(files.exists(path + ".aside.1").value());
    CHECK_FALSE(files.exists(path).value());
    CHECK_FALSE(files.open(path, open_mode::append).value().has_value());
    auto const mode = std::filesystem::status(path + ".aside.1").permissions();
    CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("what the operating system refuses is said, with its reason and the path") {
    scratch dir;
    posix_files files;
    auto const nowhere = dir.file("no/such/file");
    auto const refused = replace_file(files, nowhere, as_bytes("x"));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == file_errc::io_failed);
    CHECK(refused.error().message().find(nowhere) != std::string::npos);
    CHECK_FALSE(files.rename(dir.file("a"), dir.file("b")).has_value());
    CHECK_FALSE(files.sync_directory(nowhere).has_value());
    std::filesystem::create_symlink("/etc/passwd", dir.file("link"));
    CHECK_FALSE(files.open(dir.file("link"), open_mode::append).has_value());  // not followed
}
