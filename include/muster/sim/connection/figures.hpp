// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The goals that connections have to reach, and how far samples of scenarios.hpp reach them.
///
/// The goals are ours. That of the eclipse, beside Heilman et al. (address_book.hpp): without anchors and buckets an
/// attacker with as many machines owns every connection of a restart.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <muster/sim/connection/scenarios.hpp>

namespace muster::sim::connection {

/// What one seed has shown.
struct sample {
    std::optional<duration> restarted;
    std::size_t eclipsed = 0;  ///< Of eight.
    silence silent;
    std::size_t deaths_by_loss = 0;
    std::size_t deaths_by_stalls = 0;
    std::optional<duration> replaced;
    std::optional<storm_sample> storm;  ///< Of every fiftieth seed: it takes as long as all the others.
};

/// Runs every scenario from @p seed.
[[nodiscard]] inline sample sample_of(std::uint64_t seed) {
    sample out;
    out.restarted = restart(seed);
    out.eclipsed = eclipse(seed);
    out.silent = half_open(seed);
    out.deaths_by_loss = false_deaths(seed, {5, 100}, false);
    out.deaths_by_stalls = false_deaths(seed, {0, 100}, true);
    out.replaced = connection::replaced(seed);
    if (seed % 50 == 1) out.storm = connection::storm(seed);
    return out;
}

/// One goal.
struct figure {
    std::string what;
    bool holds;
};

namespace detail {

[[nodiscard]] inline std::string seconds_text(duration d) {
    auto const tenths = d / std::chrono::milliseconds{100};
    return text(tenths / 10, ".", tenths % 10, " s");
}
/// Durations, some of which have no end.
class spans {
public:
    void add(std::optional<duration> d) { all_.push_back(d.value_or(duration::max())); }
    [[nodiscard]] bool empty() const { return all_.empty(); }
    /// The value below which a share of @p thousandths is.
    [[nodiscard]] duration at(std::size_t thousandths) {
        std::sort(all_.begin(), all_.end());
        return all_[std::min(all_.size() - 1, all_.size() * thousandths / 1000)];
    }
    [[nodiscard]] std::string text_at(std::size_t thousandths) {
        auto const d = at(thousandths);
        return d == duration::max() ? "never" : seconds_text(d);
    }
    [[nodiscard]] std::size_t within(duration most) const {
        return static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), [&](auto d) { return d <= most; }));
    }
    [[nodiscard]] std::size_t size() const { return all_.size(); }

private:
    std::vector<duration> all_;
};

}  // namespace detail

/// What @p all amount to, against the goals. Expects at least one.
[[nodiscard]] inline std::vector<figure> figures_of(std::span<sample const> all) {
    using namespace std::chrono_literals;
    detail::spans restarted, suspected, dead, replaced, back;
    std::size_t eclipsed = 0, taken = 0, by_loss = 0, by_stalls = 0, peak = 0, missing = 0;
    for (auto const& s : all) {
        restarted.add(s.restarted);
        suspected.add(s.silent.suspected);
        dead.add(s.silent.dead);
        replaced.add(s.replaced);
        eclipsed += s.eclipsed == 8 ? 1u : 0u;
        taken += s.eclipsed;
        by_loss += s.deaths_by_loss;
        by_stalls += s.deaths_by_stalls;
        if (!s.storm) continue;
        for (auto const d : s.storm->back) back.add(d);
        peak = std::max(peak, s.storm->peak);
        missing += s.storm->missing;
    }
    auto const n = all.size();
    auto const node_hours = 2 * n;  // two machines for an hour
    std::vector<figure> out;
    auto const say = [&](bool holds, auto const&... parts) { out.push_back({text(parts...), holds}); };
    say(restarted.within(15s) * 100 >= n * 95,
        "restart: 4 connections out of 100 stored peers, half of them gone, within "
        "15 s in ",
        restarted.within(15s), " of ", n, " (95 %); median ", restarted.text_at(500), ", p99 ", restarted.text_at(990));
    say(eclipsed * 200 <= n,
        "eclipse: all 8 connections of a restart are the attacker's, who has a fifth of all "
        "identities in 32 groups, in ",
        eclipsed, " of ", n, " (0.5 %); his are ", taken * 100 / (8 * n), " % of all");
    say(suspected.at(990) <= 30s && dead.at(990) <= 60s, "half-open: suspected after ", suspected.text_at(990),
        " (30 s), given up after ", dead.text_at(990), " (60 s), p99");
    say(by_loss * 1000 <= node_hours, "false deaths: ", by_loss, " in ", node_hours,
        " node-hours with 5 % loss (1 in 1,000)");
    say(by_stalls * 100 <= node_hours, "false deaths: ", by_stalls, " in ", node_hours,
        " node-hours with 2 % stalled for 20 s (1 in 100)");
    say(replaced.at(1000) <= 60s, "replaced: 4 of 8 connections end, all places are filled again after ",
        replaced.text_at(1000), " at most (60 s: two looks)");
    if (!back.empty()) {
        say(peak <= 60 && missing == 0 && back.at(990) <= 90s,
            "outage: of 1,000 clients of a machine that takes 50 a "
            "second, p99 is back after ",
            back.text_at(990), " (90 s), all but ", missing, "; at most ", peak, " dials in a second (60)");
    }
    return out;
}

}  // namespace muster::sim::connection
