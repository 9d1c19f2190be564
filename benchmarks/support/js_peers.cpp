// SPDX-License-Identifier: MIT

#include <support/js_peers.hpp>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include <muster/core/error.hpp>

namespace muster::bench {

namespace {

namespace fs = std::filesystem;

constexpr int js_rounds = 3;  // of some ten seconds
constexpr std::string_view subject = "js_libp2p";

/// The measurements of each case, number and metric.
using samples = std::map<std::tuple<std::string, std::size_t, std::string>, std::vector<double>>;

/// One run of node; false when it failed.
[[nodiscard]] bool measure(fs::path const& directory, std::string_view what, samples& all) {
    auto const command =
        text("cd '", directory.string(), "' && node --import ./polyfill.mjs peers.mjs ", std::string{what});
    auto* const pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return false;
    std::string out;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
    if (::pclose(pipe) != 0) return false;
    for (std::size_t at = 0, end = 0; (end = out.find('\n', at)) != out.npos; at = end + 1) {
        auto const line = nlohmann::json::parse(out.substr(at, end - at));
        all[{line.at("case"), line.at("n"), line.at("metric")}].push_back(line.at("value"));
    }
    return true;
}

}  // namespace

std::vector<row> beside_js(std::string_view what, std::vector<row> const& measured) {
    fs::path const directory = MUSTER_BENCH_NODE_LIBP2P;
    samples all;
    bool is_there = fs::exists(directory / "node_modules" / "libp2p");
    for (int round = 0; is_there && round < js_rounds; ++round) is_there = measure(directory, what, all);
    if (!is_there) {
        std::cerr << "no figures of js-libp2p: they need node 20.19, npm, and `npm ci` in " << directory.string()
                  << '\n';
        return {};
    }
    std::vector<row> rows;
    for (auto const& [key, values] : all) {
        auto const& [name, n, metric] = key;
        auto const theirs = median(values);
        rows.push_back(figure(name, n, subject, metric, theirs));
        rows.push_back(figure(name, n, "muster", text("times_as_fast_as_", std::string{subject}),
                              value_of(measured, name, n, "muster", metric) / theirs));
    }
    return rows;
}

}  // namespace muster::bench
