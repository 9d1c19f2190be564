// SPDX-License-Identifier: MIT

#include <muster/feed/memory_store.hpp>

#include <feed/store_laws.hpp>

namespace feed_store_tests {

TEST_CASE("feed: the store in memory keeps the laws of stores") {
    muster::test::check_store_laws([](muster::feed::store_limits l) { return muster::feed::memory_store{l}; });
}

}  // namespace feed_store_tests
