// SPDX-License-Identifier: MIT

// The rules by which steered queues choose. What they are good for is in contest.cpp.

#include <muster/cache/detail/probation_queues.hpp>

#include <algorithm>
#include <vector>

#include <muster/cache/eviction/lru.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace probation_queues_tests {

using namespace muster;
using cache::slot_number;
using cache::detail::regime;
using queues = cache::detail::probation_queues<true>;

namespace {

/// A full set of @p queues, its slots inserted in order. Hashes are made from slots and not seen again.
template <class Order>
void fill(Order& order, slot_number slots) {
    for (slot_number s = 0; s < slots; ++s) order.on_insert(s, s);
}
/// Evicts the next victim and inserts another entry at its place; says which place.
template <class Order>
slot_number turn_over(Order& order, std::uint64_t hash) {
    auto const s = order.victim();
    order.on_evict(s, hash - 1000);
    order.on_insert(s, hash);
    return s;
}

}  // namespace

TEST_CASE("by recency the queues are LRU, also when they worked by another rule before") {
    constexpr slot_number slots = 50;
    splitmix64 random{1};
    queues by_recency{slots, regime::recency};
    cache::lru lru{slots};
    fill(by_recency, slots);
    fill(lru, slots);
    auto const request = [&](queues& q, std::uint64_t i) {
        if (uniform(random, 3) != 0) {
            auto const s = static_cast<slot_number>(uniform(random, slots));
            q.on_hit(s);
            lru.on_hit(s);
        } else {
            REQUIRE(turn_over(q, i) == turn_over(lru, i));
        }
    };
    for (std::uint64_t i = 1000; i < 4000; ++i) request(by_recency, i);

    queues changed{slots, regime::probation};
    fill(changed, slots);
    for (std::uint64_t i = 1000; i < 4000; ++i) {
        if (i % 3 != 0) changed.on_hit(static_cast<slot_number>(uniform(random, slots)));
        if (i % 3 == 0) turn_over(changed, i);
    }
    changed.follow(by_recency);
    CHECK(changed.rule() == regime::recency);
    for (slot_number s = 0; s < slots; ++s) {  // now their order is known
        changed.on_hit(s);
        lru.on_hit(s);
    }
    for (std::uint64_t i = 5000; i < 8000; ++i) request(changed, i);
}

TEST_CASE("by retention a new entry goes first, and what is hit stays") {
    constexpr slot_number slots = 100;
    queues q{slots, regime::retention};
    fill(q, slots);
    for (slot_number s = 0; s < 90; ++s) q.on_hit(s);
    for (std::uint64_t i = 1000; i < 6000; ++i) {
        if (i % 500 == 0) {
            for (slot_number s = 0; s < 90; ++s) q.on_hit(s);
        }
        REQUIRE(turn_over(q, i) >= 90);
    }
}

TEST_CASE("by retention what is not hit any more goes in the end") {
    constexpr slot_number slots = 100;
    queues q{slots, regime::retention};
    fill(q, slots);
    for (slot_number s = 0; s < slots; ++s) q.on_hit(s);
    std::vector<bool> gone(slots);
    for (std::uint64_t i = 1000; i < 100'000; ++i) gone[turn_over(q, i)] = true;
    CHECK(std::count(gone.begin(), gone.end(), true) == slots);
}

TEST_CASE("a second request within half of probation is no reason for the main queue") {
    constexpr slot_number slots = 100;  // of which 10 are on probation
    queues q{slots};
    fill(q, slots);
    std::uint64_t hash = 1000;
    // Fills the main queue, which is served first: whoever is at the old end was hit long after it came.
    for (slot_number s = 0; s < 90; ++s) q.on_hit(s);
    for (int i = 0; i < 10; ++i) turn_over(q, ++hash);
    auto const soon = turn_over(q, ++hash);
    for (int i = 0; i < 4; ++i) turn_over(q, ++hash);
    q.on_hit(soon);
    auto const late = turn_over(q, ++hash);
    for (int i = 0; i < 5; ++i) turn_over(q, ++hash);
    q.on_hit(late);
    bool soon_is_gone = false;
    for (int i = 0; i < 30; ++i) {
        auto const s = turn_over(q, ++hash);
        soon_is_gone = soon_is_gone || s == soon;
        REQUIRE(s != late);
    }
    CHECK(soon_is_gone);
}

TEST_CASE("ages are told apart in a cache of more entries than an age has numbers") {
    constexpr slot_number slots = 100'000;
    queues q{slots};
    fill(q, slots);
    for (slot_number s = 0; s < slots * 9 / 10; ++s) q.on_hit(s);
    std::uint64_t hash = 1'000'000;
    for (int i = 0; i < 10'000; ++i) turn_over(q, ++hash);
    auto const soon = turn_over(q, ++hash);
    for (int i = 0; i < 4000; ++i) turn_over(q, ++hash);
    q.on_hit(soon);
    auto const late = turn_over(q, ++hash);
    for (int i = 0; i < 5100; ++i) turn_over(q, ++hash);
    q.on_hit(late);
    bool soon_is_gone = false;
    for (int i = 0; i < 30'000; ++i) {
        auto const s = turn_over(q, ++hash);
        soon_is_gone = soon_is_gone || s == soon;
        REQUIRE(s != late);
    }
    CHECK(soon_is_gone);
}

}  // namespace probation_queues_tests
