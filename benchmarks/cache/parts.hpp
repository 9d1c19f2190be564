// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the area `cache` is made of. See area.cpp, and the comment at the head of each file.

#include <vector>

#include <cache/traces.hpp>
#include <support/report.hpp>

namespace muster::bench {

/// Each registers cases with Google Benchmark. @{
void register_speed();
void register_seen_cache();
void register_replay(std::vector<trace> const& traces);
void register_expiry();
/// @}

/// Each computes figures. @{
[[nodiscard]] std::vector<row> hit_ratios(std::vector<trace> const& traces);
[[nodiscard]] std::vector<row> node_comparison();
[[nodiscard]] std::vector<row> floods();
[[nodiscard]] std::vector<row> allocations();
[[nodiscard]] std::vector<row> collisions();
[[nodiscard]] std::vector<row> compile_times();
/// @}

/// Each derives figures from those that were measured. @{
[[nodiscard]] std::vector<row> replay_ratios(std::vector<row> const& measured);
[[nodiscard]] std::vector<row> expiry_costs(std::vector<row> const& measured);
/// @}

}  // namespace muster::bench
