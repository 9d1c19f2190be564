// SPDX-License-Identifier: MIT

// Every combination runs without sanitizers; those of the admissions, with an eviction of each kind, run with them,
// too.

#include <cache/combinations.hpp>

#include <support/catch.hpp>

namespace admission_duels_tests {

using namespace muster;
using namespace muster::test;

TEST_CASE("admissions, with an eviction of each kind and every expiry") {
    using some_evictions = types<cache::lru, cache::sieve, cache::adaptive_s3_fifo>;
    duel_combinations<cache::slab, cache::demand>(some_evictions{}, types<cache::touch_on_both>{},
                                                  types<number_weight>{});
    duel_combinations<cache::slab, cache::quota<some_source>>(some_evictions{}, types<cache::touch_on_both>{},
                                                              types<number_weight>{});
}

}  // namespace admission_duels_tests
