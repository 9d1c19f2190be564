// SPDX-License-Identifier: MIT

#include <support/svg.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string_view>

#include <muster/core/error.hpp>

namespace muster::bench {

namespace {

// The picture, in pixels: the plot, and the legend to its right.
constexpr double width = 900, height = 520, left = 80, right = 660, top = 50, bottom = 460;

// Eight hues that colour-blind people tell apart (Okabe and Ito, 2008), without their yellow, which is too pale for a
// line; then dashes.
constexpr std::array<std::string_view, 7> colours{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                  "#e69f00", "#56b4e9", "#000000"};

/// At most two decimals, and none that are 0.
[[nodiscard]] std::string number(double v) {
    std::array<char, 32> digits{};
    auto const size = std::snprintf(digits.data(), digits.size(), "%.2f", v);
    std::string s{digits.data(), static_cast<std::size_t>(size)};
    s.erase(s.find_last_not_of('0') + 1);
    if (s.back() == '.') s.pop_back();
    return s;
}

/// A value beside an axis: 20k, 1.5M.
[[nodiscard]] std::string tick_text(double v) {
    if (v >= 1e6) return number(v / 1e6) + "M";
    if (v >= 1e3) return number(v / 1e3) + "k";
    return number(v);
}

[[nodiscard]] std::string escaped(std::string_view in) {
    std::string out;
    for (char const c : in) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string{c};
    return out;
}

/// From values to pixels.
class axis {
public:
    axis(double least, double most, double from, double to, bool logarithmic)
        : least_{least}, most_{most}, from_{from}, to_{to}, logarithmic_{logarithmic} {}

    [[nodiscard]] double at(double v) const {
        return from_ + (to_ - from_) * (scaled(v) - scaled(least_)) / (scaled(most_) - scaled(least_));
    }
    /// Round values for marks: 1, 2 and 5 times powers of ten, or only powers when there are many; or even steps.
    [[nodiscard]] std::vector<double> ticks() const {
        std::vector<double> all;
        if (!logarithmic_) {
            auto const step = round_step((most_ - least_) / 6);
            for (int i = 0; least_ + i * step <= most_ * 1.0001; ++i) all.push_back(least_ + i * step);
            return all;
        }
        bool const many = scaled(most_) - scaled(least_) > 3;
        for (auto power = std::floor(scaled(least_)); power <= scaled(most_); ++power) {
            for (double const factor : {1.0, 2.0, 5.0}) {
                auto const v = factor * std::pow(10, power);
                if (v < least_ * 0.999 || v > most_ * 1.001 || (many && factor != 1)) continue;
                all.push_back(v);
            }
        }
        return all;
    }

private:
    [[nodiscard]] double scaled(double v) const { return logarithmic_ ? std::log10(v) : v; }
    [[nodiscard]] static double round_step(double rough) {
        auto const power = std::pow(10, std::floor(std::log10(rough)));
        for (double const factor : {1.0, 2.0, 5.0}) {
            if (rough <= factor * power) return factor * power;
        }
        return 10 * power;
    }

    double least_, most_, from_, to_;
    bool logarithmic_;
};

struct range {
    double least = std::numeric_limits<double>::max();
    double most = 0;
    void include(double v) {
        least = std::min(least, v);
        most = std::max(most, v);
    }
};

[[nodiscard]] std::string label(double x, double y, std::string_view anchor, std::string_view what) {
    return text("<text x=\"", number(x), "\" y=\"", number(y), "\" text-anchor=\"", anchor, "\">", escaped(what),
                "</text>\n");
}
[[nodiscard]] std::string stroke(double x1, double y1, double x2, double y2, std::string_view style) {
    return text("<line x1=\"", number(x1), "\" y1=\"", number(y1), "\" x2=\"", number(x2), "\" y2=\"", number(y2),
                "\" ", style, "/>\n");
}

[[nodiscard]] std::string draw_axes(chart const& c, axis const& x, axis const& y) {
    std::string out;
    constexpr std::string_view grid = "stroke=\"#ddd\"";
    for (auto const v : x.ticks()) {
        out += stroke(x.at(v), top, x.at(v), bottom, grid) + label(x.at(v), bottom + 18, "middle", tick_text(v));
    }
    for (auto const v : y.ticks()) {
        out += stroke(left, y.at(v), right, y.at(v), grid) + label(left - 8, y.at(v) + 4, "end", tick_text(v));
    }
    constexpr std::string_view black = "stroke=\"#333\"";
    out += stroke(left, bottom, right, bottom, black) + stroke(left, top, left, bottom, black);
    out += label((left + right) / 2, bottom + 44, "middle", c.x_label);
    out += text("<text transform=\"translate(22,", number((top + bottom) / 2),
                ") rotate(-90)\" text-anchor=\"middle\">", escaped(c.y_label), "</text>\n");
    return out + text("<text x=\"", number(left), "\" y=\"28\" font-size=\"17\">", escaped(c.title), "</text>\n");
}

[[nodiscard]] std::string draw_line(chart_line const& line, std::size_t i, axis const& x, axis const& y) {
    auto const style = text("stroke=\"", colours[i % colours.size()], "\" stroke-width=\"2\"",
                            i < colours.size() ? "" : " stroke-dasharray=\"6 3\"");
    std::string points, marks;
    for (auto const& [px, py] : line.points) {
        points += text(number(x.at(px)), ",", number(y.at(py)), " ");
        marks += text("<circle cx=\"", number(x.at(px)), "\" cy=\"", number(y.at(py)), "\" r=\"3\" fill=\"",
                      colours[i % colours.size()], "\"/>\n");
    }
    auto const legend_y = top + 10 + 24 * static_cast<double>(i);
    return text("<polyline fill=\"none\" points=\"", points, "\" ", style, "/>\n", marks,
                stroke(right + 20, legend_y, right + 50, legend_y, style),
                label(right + 58, legend_y + 4, "start", line.name));
}

}  // namespace

std::string to_svg(chart const& c) {
    range xs, ys;
    for (auto const& line : c.lines) {
        for (auto const& [x, y] : line.points) {
            xs.include(x);
            ys.include(y);
        }
    }
    if (xs.least == xs.most) xs.most *= 10;
    axis const x{xs.least, xs.most, left, right, true};
    axis const y{c.y_logarithmic ? ys.least / 1.3 : 0, c.y_logarithmic ? ys.most * 1.3 : std::max(ys.most * 1.05, 1e-9),
                 bottom, top, c.y_logarithmic};
    auto out = text("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", number(width), " ", number(height),
                    "\" width=\"", number(width), "\" height=\"", number(height),
                    "\" font-family=\"sans-serif\" font-size=\"13\">\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
    out += draw_axes(c, x, y);
    for (std::size_t i = 0; i < c.lines.size(); ++i) out += draw_line(c.lines[i], i, x, y);
    return out + "</svg>\n";
}

}  // namespace muster::bench
