// SPDX-License-Identifier: MIT

// That the models behave as caches do, and that the adaptive order finds out what the traffic is like, in time.

#include <muster/cache/detail/contest.hpp>

#include <cstdint>
#include <vector>

#include <muster/cache/cache.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace contest_tests {

using namespace muster;
using cache::detail::model;
using cache::detail::regime;
using cache::detail::sampling;

namespace {

template <class Eviction>
struct by : cache::defaults {
    using eviction = Eviction;
};
template <class Eviction>
class requested {
public:
    explicit requested(std::size_t entries)
        : cache_{{.entries_max = entries, .hash = cache::multiply_hash{cache::hash_key{{1, 2, 3, 4}}}}} {}
    bool misses(std::uint64_t key) {
        if (cache_.get(key) != nullptr) return false;
        cache_.put(key, 0);
        return true;
    }

private:
    cache::cache<std::uint64_t, int, by<Eviction>> cache_;
};

using requests = std::vector<std::uint64_t>;

template <class Eviction>
double misses(std::size_t entries, requests const& all) {
    requested<Eviction> c{entries};
    std::size_t count = 0;
    for (auto const key : all) count += c.misses(key) ? 1u : 0u;
    return static_cast<double>(count);
}
/// Misses of the adaptive order, as a part of LRU's.
double of_lru(std::size_t entries, requests const& all) {
    return misses<cache::adaptive_s3_fifo>(entries, all) / misses<cache::lru>(entries, all);
}

void add_loop(requests& all, std::uint64_t first, std::uint64_t length, int times) {
    for (int t = 0; t < times; ++t) {
        for (std::uint64_t i = 0; i < length; ++i) all.push_back(first + i);
    }
}
void add_zigzag(requests& all, std::uint64_t first, std::uint64_t length, int times) {
    for (int t = 0; t < times; ++t) {
        for (std::uint64_t i = 0; i < length; ++i) all.push_back(first + i);
        for (std::uint64_t i = length; i-- > 0;) all.push_back(first + i);
    }
}
/// Small numbers are asked for often.
void add_skewed(requests& all, std::uint64_t ids, std::size_t count) {
    splitmix64 random{3};
    for (std::size_t i = 0; i < count; ++i) {
        auto const bound = 1 + uniform(random, ids);
        all.push_back(uniform(random, bound) * uniform(random, bound) / ids);
    }
}

}  // namespace

TEST_CASE("a model by recency misses what LRU misses") {
    splitmix64 random{1};
    for (std::size_t const entries : {1u, 2u, 16u, 200u}) {
        model m{entries, regime::recency};
        requested<cache::lru> lru{entries};
        cache::multiply_hash const hash{cache::hash_key{{5, 6, 7, 8}}};
        for (int i = 0; i < 5000; ++i) {
            auto const key = uniform(random, 1 + uniform(random, 3 * entries));
            REQUIRE(m.misses(hash(key)) == lru.misses(key));
        }
    }
}

TEST_CASE("models are small beside the cache, and large enough to judge") {
    for (std::size_t const entries : {0u, 1u, 63u, 64u, 127u, 128u, 5000u, 100'000u, 3'000'000u}) {
        auto const size = sampling{entries}.size();
        CHECK(size <= 4096);
        CHECK(size >= std::min<std::size_t>(entries, 64));
        CHECK(size <= std::max<std::size_t>(entries / 32, 127));
    }
}

TEST_CASE("about one request in thirty-two goes to the models, in small caches one in sixteen") {
    for (std::size_t const entries : {20u, 100u, 400u, 700u, 1500u, 10'000u}) {
        sampling s{entries};
        splitmix64 random{1};
        double taken = 0;
        constexpr int count = 2'000'000;
        for (int i = 0; i < count; ++i) {
            bool const missed = i % 2 == 0;
            if (!s.takes(random(), missed)) continue;
            ++taken;
            (void)s.counts(missed);
        }
        auto const rate = count / taken;
        CHECK(rate > (entries < 512 ? 12 : 27));
        CHECK(rate < (entries < 512 ? 20 : 37));
    }
}

TEST_CASE("models that rest go on when the cache begins to miss") {
    constexpr std::size_t entries = 64;
    sampling s{entries};
    while (s.takes(1, false)) (void)s.counts(false);
    std::size_t rested = 0;
    while (!s.takes(1, true)) ++rested;
    CHECK(rested <= 16 * entries * 16);
}

TEST_CASE("a loop that is longer than the cache is hit as far as the cache reaches") {
    for (std::size_t const entries : {600u, 3000u}) {
        requests all;
        add_loop(all, 0, 4 * entries, 40);
        CHECK(of_lru(entries, all) < 0.80);  // 0.75 is the least that anybody could reach
    }
}

TEST_CASE("where LRU is right, it is LRU soon") {
    for (std::size_t const entries : {50u, 600u, 3000u}) {
        requests all;
        add_zigzag(all, 0, 3 * entries, 150);
        CHECK(of_lru(entries, all) < 1.02);
    }
    requests loops;  // one after another, each of which fits
    for (std::uint64_t i = 0; i < 100; ++i) add_loop(loops, i * 700, 700, 20);
    CHECK(of_lru(800, loops) < 1.03);
}

TEST_CASE("where neither is right, it is S3-FIFO, and again after other times") {
    requests skewed;
    add_skewed(skewed, 20'000, 200'000);
    auto const alone = of_lru(1000, skewed);
    CHECK(alone < 0.93);

    requests all;
    add_loop(all, 100'000, 4000, 40);
    add_zigzag(all, 200'000, 4000, 40);
    auto const before_new = misses<cache::adaptive_s3_fifo>(1000, all);
    auto const before_lru = misses<cache::lru>(1000, all);
    add_skewed(all, 20'000, 200'000);
    auto const after =
        (misses<cache::adaptive_s3_fifo>(1000, all) - before_new) / (misses<cache::lru>(1000, all) - before_lru);
    CHECK(after < alone + 0.06);
}

}  // namespace contest_tests
