// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A directory that is there for one test.

#include <cstdlib>
#include <filesystem>
#include <string>

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

}  // namespace muster::test
