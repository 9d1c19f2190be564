// SPDX-License-Identifier: MIT

// Nanoseconds per request when a recorded trace is replayed into an empty cache: `get`, and after a miss `put`. Keys of
// 16 bytes, values of 8. What hit ratios cost: the goal for `adaptive_s3_fifo` is 1.5 times our own LRU.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <cache/parts.hpp>
#include <cache/peers.hpp>
#include <cache/subjects.hpp>
#include <support/areas.hpp>

namespace muster::bench {

namespace {

using benchmark::DoNotOptimize;
using value = std::uint64_t;
using keys_ptr = std::shared_ptr<std::vector<key16> const>;

constexpr std::string_view prefix = "cache/replay_";

/// The id, and zeros.
[[nodiscard]] keys_ptr keys_of(trace const& t) {
    std::vector<key16> keys(t.ids.size());
    for (std::size_t i = 0; i < keys.size(); ++i) std::memcpy(keys[i].octets.data(), &t.ids[i], sizeof t.ids[i]);
    return std::make_shared<std::vector<key16> const>(std::move(keys));
}

template <class Subject>
void add_subject(std::string const& name, std::size_t capacity, std::string_view subject, keys_ptr const& keys) {
    add_case(name, capacity, subject, [capacity, keys](benchmark::State& state) {
        for (auto _ : state) {
            state.PauseTiming();
            Subject cache{capacity};
            state.ResumeTiming();
            for (auto const& key : *keys) {
                auto const found = cache.get(key);
                DoNotOptimize(found);
                if (!found) cache.put(key, 1);
            }
            state.PauseTiming();  // before the cache is destroyed
            state.ResumeTiming();
        }
        report_ns(state, keys->size());
    })->Repetitions(5);
}

}  // namespace

void register_replay(std::vector<trace> const& traces) {
    for (auto const& t : traces) {
        auto const name = std::string{prefix} + t.name;
        auto const keys = keys_of(t);
        for (double const percent : {1.0, 10.0}) {
            auto const n = capacity_of(t, percent);
            add_subject<ours<key16, value, exact>>(name, n, "muster", keys);
            add_subject<ours<key16, value, by_sieve>>(name, n, "muster_sieve", keys);
            add_subject<ours<key16, value, by_s3_fifo>>(name, n, "muster_s3_fifo", keys);
            add_subject<ours<key16, value, adaptive>>(name, n, "muster_adaptive", keys);
            add_subject<ours<key16, value, in_sets>>(name, n, "muster_sets", keys);
            add_subject<multi_index_lru<key16, value>>(name, n, "boost_multi_index", keys);
            add_subject<flat_set_slab_lru<key16, value>>(name, n, "boost_flat_set_slab", keys);
            add_subject<list_and_map_lru<key16, value, boost_flat_map>>(name, n, "boost_flat_map_list", keys);
            add_subject<list_and_map_lru<key16, value, std_map>>(name, n, "std_map_list", keys);
            add_subject<boost_compute_lru<key16, value>>(name, n, "boost_compute", keys);
        }
    }
}

std::vector<row> replay_ratios(std::vector<row> const& measured) {
    std::vector<row> rows;
    for (auto const& r : measured) {
        if (!r.name.starts_with(prefix) || r.subject != "muster_adaptive" || r.metric != "ns") continue;
        auto const lru = value_of(measured, r.name, r.n, "muster", "ns");
        rows.push_back(figure(r.name, r.n, r.subject, "ratio_to_muster", r.value / lru));
    }
    return rows;
}

}  // namespace muster::bench
