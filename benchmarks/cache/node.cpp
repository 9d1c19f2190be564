// SPDX-License-Identifier: MIT

// Beside caches of JavaScript, which node/peers.mjs measures: npm's lru-cache, and a Map that looks through all its
// entries for the oldest, as small discovery caches do. Their rounds alternate with our own, on the same core. Ids of
// 16 bytes are text of 46 characters there, as is usual; `muster` keeps the bytes, the others the text. The goal for
// an insertion into a full cache is 60 times the speed of the Map at 100 entries, and 1000 times at 10 000.
//
// node is optional: without it, or without its package, these figures are left out.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>

#include <muster/cache/inline_text.hpp>
#include <muster/core/error.hpp>

#include <cache/parts.hpp>
#include <cache/subjects.hpp>
#include <support/stopwatch.hpp>

namespace muster::bench {

namespace {

namespace fs = std::filesystem;

/// What the Map keeps under a key.
struct found_advertisement {
    std::uint64_t advertisement;
    std::int64_t added_at;
    std::int64_t last_access;
    std::uint64_t access_count;
    std::uint64_t source;
};

/// The measurements of each subject, operation and number of entries.
using samples = std::map<std::tuple<std::string, std::string, std::size_t>, std::vector<double>>;

constexpr std::size_t calls = 200'000;  // as in peers.mjs

/// The same ids as bytes, as text of bounded length, and as strings, in the order in which they are asked for.
template <class Key>
struct id_streams {
    explicit id_streams(std::size_t n) : keys{n, calls} {
        splitmix64 random{1};
        for (std::size_t i = 0; i < calls; ++i) asked.push_back(keys.held[uniform(random, n)]);
    }
    key_streams<Key> keys;
    std::vector<Key> asked;
};

/// @p Kept is what the cache keeps of an id.
template <class Kept, class Key>
void measure_ours(std::string const& subject, std::size_t n, id_streams<Key> const& ids, samples& all) {
    cache::cache<Kept, found_advertisement> c{{.entries_max = n}};
    for (auto const& key : ids.keys.held) c.put(Kept{key}, {});
    auto const add = [&](char const* operation, auto& stream, auto call) {
        auto const ns = nanoseconds(calls, [&] {
            for (std::size_t i = 0; i < calls; ++i) call(stream[i]);
        });
        all[{subject, operation, n}].push_back(ns);
    };
    auto const get = [&](Key const& key) { benchmark::DoNotOptimize(c.get(key)); };
    add("hit", ids.asked, get);
    add("miss", ids.keys.absent, get);
    // A copy: strings are handed over, as JavaScript hands over a reference.
    auto const end = ids.keys.fresh.begin() + static_cast<std::ptrdiff_t>(calls);
    std::vector<Key> fresh(ids.keys.fresh.begin(), end);
    add("churn", fresh, [&](Key& key) { c.put(Kept{std::move(key)}, {}); });
}

/// One run of node; false when it failed.
[[nodiscard]] bool measure_node(fs::path const& script, std::size_t n, samples& all) {
    auto* const pipe = ::popen(text("node '", script.string(), "' ", n).c_str(), "r");
    if (pipe == nullptr) return false;
    std::string out;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
    if (::pclose(pipe) != 0) return false;
    for (std::size_t at = 0, end = 0; (end = out.find('\n', at)) != out.npos; at = end + 1) {
        auto const line = nlohmann::json::parse(out.substr(at, end - at));
        all[{line.at("subject"), line.at("operation"), line.at("n")}].push_back(line.at("ns"));
    }
    return true;
}

/// All rounds of both; nothing when node cannot run.
[[nodiscard]] std::optional<samples> measure_both(fs::path const& script) {
    samples all;
    for (std::size_t const n : {100u, 10'000u, 1'000'000u}) {
        id_streams<key16> const binary{n};
        id_streams<std::string> const texts{n};
        for (int round = 0; round < rounds; ++round) {
            if (!measure_node(script, n, all)) return std::nullopt;
            measure_ours<key16>("muster", n, binary, all);
            measure_ours<cache::inline_text<46>>("muster_inline_text", n, texts, all);
            measure_ours<std::string>("muster_std_string", n, texts, all);
        }
    }
    return all;
}

}  // namespace

std::vector<row> node_comparison() {
    fs::path const directory = MUSTER_BENCH_NODE;
    auto const measured =
        fs::exists(directory / "node_modules" / "lru-cache") ? measure_both(directory / "peers.mjs") : std::nullopt;
    if (!measured) {
        std::cerr << "no figures of node: they need node 20, npm, and `npm ci` in " << directory.string() << '\n';
        return {};
    }
    std::vector<row> rows;
    for (auto const& [what, values] : *measured) {
        auto const& [subject, operation, n] = what;
        rows.push_back(figure("cache/node_" + operation, n, subject, "ns", median(values)));
    }
    for (std::size_t const n : {100u, 10'000u, 1'000'000u}) {
        auto const of = [&](char const* subject) { return value_of(rows, "cache/node_churn", n, subject, "ns"); };
        for (auto const* ours : {"muster", "muster_inline_text", "muster_std_string"}) {
            rows.push_back(
                figure("cache/node_churn", n, ours, "times_as_fast_as_scanned_map", of("scanned_map") / of(ours)));
        }
    }
    return rows;
}

}  // namespace muster::bench
