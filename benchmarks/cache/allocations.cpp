// SPDX-License-Identifier: MIT

// Allocations per call on a full cache: hits, misses and insertions that evict. There must be none. This file replaces
// the global operator new by one that counts; like the standard library's, it asks malloc.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include <muster/cache/storage/inline_array.hpp>

#include <cache/parts.hpp>
#include <cache/subjects.hpp>

namespace {

thread_local std::uint64_t allocation_count = 0;

[[nodiscard]] void* allocate(std::size_t octets, std::size_t alignment) {
    ++allocation_count;
    auto const size = octets == 0 ? 1 : octets;
    auto* const block = alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
                            ? std::malloc(size)
                            : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (block == nullptr) throw std::bad_alloc{};
    return block;
}

}  // namespace

// The other forms call these.
void* operator new(std::size_t octets) { return allocate(octets, 1); }
void* operator new(std::size_t octets, std::align_val_t alignment) {
    return allocate(octets, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

namespace muster::bench {

namespace {

using benchmark::DoNotOptimize;

/// Allocations of one call, over hits, misses and insertions.
template <class Policies>
[[nodiscard]] double per_call(std::size_t entries, key_streams<key32> const& keys) {
    cache::cache<key32, std::uint64_t, Policies> c{{.entries_max = entries}};
    for (std::size_t i = 0; i < entries; ++i) c.put(keys.held[i], 1);
    auto const before = allocation_count;
    std::size_t calls = 0;
    for (auto const* stream : {&keys.held, &keys.absent}) {
        for (auto const& key : *stream) DoNotOptimize(c.get(key));
        calls += stream->size();
    }
    for (auto const& key : keys.fresh) c.put(key, 1);
    calls += keys.fresh.size();
    return static_cast<double>(allocation_count - before) / static_cast<double>(calls);
}

struct subject {
    std::string_view name;
    double (*per_call)(std::size_t entries, key_streams<key32> const&);
    std::size_t entries = 10'000;
};
constexpr std::array subjects{
    subject{"slab_lru", per_call<exact>},
    subject{"slab_lazy_lru", per_call<with_eviction<cache::lazy_lru<25>>>},
    subject{"slab_fifo", per_call<with_eviction<cache::fifo>>},
    subject{"slab_clock", per_call<with_eviction<cache::clock<2>>>},
    subject{"slab_sieve", per_call<by_sieve>},
    subject{"slab_s3_fifo", per_call<by_s3_fifo>},
    subject{"slab_adaptive_s3_fifo", per_call<adaptive>},
    subject{"set_associative_clock", per_call<in_sets>},
    subject{"inline_array_lru", per_call<with_eviction<cache::lru, cache::inline_array<64>>>, 64},
};

}  // namespace

std::vector<row> allocations() {
    std::vector<row> rows;
    key_streams<key32> const keys{10'000};
    for (auto const& s : subjects) {
        rows.push_back(
            figure("cache/allocations", s.entries, s.name, "allocations_per_op", s.per_call(s.entries, keys)));
    }
    return rows;
}

}  // namespace muster::bench
