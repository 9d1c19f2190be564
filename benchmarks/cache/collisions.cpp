// SPDX-License-Identifier: MIT

// What an attacker can do who knows the hash: 20 000 keys whose first eight bytes are the same, beside as many random
// ones. Digests are often hashed by their first bytes alone; then such keys all collide, and insertions take time in
// proportion to the table. Our keyed hash must not notice; the goal is a ratio of at most 2.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <cache/parts.hpp>
#include <cache/subjects.hpp>
#include <support/stopwatch.hpp>

namespace muster::bench {

namespace {

constexpr std::size_t count = 20'000;

/// A popular hash of digests.
struct first_octets {
    [[nodiscard]] std::size_t operator()(key32 const& key) const noexcept {
        std::size_t word = 0;
        std::memcpy(&word, key.octets.data(), sizeof word);
        return word;
    }
};

[[nodiscard]] double insert_into_ours(std::vector<key32> const& keys) {
    cache::cache<key32, std::uint64_t> c{{.entries_max = count}};
    return nanoseconds(count, [&] {
        for (auto const& key : keys) c.put(key, 1);
    });
}
[[nodiscard]] double insert_into_set(std::vector<key32> const& keys) {
    std::unordered_set<key32, first_octets> set;
    return nanoseconds(count, [&] { set.insert(keys.begin(), keys.end()); });
}

}  // namespace

std::vector<row> collisions() {
    std::vector<key32> random, crafted;
    for (std::size_t i = 0; i < count; ++i) random.push_back(make_key<key32>(i));
    crafted = random;
    for (auto& key : crafted) std::fill_n(key.octets.begin(), 8, byte{0});

    std::vector<row> rows;
    auto const add = [&](std::string_view subject, auto insert) {
        std::vector<double> of_random, of_crafted;
        for (int round = 0; round < rounds; ++round) {
            of_random.push_back(insert(random));
            of_crafted.push_back(insert(crafted));
        }
        auto const usual = median(of_random), attacked = median(of_crafted);
        rows.push_back(figure("cache/collisions", count, subject, "random_ns", usual));
        rows.push_back(figure("cache/collisions", count, subject, "crafted_ns", attacked));
        rows.push_back(figure("cache/collisions", count, subject, "crafted_to_random_ratio", attacked / usual));
    };
    add("muster", insert_into_ours);
    add("std_unordered_set", insert_into_set);
    return rows;
}

}  // namespace muster::bench
