// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keeps what observers are told, and shows it as Prometheus reads it.
///
/// Only families that the registry was made with are kept, and of each so many series: a label that takes its values
/// from outside cannot fill the memory. What is not kept is counted, under a name of its own.
///
///     metrics::registry all;
///     client it{{..., .observer = all.observer()}};
///     all.to_text();  // for GET /metrics
///
/// @see Prometheus, "Exposition formats", text format version 0.0.4.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/observer.hpp>
#include <muster/metrics/families.hpp>

namespace muster::metrics {

/// The values of all series. Not thread-safe; outlives the observers that it gives away.
class registry {
public:
    static constexpr std::size_t series_max = 256;  ///< Of one family; further ones are counted as dropped. Ours.
    static constexpr std::string_view dropped_name = "metrics_dropped_total";

    /// Of one series.
    struct values {
        double value = 0;  ///< Of a histogram the sum.
        std::uint64_t measured = 0;
        std::array<std::uint64_t, bucket_bounds.size()> buckets = {};  ///< Cumulative, as they are shown.
    };
    /// In the order of the family's labels.
    using label_values = std::array<std::string, 2>;

    /// Tells the registry. Small, and copied freely; models muster::observer.
    class handle {
    public:
        handle() = default;  ///< Tells nobody.
        explicit handle(registry& of) noexcept : of_{&of} {}
        void count(std::string_view name, std::uint64_t by) const { count(name, {}, by); }
        void gauge(std::string_view name, double value) const { gauge(name, {}, value); }
        void measure(std::string_view name, double value) const { measure(name, {}, value); }
        void count(std::string_view name, muster::labels by_what, std::uint64_t by) const {
            if (auto* const s = series_of(name, type::counter, by_what)) s->value += static_cast<double>(by);
        }
        void gauge(std::string_view name, muster::labels by_what, double value) const {
            if (auto* const s = series_of(name, type::gauge, by_what)) s->value = value;
        }
        void measure(std::string_view name, muster::labels by_what, double value) const {
            auto* const s = series_of(name, type::histogram, by_what);
            if (s == nullptr || !std::isfinite(value)) return;
            s->value += value;
            ++s->measured;
            for (std::size_t i = 0; i < bucket_bounds.size(); ++i) s->buckets[i] += value <= bucket_bounds[i] ? 1u : 0u;
        }
        [[nodiscard]] static constexpr bool wants(log_level) noexcept { return false; }
        void log(log_level, std::string_view) const noexcept {}

    private:
        [[nodiscard]] values* series_of(std::string_view name, type t, muster::labels by_what) const {
            return of_ == nullptr ? nullptr : of_->find(name, t, by_what);
        }
        registry* of_ = nullptr;
    };

    /// @param known  borrowed for the registry's life; muster's own where nothing is said.
    explicit registry(std::span<family const> known = families) {
        for (auto const& f : known) {
            auto& kept = families_[f.name];
            kept.what = f;
            if (f.labels[0].empty()) kept.series[{}];  // shown from the beginning, at 0
        }
    }
    registry(registry const&) = delete;
    registry& operator=(registry const&) = delete;

    [[nodiscard]] handle observer() noexcept { return handle{*this}; }
    /// What was told and not kept.
    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
    /// The sum over all series of @p name; of a histogram, how often it was measured; 0 for what is not known.
    [[nodiscard]] double total(std::string_view name) const {
        double out = 0;
        if (auto const found = families_.find(name); found != families_.end()) {
            for (auto const& [by, s] : found->second.series) {
                out += found->second.what.type == type::histogram ? static_cast<double>(s.measured) : s.value;
            }
        }
        return out;
    }
    /// Calls @p f(family, series) for each family, in the order of their names, and at last for what was dropped; of
    /// the series, each is a pair of @ref label_values and @ref values.
    template <class F>
    void each_family(F f) const {
        for (auto const& [name, kept] : families_) f(kept.what, kept.series);
        f(dropped_family, series_map{{{}, {static_cast<double>(dropped_), 0, {}}}});
    }
    /// All of it, as text. O(series).
    [[nodiscard]] std::string to_text() const {
        std::string out;
        each_family([&](family const& f, series_map const& series) {
            head(out, f);
            for (auto const& [by, s] : series) {
                f.type == type::histogram ? histogram(out, f, by, s) : line(out, f.name, pairs(f, by), s.value);
            }
        });
        return out;
    }

private:
    using series_map = std::map<label_values, values>;
    struct kept_family {
        family what;
        series_map series;
    };
    static constexpr family dropped_family{
        dropped_name, type::counter, "What was told of unknown metrics, or of too many series.", {}};

