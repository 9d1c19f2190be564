// SPDX-License-Identifier: MIT

#include <support/plots.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <muster/core/error.hpp>
#include <support/svg.hpp>

namespace muster::bench {

namespace {

/// How a metric is drawn.
struct drawn_metric {
    std::string_view metric;
    std::string_view x_label;
    std::string_view y_label;
    bool y_logarithmic;
};
constexpr std::array drawn_metrics{
    drawn_metric{"hit_ratio", "capacity, entries", "hit ratio", false},
    drawn_metric{"ns", "entries", "ns per call", true},
};

[[nodiscard]] bool has_several_x(chart const& c) {
    return std::any_of(c.lines.begin(), c.lines.end(), [](chart_line const& l) { return l.points.size() > 1; });
}

void write(std::filesystem::path const& path, std::string const& content) {
    std::ofstream file{path};
    file.exceptions(std::ios::failbit | std::ios::badbit);
    file << content << std::flush;
}

}  // namespace

void write_plots(std::filesystem::path const& directory, std::vector<row> const& rows) {
    std::filesystem::create_directories(directory);
    for (auto const& m : drawn_metrics) {
        std::map<std::string, std::map<std::string, chart_line>> cases;  // by case, then by subject
        for (auto const& r : rows) {
            if (r.metric != m.metric) continue;
            auto& line = cases[r.name][r.subject];
            line.name = r.subject;
            line.points.emplace_back(static_cast<double>(r.n), r.value);
        }
        for (auto& [name, lines] : cases) {
            chart c{name, std::string{m.x_label}, std::string{m.y_label}, m.y_logarithmic, {}};
            for (auto& [subject, line] : lines) {
                std::sort(line.points.begin(), line.points.end());
                c.lines.push_back(std::move(line));
            }
            if (!has_several_x(c)) continue;
            auto file = name;
            std::replace(file.begin(), file.end(), '/', '_');
            write(directory / (file + ".svg"), to_svg(c));
        }
    }
}

}  // namespace muster::bench
