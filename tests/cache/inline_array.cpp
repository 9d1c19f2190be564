// SPDX-License-Identifier: MIT

#include <cache/combinations.hpp>

#include <support/catch.hpp>

namespace inline_array_tests {

using namespace muster;
using namespace muster::test;

TEST_CASE("inline array, with an eviction of each kind and every expiry") {
    duel_combinations<cache::inline_array<32>, cache::always>(types<cache::lru, cache::clock<2>, cache::s3_fifo>{},
                                                              types<cache::touch_on_get>{},
                                                              types<cache::unit_weight>{});
}

}  // namespace inline_array_tests
