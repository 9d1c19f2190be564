// SPDX-License-Identifier: MIT

#include <cache/parts.hpp>
#include <support/areas.hpp>

namespace muster::bench {

namespace {

void append(std::vector<row>& rows, std::vector<row> const& more) { rows.insert(rows.end(), more.begin(), more.end()); }

[[nodiscard]] std::vector<trace> recorded_traces(settings const& s) {
    auto all = shipped_traces();
    for (auto const& path : s.traces) all.push_back(read_trace(path));
    return all;
}

}  // namespace

void register_cache(settings const& s) {
    (void)recorded_traces(s);  // a file that cannot be read is found out now, not after minutes
    register_speed();
    register_seen_cache();
    register_replay(shipped_traces());
    register_expiry();
}

std::vector<row> conclude_cache(settings const& s, std::vector<row> const& measured) {
    auto rows = replay_ratios(measured);
    append(rows, expiry_costs(measured));
    append(rows, node_comparison());
    append(rows, allocations());
    append(rows, collisions());
    append(rows, compile_times());
    append(rows, floods());
    auto traces = recorded_traces(s);
    for (auto& t : synthetic_traces()) traces.push_back(std::move(t));
    append(rows, hit_ratios(traces));
    return rows;
}

}  // namespace muster::bench
