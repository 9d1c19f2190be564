// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Unsigned integers of 256 bits, as far as the protocol computes with them: compared, counted up by one, and narrowed
/// with a check. What comes from outside may be any of them; nothing here overflows.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <muster/core/bytes.hpp>
#include <muster/core/hex.hpp>

namespace muster::feed::preconf {

/// An integer in [0, 2^256). Regular, ordered by value.
class uint256 {
public:
    static constexpr std::size_t size_in_bytes = 32;  ///< Of its encoding, least significant byte first (SSZ).

    constexpr uint256() noexcept = default;
    constexpr uint256(std::uint64_t value) noexcept : limbs_{value, 0, 0, 0} {}

    /// The value of 32 bytes, the least significant first. Expects `in.size() == 32`.
    [[nodiscard]] static constexpr uint256 from_little_endian(byte_view in) noexcept {
        uint256 out;
        for (std::size_t i = 0; i < size_in_bytes && i < in.size(); ++i) {
            out.limbs_[i / 8] |= std::uint64_t{in[i]} << (8 * (i % 8));
        }
        return out;
    }
    /// Appends the 32 bytes of it, the least significant first.
    constexpr void append_to(bytes& out) const {
        for (std::size_t i = 0; i < size_in_bytes; ++i)
            out.push_back(static_cast<byte>(limbs_[i / 8] >> (8 * (i % 8))));
    }

    /// The same number in 64 bits; none when it does not fit.
    [[nodiscard]] constexpr std::optional<std::uint64_t> narrow() const noexcept {
        return (limbs_[1] | limbs_[2] | limbs_[3]) == 0 ? std::optional{limbs_[0]} : std::nullopt;
    }
    /// One more; none when this is the largest.
    [[nodiscard]] constexpr std::optional<uint256> successor() const noexcept {
        auto out = *this;
        for (auto& limb : out.limbs_) {
            if (++limb != 0) return out;
        }
        return std::nullopt;
    }
    [[nodiscard]] constexpr bool is_zero() const noexcept { return *this == uint256{}; }
    /// The largest one.
    [[nodiscard]] static constexpr uint256 max() noexcept {
        uint256 out;
        out.limbs_.fill(~std::uint64_t{0});
        return out;
    }

    /// In decimal where it fits 64 bits, else 0x and 64 digits.
    [[nodiscard]] std::string to_text() const {
        if (auto const small = narrow()) return std::to_string(*small);
        bytes big;
        for (std::size_t i = size_in_bytes; i-- > 0;) big.push_back(static_cast<byte>(limbs_[i / 8] >> (8 * (i % 8))));
        std::string out{"0x"};
        return out.append(to_hex(big));
    }

    friend constexpr bool operator==(uint256 const&, uint256 const&) noexcept = default;
    friend constexpr std::strong_ordering operator<=>(uint256 const& a, uint256 const& b) noexcept {
        for (std::size_t i = 4; i-- > 0;) {
            if (a.limbs_[i] != b.limbs_[i]) return a.limbs_[i] <=> b.limbs_[i];
        }
        return std::strong_ordering::equal;
    }

private:
    std::array<std::uint64_t, 4> limbs_{};  ///< The least significant first.
};

}  // namespace muster::feed::preconf
