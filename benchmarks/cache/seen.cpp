// SPDX-License-Identifier: MIT

// Duplicate detection: one call inserts or detects. In the stream `near` every id arrives six times, the later ones
// soon after the first, as gossip does it. In `uniform` and `far` every other call is a repetition: of any id of the
// last nine tenths of what is remembered, or of the one from half of it back.
//
// Beside it the layouts in use: a map with a time and a list (textbook), and a multi-index by id and by time as in
// cpp-libp2p's message cache, here with a bound that theirs lacks. And the simplest that there is, a flat set and a
// ring of what it holds, whole ids or hashes of 64 bits, which knows no time and can take nothing back.

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
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
    for (std::size_t at = 0; at < id.size(); at += 8) {
        auto const word = random();
        std::memcpy(id.octets.data() + at, &word, 8);
    }
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

/// What a flat set and a ring hold of an id. @{
struct whole_ids {
    using kept = id32;
    using hasher = peer_hash;
    [[nodiscard]] kept operator()(id32 const& id) const noexcept { return id; }
};
struct hashes {
    using kept = std::uint64_t;
    struct hasher {
        using is_avalanching = void;
        std::size_t operator()(kept already) const noexcept { return already; }
    };
    [[nodiscard]] kept operator()(id32 const& id) const noexcept { return hash(id); }
    cache::multiply_hash hash;
};
/// @}

/// The oldest goes when it is full.
template <class Keep>
class flat_set_ring {
public:
    explicit flat_set_ring(std::size_t n) : ids_max_{n} {
        set_.reserve(n);
        ring_.reserve(n);
    }
    bool record(id32 const& id, instant) {
        auto const kept = keep_(id);
        if (!set_.insert(kept).second) return false;
        if (ring_.size() < ids_max_) {
            ring_.push_back(kept);
            return true;
        }
        set_.erase(ring_[oldest_]);
        ring_[oldest_] = kept;
        oldest_ = oldest_ + 1 < ids_max_ ? oldest_ + 1 : 0;
        return true;
    }

private:
    Keep keep_;
    std::size_t ids_max_;
    boost::unordered_flat_set<typename Keep::kept, typename Keep::hasher> set_;
    std::vector<typename Keep::kept> ring_;
    std::size_t oldest_ = 0;
};

/// Arrivals at a node: each id six times, the repetitions at cubically falling distance.
[[nodiscard]] std::vector<id32> near_ones(std::size_t ids) {
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

/// Each new id is followed by the one that is @p back(random) older.
template <class Back>
[[nodiscard]] std::vector<id32> with_repeats(std::size_t ids, Back back) {
    std::vector<id32> out;
    splitmix64 random{2};
    for (std::uint64_t i = 0; i < ids; ++i) {
        out.push_back(make_id(i));
        std::uint64_t const distance = back(random);
        if (distance <= i) out.push_back(make_id(i - distance));
    }
    return out;
}

using stream_ptr = std::shared_ptr<std::vector<id32> const>;

template <class Subject>
void add_subject(std::string const& stream_name, std::size_t n, std::string_view name, stream_ptr const& stream) {
    add_case("cache/seen_" + stream_name, n, name,
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
                 state.counters["bytes"] = static_cast<double>(heap + sizeof(Subject)) / static_cast<double>(n);
             })
        ->Repetitions(9)
        ->MinTime(0.01)
        ->ComputeStatistics(std::string{least}, least_of);  // what else runs here costs time, and never saves any
}

void add_subjects(std::string const& name, std::size_t n, std::vector<id32> ids) {
    auto const stream = std::make_shared<std::vector<id32> const>(std::move(ids));
    add_subject<our_seen_cache<cache::hash64>>(name, n, "muster", stream);
    add_subject<our_seen_cache<cache::hash128>>(name, n, "muster_hash128", stream);
    add_subject<our_seen_cache<cache::exact32>>(name, n, "muster_exact32", stream);
    add_subject<flat_set_ring<whole_ids>>(name, n, "boost_flat_set_ring", stream);
    add_subject<flat_set_ring<hashes>>(name, n, "boost_flat_set_ring_hash", stream);
    add_subject<multi_index_seen>(name, n, "boost_multi_index", stream);
    add_subject<map_list_seen>(name, n, "std_map_list", stream);
}

}  // namespace

void register_seen_cache() {
    for (std::size_t const n : {10'000u, 100'000u, 1'000'000u}) {
        // Longer than any of them remembers, so that its ids are new again when it begins anew.
        auto const ids = n + n / 2;
        add_subjects("near", n, near_ones(ids));
        add_subjects("uniform", n, with_repeats(ids, [n](auto& random) { return 1 + uniform(random, n * 9 / 10); }));
        add_subjects("far", n, with_repeats(ids, [n](auto&) { return n / 2; }));
    }
}

}  // namespace muster::bench
