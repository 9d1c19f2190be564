// SPDX-License-Identifier: MIT

// The same caches, used by two translation units that were compiled for different instruction sets.

#include "part.hpp"

int main() {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2")) return 77;  // skipped: it cannot run here
    caches c;
    for (std::uint64_t round = 0; round < 20; ++round) {
        if (!use_as_baseline(c, 600 * round) || !use_as_v3(c, 600 * round + 300)) return 1;
    }
    return 0;
}
