// SPDX-License-Identifier: MIT

// What a rejected value has removed is removed from the file as well.

#include <cache/persistence/rig.hpp>

namespace rejected_tests {

using namespace muster;
using namespace muster::test;
using cache::put_outcome;

namespace {
struct number_is_weight {
    std::uint64_t operator()(std::string const&, std::uint64_t v) const { return v; }
};
template <class Store>
struct weighed : kept<Store, cache::per_entry_expiry<timestamp>> {
    using weight = number_is_weight;
};
}  // namespace

TEMPLATE_TEST_CASE("an old value does not come back after a restart", "", snapshot, change_log) {
    machine<weighed<TestType>> m{{.entries_max = 10, .weight_max = 100}};
    m.restart();
    auto const now = m.clock.wall_now();
    auto const later = now + std::chrono::hours{1};
    for (auto const* key : {"heavy", "over", "stays"}) m.cache->put(key, 1, later, now);
    REQUIRE(m.cache->flush());
    CHECK(m.cache->put("heavy", 101, later, now) == put_outcome::withdrawn);
    CHECK(m.cache->put("over", 1, now, now) == put_outcome::withdrawn);
    CHECK(m.cache->is_dirty());
    REQUIRE(m.cache->flush());
    m.crash(sim::disk::luck::none);
    m.restart();
    CHECK(m.look(now) == contents{{"stays", 1}});
}

TEMPLATE_TEST_CASE("who keeps the old value finds it after a restart", "", snapshot, change_log) {
    machine<weighed<TestType>> m{{.entries_max = 10, .weight_max = 100, .keep_on_reject = true}};
    m.restart();
    auto const now = m.clock.wall_now();
    m.cache->put("a", 1, now + std::chrono::hours{1}, now);
    REQUIRE(m.cache->flush());
    CHECK(m.cache->put("a", 101, now + std::chrono::hours{1}, now) == put_outcome::rejected);
    CHECK_FALSE(m.cache->is_dirty());
    m.crash(sim::disk::luck::none);
    m.restart();
    CHECK(m.look(now) == contents{{"a", 1}});
}

}  // namespace rejected_tests
