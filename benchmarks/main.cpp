// SPDX-License-Identifier: MIT

// muster_benchmarks [AREA] [--json FILE] [--plots DIR] [--trace FILE]...: measures, prints a table, and writes the same
// figures as JSON and as charts.

#include <sched.h>

#include <array>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <CLI/CLI.hpp>

#include <support/areas.hpp>
#include <support/plots.hpp>
#include <support/report.hpp>

namespace {

using namespace muster;
using bench::row;
using bench::settings;

struct area {
    void (*add_cases)(settings const&);
    std::vector<row> (*conclude)(settings const&, std::vector<row> const& measured);  // nullptr: nothing to add
};
std::map<std::string, area> const areas{
    {"cache", {bench::register_cache, bench::conclude_cache}},
    {"identity", {[](settings const&) { bench::register_identity(); }, nullptr}},
    {"sync", {[](settings const&) { bench::register_sync(); }, nullptr}},
    {"musig2", {[](settings const&) { bench::register_musig2(); }, nullptr}},
    {"net",
     {[](settings const&) { bench::register_net(); },
      [](settings const&, std::vector<row> const& measured) { return bench::conclude_net(measured); }}},
    {"gossip",
     {[](settings const&) { bench::register_gossip(); },
      [](settings const&, std::vector<row> const& measured) { return bench::conclude_gossip(measured); }}},
    {"signing", {[](settings const&) { bench::register_signing(); }, nullptr}},
    {"discovery", {[](settings const&) { bench::register_discovery(); }, bench::conclude_discovery}},
    {"feed", {[](settings const&) { bench::register_feed(); }, bench::conclude_feed}},
    {"sim", {[](settings const&) { bench::register_sim(); }, nullptr}},
};

struct command_line {
    std::string area, json, plots;
    settings of_areas;
};

/// Everything, processes that are started included, runs on one core: what is compared shares its caches and clock.
void stay_on_this_core() {
    cpu_set_t set;
    CPU_ZERO(&set);
    auto const core = ::sched_getcpu();
    if (core < 0) return;
    CPU_SET(static_cast<unsigned>(core), &set);
    (void)::sched_setaffinity(0, sizeof set, &set);  // a wish; where it is forbidden the figures are noisier
}

/// Google Benchmark takes its options as a command line. Interleaved, the figures that are compared with one
/// another see the same machine, whatever else runs on it.
void configure() {
    std::string program = "muster_benchmarks", interleaved = "--benchmark_enable_random_interleaving=true";
    std::array<char*, 3> arguments{program.data(), interleaved.data(), nullptr};
    int count = 2;
    benchmark::Initialize(&count, arguments.data());
}

int run(command_line const& line) {
    std::ofstream json;
    if (!line.json.empty()) {
        json.open(line.json);
        if (!json) {
            std::cerr << "cannot write " << line.json << '\n';
            return 1;
        }
    }
    stay_on_this_core();
    configure();
    auto const for_each_area = [&](auto f) {
        for (auto const& [name, a] : areas) {
            if (line.area.empty() || line.area == name) f(a);
        }
    };
    for_each_area([&](area const& a) { a.add_cases(line.of_areas); });
    bench::collector figures;
    std::cerr << "measuring " << (line.area.empty() ? "everything" : line.area) << "; the table comes at the end\n";
    benchmark::RunSpecifiedBenchmarks(&figures);
    auto rows = figures.rows();
    for_each_area([&](area const& a) {
        if (a.conclude == nullptr) return;
        auto const more = a.conclude(line.of_areas, figures.rows());
        rows.insert(rows.end(), more.begin(), more.end());
    });
    rows = bench::with_ratios(rows);
    bench::print_table(std::cout, rows);
    if (json.is_open()) bench::print_json(json, rows);
    if (!line.plots.empty()) bench::write_plots(line.plots, rows);
    return figures.failed() || !json ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Measures muster beside the calls it rests on."};
    command_line line;
    app.add_option("area", line.area, "what to measure; everything when absent")
        ->check(CLI::IsMember(areas))
        ->type_name("AREA");
    app.add_option("--json", line.json, "where to write the figures as JSON")->type_name("FILE");
    app.add_option("--plots", line.plots, "a directory to write charts to, as SVG")->type_name("DIR");
    app.add_option("--trace", line.of_areas.traces,
                   "requests to replay too: xz or plain big-endian 32-bit ids, or .txt")
        ->type_name("FILE")
        ->expected(1)
        ->take_all();
    CLI11_PARSE(app, argc, argv);
    return run(line);
} catch (std::exception const& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
