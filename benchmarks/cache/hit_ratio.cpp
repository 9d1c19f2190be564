// SPDX-License-Identifier: MIT

// Hit ratios: every request is a `get`, and after a miss a `put`, through the real cache; the key of its hash is fixed,
// so that the figures are the same each time. Beside the policies stands what an oracle could do that knows all
// requests to come (Belady, 1966). Each policy is summed up by the share of LRU's misses that it avoids, over the
// recorded traces, and over these with a loop, in which LRU never hits, and a way to and fro, in which nothing hits
// more often. The goal for `adaptive_s3_fifo` is a mean of 6 percent over all of them, and no trace and size worse than
// -5.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <muster/core/error.hpp>

#include <cache/parts.hpp>
#include <cache/subjects.hpp>

namespace muster::bench {

namespace {

using ids_view = std::span<std::uint32_t const>;

template <class Policies>
[[nodiscard]] std::size_t hits(ids_view ids, std::size_t capacity) {
    using cache_type = cache::cache<std::uint32_t, std::uint32_t, Policies>;
    cache_type c{{.entries_max = capacity, .hash = cache::multiply_hash{cache::hash_key{{1, 2, 3, 4}}}}};
    std::size_t count = 0;
    for (auto const id : ids) {
        if (c.get(id) != nullptr) {
            ++count;
        } else {
            c.put(id, id);
        }
    }
    return count;
}

/// When each request's id is requested again; the number of requests, if never.
[[nodiscard]] std::vector<std::uint32_t> next_uses(ids_view ids) {
    auto const never = static_cast<std::uint32_t>(ids.size());
    std::vector<std::uint32_t> order(ids.size()), next(ids.size(), never);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return ids[a] < ids[b]; });
    for (std::size_t i = 1; i < order.size(); ++i) {
        if (ids[order[i - 1]] == ids[order[i]]) next[order[i - 1]] = order[i];
    }
    return next;
}

/// Gives up the entry that is used last, which may be the new one. An entry is known by the request that will hit it.
[[nodiscard]] std::size_t optimal_hits(std::vector<std::uint32_t> const& next, std::size_t capacity) {
    std::vector<std::uint32_t> heap;  // the latest first; requests that are past lie at its end until they are purged
    std::vector<bool> kept(next.size());
    std::size_t count = 0, size = 0;
    for (std::uint32_t now = 0; now < next.size(); ++now) {
        if (kept[now]) {
            ++count;
            --size;
        }
        if (next[now] == next.size()) continue;
        kept[next[now]] = true;
        heap.push_back(next[now]);
        std::push_heap(heap.begin(), heap.end());
        if (++size > capacity) {
            kept[heap.front()] = false;
            std::pop_heap(heap.begin(), heap.end());
            heap.pop_back();
            --size;
        }
        if (heap.size() > 2 * capacity + 64) {
            std::erase_if(heap, [&](auto at) { return at <= now; });
            std::make_heap(heap.begin(), heap.end());
        }
    }
    return count;
}

struct policy {
    std::string_view name;
    std::size_t (*hits)(ids_view, std::size_t capacity);
};
constexpr std::string_view baseline = "lru";
constexpr std::array policies{
    policy{"fifo", hits<with_eviction<cache::fifo>>},
    policy{baseline, hits<exact>},
    policy{"lazy_lru_25", hits<with_eviction<cache::lazy_lru<25>>>},
    policy{"clock_2", hits<with_eviction<cache::clock<2>>>},
    policy{"sieve", hits<by_sieve>},
    policy{"s3_fifo", hits<by_s3_fifo>},
    policy{"adaptive_s3_fifo", hits<adaptive>},
    policy{"sets_16_clock_2", hits<in_sets>},
};

/// 0.1 to 30 percent of the ids; each once.
[[nodiscard]] std::vector<std::size_t> capacities(trace const& t) {
    std::vector<std::size_t> all;
    for (double const percent : {0.1, 1.0, 5.0, 10.0, 20.0, 30.0}) all.push_back(capacity_of(t, percent));
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

[[nodiscard]] std::vector<row> hit_ratios_of(trace const& t) {
    std::vector<row> rows;
    auto const next = next_uses(t.ids);
    for (auto const capacity : capacities(t)) {
        auto const add = [&](std::string_view subject, std::size_t count) {
            rows.push_back(figure("cache/hit_ratio/" + t.name, capacity, subject, "hit_ratio",
                                  static_cast<double>(count) / static_cast<double>(t.ids.size())));
        };
        for (auto const& p : policies) add(p.name, p.hits(t.ids, capacity));
        add("optimal", optimal_hits(next, capacity));
    }
    return rows;
}

/// Of LRU's misses, the percentages that each policy avoids: a row for each that @p rows has.
[[nodiscard]] std::vector<row> reductions(trace const& t, std::vector<row> const& rows) {
    std::vector<row> all;
    for (auto const& r : rows) {
        auto const lru = 1 - value_of(rows, r.name, r.n, baseline, "hit_ratio");
        all.push_back(figure("cache/fewer_misses_than_lru/" + t.name, r.n, r.subject, "percent",
                             100 * (lru - (1 - r.value)) / lru));
    }
    return all;
}

/// Their mean, worst and best by policy, with how many they are.
[[nodiscard]] std::vector<row> summary(std::string const& name, std::vector<row> const& all) {
    std::map<std::string, std::vector<double>> by_subject;
    for (auto const& r : all) by_subject[r.subject].push_back(r.value);
    std::vector<row> rows;
    for (auto const& [subject, cells] : by_subject) {
        auto const add = [&, subject = subject, count = cells.size()](std::string_view metric, double value) {
            rows.push_back(figure(name, count, subject, metric, value));
        };
        add("mean_percent", std::reduce(cells.begin(), cells.end()) / static_cast<double>(cells.size()));
        add("worst_percent", *std::min_element(cells.begin(), cells.end()));
        add("best_percent", *std::max_element(cells.begin(), cells.end()));
    }
    return rows;
}

void append(std::vector<row>& rows, std::vector<row> const& more) { rows.insert(rows.end(), more.begin(), more.end()); }

}  // namespace

std::vector<row> hit_ratios(std::vector<trace> const& traces) {
    std::vector<row> rows, recorded, with_patterns;
    for (auto const& t : traces) {
        auto const of_trace = hit_ratios_of(t);
        auto const reduced = reductions(t, of_trace);
        append(rows, of_trace);
        append(rows, reduced);
        if (t.from == origin::recorded) append(recorded, reduced);
        if (t.from != origin::random) append(with_patterns, reduced);
    }
    append(rows, summary("cache/fewer_misses_than_lru", recorded));
    append(rows, summary("cache/fewer_misses_with_patterns", with_patterns));
    return rows;
}

}  // namespace muster::bench
