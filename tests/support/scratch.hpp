// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A directory that is there for one test.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include <muster/core/bytes.hpp>

#include <support/catch.hpp>

namespace muster::test {

/// A directory of its own, removed at the end.
struct scratch {
    scratch() {
        auto name = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    scratch(scratch const&) = delete;
    scratch& operator=(scratch const&) = delete;
    ~scratch() { std::filesystem::remove_all(path); }
    [[nodiscard]] std::string file(std::string const& name) const { return (path / name).string(); }

    std::filesystem::path path;
};

/// The bytes of a file.
[[nodiscard]] inline bytes read_all(std::string const& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}
/// Makes @p octets the content of a file.
inline void write_all(std::string const& path, bytes const& octets) {
    std::ofstream{path, std::ios::binary}.write(reinterpret_cast<char const*>(octets.data()),
                                                static_cast<std::streamsize>(octets.size()));
}

/// Whether @p f gives true to a user who may read, but not write, what is in @p dir and was there before.
template <class F>
[[nodiscard]] bool holds_for_a_reader(scratch const& dir, F f) {
    using std::filesystem::perms;
    constexpr auto reading = perms::owner_read | perms::group_read | perms::others_read;
    constexpr auto entering = perms::owner_exec | perms::group_exec | perms::others_exec;
    for (auto const& entry : std::filesystem::directory_iterator{dir.path})
        std::filesystem::permissions(entry.path(), reading);
    std::filesystem::permissions(dir.path, reading | entering);
    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(2);  // root may write everywhere; nobody may not
        ::_exit(f() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    std::filesystem::permissions(dir.path, perms::owner_all);
    return status == 0;
}

}  // namespace muster::test
