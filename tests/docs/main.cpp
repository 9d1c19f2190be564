// SPDX-License-Identifier: MIT

// Runs every program that the documentation shows. Each must end with 0.

#include <cstdio>

#include <docs/programs.hpp>

int main() {
    int failures = 0;
    for (auto const& [page, program] : programs::all()) {
        std::printf("== %s\n", page);
        if (auto const code = program(); code != 0) {
            std::printf("%s: its program ended with %d\n", page, code);
            ++failures;
        }
    }
    std::printf("%zu programs, %d failed\n", programs::all().size(), failures);
    return programs::all().empty() || failures != 0 ? 1 : 0;
}
