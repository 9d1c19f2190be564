// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, the field of AES, in time that does not depend on the values.
///
/// Logarithm tables are the usual way, and read memory where secrets say; they also have been built on 2, which does
/// not generate the field's 255 units but 51 of them. Here are no tables: a product is eight steps of shift and mask,
/// an inverse the 254th power.
/// @see FIPS 197, section 4.2.

#include <cstdint>

#include <muster/core/bytes.hpp>

namespace muster::identity::gf256 {

/// a * b.
[[nodiscard]] constexpr byte multiply(byte a, byte b) noexcept {
    std::uint32_t x = a, y = b, product = 0;
    for (int i = 0; i < 8; ++i) {
        product ^= x & (0u - (y & 1u));
        y >>= 1;
        x = (x << 1) ^ (0x11bu & (0u - (x >> 7 & 1u)));
    }
    return static_cast<byte>(product);
}

/// 1 / a; 0 for 0.
[[nodiscard]] constexpr byte inverse(byte a) noexcept {
    byte out = 1, power = a;
    for (int i = 1; i < 8; ++i) {  // 254 = 2 + 4 + ... + 128
        power = multiply(power, power);
        out = multiply(out, power);
    }
    return out;
}

}  // namespace muster::identity::gf256
