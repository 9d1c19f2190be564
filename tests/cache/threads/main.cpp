// SPDX-License-Identifier: MIT

// Threads that use one shared cache at once, compiled with ThreadSanitizer: it reports what is not guarded, and the
// program checks that nothing was mixed up.

#include <atomic>
#include <barrier>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include <unistd.h>

#include <muster/cache/shared_cache.hpp>

namespace {

using namespace muster::cache;

struct told {
    std::atomic<std::uint64_t>* count;
    void operator()(removal, std::uint64_t, std::uint64_t&) const { ++*count; }
};
template <class Threading>
struct with : defaults {
    using threading = Threading;
    using expiry = uniform_expiry<std::int64_t>;
    using stats = counters;
    using listener = told;
};

template <class Threading>
bool holds_together() {
    std::atomic<std::uint64_t> removed{0};
    std::atomic<bool> good{true};
    shared_cache<std::uint64_t, std::uint64_t, with<Threading>> c{
        {.entries_max = 500, .expiry_settings = {1000}, .on_removal = {&removed}}};
    constexpr std::uint64_t threads = 4, rounds = 20'000;
    std::vector<std::thread> all;
    for (std::uint64_t t = 0; t < threads; ++t) {
        all.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < rounds; ++i) {
                auto const key = (i * 7 + t * 13) % 1500;
                auto const now = static_cast<std::int64_t>(i);
                if (i % 3 == 0) c.put(key, 2 * key, now);
                if (auto const got = c.get(key, now); got && *got != 2 * key) good = false;
                if (i % 64 == 0)
                    c.visit(
                        key, [&](std::uint64_t& v) { good = good && v == 2 * key; }, now);
                if (i % 97 == 0) c.erase(key, now);
                if (i % 1000 == 0 && c.size(now) > 500) good = false;
                if (i % 5000 == 0) {
                    c.for_each([&](std::uint64_t k, std::uint64_t v) { good = good && v == 2 * k; }, now);
                }
                if (t == 0 && i % 9000 == 0) c.clear();
            }
        });
    }
    for (auto& t : all) t.join();
    auto const s = c.stats();
    auto const left = s.evictions + s.expirations + s.erasures;
    return good && s.insertions == left + c.occupied() && removed == left + s.replacements;
}

/// Waits for the other thread to be in a listener as well, and puts into the other cache.
struct crossing : defaults {
    using threading = locked<std::mutex>;
    struct listener {
        shared_cache<std::uint64_t, std::uint64_t, crossing>** other;
        std::barrier<>* both_are_here;
        std::atomic<int>* calls;
        void operator()(removal, std::uint64_t key, std::uint64_t value) const {
            ++*calls;
            if (value != 0) return;  // it came from the other listener
            both_are_here->arrive_and_wait();
            (*other)->put(key + 1000, 1);
        }
    };
};
using crossing_cache = shared_cache<std::uint64_t, std::uint64_t, crossing>;

/// Two threads are in the listeners of two caches at once, and each puts into the other's.
bool listeners_do_not_wait_for_each_other() {
    crossing_cache *first = nullptr, *second = nullptr;
    std::barrier both{2};
    std::atomic<int> calls{0};
    crossing_cache a{{.entries_max = 9, .on_removal = {&second, &both, &calls}}};
    crossing_cache b{{.entries_max = 9, .on_removal = {&first, &both, &calls}}};
    first = &a;
    second = &b;
    auto const replace_often = [](crossing_cache& c) {
        for (int i = 0; i < 1000; ++i) c.put(1, 0);
    };
    std::thread t{[&] { replace_often(a); }};
    replace_often(b);
    t.join();
    return a.occupied() == 2 && b.occupied() == 2 && calls == 2 * (999 + 998);  // of each cache: key 1, and key 1001
}

}  // namespace

int main() {
    ::alarm(250);  // who waits for ever is killed, and does not hold up the others
    bool const holds = holds_together<locked<std::mutex>>() && holds_together<sharded<std::mutex, 8>>();
    return holds && listeners_do_not_wait_for_each_other() ? 0 : 1;
}
