// SPDX-License-Identifier: MIT

// Nanoseconds per call, and heap per entry, of a full cache: hits on random keys, misses, and insertions that each
// evict an entry. Keys of 16 and 32 random bytes and of 46 characters; values of 8 bytes. Everybody uses the same
// keyed hash. `hand_written` is what our policies cost when nothing is asked of them; the goal is 5 percent.

#include <malloc.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <cache/hand_written.hpp>
#include <cache/parts.hpp>
#include <cache/peers.hpp>
#include <cache/subjects.hpp>
#include <support/areas.hpp>

namespace muster::bench {

namespace {

using benchmark::DoNotOptimize;
using value = std::uint64_t;

/// Bytes of the heap in use.
[[nodiscard]] double heap_in_use() {
    auto const m = ::mallinfo2();
    return static_cast<double>(m.uordblks + m.hblkhd);
}

/// A cache that is made and filled when it is measured: small ones anew each time, since where a cache lies in memory
/// moves its figures by a tenth or two; in a large one that evens out.
template <class Key, class Subject>
class fixture {
public:
    fixture(std::size_t entries, std::shared_ptr<key_streams<Key> const> keys)
        : entries_{entries}, keys_{std::move(keys)} {}

    void measure_gets(benchmark::State& state, bool hits) {
        if (is_small() || now_ != filled_with::held) fill();
        measure(state, hits ? asked_ : keys_->absent, hits ? 0 : 1,
                [&](Key const& k) { DoNotOptimize(cache_->get(k)); });
    }
    void measure_puts(benchmark::State& state) {
        if (is_small() || !cache_) fill();
        now_ = filled_with::others;
        measure(state, keys_->fresh, 2, [&](Key const& k) { cache_->put(k, 1); });
    }
    void measure_batches(benchmark::State& state) {
        if (is_small() || now_ != filled_with::held) fill();
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
        if (!is_small()) cache_.reset();
        auto const before = heap_in_use();
        auto made = std::make_unique<Subject>(entries_);  // while the old one still holds its own place
        for (auto const& key : keys_->held) made->put(key, 0);
        heap_ = (heap_in_use() - before) / static_cast<double>(entries_);
        cache_ = std::move(made);
        std::vector<Key const*> found;
        for (auto const& key : keys_->held) {
            if (cache_->get(key)) found.push_back(&key);
        }
        if (asked_.empty() || found.size() != entries_) ask_for(found);
        // Used at random, as in life: in the order in which it was filled, evictions would walk through memory.
        for (auto const& key : asked_) DoNotOptimize(cache_->get(key));
        now_ = filled_with::held;
    }
    void ask_for(std::vector<Key const*> const& found) {
        asked_.clear();
        splitmix64 random{1};
        while (asked_.size() < keys_->absent.size()) asked_.push_back(*found[uniform(random, found.size())]);
    }
    [[nodiscard]] bool is_small() const noexcept { return entries_ < 1'000'000; }
    void report(benchmark::State& state) {
        report_ns(state, batch);
        state.counters["heap_octets"] = heap_;
    }

    std::size_t entries_;
    std::shared_ptr<key_streams<Key> const> keys_;
    std::unique_ptr<Subject> cache_;
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
            ->Repetitions(n < 1'000'000 ? 9 : 5)
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
    add_subject<Key, ours<Key, value, exact>>(kind, n, "muster", keys);
    add_subject<Key, ours<Key, value, in_sets>>(kind, n, "muster_sets", keys);
    add_subject<Key, ours<Key, value, by_sieve>>(kind, n, "muster_sieve", keys);
    add_subject<Key, ours<Key, value, adaptive>>(kind, n, "muster_adaptive", keys);
    add_subject<Key, multi_index_lru<Key, value>>(kind, n, "boost_multi_index", keys);
    add_subject<Key, flat_set_slab_lru<Key, value>>(kind, n, "boost_flat_set_slab", keys);
    add_subject<Key, list_and_map_lru<Key, value, boost_flat_map>>(kind, n, "boost_flat_map_list", keys);
    add_subject<Key, list_and_map_lru<Key, value, std_map>>(kind, n, "std_map_list", keys);
    add_subject<Key, boost_compute_lru<Key, value>>(kind, n, "boost_compute", keys);
    if (n < 1'000'000) add_subject<Key, hand_written_lru<Key, value>>(kind, n, "hand_written", keys);
}

}  // namespace

void register_speed() {
    for (std::size_t const n : {100u, 10'000u, 1'000'000u}) {
        add_keys<key32>("32", n);
        add_keys<key16>("16", n);
        add_keys<std::string>("text46", n);
    }
}

}  // namespace muster::bench
