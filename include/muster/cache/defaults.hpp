// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a cache is made of, unless something else is named, and what it is made with.
///
/// Idea: each question that a cache asks on its way is a policy, and all of them are members of one struct. The
/// defaults cost neither time nor memory. The bounds, and policies that have state, are values: they come with the
/// options.
///
/// Source: one struct of policies is CacheLib's way (its cache traits).

#include <cstddef>
#include <cstdint>
#include <limits>

#include <muster/cache/eviction/lru.hpp>
#include <muster/cache/expiry.hpp>
#include <muster/cache/hasher.hpp>
#include <muster/cache/policies.hpp>
#include <muster/cache/storage/slab.hpp>

namespace muster::cache {

/// The policies of a cache. Derive, and override what you need; the order does not matter.
struct defaults {
    using storage = slab;                ///< slab, set_associative<Ways>, inline_array<N>.
    using eviction = lru;                ///< lru, lazy_lru<P>, fifo, clock<Bits>, sieve, s3_fifo, adaptive_s3_fifo.
    using admission = always;            ///< always, demand, quota<SourceOf>.
    using touch = touch_on_get;          ///< touch_on_get, touch_on_put, touch_on_both.
    using expiry = no_expiry;            ///< no_expiry, uniform_expiry<T>, per_entry_expiry<T>, value_expiry<T, F>.
    using time_source = caller_time;     ///< caller_time, monotonic_time<Clock>, wall_time<Clock>. Only with an expiry.
    using weight = unit_weight;          ///< unit_weight, byte_weight<F>, or a function of key and value.
    using hash = multiply_hash;          ///< multiply_hash, sip_hash, or a function of a key.
    using equal = equal_keys;            ///< Compares a stored key with whatever is looked up.
    using listener = no_listener;        ///< no_listener, or a function of removal, key and value.
    using stats = no_stats;              ///< no_stats, counters.
    using persistence = no_persistence;  ///< no_persistence; for persistent_cache: debounced<Store, Timers, Clock>.
    using threading = one_thread;        ///< one_thread; for shared_cache: locked<Lock>, sharded<Lock, Shards>.
};

/// What a cache is made with: its bounds, and the policies that have state.
template <class Policies>
struct cache_options {
    std::size_t entries_max = 0;  ///< At most 2^32 - 16. With 0 nothing is ever kept.
    std::uint64_t weight_max = std::numeric_limits<std::uint64_t>::max();  ///< Of all entries together.
    typename Policies::expiry::settings expiry_settings = {};
    typename Policies::time_source clock = typename Policies::time_source{};
    typename Policies::hash hash = typename Policies::hash{};
    typename Policies::weight weight = {};
    typename Policies::admission admit = {};
    typename Policies::listener on_removal = {};
    /// When a value is rejected, the older one under its key stays, and may be found long after it is outdated.
    bool keep_on_reject = false;
    /// What is heavier is rejected. A `shared_cache` with a bound on weight has as many shards as keep such an
    /// entry.
    std::uint64_t entry_weight_max = std::numeric_limits<std::uint64_t>::max();
};

}  // namespace muster::cache
