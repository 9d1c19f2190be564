// SPDX-License-Identifier: MIT

// A whole session, proposal to signature, by the coordinators of all signers on one thread: CPU time per signer, beside
// the cryptography that the same session is made of. The difference is what coordination costs, the memory network
// that carries it included. The goal is a ratio of at most 1.10 from three signers on.

#include <ctime>

#include <memory>
#include <string_view>

#include <benchmark/benchmark.h>

#include <support/areas.hpp>
#include <support/co_signers.hpp>
#include <support/session_crypto.hpp>

namespace muster::bench {

namespace {

using benchmark::Counter;

/// The CPU time of this thread in microseconds.
[[nodiscard]] double cpu_now() {
    std::timespec t{};
    crypto::detail::must(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
}

/// Adds the CPU time that @p f takes to @p total, and returns what it returns.
template <class F>
[[nodiscard]] bool timed(double& total, F f) {
    auto const began = cpu_now();
    bool const done = f();
    total += cpu_now() - began;
    return done;
}

/// Co-signers, and the calls that a session of theirs is made of.
template <class Topology>
struct subjects {
    explicit subjects(std::size_t n) : group{n}, calls{group} {}

    co_signers<Topology> group;
    session_crypto<Topology> calls;
};

/// The two take turns, so that whatever disturbs the machine disturbs both.
template <class Topology>
void run_sessions(benchmark::State& state, subjects<Topology>& s) {
    double session = 0, calls = 0;
    auto const frames = s.group.wires.frames_delivered();
    auto const octets = s.group.wires.octets_delivered();
    for (auto _ : state) {
        bool const done = timed(session, [&] { return s.group.sign(); }) && timed(calls, [&] { return s.calls.run(); });
        if (!done) return state.SkipWithError("a session, or one of its calls, failed");
    }
    auto const per_session = [](double total) { return Counter(total, Counter::kAvgIterations); };
    auto const n = static_cast<double>(s.group.size());
    state.counters["cpu_us"] = per_session(session / n);
    state.counters["crypto_sum/cpu_us"] = per_session(calls / n);
    state.counters["messages"] = per_session(static_cast<double>(s.group.wires.frames_delivered() - frames));
    state.counters["bytes"] = per_session(static_cast<double>(s.group.wires.octets_delivered() - octets));
}

template <class Topology>
void add_session(std::string_view name, std::size_t n, std::size_t sessions_before = 1) {
    auto const both = std::make_shared<subjects<Topology>>(n);
    for (std::size_t i = 0; i < sessions_before; ++i) crypto::detail::must(both->group.sign());
    add_case(name, n, "muster", [both](benchmark::State& state) { run_sessions(state, *both); })
        ->MinTime(0.05)
        ->Repetitions(n < 100 ? 11 : 5);
}

}  // namespace

void register_signing() {
    for (std::size_t const n : {2u, 3u, 10u, 30u, 100u}) {
        add_session<signing::mesh>("signing/mesh", n);
        add_session<signing::aggregator>("signing/aggregator", n);
    }
    // As above, when every coordinator remembers as many closed sessions as it may.
    add_session<signing::mesh>("signing/mesh_after_256", 3, signing::limits{}.closed_sessions_max);
    register_signing_memory();
}

}  // namespace muster::bench
