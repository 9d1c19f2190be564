// SPDX-License-Identifier: MIT

// Keys that somebody chose. What they cost is counted in comparisons, which do not depend on the machine.

#include <muster/cache/cache.hpp>

#include <cstring>
#include <vector>

#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/seen_cache.hpp>
#include <muster/cache/storage/inline_array.hpp>
#include <muster/cache/storage/set_associative.hpp>
#include <muster/core/bytes.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace adversary_tests {

using namespace muster;

namespace {

struct key_tag;
using key = fixed_bytes<key_tag, 32>;

std::size_t comparisons = 0;
struct counting_equal {
    template <class A, class B>
    bool operator()(A const& a, B const& b) const {
        ++comparisons;
        return a == b;
    }
};
struct counted : cache::defaults {
    using equal = counting_equal;
};

/// Comparisons of putting all @p keys into a full cache and asking for each.
std::size_t cost_of(std::vector<key> const& keys) {
    cache::cache<key, int, counted> c{{.entries_max = keys.size() / 2}};
    comparisons = 0;
    for (auto const& k : keys) c.put(k, 1);
    for (auto const& k : keys) (void)c.get(k);
    return comparisons;
}

constexpr std::size_t count = 20'000;

/// Keys that differ in the eight bytes at @p at only.
std::vector<key> crafted(std::size_t at, unsigned shift) {
    std::vector<key> keys(count);
    for (std::size_t i = 0; i < count; ++i) {
        auto const word = static_cast<std::uint64_t>(i) << shift;
        std::memcpy(keys[i].octets.data() + at, &word, 8);
    }
    return keys;
}

struct same_for_all {
    template <class K>
    std::uint64_t operator()(K const&) const noexcept {
        return 0x1234'5678'9abc'def0u;
    }
};

}  // namespace

TEST_CASE("twenty thousand chosen keys cost no more than random ones") {
    splitmix64 random{1};
    std::vector<key> chance(count);
    for (auto& k : chance) {
        for (auto& octet : k.octets) octet = static_cast<byte>(random());
    }
    auto const usual = cost_of(chance);
    for (std::size_t const at : {0u, 8u, 16u, 24u}) {
        for (unsigned const shift : {0u, 20u, 49u}) CHECK(cost_of(crafted(at, shift)) <= usual + usual / 4);
    }
}

TEST_CASE("even with one hash for all keys every call ends, and is right") {
    struct slab : cache::defaults {
        using hash = same_for_all;
    };
    struct sets : slab {
        using storage = cache::set_associative<16>;
        using eviction = cache::clock<2>;
    };
    struct in_place : slab {
        using storage = cache::inline_array<64>;
    };
    auto const try_out = [](auto& c, int held) {
        for (int i = 0; i < 2000; ++i) {
            c.put(i, i);
            REQUIRE(*c.get(i) == i);
            REQUIRE(c.get(-1 - i) == nullptr);
        }
        int found = 0;
        for (int i = 0; i < 2000; ++i) found += c.contains(i) ? 1 : 0;
        CHECK(found == held);
        for (int i = 0; i < 2000; ++i) c.erase(i);
        CHECK(c.size() == 0);
    };
    cache::cache<int, int, slab> a{{.entries_max = 300}};
    try_out(a, 300);
    cache::cache<int, int, sets> b{{.entries_max = 320}};
    try_out(b, 16);
    cache::cache<int, int, in_place> c{{.entries_max = 64}};
    try_out(c, 64);
}

TEST_CASE("ids that differ in one bit are different messages") {
    cache::seen_cache<cache::seen_defaults<std::int64_t>> seen{{.ids_max = 30'000, .time_to_live = 10}};
    for (auto const& id : crafted(24, 40)) REQUIRE(seen.record(id, std::int64_t{0}));
    CHECK(seen.size(std::int64_t{0}) == count);
}

}  // namespace adversary_tests
