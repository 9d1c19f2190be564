// SPDX-License-Identifier: MIT

// A cache takes its memory when it is made: afterwards operator new, which is replaced here by one that counts, is not
// called any more. A program of its own, without sanitizers, since they replace it too.

#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/admission/quota.hpp>
#include <muster/cache/cache.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/cache/inline_text.hpp>
#include <muster/cache/seen_cache.hpp>
#include <muster/cache/storage/inline_array.hpp>
#include <muster/cache/storage/set_associative.hpp>

namespace {
std::size_t allocations = 0;
std::size_t octets_allocated = 0;

void* allocate(std::size_t octets, std::size_t alignment) {
    ++allocations;
    octets_allocated += octets;
    auto const size = octets == 0 ? 1 : octets;
    auto* const block = alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
                            ? std::malloc(size)
                            : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (block == nullptr) throw std::bad_alloc{};
    return block;
}
}  // namespace

void* operator new(std::size_t octets) { return allocate(octets, 1); }
void* operator new(std::size_t octets, std::align_val_t alignment) {
    return allocate(octets, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

using namespace muster::cache;

namespace {

template <class Storage, class Eviction, class Expiry = no_expiry, class Admission = always>
struct with : defaults {
    using storage = Storage;
    using eviction = Eviction;
    using expiry = Expiry;
    using admission = Admission;
};
struct source_of {
    int operator()(int key, int) const { return key % 50; }
};
using brief = uniform_expiry<long>;
using dated = per_entry_expiry<long>;

/// Allocations of hits, misses, insertions, replacements and erasures, after it is made.
template <class Policies, class... Time>
std::size_t allocations_of_use(Time... time) {
    typename cache<int, int, Policies>::options o;
    o.entries_max = 60;
    if constexpr (std::is_same_v<typename Policies::expiry, brief>) o.expiry_settings = {100};
    cache<int, int, Policies> c{o};
    auto const before = allocations;
    for (int i = 0; i < 5000; ++i) {
        if constexpr (std::is_same_v<typename Policies::expiry, dated>) {
            c.put(i % 700, i, 100L + i, time...);
        } else {
            c.put(i % 700, i, time...);
        }
        (void)c.get(i % 650, time...);
        if (i % 9 == 0) c.erase(i % 700, time...);
    }
    c.clear();
    return allocations - before;
}

/// Allocations of all policies together, each in use.
std::size_t allocations_of_policies() {
    return allocations_of_use<defaults>() + allocations_of_use<with<slab, lazy_lru<25>>>() +
           allocations_of_use<with<slab, fifo>>() + allocations_of_use<with<slab, muster::cache::clock<2>>>() +
           allocations_of_use<with<slab, sieve>>() + allocations_of_use<with<slab, s3_fifo>>() +
           allocations_of_use<with<slab, adaptive_s3_fifo>>() +
           allocations_of_use<with<set_associative<16>, muster::cache::clock<2>>>() +
           allocations_of_use<with<inline_array<64>, lru>>() +
           allocations_of_use<with<slab, lru, no_expiry, demand>>() +
           allocations_of_use<with<slab, lru, no_expiry, quota<source_of>>>() +
           allocations_of_use<with<slab, lru, brief>>(5L) + allocations_of_use<with<slab, lru, dated>>(5L);
}

/// Text is looked up without being copied.
std::size_t allocations_of_text() {
    cache<std::string, int> strings{{.entries_max = 10}};
    cache<inline_text<46>, int> texts{{.entries_max = 10}};
    std::string const id(46, 'x');
    strings.put(id, 1);
    texts.put(inline_text<46>{id}, 1);
    auto const before = allocations;
    int found = 0;
    for (int i = 0; i < 100; ++i) {
        found += *strings.get(std::string_view{id}) + *strings.get(id.c_str()) + *texts.get(std::string_view{id});
        texts.put(inline_text<46>{id}, 1);
    }
    return allocations - before + (found == 300 ? 0u : 1u);
}

std::size_t allocations_of_seen_cache() {
    seen_cache<seen_defaults<long>> seen{{.ids_max = 100, .time_to_live = 50}};
    auto const before = allocations;
    for (long i = 0; i < 5000; ++i) {
        (void)seen.record(i, i);
        (void)seen.contains(i / 2, i);
        if (i % 7 == 0) (void)seen.forget(i, i);
    }
    return allocations - before;
}

/// What an id costs, as the header says: 16 bytes with `hash64`, where there are more than a few.
bool ids_are_small() {
    bool small = true;
    for (std::size_t const n : {10'000u, 100'000u, 1'000'000u}) {
        auto const before = octets_allocated;
        seen_cache<seen_defaults<long>> const seen{{.ids_max = n, .time_to_live = 50}};
        small = small && octets_allocated - before <= 16 * n;
    }
    return small;
}

}  // namespace

int main() {
    bool const counts = [] {
        auto const before = allocations;
        cache<int, int> const c{{.entries_max = 10}};
        return allocations > before;
    }();
    return counts && allocations_of_policies() + allocations_of_text() + allocations_of_seen_cache() == 0 &&
                   ids_are_small()
               ? 0
               : 1;
}
