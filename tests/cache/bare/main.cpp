// SPDX-License-Identifier: MIT

// The cache in a build without exceptions and run-time types: it must compile, and work.

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/admission/quota.hpp>
#include <muster/cache/cache.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/cache/seen_cache.hpp>
#include <muster/cache/storage/inline_array.hpp>
#include <muster/cache/storage/set_associative.hpp>

namespace {

struct in_sets : muster::cache::defaults {
    using storage = muster::cache::set_associative<16>;
    using eviction = muster::cache::clock<2>;
};
struct asked_for : muster::cache::defaults {
    using admission = muster::cache::demand;
};
struct own_source {
    int operator()(int key, int) const { return key; }
};
struct rationed : muster::cache::defaults {
    using admission = muster::cache::quota<own_source>;
};
struct in_place : muster::cache::defaults {
    using storage = muster::cache::inline_array<16>;
    using eviction = muster::cache::adaptive_s3_fifo;
    using expiry = muster::cache::uniform_expiry<long>;
};

template <class Cache, class... Now>
bool works(Cache& c, Now... now) {
    for (int i = 0; i < 1000; ++i) c.put(i, i, now...);
    return c.size(now...) <= c.capacity() && *c.get(999, now...) == 999;
}

}  // namespace

int main() {
    muster::cache::cache<int, int> exact{{.entries_max = 100}};
    muster::cache::cache<int, int, in_sets> sets{{.entries_max = 100}};
    muster::cache::cache<int, int, in_place> place{{.entries_max = 16, .expiry_settings = {10}}};
    muster::cache::cache<int, int, asked_for> asked{{.entries_max = 100}};
    muster::cache::cache<int, int, rationed> shares{{.entries_max = 100}};
    muster::cache::seen_cache<muster::cache::seen_defaults<long>> seen{{.ids_max = 10, .time_to_live = 5}};
    bool const good = works(exact) && works(sets) && works(asked) && works(shares) && works(place, 1L) &&
                      seen.record(1, 0L) && !seen.record(1, 1L);
    return good ? 0 : 1;
}
