// SPDX-License-Identifier: MIT

#include <muster/cache/detail/slot_lists.hpp>

#include <algorithm>
#include <vector>

#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace slot_lists_tests {

using namespace muster;
using cache::slot_number;

TEST_CASE("a list is sorted, and equal ones stay in their order") {
    splitmix64 random{1};
    for (std::size_t const n : {0u, 1u, 2u, 3u, 5u, 8u, 100u, 1023u}) {
        for (std::uint64_t const values : {2u, 10u, 100'000u}) {
            cache::detail::slot_lists lists{n, 2};
            std::vector<std::uint64_t> value(n);
            std::vector<slot_number> expected;
            for (slot_number s = 0; s < n; ++s) {
                value[s] = uniform(random, values);
                lists.push(s % 5 == 4 ? 0 : 1, s);
                if (s % 5 != 4) expected.push_back(s);
            }
            auto const before = [&](slot_number a, slot_number b) { return value[a] < value[b]; };
            lists.sort(1, before);
            std::stable_sort(expected.begin(), expected.end(), before);
            std::vector<slot_number> sorted, others;
            lists.for_each(1, [&](slot_number s) { sorted.push_back(s); });
            lists.for_each(0, [&](slot_number s) { others.push_back(s); });
            CHECK(sorted == expected);
            CHECK(sorted.size() + others.size() == n);
            for (auto const s : sorted) lists.unlink(s);
            CHECK(lists.empty(1));
        }
    }
}

}  // namespace slot_lists_tests
