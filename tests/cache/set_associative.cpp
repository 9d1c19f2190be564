// SPDX-License-Identifier: MIT

#include <cache/combinations.hpp>

#include <support/catch.hpp>

namespace set_associative_tests {

using namespace muster;
using namespace muster::test;

TEST_CASE("sets, with every expiry") {
    using evictions_of_sets = types<cache::clock<2>>;
    using unit = types<cache::unit_weight>;
    duel_combinations<cache::set_associative<16>, cache::always>(evictions_of_sets{}, types<cache::touch_on_both>{},
                                                                 unit{});
    duel_combinations<cache::set_associative<4>, cache::always>(evictions_of_sets{}, types<cache::touch_on_get>{},
                                                                unit{});
}

}  // namespace set_associative_tests
