// SPDX-License-Identifier: MIT

// A cache that outlives its process: at most three notes, each for a day, kept in a file.

#include <cstdio>
#include <iostream>
#include <string>

#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/cache/persistence/snapshot_file.hpp>

using namespace muster;

struct kept : cache::defaults {
    using expiry = cache::uniform_expiry<timestamp>;
    using persistence = cache::debounced<cache::snapshot_file<cache::plain_codec<std::string, std::string>>,
                                         manual_timers, manual_clock>;
};
using note_cache = cache::persistent_cache<std::string, std::string, kept>;

/// One life of the program; `net::asio_timers` and `net::system_clock` would be those of a real one.
int live(manual_clock& clock, std::string const& note) {
    manual_timers timers;
    note_cache notes{
        {.entries_max = 3, .expiry_settings = {std::chrono::hours{24}}}, {.path = "notes.cache"}, timers, clock};
    auto const report = notes.load();
    if (!report) {
        std::cerr << report.error().to_text() << '\n';
        return 1;
    }
    notes.put(note, "remembered", clock.wall_now());
    clock.advance(std::chrono::milliseconds{500});
    timers.fire_due(clock.now());  // half a second after the last change it is saved
    std::cout << report.value().loaded << " notes from an earlier life, " << notes.size(clock.wall_now()) << " now\n";
    return notes.last_failure() ? 1 : 0;
}

int main() {
    manual_clock clock;
    for (auto const* file : {"notes.cache", "notes.cache.lock"}) std::remove(file);
    for (auto const* note : {"one", "two", "three", "four"}) {
        if (live(clock, note) != 0) return 1;
        clock.advance(std::chrono::hours{7});
    }
    return std::remove("notes.cache") | std::remove("notes.cache.lock");
}
