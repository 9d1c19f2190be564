// SPDX-License-Identifier: MIT

#include <cache/combinations.hpp>

using namespace muster;
using namespace muster::test;

TEMPLATE_LIST_TEST_CASE("slab, with every eviction and expiry", "", expiries) {
    with_evictions<cache::slab, TestType>(evictions{});
}

TEST_CASE("ten thousand entries") {
    using plain = watched<cache::slab, cache::lru, cache::no_expiry, cache::touch_on_put, cache::unit_weight>;
    duel<plain>{10'000, 1}.run(25'000);
}
