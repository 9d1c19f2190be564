// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A directory that is there for one test.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

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

/// The octets of a file.
[[nodiscard]] inline bytes read_all(std::string const& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}
/// Makes @p octets the content of a file.
inline void write_all(std::string const& path, bytes const& octets) {
    std::ofstream{path, std::ios::binary}.write(reinterpret_cast<char const*>(octets.data()),
                                                static_cast<std::streamsize>(octets.size()));
}

}  // namespace muster::test
