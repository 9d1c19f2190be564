// SPDX-License-Identifier: MIT
#pragma once

#include "part.hpp"

/// What one side put the other one finds, and the other way round. Inlined, so that each side has its own.
[[gnu::always_inline]] inline bool use(caches& c, std::uint64_t begin) {
    bool good = true;
    for (std::uint64_t i = begin; i < begin + 300; ++i) {
        if (i >= 100) {
            auto const* const old = c.slab.get(i - 100);
            good = good && old != nullptr && *old == i - 100;
        }
        c.slab.put(i, i);
        c.sets.put(i, i);
        good = good && *c.slab.get(i) == i && *c.sets.get(i) == i;
        good =
            good && c.seen.record(i, static_cast<std::int64_t>(i)) && !c.seen.record(i, static_cast<std::int64_t>(i));
    }
    return good && c.slab.size() <= 500 && c.sets.size() <= 500;
}
