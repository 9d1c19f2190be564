// SPDX-License-Identifier: MIT

#include <cache/combinations.hpp>

using namespace muster;
using namespace muster::test;

TEMPLATE_LIST_TEST_CASE("inline array, with every eviction and expiry", "", expiries) {
    with_evictions<cache::inline_array<32>, TestType>(evictions{});
}
