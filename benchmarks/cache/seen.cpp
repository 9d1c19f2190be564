// SPDX-License-Identifier: MIT

// Duplicate detection as gossip does it: every id arrives six times, the later ones soon after the first; one call
// inserts or detects. Beside it the layouts in use: a map with a time and a list (textbook), and a multi-index by id
// and by time as in cpp-libp2p's message cache, here with a bound that theirs lacks.

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include <benchmark/benchmark.h>

#include <muster/cache/seen_cache.hpp>
#include <muster/core/bytes.hpp>
#include <muster/core/random.hpp>
#include <muster/core/time.hpp>

#include <cache/parts.hpp>
#include <cache/peers.hpp>
#include <support/areas.hpp>

namespace muster::bench {

namespace {

using benchmark::DoNotOptimize;
struct id_tag;
using id32 = fixed_bytes<id_tag, 32>;

[[nodiscard]] id32 make_id(std::uint64_t number) {
    id32 id;
    splitmix64 random{number};
    for (auto& octet : id.octets) octet = static_cast<byte>(random());
    return id;
}

constexpr duration time_to_live = std::chrono::minutes{2};

template <class Ids>
struct with : cache::seen_defaults<instant> {
    using ids = Ids;
};
template <class Ids>
class our_seen_cache {
public:
    explicit our_seen_cache(std::size_t n) : seen_{{.ids_max = n, .time_to_live = time_to_live}} {}
    bool record(id32 const& id, instant now) { return seen_.record(id, now); }

private:
    cache::seen_cache<with<Ids>> seen_;
};

/// A hash index and an order by time over the same nodes.
class multi_index_seen {
public:
    explicit multi_index_seen(std::size_t n) : ids_max_{n} {}
    bool record(id32 const& id, instant now) {
        auto& by_age = items_.get<1>();
        while (!by_age.empty() && by_age.begin()->at + time_to_live <= now) by_age.erase(by_age.begin());
        if (!items_.insert({id, now}).second) return false;
        if (items_.size() > ids_max_) by_age.erase(by_age.begin());
        return true;
    }

private:
    struct item {
        id32 id;
        instant at;
    };
    std::size_t ids_max_;
    boost::multi_index_container<
        item, boost::multi_index::indexed_by<
                  boost::multi_index::hashed_unique<boost::multi_index::member<item, id32, &item::id>, peer_hash>,
                  boost::multi_index::ordered_non_unique<boost::multi_index::member<item, instant, &item::at>>>>
        items_;
};

/// A map from ids to times, and a list of ids in the order of their arrival.
class map_list_seen {
public:
    explicit map_list_seen(std::size_t n) : ids_max_{n} {}
    bool record(id32 const& id, instant now) {
        while (!order_.empty() && map_.at(order_.front()) + time_to_live <= now) pop();
        if (!map_.emplace(id, now).second) return false;
        order_.push_back(id);
        if (order_.size() > ids_max_) pop();
        return true;
    }

private:
    void pop() {
        map_.erase(order_.front());
        order_.pop_front();
    }
    std::size_t ids_max_;
    std::unordered_map<id32, instant, peer_hash> map_;
    std::list<id32> order_;
};

/// Arrivals at a node: each id six times, the repetitions at cubically falling distance.
[[nodiscard]] std::vector<id32> arrivals(std::size_t ids) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> order;
    splitmix64 random{1};
    for (std::uint64_t i = 0; i < ids; ++i) {
        for (int copy = 0; copy < 6; ++copy) {
            auto const u = uniform(random, 1000);
            order.emplace_back(1000 * i + (copy == 0 ? 0 : u * u * u / 20'000), i);
        }
    }
    std::sort(order.begin(), order.end());
    std::vector<id32> out;
    for (auto const& [at, id] : order) out.push_back(make_id(id));
    return out;
}

template <class Subject>
void add_subject(std::size_t n, std::string_view name, std::shared_ptr<std::vector<id32> const> const& stream) {
    add_case("cache/seen", n, name,
             [n, stream](benchmark::State& state) {
                 auto const before = ::mallinfo2();
                 Subject seen{n};
                 instant now{std::chrono::hours{1}};
                 // Filled beyond its bound, so that every new id makes an old one go.
                 for (std::uint64_t i = 0; i < n + n / 8; ++i) seen.record(make_id(1'000'000'000 + i), now);
                 auto const after = ::mallinfo2();
                 constexpr std::size_t batch = 4096;
                 std::size_t at = 0;
                 for (auto _ : state) {
                     if (at + batch > stream->size()) at = 0;
                     for (std::size_t i = at; i < at + batch; ++i) {
                         now += std::chrono::nanoseconds{100};
                         DoNotOptimize(seen.record((*stream)[i], now));
                     }
                     at += batch;
                 }
                 report_ns(state, batch);
                 auto const heap = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
                 state.counters["octets"] = static_cast<double>(heap + sizeof(Subject)) / static_cast<double>(n);
             })
        ->Repetitions(5)
        ->MinTime(0.01);
}

}  // namespace

void register_seen_cache() {
    for (std::size_t const n : {10'000u, 100'000u, 1'000'000u}) {
        // Longer than any of them remembers, so that its ids are new again when it begins anew.
        auto const stream = std::make_shared<std::vector<id32> const>(arrivals(n + n / 2));
        add_subject<our_seen_cache<cache::hash64>>(n, "muster", stream);
        add_subject<our_seen_cache<cache::hash128>>(n, "muster_hash128", stream);
        add_subject<our_seen_cache<cache::exact32>>(n, "muster_exact32", stream);
        add_subject<multi_index_seen>(n, "boost_multi_index", stream);
        add_subject<map_list_seen>(n, "std_map_list", stream);
    }
}

}  // namespace muster::bench
