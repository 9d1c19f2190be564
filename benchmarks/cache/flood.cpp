// SPDX-License-Identifier: MIT

// A flood of advertisements: sixty honest signers advertise themselves every ten minutes, somebody here looks them up
// thirty times a minute, and one attacker sends advertisements under ever new ids, each once, or four times at
// intervals of a second. Which part of the look-ups does a cache of a hundred entries answer, over two hours after half
// an hour to settle? The same each time. n is the number of new ids a minute.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/admission/quota.hpp>

#include <cache/parts.hpp>
#include <cache/subjects.hpp>

namespace muster::bench {

namespace {

constexpr std::size_t capacity = 100;
constexpr std::uint64_t honest_signers = 60;
constexpr std::uint64_t second = 1'000, minute = 60 * second;  // in milliseconds
constexpr std::uint64_t settled_at = 30 * minute, ends_at = settled_at + 120 * minute;

/// An honest signer is its own source, and its id; the attacker is one source of many ids.
constexpr std::uint64_t attacker = honest_signers;

struct event {
    std::uint64_t at;
    bool is_look_up;
    std::uint64_t id;
    std::uint64_t source;
};

[[nodiscard]] std::vector<event> events(std::uint64_t ids_per_minute, std::uint64_t times) {
    std::vector<event> all;
    splitmix64 random{1};
    for (std::uint64_t signer = 0; signer < honest_signers; ++signer) {
        for (auto at = uniform(random, 10 * minute); at < ends_at; at += 10 * minute) {
            all.push_back({at, false, signer, signer});
        }
    }
    for (std::uint64_t i = 0; i < ends_at / minute * 30; ++i) {
        all.push_back({uniform(random, ends_at), true, uniform(random, honest_signers), 0});
    }
    for (std::uint64_t i = 0; i < ends_at / minute * ids_per_minute; ++i) {
        auto const at = uniform(random, ends_at);
        for (std::uint64_t copy = 0; copy < times; ++copy) {
            all.push_back({at + copy * second, false, attacker + i, attacker});
        }
    }
    std::stable_sort(all.begin(), all.end(), [](event const& a, event const& b) { return a.at < b.at; });
    return all;
}

/// Keys are ids, values the sources they came from.
template <class Policies>
[[nodiscard]] double answered(std::vector<event> const& all) {
    cache::cache<std::uint64_t, std::uint64_t, Policies> found{
        {.entries_max = capacity, .hash = cache::multiply_hash{cache::hash_key{{1, 2, 3, 4}}}}};
    double look_ups = 0, answers = 0;
    for (auto const& e : all) {
        if (!e.is_look_up) {
            found.put(e.id, e.source);
            continue;
        }
        bool const hit = found.get(e.id) != nullptr;
        if (e.at < settled_at) continue;
        ++look_ups;
        answers += hit ? 1 : 0;
    }
    return answers / look_ups;
}

template <class Eviction, class Touch, class Admission = cache::always>
struct policies : cache::defaults {
    using eviction = Eviction;
    using touch = Touch;
    using admission = Admission;
};
struct sender {
    [[nodiscard]] std::uint64_t operator()(std::uint64_t, std::uint64_t source) const { return source; }
};

struct subject {
    std::string_view name;
    double (*answered)(std::vector<event> const&);
};
using cache::touch_on_get, cache::touch_on_both;
constexpr std::array subjects{
    subject{"lru", answered<policies<cache::lru, touch_on_both>>},
    subject{"lru_get_only", answered<policies<cache::lru, touch_on_get>>},
    subject{"sieve", answered<policies<cache::sieve, touch_on_both>>},
    subject{"sieve_get_only", answered<policies<cache::sieve, touch_on_get>>},
    subject{"s3_fifo", answered<policies<cache::s3_fifo, touch_on_both>>},
    subject{"s3_fifo_get_only", answered<policies<cache::s3_fifo, touch_on_get>>},
    subject{"adaptive", answered<policies<cache::adaptive_s3_fifo, touch_on_both>>},
    subject{"adaptive_get_only", answered<policies<cache::adaptive_s3_fifo, touch_on_get>>},
    subject{"lru_demand", answered<policies<cache::lru, touch_on_get, cache::demand>>},
    subject{"lru_quota", answered<policies<cache::lru, touch_on_get, cache::quota<sender>>>},
};

}  // namespace

std::vector<row> floods() {
    std::vector<row> rows;
    auto const add = [&](std::string const& name, std::uint64_t ids_per_minute, std::uint64_t times) {
        auto const all = events(ids_per_minute, times);
        for (auto const& s : subjects) {
            rows.push_back(figure(name, ids_per_minute, s.name, "answered_ratio", s.answered(all)));
        }
    };
    for (std::uint64_t const ids : {0u, 10u, 100u, 1000u}) add("cache/flood", ids, 1);
    for (std::uint64_t const ids : {100u, 1000u}) add("cache/flood_4_times", ids, 4);
    return rows;
}

}  // namespace muster::bench
