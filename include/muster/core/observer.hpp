// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The one seam for counters, gauges, histograms and log lines.
///
/// Compositions tell an observer what passes their boundary; machines know nothing of it. `null_observer` is empty, and
/// what is told to it is not even computed; `recording_observer` is for tests; `line_observer` writes log lines. Names
/// are literals such as `frames_received_total`, as Prometheus wants them.

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>

namespace muster {

/// How much a log line matters.
MUSTER_ENUMERATION(log_level, 0, debug, info, warning, error);

/// Is told what happens.
///
/// Semantics: `count(name, by)` adds to what only grows; `gauge(name, value)` says how much there is; `measure(name,
/// value)` adds one value to a distribution, in the unit that the name ends with; `wants(level)` says whether lines of
/// that level are read at all, so that others need not be made; `log(level, line)` takes one, in printable ASCII.
/// Names live as long as the program. No function throws or calls back. O(log names) at most.
template <class O>
concept observer = requires(O& o, std::string_view name, std::uint64_t by, double value, log_level level) {
    o.count(name, by);
    o.gauge(name, value);
    o.measure(name, value);
    { o.wants(level) } -> std::convertible_to<bool>;
    o.log(level, name);
};

/// Tells apart the series of one name, such as requests by their outcome. Both are literals.
struct label {
    std::string_view name;
    std::string_view value;
};
/// The labels of a series, in the order in which its name is documented with them.
using labels = std::initializer_list<label>;

/// Counts and measures under labels; an observer that knows of none is told the name alone. An observer that does has
/// the same functions with labels after the name. @{
template <observer O>
void count_with(O& o, std::string_view name, labels by_what, std::uint64_t by = 1) {
    if constexpr (requires { o.count(name, by_what, by); }) {
        o.count(name, by_what, by);
    } else {
        o.count(name, by);
    }
}
template <observer O>
void measure_with(O& o, std::string_view name, labels by_what, double value) {
    if constexpr (requires { o.measure(name, by_what, value); }) {
        o.measure(name, by_what, value);
    } else {
        o.measure(name, value);
    }
}
template <observer O>
void gauge_with(O& o, std::string_view name, labels by_what, double value) {
    if constexpr (requires { o.gauge(name, by_what, value); }) {
        o.gauge(name, by_what, value);
    } else {
        o.gauge(name, value);
    }
}
/// @}

/// Looks away. Takes no space as a member with `[[no_unique_address]]`, and no time.
struct null_observer {
    constexpr void count(std::string_view, std::uint64_t) const noexcept {}
    constexpr void gauge(std::string_view, double) const noexcept {}
    constexpr void measure(std::string_view, double) const noexcept {}
    [[nodiscard]] static constexpr bool wants(log_level) noexcept { return false; }
    constexpr void log(log_level, std::string_view) const noexcept {}
};
static_assert(observer<null_observer>);

/// Remembers everything, without a bound: for tests. Not thread-safe.
class recording_observer {
public:
    void count(std::string_view name, std::uint64_t by) { counters_[name] += by; }
    void gauge(std::string_view name, double value) { gauges_[name] = value; }
    void measure(std::string_view name, double value) { measured_[name].push_back(value); }
    [[nodiscard]] static constexpr bool wants(log_level) noexcept { return true; }
    void log(log_level level, std::string_view line) { lines_.emplace_back(level, std::string{line}); }

    /// The sum so far; 0 for what was never counted.
    [[nodiscard]] std::uint64_t counted(std::string_view name) const {
        auto const found = counters_.find(name);
        return found == counters_.end() ? 0 : found->second;
    }
    /// The last value; 0 for what was never set.
    [[nodiscard]] double gauged(std::string_view name) const {
        auto const found = gauges_.find(name);
        return found == gauges_.end() ? 0 : found->second;
    }
    /// All values, in order.
    [[nodiscard]] std::vector<double> measured(std::string_view name) const {
        auto const found = measured_.find(name);
        return found == measured_.end() ? std::vector<double>{} : found->second;
    }
    /// All lines, in order.
    [[nodiscard]] std::vector<std::pair<log_level, std::string>> const& lines() const noexcept { return lines_; }

private:
    std::map<std::string_view, std::uint64_t> counters_;
    std::map<std::string_view, double> gauges_;
    std::map<std::string_view, std::vector<double>> measured_;
    std::vector<std::pair<log_level, std::string>> lines_;
};
static_assert(observer<recording_observer>);

/// Writes lines of a level or above, such as `warning: peer ... was cut`, to a function. Counts nothing.
class line_observer {
public:
    /// @param write  takes one line without its end; must not throw.
    line_observer(log_level from, std::function<void(std::string_view)> write)
        : from_{from}, write_{std::move(write)} {}

    void count(std::string_view, std::uint64_t) const noexcept {}
    void gauge(std::string_view, double) const noexcept {}
    void measure(std::string_view, double) const noexcept {}
    [[nodiscard]] bool wants(log_level level) const noexcept { return level >= from_; }
    void log(log_level level, std::string_view line) {
        if (!wants(level)) return;
        std::string out{to_string(level)};
        out.append(": ").append(line);
        write_(out);
    }

private:
    log_level from_;
    std::function<void(std::string_view)> write_;
};
static_assert(observer<line_observer>);

/// Logs an event or effect with its fields, where somebody reads that level.
template <observer O, class Event>
void log_event(O& o, log_level level, Event const& e) {
    if (o.wants(level)) o.log(level, to_text(e));
}

}  // namespace muster
