// SPDX-License-Identifier: MIT

#include <muster/core/posix_files.hpp>

#include <filesystem>

#include <support/catch.hpp>
#include <support/scratch.hpp>

namespace posix_files_tests {

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
    CHECK(files.drafts(path).value().empty());
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

TEST_CASE("a file is read from front to back in parts, and copied aside") {
    scratch dir;
    posix_files files;
    auto const path = dir.file("a");
    using reader = file_reader<posix_files>;
    CHECK_FALSE(reader::open(files, path).value().has_value());
    bytes octets(3 * reader::buffer_size + 5);
    for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<byte>(i % 251);
    REQUIRE(replace_file(files, path, octets));
    auto const all = byte_view{octets};

    auto in = reader::open(files, path).value();
    CHECK(in->size() == octets.size());
    CHECK(equal(in->peek(10).value(), all.first(10)));
    CHECK(in->offset() == 0);
    CHECK(equal(in->take(7).value(), all.first(7)));
    CHECK(equal(in->take(2 * reader::buffer_size).value(), all.subspan(7, 2 * reader::buffer_size)));  // more than fits
    CHECK(in->take(0).value().empty());
    in->limit(octets.size() - 2);
    auto const left = static_cast<std::size_t>(in->left());
    CHECK(left == reader::buffer_size - 4);
    CHECK(equal(in->take(left).value(), all.subspan(octets.size() - 2 - left, left)));
    CHECK(in->left() == 0);

    auto cut = reader::open(files, path).value();
    std::filesystem::resize_file(path, 100);
    CHECK(equal(cut->take(100).value(), all.first(100)));
    auto const gone = cut->take(1);
    REQUIRE_FALSE(gone.has_value());
    CHECK(gone.error() == file_errc::io_failed);

    CHECK(copy_aside(files, path).value() == path + ".aside.1");
    CHECK(copy_aside(files, path).value() == path + ".aside.2");
    CHECK(*read_file(files, path + ".aside.2", 1000).value() == to_bytes(all.first(100)));
    CHECK(*read_file(files, path, 1000).value() == to_bytes(all.first(100)));
    CHECK(files.drafts(path).value().empty());
    std::filesystem::remove(path);
    CHECK(copy_aside(files, path).error() == file_errc::io_failed);
}

}  // namespace posix_files_tests
