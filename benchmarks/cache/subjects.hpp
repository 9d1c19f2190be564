// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The library's caches as the benchmarks measure them, and the keys they are asked for.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <muster/cache/cache.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/cache/storage/set_associative.hpp>
#include <muster/core/bytes.hpp>
#include <muster/core/hex.hpp>
#include <muster/core/random.hpp>

namespace muster::bench {

/// The library's defaults with another eviction, and perhaps another storage.
template <class Eviction, class Storage = cache::slab>
struct with_eviction : cache::defaults {
    using eviction = Eviction;
    using storage = Storage;
};
using exact = cache::defaults;
using by_sieve = with_eviction<cache::sieve>;
using by_s3_fifo = with_eviction<cache::s3_fifo>;
using adaptive = with_eviction<cache::adaptive_s3_fifo>;
using in_sets = with_eviction<cache::clock<2>, cache::set_associative<16>>;

/// The library's cache with the policies @p P, behind the interface of the peers.
template <class Key, class Value, class P>
class ours {
public:
    explicit ours(std::size_t entries) : cache_{{.entries_max = entries}} {}
    [[nodiscard]] Value const* get(Key const& key) { return cache_.get(key); }
    void put(Key const& key, Value v) { cache_.put(key, v); }
    template <class F>
    void get_many(std::span<Key const> keys, F f) {
        cache_.get_many(keys, f);
    }

private:
    cache::cache<Key, Value, P> cache_;
};

struct key_tag;
using key16 = fixed_bytes<key_tag, 16>;
using key32 = fixed_bytes<key_tag, 32>;

/// A key of random bytes, or, as text, of 46 characters like the ids of advertisements. The same for the same number.
template <class Key>
[[nodiscard]] Key make_key(std::uint64_t number) {
    splitmix64 random{number};
    if constexpr (std::is_same_v<Key, std::string>) {
        return "discovery:ad:!" + to_hex(make_key<key16>(number));
    } else {
        Key key;
        for (std::size_t at = 0; at < key.size(); at += 8) {
            auto const word = random();
            std::memcpy(key.octets.data() + at, &word, 8);
        }
        return key;
    }
}

/// Keys for a cache of @p entries: those it is filled with, those that are put afterwards, those that never are. The
/// latter two are at least @p calls_min. A stream begins anew at its end; those that are put are four times the
/// entries, so that whoever comes by again was evicted long ago. They lie in memory in the order of their use, so that
/// reading them costs everybody the same and little.
template <class Key>
struct key_streams {
    explicit key_streams(std::size_t entries, std::size_t calls_min = 1u << 18) {
        std::uint64_t number = 0;
        auto const add = [&](std::vector<Key>& keys, std::size_t count) {
            for (std::size_t i = 0; i < count; ++i) keys.push_back(make_key<Key>(number++));
        };
        add(held, entries);
        add(fresh, std::max(4 * entries, calls_min));
        add(absent, std::max(entries, calls_min));
    }
    std::vector<Key> held, fresh, absent;
};

}  // namespace muster::bench
