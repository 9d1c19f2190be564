// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Points with an infinity and public scalars with a zero, on libsecp256k1's public API.
///
/// libsecp256k1 represents neither: `secp256k1_pubkey` is never infinity and its scalar functions refuse 0.
/// BIP-327 meets both (cancelling nonces, zero tweaks). A sum is therefore computed in ONE call over all
/// finite terms, which fails exactly when the sum is infinity; a running sum would get stuck at an
/// intermediate infinity and make the result depend on the order.
///
/// Everything here is for public values; it branches on them. Secrets are handled where they are used.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <muster/crypto/hash.hpp>
#include <muster/crypto/secp256k1.hpp>

namespace muster::musig2::detail {

using muster::crypto::detail::must;

/// The group order n, big-endian.
inline constexpr std::array<byte, 32> group_order{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                  0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
                                                  0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};

/// Replaces @p number by its remainder modulo n, in constant time. Since 2^256 < 2n, one subtraction does.
constexpr void reduce(std::span<byte, 32> number) noexcept {
    std::array<byte, 32> less{};
    unsigned borrow = 0;
    for (std::size_t i = 32; i-- > 0;) {
        unsigned const difference = 0x100u + number[i] - group_order[i] - borrow;
        less[i] = static_cast<byte>(difference);
        borrow = 1u - (difference >> 8);
    }
    auto const keep = static_cast<byte>(0u - borrow);  // all ones when number < n
    for (std::size_t i = 0; i < 32; ++i) {
        number[i] = static_cast<byte>((number[i] & keep) | (less[i] & static_cast<byte>(~keep)));
    }
}

/// A public integer modulo n; zero is a value like any other.
class scalar {
public:
    constexpr scalar() noexcept = default;

    /// The integer @p octets modulo n.
    [[nodiscard]] static constexpr scalar reduced(std::array<byte, 32> octets) noexcept {
        reduce(octets);
        return scalar{octets};
    }
    /// The integer @p octets, or nothing when it is not below n.
    [[nodiscard]] static constexpr std::optional<scalar> below_order(std::array<byte, 32> octets) noexcept {
        if (octets >= group_order) return std::nullopt;
        return scalar{octets};
    }

    [[nodiscard]] constexpr std::array<byte, 32> const& octets() const noexcept { return octets_; }
    [[nodiscard]] constexpr bool is_zero() const noexcept { return octets_ == std::array<byte, 32>{}; }
    [[nodiscard]] byte const* data() const noexcept { return octets_.data(); }

    [[nodiscard]] friend scalar operator-(scalar a) noexcept {
        if (!a.is_zero()) must(secp256k1_ec_seckey_negate(crypto::secp256k1::context(), a.octets_.data()) == 1);
        return a;
    }
    [[nodiscard]] friend scalar operator+(scalar a, scalar const& b) noexcept {
        if (a.is_zero()) return b;
        if (b.is_zero()) return a;
        // Fails only when a == -b.
        bool const finite =
            secp256k1_ec_seckey_tweak_add(crypto::secp256k1::context(), a.octets_.data(), b.data()) == 1;
        return finite ? a : scalar{};
    }
    [[nodiscard]] friend scalar operator*(scalar a, scalar const& b) noexcept {
        if (a.is_zero() || b.is_zero()) return {};
        must(secp256k1_ec_seckey_tweak_mul(crypto::secp256k1::context(), a.octets_.data(), b.data()) == 1);
        return a;
    }
    bool operator==(scalar const&) const = default;

private:
    explicit constexpr scalar(std::array<byte, 32> octets) noexcept : octets_{octets} {}

    std::array<byte, 32> octets_{};
};

/// The integer that BIP-327 reads a hash as.
[[nodiscard]] inline scalar scalar_of(crypto::digest32 const& hash) noexcept { return scalar::reduced(hash.octets); }

/// The integer 1.
[[nodiscard]] constexpr scalar one() noexcept {
    std::array<byte, 32> octets{};
    octets[31] = 1;
    return scalar::reduced(octets);
}

/// A point of the curve; no value is the point at infinity.
using point = std::optional<secp256k1_pubkey>;

/// BIP-327's cpoint: 33 bytes that must be a finite point.
[[nodiscard]] inline point parse_point(byte_view octets) noexcept {
    secp256k1_pubkey parsed;
    if (octets.size() != 33 ||
        secp256k1_ec_pubkey_parse(crypto::secp256k1::context(), &parsed, octets.data(), 33) != 1) {
        return std::nullopt;
    }
    return parsed;
}

/// BIP-327's cpoint_ext: like cpoint, and 33 zero bytes are infinity. Empty when neither.
[[nodiscard]] inline std::optional<point> parse_point_ext(byte_view octets) noexcept {
    bool zero = octets.size() == 33;
    for (byte b : octets) zero = zero && b == 0;
    if (zero) return point{};
    auto const parsed = parse_point(octets);
    if (!parsed) return std::nullopt;
    return parsed;
}

/// BIP-327's cbytes_ext: 33 zero bytes stand for infinity.
[[nodiscard]] inline crypto::public_key serialize_ext(point const& p) {
    return p ? crypto::serialize(*p) : crypto::public_key{};
}

/// The sum of all points; order does not matter, infinities among them or on the way do no harm.
[[nodiscard]] inline point sum(std::span<point const> terms) {
    std::vector<secp256k1_pubkey const*> finite;
    finite.reserve(terms.size());
    for (auto const& term : terms) {
        if (term) finite.push_back(&*term);
    }
    if (finite.empty()) return std::nullopt;
    secp256k1_pubkey total;
    // Given at least one valid point, this fails exactly when the sum is infinity.
    if (secp256k1_ec_pubkey_combine(crypto::secp256k1::context(), &total, finite.data(), finite.size()) != 1) {
        return std::nullopt;
    }
    return total;
}

/// k * P.
[[nodiscard]] inline point multiply(point p, scalar const& k) noexcept {
    if (!p || k.is_zero()) return std::nullopt;
    must(secp256k1_ec_pubkey_tweak_mul(crypto::secp256k1::context(), &*p, k.data()) == 1);
    return p;
}

/// -P.
[[nodiscard]] inline point negate(point p) noexcept {
    if (p) must(secp256k1_ec_pubkey_negate(crypto::secp256k1::context(), &*p) == 1);
    return p;
}

/// k * G.
[[nodiscard]] inline point multiply_generator(scalar const& k) noexcept {
    if (k.is_zero()) return std::nullopt;
    secp256k1_pubkey out;
    must(secp256k1_ec_pubkey_create(crypto::secp256k1::context(), &out, k.data()) == 1);
    return out;
}

/// The generator G.
[[nodiscard]] inline secp256k1_pubkey const& generator() noexcept {
    static secp256k1_pubkey const g = *multiply_generator(one());
    return g;
}

}  // namespace muster::musig2::detail
