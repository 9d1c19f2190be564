// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Line charts as SVG, over a logarithmic x axis.

#include <string>
#include <utility>
#include <vector>

namespace muster::bench {

/// One line of a chart: points by ascending x, all of them positive.
struct chart_line {
    std::string name;
    std::vector<std::pair<double, double>> points;
};

/// A chart with at least one line, and at least one point on each.
struct chart {
    std::string title;
    std::string x_label;
    std::string y_label;
    bool y_logarithmic = false;  ///< Otherwise from 0 on.
    std::vector<chart_line> lines;
};

/// The chart as a document of its own.
[[nodiscard]] std::string to_svg(chart const& c);

}  // namespace muster::bench
