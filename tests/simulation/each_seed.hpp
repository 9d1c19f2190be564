// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Seeds on several threads, and what is said of them.

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <muster/core/error.hpp>

#include <simulation/settings.hpp>

namespace muster::simulation {

/// The seed that a thread is at, for the last words of a program that is killed by what it simulates.
inline thread_local std::uint64_t seed_here = 0;

inline void say_the_seed(int signal) {
    char line[48] = "killed at seed ";
    auto at = std::strlen(line);
    char digits[20];
    int n = 0;
    for (auto rest = seed_here; n == 0 || rest != 0; rest /= 10) digits[n++] = static_cast<char>('0' + rest % 10);
    while (n != 0) line[at++] = digits[--n];
    line[at++] = '\n';
    [[maybe_unused]] auto const written = write(STDERR_FILENO, line, at);
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

/// What @p one gives for each seed, in their order. Runs are independent of each other, so threads take turns at the
/// seeds.
template <class One>
auto each_seed(settings const& s, One one) {
    std::vector<decltype(one(s.from))> out(s.seeds);
    std::atomic<std::uint64_t> next{0};
    for (int const signal : {SIGABRT, SIGSEGV, SIGTERM, SIGINT}) std::signal(signal, say_the_seed);
    auto const work = [&] {
        for (auto i = next++; i < s.seeds; i = next++) {
            seed_here = s.from + i;
            out[i] = one(seed_here);
        }
    };
    std::vector<std::thread> helpers;
    for (unsigned t = 1; t < s.threads && !s.trace; ++t) helpers.emplace_back(work);
    work();
    for (auto& h : helpers) h.join();
    return out;
}

/// Prints the verdict, and writes it where it was asked for; gives the exit code.
inline int conclude(settings const& s, bool holds, std::string const& what) {
    auto const verdict = text(holds ? "holds: " : "MISSED: ", what, "\n");
    std::fputs(verdict.c_str(), stdout);
    if (!s.verdict.empty()) std::ofstream{s.verdict} << verdict;
    return holds ? 0 : 1;
}

}  // namespace muster::simulation
