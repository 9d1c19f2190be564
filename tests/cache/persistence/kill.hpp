// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A process that saves for ever is killed again and again.

#include <cstdint>
#include <string>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>
#include <support/scratch.hpp>

namespace muster::test {

using killed_codec = cache::plain_codec<std::string, std::uint64_t>;

template <class Store>
struct kept_by_process : cache::defaults {
    using persistence = cache::debounced<Store, no_timers, manual_clock>;
};
template <class Store>
struct process {
    explicit process(std::string const& path) : cache{{.entries_max = 20}, {.path = path}, timers, clock} {}
    no_timers timers;
    manual_clock clock;
    cache::persistent_cache<std::string, std::uint64_t, kept_by_process<Store>> cache;
};

/// Saves ever new states of two entries that are always equal, and tells each number that is saved.
template <class Store>
[[noreturn]] void save_for_ever(std::string const& path, int told) {
    process<Store> p{path};
    if (!p.cache.load()) ::_exit(1);
    auto const* const last = p.cache.peek(std::string{"left"});
    for (std::uint64_t i = last == nullptr ? 1 : *last + 1;; ++i) {
        p.cache.put("left", i);
        p.cache.put("ballast " + std::to_string(i % 10), i);
        p.cache.put("right", i);
        if (!p.cache.flush() || ::write(told, &i, sizeof i) != sizeof i) ::_exit(1);
    }
}

/// Every life begins with what the one before has saved last, or with what it was saving.
template <class Store>
void kill_again_and_again() {
    scratch dir;
    splitmix64 random{1};
    std::uint64_t reported = 0;
    for (int life = 0; life < 25; ++life) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        auto const child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) save_for_ever<Store>(dir.file("found"), ends[1]);
        ::close(ends[1]);
        auto const lives_for = 1 + uniform(random, 40);  // saves; the kill meets it somewhere in the next one
        for (std::uint64_t n = 0; n < lives_for; ++n)
            REQUIRE(::read(ends[0], &reported, sizeof reported) == sizeof reported);
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        while (::read(ends[0], &reported, sizeof reported) == sizeof reported) {
        }
        ::close(ends[0]);

        process<Store> p{dir.file("found")};
        auto const report = p.cache.load();
        REQUIRE(report.has_value());
        CHECK_FALSE(report.value().notes.damage.has_value());
        CHECK(p.cache.occupied() <= 20);
        REQUIRE(p.cache.contains(std::string{"left"}));
        CHECK(*p.cache.peek(std::string{"left"}) >= reported);
        CHECK(*p.cache.peek(std::string{"left"}) == *p.cache.peek(std::string{"right"}));
    }
}

}  // namespace muster::test
