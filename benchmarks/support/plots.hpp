// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// From rows to charts.

#include <filesystem>
#include <vector>

#include <support/report.hpp>

namespace muster::bench {

/// Writes one chart for each case whose hit ratios, or nanoseconds, are known for several n: a line for each subject.
/// The files are named after their case. Makes @p directory when there is none; throws what the file system throws.
void write_plots(std::filesystem::path const& directory, std::vector<row> const& rows);

}  // namespace muster::bench
