// SPDX-License-Identifier: MIT

// Simulated groups, one per seed. Of co-signers: even seeds as a mesh, odd ones around an aggregator. Of nodes of the
// whole libp2p stack. Of gossiping nodes: without attackers, or under the attack that is named. Or scenarios of
// connections, of which each seed is a sample; or three days of replicas, or a month of guardians, alike.

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include <muster/sim/connection/figures.hpp>
#include <muster/sim/explore.hpp>
#include <muster/sim/feed/run.hpp>
#include <muster/sim/gossip/run.hpp>
#include <muster/sim/identity/guardian_run.hpp>
#include <muster/sim/signing/run.hpp>
#include <muster/sim/stack/run.hpp>
#include <muster/sim/sync/run.hpp>

#include <support/backend.hpp>

namespace {

using namespace muster;

struct mesh : sim::signing::co_signer_policies {
    using backend = test::backend;
};
struct star : mesh {
    using topology = signing::aggregator;
};

struct settings {
    std::string area = "signing";
    std::uint64_t seeds = 100;
    std::uint64_t from = 1;
    bool trace = false;
    unsigned threads = std::thread::hardware_concurrency();
    std::vector<std::string> without;
    std::string attack = "none";
    sim::host_id nodes = 100;  // that gossip
    std::string verdict;
};

[[nodiscard]] std::vector<sim::gossip::attack> attacks() {
    std::vector<sim::gossip::attack> out;
    for (std::uint8_t i = 0; to_string(static_cast<sim::gossip::attack>(i)) != "unknown"; ++i) {
        out.push_back(static_cast<sim::gossip::attack>(i));
    }
    return out;
}

/// Runs seed @p seed of a room whose runs are @p Run and whose options are @p Options.
template <class Run, class Options>
sim::outcome run(std::uint64_t seed, settings const& s) {
    auto options = Options::from_seed(seed);
    for (auto const& [name, what] : sim::fault_options::all) {
        for (auto const& off : s.without) {
            if (off == name) (options.faults.*what).of = 0;
        }
    }
    Run r{seed, options};
    if (s.trace)
        r.listen([](std::string_view line) { std::printf("%.*s\n", static_cast<int>(line.size()), line.data()); });
    return r.run();
}

/// Runs seed @p seed of a gossiping network. Its faults are its own.
sim::outcome run_gossip(std::uint64_t seed, settings const& s) {
    auto options = sim::gossip::group_options::from_seed(seed);
    options.nodes = s.nodes;
    for (auto const& each : attacks()) {
        if (to_string(each) == s.attack) options = options.under(each);
    }
    sim::gossip::group_run<> r{seed, options};
    if (s.trace)
        r.listen([](std::string_view line) { std::printf("%.*s\n", static_cast<int>(line.size()), line.data()); });
    return r.run();
}

/// Runs seed @p seed of a group of feeds. Its faults are its own.
sim::outcome run_feed(std::uint64_t seed, settings const& s) {
    sim::feed::group_run r{seed, sim::feed::group_options::from_seed(seed)};
    if (s.trace)
        r.listen([](std::string_view line) { std::printf("%.*s\n", static_cast<int>(line.size()), line.data()); });
    return r.run();
}

sim::outcome run(std::uint64_t seed, settings const& s) {
    if (s.area == "gossip") return run_gossip(seed, s);
    if (s.area == "feed") return run_feed(seed, s);
    if (s.area == "stack") return run<sim::stack::group_run, sim::stack::group_options>(seed, s);
    using options = sim::signing::group_options;
    return seed % 2 == 0 ? run<sim::signing::group_run<mesh>, options>(seed, s)
                         : run<sim::signing::group_run<star>, options>(seed, s);
}

/// The seed that a thread is at, for the last words of a program that is killed by what it simulates.
thread_local std::uint64_t seed_here = 0;

void say_the_seed(int signal) {
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

/// Of a failure the first word comes at once.
std::vector<sim::outcome> run_all(settings const& s) {
    return each_seed(s, [&](std::uint64_t seed) {
        auto out = run(seed, s);
        if (out.failure) std::fputs(text("seed ", seed, " fails ", *out.failure, "\n").c_str(), stderr);
        return out;
    });
}

int conclude(settings const& s, bool holds, std::string const& what) {
    auto const verdict = text(holds ? "holds: " : "MISSED: ", what, "\n");
    std::fputs(verdict.c_str(), stdout);
    if (!s.verdict.empty()) std::ofstream{s.verdict} << verdict;
    return holds ? 0 : 1;
}

/// Three days of five replicas for each seed: all end equal, nothing is lost and nothing comes twice.
int measure_sync(settings const& s) {
    auto const all = each_seed(s, [](std::uint64_t seed) { return sim::sync::sync_run{seed, {}}.run(); });
    std::size_t good = 0, conflicts = 0, bytes_sent = 0;
    std::chrono::seconds slowest{0};
    for (std::size_t i = 0; i < all.size(); ++i) {
        auto const& f = all[i];
        good += f.is_good() ? 1u : 0u;
        conflicts += f.conflicts;
        bytes_sent += f.bytes_sent;
        slowest = std::max(slowest, f.healed_in);
        if (!f.is_good()) {
            std::fputs(
                text("seed ", s.from + i, " fails: lost ", f.lost, ", twice ", f.twice, ", unordered ", f.unordered,
                     ", replaced and shown ", f.replaced_shown, ", undercounted ", f.undercounted, ", dead letters ",
                     f.dead_letters, "; replay: ./dev sim sync --seeds 1 --from ", s.from + i, "\n")
                    .c_str(),
                stderr);
        }
    }
    return conclude(
        s, good == all.size(),
        text(good, " of ", all.size(), " groups of 5 replicas are equal after 72 h with 1,000 cuts and 20 crashes, ",
             "clocks wrong by up to 60 s, 5 % lost, repeated or late; 1,000 writes each, ", conflicts,
             " conflicts logged, ", bytes_sent / all.size(), " bytes sent a group, level again within ",
             slowest.count(), " s"));
}

/// A month of guardians for each seed: 999 of 1,000 get everything back.
int measure_guardians(settings const& s) {
    auto const all = each_seed(s, [](std::uint64_t seed) { return sim::identity::guardian_run{seed, {}}.run(); });
    std::size_t recovered = 0, early = 0, reissued = 0, vanished = 0;
    for (auto const& f : all) {
        recovered += f.is_same ? 1u : 0u;
        early += f.released_early;
        reissued += f.reissued;
        vanished += f.vanished;
    }
    return conclude(
        s, recovered * 1000 >= all.size() * 999 && early == 0,
        text(recovered, " of ", all.size(), " owners recover everything after 30 days, 4 of 12 guardians, half of a ",
             "circle of 24 gone (", vanished, " in all), asked each week; ", reissued, " epochs issued again, ", early,
             " shares released before 72 h"));
}

/// Prints the goals of connections, and how far the seeds have reached them.
int measure_connections(settings const& s) {
    auto const samples = each_seed(s, sim::connection::sample_of);
    bool all_hold = true;
    std::string verdict;
    for (auto const& f : sim::connection::figures_of(samples)) {
        all_hold = all_hold && f.holds;
        verdict += text(f.holds ? "holds: " : "MISSED: ", f.what, "\n");
    }
    std::fputs(verdict.c_str(), stdout);
    if (!s.verdict.empty()) std::ofstream{s.verdict} << verdict;
    return all_hold ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
    settings s;
    CLI::App app{"Runs groups of machines through everything that can go wrong, from one seed each."};
    app.add_option(
           "area", s.area,
           "What is simulated: signing (the default); stack, the whole of libp2p byte by byte; connection; gossip; "
           "sync; guardians; or feed")
        ->check(CLI::IsMember({"signing", "stack", "connection", "gossip", "sync", "guardians", "feed"}));
    app.add_option("--seeds", s.seeds, "How many")->check(CLI::PositiveNumber);
    app.add_option("--from", s.from, "The first one");
    app.add_option("--threads", s.threads, "How many at once");
    std::vector<std::string> faults;
    for (auto const& [name, what] : sim::fault_options::all) faults.emplace_back(name);
    app.add_option("--without", s.without, "Switch a fault off")->check(CLI::IsMember(faults));
    std::vector<std::string> known;
    for (auto const each : attacks()) known.emplace_back(to_string(each));
    app.add_option("--attack", s.attack, "What attackers of a gossiping network do")->check(CLI::IsMember(known));
    app.add_option("--nodes", s.nodes, "Of a gossiping network")->check(CLI::Range(20u, 10'000u));
    app.add_option("--verdict", s.verdict, "A file for the last line");
    app.add_flag("--trace", s.trace, "Say what happens, on one thread");
    CLI11_PARSE(app, count, arguments);

    if (s.area == "connection") return measure_connections(s);
    if (s.area == "sync") return measure_sync(s);
    if (s.area == "guardians") return measure_guardians(s);
    auto const outcomes = run_all(s);
    std::string replay = "./dev sim " + s.area + " --seeds 1 --trace ";
    if (s.attack != "none") replay += "--attack " + s.attack + ' ';
    for (auto const& off : s.without) replay += "--without " + off + ' ';
    sim::tally sum{
        [](std::string_view line) { std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data()); },
        replay + "--from "};
    for (std::uint64_t i = 0; i < s.seeds; ++i) sum.add(s.from + i, outcomes[i]);
    if (s.seeds == 1) std::printf("%s\n%s\n", outcomes[0].options.c_str(), outcomes[0].summary.c_str());
    auto const result = sum.result();
    std::printf("%llu events\n%s\n", static_cast<unsigned long long>(result.events), result.to_text().c_str());
    if (!s.verdict.empty()) std::ofstream{s.verdict} << result.to_text() << '\n';
    return result.all_passed() ? 0 : 1;
}
