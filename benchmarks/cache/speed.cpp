// SPDX-License-Identifier: MIT

// Nanoseconds per call, and heap per entry, of a full cache: hits on random keys, misses, and insertions that each
// evict an entry. Keys of 16 and 32 random octets and of 46 characters; values of 8 octets. Everybody uses the same
// keyed hash. Key streams lie in memory in the order of their use, so that reading them costs everybody the same and
// little.

#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include <muster/cache/cache.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/cache/storage/set_associative.hpp>
#include <muster/core/bytes.hpp>
#include <muster/core/hex.hpp>
#include <muster/core/random.hpp>

#include <cache/peers.hpp>
#include <support/areas.hpp>

namespace muster::bench {

namespace {

using benchmark::DoNotOptimize;
using value = std::uint64_t;

struct key_tag;
using key16 = fixed_bytes<key_tag, 16>;
using key32 = fixed_bytes<key_tag, 32>;

template <class Key>
[[nodiscard]] Key make_key(std::uint64_t number) {
    splitmix64 random{number};
    if constexpr (std::is_same_v<Key, std::string>) {
        fixed_bytes<key_tag, 16> octets = make_key<key16>(number);
        return "discovery:ad:!" + to_hex(octets);  // 46 characters, like the ids of advertisements
    } else {
        Key key;
        for (std::size_t at = 0; at < key.size(); at += 8) {
            auto const word = random();
            std::memcpy(key.octets.data() + at, &word, 8);
        }
        return key;
    }
}

/// The library's cache with the policies @p P, behind the interface of the peers.
template <class Key, class P>
class ours {
public:
    explicit ours(std::size_t entries) : cache_{{.entries_max = entries}} {}
    [[nodiscard]] value const* get(Key const& key) { return cache_.get(key); }
    void put(Key const& key, value v) { cache_.put(key, v); }
    template <class F>
    void get_many(std::span<Key const> keys, F f) {
        cache_.get_many(keys, f);
    }

private:
    cache::cache<Key, value, P> cache_;
};
struct exact : cache::defaults {};
struct by_sieve : cache::defaults {
    using eviction = cache::sieve;
};
struct adaptive : cache::defaults {
    using eviction = cache::adaptive_s3_fifo;
};
struct in_sets : cache::defaults {
    using storage = cache::set_associative<16>;
    using eviction = cache::clock<2>;
};

/// Keys for a cache of @p entries: those it is filled with, those that are put afterwards, those that never are.
template <class Key>
struct key_streams {
    explicit key_streams(std::size_t entries) {
        auto const calls = std::max<std::size_t>(entries, 1u << 18);
        for (std::size_t i = 0; i < entries; ++i) held.push_back(make_key<Key>(i));
        for (std::size_t i = 0; i < calls; ++i) {
            fresh.push_back(make_key<Key>(entries + i));
            absent.push_back(make_key<Key>(entries + calls + i));
        }
    }
    std::vector<Key> held, fresh, absent;
};

/// Octets of the heap in use.
[[nodiscard]] double heap_in_use() {
    auto const m = ::mallinfo2();
    return static_cast<double>(m.uordblks + m.hblkhd);
}

/// A cache that is made and filled when it is first measured.
template <class Key, class Subject>
class fixture {
public:
    fixture(std::size_t entries, std::shared_ptr<key_streams<Key> const> keys)
        : entries_{entries}, keys_{std::move(keys)} {}

    void measure_gets(benchmark::State& state, bool hits) {
        if (now_ != filled_with::held) fill();
        measure(state, hits ? asked_ : keys_->absent, hits ? 0 : 1,
                [&](Key const& k) { DoNotOptimize(cache_->get(k)); });
    }
    void measure_puts(benchmark::State& state) {
        if (!cache_) fill();
        now_ = filled_with::others;
        measure(state, keys_->fresh, 2, [&](Key const& k) { cache_->put(k, 1); });
    }
    void measure_batches(benchmark::State& state) {
        if (now_ != filled_with::held) fill();
        auto& at = at_[0];
        for (auto _ : state) {
            if (at + batch > asked_.size()) at = 0;
            cache_->get_many(std::span{asked_}.subspan(at, batch), [](std::size_t, value* v) { DoNotOptimize(v); });
            at += batch;
        }
        report(state);
    }

private:
    static constexpr std::size_t batch = 4096;  // calls per iteration

