// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// From Google Benchmark's runs to rows, to a table and to JSON.

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

namespace muster::bench {

/// One figure.
struct row {
    std::string name;     ///< `case` in JSON: area and operation, as in `musig2/key_agg`.
    std::size_t n = 0;    ///< Signers, peers, entries: what the case says.
    std::string subject;  ///< `muster`, or the named thing it is compared with.
    std::string metric;   ///< What was measured, e.g. `cpu_us`.
    std::string unit;     ///< Of the value.
    double value = 0;
};

/// A row whose unit follows from the metric.
[[nodiscard]] row figure(std::string name, std::size_t n, std::string_view subject, std::string_view metric,
                         double value);

/// The value of that row; NaN without one, which then shows in whatever is computed from it.
[[nodiscard]] double value_of(std::vector<row> const& rows, std::string_view name, std::size_t n,
                              std::string_view subject, std::string_view metric);

/// The middle one of an odd number of @p values; expects some.
[[nodiscard]] double median(std::vector<double> values);

/// The least of some values, and the name under which a case has it computed: the collector keeps it in place of the
/// median then. @{
inline constexpr std::string_view least = "least";
[[nodiscard]] double least_of(std::vector<double> const& values);
/// @}

/// Keeps the median of each case's repetitions: its CPU time as `cpu_us`, unless the case has a counter of that
/// name, and every counter as a metric of its own. A counter `subject/metric` belongs to another subject, for what
/// is measured in turns.
class collector final : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(Context const&) override { return true; }
    void ReportRuns(std::vector<Run> const& runs) override;

    [[nodiscard]] std::vector<row> const& rows() const noexcept { return rows_; }
    /// Whether a case gave up.
    [[nodiscard]] bool failed() const noexcept { return failed_; }

private:
    std::vector<row> rows_;
    bool failed_ = false;
};

/// @p rows with one more for each time of muster beside one of another subject: `ratio_to_<subject>`.
[[nodiscard]] std::vector<row> with_ratios(std::vector<row> rows);

/// One line per figure, for people.
void print_table(std::ostream& out, std::vector<row> const& rows);

/// An array of objects with the members `case`, `n`, `subject`, `metric`, `unit` and `value`.
void print_json(std::ostream& out, std::vector<row> const& rows);

}  // namespace muster::bench
