// SPDX-License-Identifier: MIT

#include <cache/combinations.hpp>

#include <support/catch.hpp>

using namespace muster;
using namespace muster::test;

TEST_CASE("slab, quota, with every eviction, expiry, touch and weight") {
    duel_combinations<cache::slab, cache::quota<some_source>>(evictions{}, touches{}, weights{});
}
