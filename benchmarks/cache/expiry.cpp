// SPDX-License-Identifier: MIT

// What expiry adds to a hit when the caller brings the time: with one time to live for all entries, and with deadlines
// of their own. Nothing expires meanwhile. The goal is 3 ns.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <muster/core/time.hpp>

#include <cache/parts.hpp>
#include <cache/subjects.hpp>
#include <support/areas.hpp>

namespace muster::bench {

namespace {

using value = std::uint64_t;
using keys_ptr = std::shared_ptr<std::vector<key32> const>;

constexpr std::string_view name = "cache/expiry_hit";
constexpr std::size_t entries = 10'000;
constexpr auto time_to_live = std::chrono::hours{1};

class never {
public:
    never() {
        for (std::size_t i = 0; i < entries; ++i) cache_.put(make_key<key32>(i), i);
    }
    [[nodiscard]] value* get(key32 const& key, instant) { return cache_.get(key); }

private:
    cache::cache<key32, value> cache_{{.entries_max = entries}};
};

struct uniform_policies : cache::defaults {
    using expiry = cache::uniform_expiry<instant>;
};
class after_an_hour {
public:
    after_an_hour() {
        for (std::size_t i = 0; i < entries; ++i) cache_.put(make_key<key32>(i), i, instant{});
    }
    [[nodiscard]] value* get(key32 const& key, instant now) { return cache_.get(key, now); }

private:
    cache::cache<key32, value, uniform_policies> cache_{
        {.entries_max = entries, .expiry_settings = {.time_to_live = time_to_live}}};
};

struct per_entry_policies : cache::defaults {
    using expiry = cache::per_entry_expiry<instant>;
};
class each_at_its_time {
public:
    each_at_its_time() {
        for (std::size_t i = 0; i < entries; ++i) {
            auto const deadline = instant{} + time_to_live + std::chrono::milliseconds{i};
            cache_.put(make_key<key32>(i), i, deadline, instant{});
        }
    }
    [[nodiscard]] value* get(key32 const& key, instant now) { return cache_.get(key, now); }

private:
    cache::cache<key32, value, per_entry_policies> cache_{{.entries_max = entries}};
};

template <class Subject>
void add_subject(std::string_view subject, keys_ptr const& asked) {
    add_case(name, entries, subject, [asked, c = std::unique_ptr<Subject>{}](benchmark::State& state) mutable {
        // Anew each time, while the last one still holds its place: where a cache lies in memory moves its figures by
        // more than expiry does.
        c = std::make_unique<Subject>();
        instant now{};
        for (auto _ : state) {
            for (auto const& key : *asked) {
                now += std::chrono::nanoseconds{1};
                benchmark::DoNotOptimize(c->get(key, now));
            }
        }
        report_ns(state, asked->size());
    })->Repetitions(15);  // a difference of two is noisier than they are
}

}  // namespace

void register_expiry() {
    std::vector<key32> asked;
    splitmix64 random{1};
    for (std::size_t i = 0; i < 1u << 16; ++i) asked.push_back(make_key<key32>(uniform(random, entries)));
    auto const keys = std::make_shared<std::vector<key32> const>(std::move(asked));
    add_subject<never>("muster", keys);
    add_subject<after_an_hour>("muster_uniform_expiry", keys);
    add_subject<each_at_its_time>("muster_per_entry_expiry", keys);
}

std::vector<row> expiry_costs(std::vector<row> const& measured) {
    std::vector<row> rows;
    for (std::string_view const subject : {"muster_uniform_expiry", "muster_per_entry_expiry"}) {
        auto const extra =
            value_of(measured, name, entries, subject, "ns") - value_of(measured, name, entries, "muster", "ns");
        rows.push_back(figure(std::string{name}, entries, subject, "extra_ns", extra));
    }
    return rows;
}

}  // namespace muster::bench
