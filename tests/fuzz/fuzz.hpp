// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the fuzz targets share: an input that can be cut into decisions and bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <muster/core/bytes.hpp>

namespace muster::fuzz {

/// Ends the run where a property that must hold does not.
inline void require(bool holds) {
    if (!holds) std::abort();
}

/// A cursor over the fuzzer's bytes; gives zeros and nothing when they are used up.
class input {
public:
    input(std::uint8_t const* data, std::size_t size) noexcept : rest_{data, size} {}

    [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
    [[nodiscard]] std::uint8_t number() noexcept {
        if (rest_.empty()) return 0;
        auto const value = rest_.front();
        rest_ = rest_.subspan(1);
        return value;
    }
    /// A number below @p bound, which is positive.
    [[nodiscard]] std::size_t below(std::size_t bound) noexcept { return number() % bound; }
    /// Up to 255 bytes.
    [[nodiscard]] byte_view octets() noexcept {
        std::size_t const wanted = number();
        auto const part = rest_.first(std::min(rest_.size(), wanted));
        rest_ = rest_.subspan(part.size());
        return part;
    }
    [[nodiscard]] byte_view rest() const noexcept { return rest_; }

private:
    byte_view rest_;
};

}  // namespace muster::fuzz
