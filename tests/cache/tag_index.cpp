// SPDX-License-Identifier: MIT

#include <muster/cache/detail/tag_index.hpp>

#include <map>
#include <vector>

#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace tag_index_tests {

using namespace muster;
using cache::no_slot;
using cache::slot_number;
using cache::detail::tag_index;

namespace {

/// Finds by hash alone.
slot_number find(tag_index const& index, std::vector<std::uint64_t> const& hashes, std::uint64_t hash) {
    return index.find(hash, [&](slot_number s) { return hashes[s] == hash; });
}

/// Fills a table with @p hashes, finds all, takes half out and finds the rest; and again.
void fill_and_empty(std::vector<std::uint64_t> const& hashes) {
    tag_index index{hashes.size()};
    for (int round = 0; round < 3; ++round) {
        for (slot_number s = 0; s < hashes.size(); ++s) {
            if (round == 0 || s % 2 == 0) index.insert(hashes[s], s);
        }
        for (slot_number s = 0; s < hashes.size(); ++s) REQUIRE(find(index, hashes, hashes[s]) == s);
        REQUIRE(find(index, hashes, ~hashes[0]) == no_slot);
        for (slot_number s = 0; s < hashes.size(); s += 2) index.erase(hashes[s], s);
        for (slot_number s = 0; s < hashes.size(); ++s)
            REQUIRE(find(index, hashes, hashes[s]) == (s % 2 == 0 ? no_slot : s));
    }
}

}  // namespace

TEST_CASE("what is filed is found, and nothing else") {
    for (std::size_t const n : {1u, 2u, 15u, 16u, 997u, 20'000u}) {
        splitmix64 random{n};
        std::vector<std::uint64_t> hashes(n);
        for (auto& h : hashes) h = random();
        fill_and_empty(hashes);
    }
}

TEST_CASE("hashes that agree in their low bits, in their high bits, or in all that a group sees") {
    splitmix64 random{1};
    std::vector<std::uint64_t> low, high, middle;
    for (std::uint64_t i = 0; i < 3000; ++i) {
        auto const r = random();
        low.push_back(r << 16 | 0x1234);
        high.push_back(0xabcd'ef01'0000'0000 | i << 8 | i % 251);
        middle.push_back((r & 0xffff'ffff'0000'00ff) | 0x12'3456'7800);
    }
    fill_and_empty(low);
    fill_and_empty(high);  // one home group, one stride
    fill_and_empty(middle);
}

TEST_CASE("a table as full as it can be, with every group passed, answers for what is not there") {
    // More than the load it was made for: every place is taken.
    tag_index index{100, 100};
    std::vector<std::uint64_t> hashes;
    splitmix64 random{5};
    while (hashes.size() < 100) {
        hashes.push_back(random());
        index.insert(hashes.back(), static_cast<slot_number>(hashes.size() - 1));
    }
    for (slot_number s = 0; s < hashes.size(); ++s) REQUIRE(find(index, hashes, hashes[s]) == s);
    for (int i = 0; i < 1000; ++i) REQUIRE(find(index, hashes, random()) == no_slot);
}

TEST_CASE("counts of passed groups come back down: years of churn leave no trace") {
    constexpr std::size_t n = 600;
    tag_index index{n};
    std::vector<std::uint64_t> hashes(n);
    splitmix64 random{9};
    for (slot_number s = 0; s < n; ++s) index.insert(hashes[s] = random(), s);
    for (std::size_t i = 0; i < 200'000; ++i) {
        auto const s = static_cast<slot_number>(i % n);
        index.erase(hashes[s], s);
        index.insert(hashes[s] = random(), s);
    }
    for (slot_number s = 0; s < n; ++s) REQUIRE(find(index, hashes, hashes[s]) == s);
    for (slot_number s = 0; s < n; ++s) index.erase(hashes[s], s);
    // Empty again, and no group remembers anybody passing: a search for anything ends in its home group.
    std::size_t compared = 0;
    for (int i = 0; i < 1000; ++i) {
        index.for_each_match(random(), [&](slot_number) { ++compared; });
    }
    CHECK(compared == 0);
    CHECK(index.passed_groups() == 0);
}

TEST_CASE("primes") {
    using cache::detail::prime_from;
    CHECK(prime_from(0) == 2);
    CHECK(prime_from(2) == 2);
    CHECK(prime_from(4) == 5);
    CHECK(prime_from(9) == 11);
    CHECK(prime_from(104'729) == 104'729);
    CHECK(prime_from(104'730) == 104'743);
}

}  // namespace tag_index_tests
