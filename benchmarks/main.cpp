// SPDX-License-Identifier: MIT

// muster_benchmarks [AREA] [--json FILE]: measures, prints a table, and writes the same figures as JSON.

#include <array>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include <benchmark/benchmark.h>
#include <CLI/CLI.hpp>

#include <support/areas.hpp>
#include <support/report.hpp>

namespace {

using namespace muster;

std::map<std::string, void (*)()> const areas{{"cache", bench::register_cache},
                                              {"musig2", bench::register_musig2},
                                              {"net", bench::register_net},
                                              {"signing", bench::register_signing}};

/// Google Benchmark takes its options as a command line. Interleaved, the figures that are compared with one
/// another see the same machine, whatever else runs on it.
void configure() {
    std::string program = "muster_benchmarks", interleaved = "--benchmark_enable_random_interleaving=true";
    std::array<char*, 3> arguments{program.data(), interleaved.data(), nullptr};
    int count = 2;
    benchmark::Initialize(&count, arguments.data());
}

int run(std::string const& area, std::string const& json_path) {
    std::ofstream json;
    if (!json_path.empty()) {
        json.open(json_path);
        if (!json) {
            std::cerr << "cannot write " << json_path << '\n';
            return 1;
        }
    }
    configure();
    for (auto const& [name, add_cases] : areas) {
        if (area.empty() || area == name) add_cases();
    }
    bench::collector figures;
    std::cerr << "measuring " << (area.empty() ? "everything" : area) << "; the table comes at the end\n";
    benchmark::RunSpecifiedBenchmarks(&figures);
    auto const rows = bench::with_ratios(figures.rows());
    bench::print_table(std::cout, rows);
    if (json.is_open()) bench::print_json(json, rows);
    return figures.failed() || !json ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures muster beside the calls it rests on."};
    std::string area, json_path;
    app.add_option("area", area, "what to measure; everything when absent")
        ->check(CLI::IsMember(areas))
        ->type_name("AREA");
    app.add_option("--json", json_path, "where to write the figures as JSON")->type_name("FILE");
    CLI11_PARSE(app, argc, argv);
    return run(area, json_path);
}
