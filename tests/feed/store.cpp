// SPDX-License-Identifier: MIT

#include <muster/feed/memory_store.hpp>

#include <feed/store_laws.hpp>

namespace feed_store_tests {

TEST_CASE("feed: the store in memory keeps the laws of stores") {
    muster::test::check_store_laws([](muster::feed::store_limits l) { return muster::feed::memory_store{l}; });
}

TEST_CASE("feed: a store in memory is a value: a copy goes on by itself") {
    using namespace muster;
    std::optional<feed::memory_store> first{feed::store_limits{.blob_bytes_max = 40}};
    REQUIRE(first->put_blob(test::plain_blob(1, 8)));
    auto copy = *first;
    first.reset();
    REQUIRE(copy.put_blob(test::plain_blob(2, 8)));
    CHECK_FALSE(copy.contains_blob(test::plain_blob(1, 8).id));
    CHECK(copy.contains_blob(test::plain_blob(2, 8).id));
}

}  // namespace feed_store_tests