    [[nodiscard]] values* find(std::string_view name, type t, muster::labels by_what) {
        auto const found = families_.find(name);
        if (found == families_.end() || found->second.what.type != t) return drop();
        auto& f = found->second;
        label_values by;
        for (auto const& l : by_what) {
            auto const at = std::find(f.what.labels.begin(), f.what.labels.end(), l.name);
            if (at == f.what.labels.end() || l.name.empty()) return drop();
            by[static_cast<std::size_t>(at - f.what.labels.begin())] = l.value;
        }
        if (auto const s = f.series.find(by); s != f.series.end()) return &s->second;
        if (f.series.size() >= series_max) return drop();
        return &f.series[by];
    }
    [[nodiscard]] values* drop() noexcept {
        ++dropped_;
        return nullptr;
    }

    // ---- text -------------------------------------------------------------------------------------------

    static void head(std::string& out, family const& f) {
        out.append("# HELP ").append(f.name).append(" ").append(f.help).append("\n");
        out.append("# TYPE ").append(f.name).append(" ").append(to_string(f.type)).append("\n");
    }
    static void line(std::string& out, std::string_view name, std::string const& by, double value) {
        out.append(name);
        if (!by.empty()) out.append("{").append(by).append("}");
        out.append(" ").append(number(value)).append("\n");
    }
    static void histogram(std::string& out, family const& f, label_values const& by, values const& s) {
        auto const shared = pairs(f, by);
        auto const bucket = [&](std::string_view bound, std::uint64_t count) {
            std::string const comma = shared.empty() ? "" : ",";
            line(out, std::string{f.name}.append("_bucket"),
                 std::string{shared}.append(comma).append("le=\"").append(bound).append("\""),
                 static_cast<double>(count));
        };
        for (std::size_t i = 0; i < bucket_bounds.size(); ++i) bucket(number(bucket_bounds[i]), s.buckets[i]);
        bucket("+Inf", s.measured);
        line(out, std::string{f.name}.append("_sum"), shared, s.value);
        line(out, std::string{f.name}.append("_count"), shared, static_cast<double>(s.measured));
    }
    [[nodiscard]] static std::string pairs(family const& f, label_values const& by) {
        std::string out;
        for (std::size_t i = 0; i < by.size() && !f.labels[i].empty(); ++i) {
            if (i != 0) out.append(",");
            out.append(f.labels[i]).append("=\"").append(escaped(by[i])).append("\"");
        }
        return out;
    }
    [[nodiscard]] static std::string escaped(std::string_view value) {
        std::string out;
        for (char const c : value) {
            if (c == '\\' || c == '"') out.push_back('\\');
            if (c == '\n') {
                out.append("\\n");
            } else {
                out.push_back(c);
            }
        }
        return out;
    }
    /// The shortest decimal that reads as the same number, whatever the locale.
    [[nodiscard]] static std::string number(double value) {
        if (std::isnan(value)) return "NaN";
        if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
        std::array<char, 32> text{};
        auto const end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
        return {text.data(), end};
    }

    std::map<std::string_view, kept_family> families_;
    std::uint64_t dropped_ = 0;
};
static_assert(observer<registry::handle>);

}  // namespace muster::metrics
