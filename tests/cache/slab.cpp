// SPDX-License-Identifier: MIT

#include <cache/combinations.hpp>

#include <support/catch.hpp>

namespace slab_tests {

using namespace muster;
using namespace muster::test;

TEST_CASE("slab, with every eviction and expiry") {
    duel_combinations<cache::slab, cache::always>(evictions{}, types<cache::touch_on_both>{}, types<number_weight>{});
}

TEST_CASE("ten thousand entries") {
    using plain =
        watched<cache::slab, cache::always, cache::lru, cache::no_expiry, cache::touch_on_put, cache::unit_weight>;
    duel(plain::facts(), maker_of<plain>(), 10'000, 25'000);
}

}  // namespace slab_tests
