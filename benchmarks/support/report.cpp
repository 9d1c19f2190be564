// SPDX-License-Identifier: MIT

#include <support/report.hpp>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

namespace muster::bench {

namespace {

constexpr std::string_view cpu_metric = "cpu_us";
constexpr std::string_view call_metric = "ns";  // of one call, where many are measured together

[[nodiscard]] std::string unit_of(std::string_view metric) {
    if (metric.ends_with("_us")) return "us";
    if (metric == call_metric || metric.ends_with("_ns")) return "ns";
    if (metric.ends_with("_s") && !metric.ends_with("_per_s")) return "s";
    if (metric.ends_with("percent")) return "%";
    if (metric.ends_with("lines")) return "lines";
    if (metric.starts_with("times_") || metric.ends_with("_per_op")) return "1";
    if (metric.ends_with("ratio") || metric.find("ratio_to_") != metric.npos) return "1";
    if (metric.ends_with("bytes")) return "bytes";
    if (metric.ends_with("mb_per_s")) return "MB/s";
    if (metric.ends_with("_per_s")) return "1/s";
    return std::string{metric};  // messages: counted in themselves
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

row figure(std::string name, std::size_t n, std::string_view subject, std::string_view metric, double value) {
    return {std::move(name), n, std::string{subject}, std::string{metric}, unit_of(metric), value};
}

double value_of(std::vector<row> const& rows, std::string_view name, std::size_t n, std::string_view subject,
                std::string_view metric) {
    auto const found = std::find_if(rows.begin(), rows.end(), [&](row const& r) {
        return r.name == name && r.n == n && r.subject == subject && r.metric == metric;
    });
    return found == rows.end() ? std::numeric_limits<double>::quiet_NaN() : found->value;
}

double median(std::vector<double> values) {
    auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

double least_of(std::vector<double> const& values) { return *std::min_element(values.begin(), values.end()); }

void collector::ReportRuns(std::vector<Run> const& runs) {
    bool const has_least =
        std::any_of(runs.begin(), runs.end(), [](Run const& r) { return r.aggregate_name == least; });
    auto const wanted = has_least ? least : std::string_view{"median"};
    for (auto const& run : runs) {
        if (run.error_occurred) {
            std::cerr << run.benchmark_name() << ": " << run.error_message << '\n';
            failed_ = true;
        }
        if (run.run_type != Run::RT_Aggregate || run.aggregate_name != wanted) continue;
        auto const add = [&, base = named(run.run_name.function_name)](std::string_view metric, double value) {
            std::string_view subject = base.subject;
            if (auto const slash = metric.find('/'); slash != metric.npos) {
                subject = metric.substr(0, slash);
                metric.remove_prefix(slash + 1);
            }
            rows_.push_back(figure(base.name, base.n, subject, metric, value));
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
    out << std::left << std::setw(38) << "case" << std::right << std::setw(9) << "n"
        << "  " << std::left << std::setw(26) << "subject" << std::setw(32) << "metric" << std::right << std::setw(14)
        << "value"
        << "  unit\n";
    std::string_view previous;
    for (auto const& r : rows) {
        if (!previous.empty() && previous != r.name) out << '\n';
        previous = r.name;
        out << std::left << std::setw(38) << r.name << std::right << std::setw(9) << r.n << "  " << std::left
            << std::setw(26) << r.subject << std::setw(32) << r.metric << std::right << std::setw(14) << std::fixed
            << std::setprecision(std::abs(r.value) < 10 ? 4 : 2) << r.value << "  " << r.unit << '\n';
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
