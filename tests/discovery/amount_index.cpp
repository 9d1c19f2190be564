// SPDX-License-Identifier: MIT

#include <muster/discovery/amount_index.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace amount_index_tests {

using namespace muster;

namespace {

using range = std::pair<std::uint64_t, std::uint64_t>;

std::multiset<int> found(discovery::amount_index<int> const& index, std::uint64_t amount) {
    std::multiset<int> out;
    index.for_each_with(amount, [&](int key) { out.insert(key); });
    return out;
}
std::multiset<int> expected(std::map<int, range> const& all, std::uint64_t amount) {
    std::multiset<int> out;
    for (auto const& [key, r] : all) {
        if (r.first <= amount && amount <= r.second) out.insert(key);
    }
    return out;
}

}  // namespace

TEST_CASE("an index of amounts finds what a look at each one does, whatever came and went") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        splitmix64 draw{seed};
        discovery::amount_index<int> index{seed};
        std::map<int, range> all;
        for (int step = 0; step < 400; ++step) {
            int const key = static_cast<int>(uniform(draw, 60));
            if (auto const at = all.find(key); at != all.end()) {
                index.erase(at->second.first, key);
                all.erase(at);
            } else {
                auto const from = uniform(draw, 50);
                all[key] = {from, from + uniform(draw, 30)};
                index.insert(all[key].first, all[key].second, key);
            }
            REQUIRE(index.size() == all.size());
            auto const amount = uniform(draw, 90);
            REQUIRE(found(index, amount) == expected(all, amount));
        }
        std::size_t count = 0;
        index.for_each([&](int key) { count += all.count(key); });
        CHECK(count == all.size());
    }
}

TEST_CASE("an index of amounts knows the largest, and what is not there is no harm") {
    discovery::amount_index<int> index{1};
    constexpr auto most = ~std::uint64_t{0};
    index.insert(0, most, 1);
    index.insert(most, most, 2);
    CHECK(found(index, most) == std::multiset<int>{1, 2});
    CHECK(found(index, 0) == std::multiset<int>{1});
    index.erase(1, 1);
    index.erase(0, 3);
    CHECK(index.size() == 2);
}

TEST_CASE("ranges that come in order make no list of the tree") {
    discovery::amount_index<int> index{7};
    for (int i = 0; i < 200'000; ++i) index.insert(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(i), i);
    CHECK(found(index, 123'456) == std::multiset<int>{123'456});
    for (int i = 0; i < 200'000; ++i) index.erase(static_cast<std::uint64_t>(i), i);
    CHECK(index.size() == 0);
}

}  // namespace amount_index_tests