    enum class filled_with : std::uint8_t { nothing, held, others };

    // A run goes on where the last one of its kind stopped, so that all of the stream is come past.
    template <class Call>
    void measure(benchmark::State& state, std::vector<Key> const& stream, std::size_t kind, Call call) {
        auto& at = at_[kind];
        for (auto _ : state) {
            if (at + batch > stream.size()) at = 0;
            for (std::size_t i = at; i < at + batch; ++i) call(stream[i]);
            at += batch;
        }
        report(state);
    }

    // Insertions leave other keys behind than look-ups want to find: then the cache is made anew. What it holds is
    // asked for, which for sets is not all it was given.
    void fill() {
        cache_.reset();
        asked_.clear();
        auto const before = heap_in_use();
        cache_.emplace(entries_);
        for (auto const& key : keys_->held) cache_->put(key, 0);
        heap_ = (heap_in_use() - before) / static_cast<double>(entries_);
        std::vector<Key const*> found;
        for (auto const& key : keys_->held) {
            if (cache_->get(key)) found.push_back(&key);
        }
        splitmix64 random{1};
        while (asked_.size() < keys_->fresh.size()) asked_.push_back(*found[uniform(random, found.size())]);
        now_ = filled_with::held;
    }
    void report(benchmark::State& state) {
        using benchmark::Counter;
        state.counters["ns"] =
            Counter(static_cast<double>(batch) * 1e-9, Counter::kIsIterationInvariantRate | Counter::kInvert);
        state.counters["heap_octets"] = heap_;
    }

    std::size_t entries_;
    std::shared_ptr<key_streams<Key> const> keys_;
    std::optional<Subject> cache_;
    std::vector<Key> asked_;  // what is there, in random order
    filled_with now_ = filled_with::nothing;
    double heap_ = 0;
    std::size_t at_[3] = {};  // in the streams of hits, misses and insertions
};

template <class Key, class Subject>
void add_subject(std::string const& kind, std::size_t n, std::string_view name,
                 std::shared_ptr<key_streams<Key> const> const& keys) {
    auto const f = std::make_shared<fixture<Key, Subject>>(n, keys);
    auto const add = [&](std::string_view call, auto body) {
        add_case(text("cache/", call, "_", kind), n, name, body)
            ->Repetitions(5)
            ->MinTime(n < 10'000      ? 0.01
                      : n < 1'000'000 ? 0.03
                                      : 0.15);  // long enough to come past most of the entries
    };
    add("hit", [f](auto& state) { f->measure_gets(state, true); });
    add("miss", [f](auto& state) { f->measure_gets(state, false); });
    add("churn", [f](auto& state) { f->measure_puts(state); });
    if constexpr (requires(Subject & s, std::span<Key const> k) { s.get_many(k, [](std::size_t, value*) {}); }) {
        add("batch", [f](auto& state) { f->measure_batches(state); });
    }
}

template <class Key>
void add_keys(std::string const& kind, std::size_t n) {
    auto const keys = std::make_shared<key_streams<Key> const>(n);
    add_subject<Key, ours<Key, exact>>(kind, n, "muster", keys);
    add_subject<Key, ours<Key, in_sets>>(kind, n, "muster_sets", keys);
    add_subject<Key, ours<Key, by_sieve>>(kind, n, "muster_sieve", keys);
    add_subject<Key, ours<Key, adaptive>>(kind, n, "muster_adaptive", keys);
    add_subject<Key, multi_index_lru<Key, value>>(kind, n, "boost_multi_index", keys);
    add_subject<Key, flat_set_slab_lru<Key, value>>(kind, n, "boost_flat_set_slab", keys);
    add_subject<Key, list_and_map_lru<Key, value, boost_flat_map>>(kind, n, "boost_flat_map_list", keys);
    add_subject<Key, list_and_map_lru<Key, value, std_map>>(kind, n, "std_map_list", keys);
    if (n < 1'000'000) add_subject<Key, boost_compute_lru<Key, value>>(kind, n, "boost_compute", keys);
}

}  // namespace

void register_cache() {
    for (std::size_t const n : {100u, 10'000u, 1'000'000u}) {
        add_keys<key32>("32", n);
        add_keys<key16>("16", n);
        if (n <= 10'000) add_keys<std::string>("text46", n);
    }
    register_seen_cache();
}

}  // namespace muster::bench
