// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A persistent cache on a disk in memory, under a clock that is moved by hand.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/cache/persistence/append_log.hpp>
#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/cache/persistence/snapshot_file.hpp>

#include <muster/sim/disk.hpp>
#include <support/catch.hpp>

namespace muster::test {

using text_codec = cache::plain_codec<std::string, std::uint64_t, 7>;
using snapshot = cache::snapshot_file<text_codec, sim::disk_files>;
using change_log = cache::append_log<text_codec, sim::disk_files>;

template <class Store, class Expiry = cache::no_expiry, class Timers = manual_timers>
struct kept : cache::defaults {
    using expiry = Expiry;
    using persistence = cache::debounced<Store, Timers, manual_clock>;
    using stats = cache::counters;
};
using contents = std::vector<std::pair<std::string, std::uint64_t>>;  // the least recently used first

/// A machine that may lose power: its disk and clock stay.
template <class Policies>
class machine {
public:
    using subject = cache::persistent_cache<std::string, std::uint64_t, Policies>;

    explicit machine(typename subject::options const& o = {.entries_max = 100}) : options{o} { start(); }

    /// A new process, which has not loaded yet.
    void start() {
        cache.reset();
        cache.emplace(
            options, typename Policies::persistence::store::options{.path = "found", .files = sim::disk_files{storage}},
            timers, clock);
    }
    /// A new process that has loaded.
    cache::load_report restart() {
        start();
        auto report = cache->load();
        REQUIRE(report.has_value());
        return report.value();
    }
    /// The power goes while it runs: nothing is flushed.
    void crash(sim::disk::luck l) {
        storage.fails_at = storage.calls;
        storage.for_good = true;
        cache.reset();
        storage.crash(l);
    }
    template <class... Now>
    [[nodiscard]] contents look(Now... now) const {
        contents all;
        cache->for_each([&](std::string const& k, std::uint64_t v) { all.emplace_back(k, v); }, now...);
        return all;
    }

    typename subject::options options;
    sim::disk storage;
    manual_timers timers;
    manual_clock clock;
    std::optional<subject> cache;
};

}  // namespace muster::test
