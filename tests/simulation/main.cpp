// SPDX-License-Identifier: MIT

// Simulated groups, one per seed, of the area that is named; see the files beside this one.

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include <muster/sim/explore.hpp>
#include <muster/sim/faults.hpp>

#include <simulation/each_seed.hpp>
#include <simulation/settings.hpp>

namespace {

using namespace muster;
using simulation::settings;

sim::outcome run(std::uint64_t seed, settings const& s) {
    if (s.area == "gossip") return simulation::run_gossip(seed, s);
    if (s.area == "feed") return simulation::run_feed(seed, s);
    if (s.area == "stack") return simulation::run_stack(seed, s);
    return simulation::run_signing(seed, s);
}

/// Of a failure the first word comes at once.
std::vector<sim::outcome> run_all(settings const& s) {
    return simulation::each_seed(s, [&](std::uint64_t seed) {
        auto out = run(seed, s);
        if (out.failure) std::fputs(text("seed ", seed, " fails ", *out.failure, "\n").c_str(), stderr);
        return out;
    });
}

}  // namespace

int main(int count, char** arguments) {
    simulation::settings s;
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
    app.add_option("--attack", s.attack, "What attackers of a gossiping network do")
        ->check(CLI::IsMember(simulation::attacks()));
    app.add_option("--nodes", s.nodes, "Of a gossiping network")->check(CLI::Range(20u, 10'000u));
    app.add_option("--verdict", s.verdict, "A file for the last line");
    app.add_flag("--trace", s.trace, "Say what happens, on one thread");
    CLI11_PARSE(app, count, arguments);

    if (s.area == "connection") return simulation::measure_connections(s);
    if (s.area == "sync") return simulation::measure_sync(s);
    if (s.area == "guardians") return simulation::measure_guardians(s);
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
