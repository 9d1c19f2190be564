// SPDX-License-Identifier: MIT

#include <cache/combinations.hpp>

using namespace muster;
using namespace muster::test;

TEMPLATE_LIST_TEST_CASE("sets, with every eviction that works in them and every expiry", "", expiries) {
    with_evictions<cache::set_associative<16>, TestType>(set_evictions{});
    with_evictions<cache::set_associative<4>, TestType>(set_evictions{});
}
