// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The only real clock in muster.

#include <chrono>

#include <muster/core/time.hpp>

namespace muster::net {

/// The machine's clocks: monotonic time from `steady_clock`, wall time from `system_clock`. Thread-safe.
struct system_clock {
    [[nodiscard]] instant now() const noexcept {
        return instant{std::chrono::duration_cast<duration>(std::chrono::steady_clock::now().time_since_epoch())};
    }
    [[nodiscard]] timestamp wall_now() const noexcept {
        return timestamp{
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())};
    }
};
static_assert(clock<system_clock>);

/// The point of `steady_clock` that @p t stands for.
[[nodiscard]] inline std::chrono::steady_clock::time_point to_steady(instant t) noexcept {
    return std::chrono::steady_clock::time_point{
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(t.time_since_epoch())};
}

}  // namespace muster::net
