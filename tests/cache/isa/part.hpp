// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <muster/cache/cache.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/seen_cache.hpp>
#include <muster/cache/storage/set_associative.hpp>

struct in_sets : muster::cache::defaults {
    using storage = muster::cache::set_associative<16>;
    using eviction = muster::cache::clock<2>;
};
struct caches {
    muster::cache::cache<std::uint64_t, std::uint64_t> slab{{.entries_max = 500}};
    muster::cache::cache<std::uint64_t, std::uint64_t, in_sets> sets{{.entries_max = 500}};
    muster::cache::seen_cache<muster::cache::seen_defaults<std::int64_t>> seen{{.ids_max = 500, .time_to_live = 1000}};
};

/// Puts, gets and records; each is compiled for another instruction set. @{
bool use_as_baseline(caches& c, std::uint64_t begin);
bool use_as_v3(caches& c, std::uint64_t begin);
/// @}
