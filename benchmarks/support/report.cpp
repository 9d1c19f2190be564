// SPDX-License-Identifier: MIT

#include <support/report.hpp>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <string_view>
#include <tuple>

#include <nlohmann/json.hpp>

namespace muster::bench {

namespace {

constexpr std::string_view cpu_metric = "cpu_us";
constexpr std::string_view call_metric = "ns";  // of one call, where many are measured together

[[nodiscard]] std::string unit_of(std::string_view metric) {
    if (metric.ends_with("_us")) return "us";
    if (metric.ends_with("octets")) return "octets";
    if (metric.ends_with("mb_per_s")) return "MB/s";
    if (metric.ends_with("_per_s")) return "1/s";
    return std::string{metric};  // messages, octets: counted in themselves
}

/// Takes `area/operation/n/subject` apart.
[[nodiscard]] row named(std::string const& name) {
    auto const last = name.rfind('/');
    auto const before = name.rfind('/', last - 1);
    row r;
    r.name = name.substr(0, before);
    r.n = std::stoul(name.substr(before + 1, last - before - 1));
    r.subject = name.substr(last + 1);
    return r;
}

}  // namespace

void collector::ReportRuns(std::vector<Run> const& runs) {
    for (auto const& run : runs) {
        if (run.error_occurred) {
            std::cerr << run.benchmark_name() << ": " << run.error_message << '\n';
            failed_ = true;
        }
        if (run.run_type != Run::RT_Aggregate || run.aggregate_name != "median") continue;
        auto const add = [&, base = named(run.run_name.function_name)](std::string_view metric, double value) {
            auto r = base;
            if (auto const slash = metric.find('/'); slash != metric.npos) {
                r.subject = metric.substr(0, slash);
                metric.remove_prefix(slash + 1);
            }
            r.metric = metric;
            r.unit = unit_of(metric);
            r.value = value;
            rows_.push_back(std::move(r));
        };
        bool const timed =
            run.counters.count(std::string{cpu_metric}) + run.counters.count(std::string{call_metric}) != 0;
        if (!timed) add(cpu_metric, run.GetAdjustedCPUTime());
        for (auto const& [metric, counter] : run.counters) add(metric, counter.value);
    }
}

std::vector<row> with_ratios(std::vector<row> rows) {
    auto const order = [](row const& r) { return std::tie(r.name, r.n, r.subject, r.metric); };
    std::vector<row> ratios;
    for (auto const& peer : rows) {
        if ((peer.metric != cpu_metric && peer.metric != call_metric) || peer.subject == "muster") continue;
        for (auto const& ours : rows) {
            if (ours.subject != "muster" || ours.metric != peer.metric) continue;
            if (ours.name != peer.name || ours.n != peer.n) continue;
            auto const ratio = ours.value / peer.value;
            ratios.push_back({ours.name, ours.n, ours.subject, "ratio_to_" + peer.subject, "1", ratio});
        }
    }
    rows.insert(rows.end(), ratios.begin(), ratios.end());
    std::sort(rows.begin(), rows.end(), [&](row const& a, row const& b) { return order(a) < order(b); });
    return rows;
}

void print_table(std::ostream& out, std::vector<row> const& rows) {
    out << std::left << std::setw(28) << "case" << std::right << std::setw(9) << "n"
        << "  " << std::left << std::setw(22) << "subject" << std::setw(30) << "metric" << std::right << std::setw(14)
        << "value"
        << "  unit\n";
    std::string_view previous;
    for (auto const& r : rows) {
        if (!previous.empty() && previous != r.name) out << '\n';
        previous = r.name;
        out << std::left << std::setw(28) << r.name << std::right << std::setw(9) << r.n << "  " << std::left
            << std::setw(22) << r.subject << std::setw(30) << r.metric << std::right << std::setw(14) << std::fixed
            << std::setprecision(2) << r.value << "  " << r.unit << '\n';
    }
}

void print_json(std::ostream& out, std::vector<row> const& rows) {
    auto array = nlohmann::ordered_json::array();
    for (auto const& r : rows) {
        array.push_back({{"case", r.name},
                         {"n", r.n},
                         {"subject", r.subject},
                         {"metric", r.metric},
                         {"unit", r.unit},
                         {"value", r.value}});
    }
    out << array.dump(2) << '\n';
}

}  // namespace muster::bench
