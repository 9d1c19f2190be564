// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The policies that a cache can be put together from, and a duel for each that compiles.

#include <tuple>

#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/cache/storage/inline_array.hpp>
#include <muster/cache/storage/set_associative.hpp>

#include <cache/oracle.hpp>

namespace muster::test {

template <class... T>
struct types {};

using evictions = types<cache::lru, cache::lazy_lru<25>, cache::fifo, cache::clock<1>, cache::clock<2>, cache::sieve,
                        cache::s3_fifo, cache::adaptive_s3_fifo>;
using set_evictions = types<cache::clock<1>, cache::clock<2>>;
using expiries =
    std::tuple<cache::no_expiry, cache::uniform_expiry<tick>, cache::uniform_expiry<tick, cache::since::use>,
               cache::per_entry_expiry<tick>, cache::value_expiry<tick, value_expires_at>>;

/// The capacities that are special, some primes, and one that fills many groups.
template <class Policies>
void duel_all() {
    for (std::size_t const entries_max : {0u, 1u, 2u, 3u, 7u, 13u, 31u})
        duel<Policies>{entries_max, entries_max}.run(1500);
    duel<Policies>{211, 1}.run(4000);
}

template <class Storage, class Eviction, class Expiry>
void duel_both_weights() {
    duel_all<watched<Storage, Eviction, Expiry, cache::touch_on_get, cache::unit_weight>>();
    if constexpr (Storage::global) {
        duel_all<watched<Storage, Eviction, Expiry, cache::touch_on_both, number_weight>>();
    }
}

template <class Storage, class Expiry, class... Eviction>
void with_evictions(types<Eviction...>) {
    (duel_both_weights<Storage, Eviction, Expiry>(), ...);
}

}  // namespace muster::test
