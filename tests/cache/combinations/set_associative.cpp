// SPDX-License-Identifier: MIT

#include <cache/combinations.hpp>

#include <support/catch.hpp>

using namespace muster;
using namespace muster::test;

TEST_CASE("sets, with every eviction that works in them, every expiry and touch") {
    using unit = types<cache::unit_weight>;
    duel_combinations<cache::set_associative<16>, cache::always>(set_evictions{}, touches{}, unit{});
    duel_combinations<cache::set_associative<4>, cache::always>(set_evictions{}, touches{}, unit{});
}
