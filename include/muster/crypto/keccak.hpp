// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keccak-256 with the padding of the original submission, as Ethereum uses it. SHA3-256 pads differently, and gives
/// other digests.
///
/// Algorithm: a sponge of 1600 bits with a rate of 1088, over the permutation Keccak-f[1600] of 24 rounds. The padding
/// is 01 .. 80; where one byte remains it is 81. OpenSSL offers it from 3.2 on, as KECCAK-256; where it does, it
/// computes it, and otherwise this does.
///
/// Source: G. Bertoni, J. Daemen, M. Peeters, G. Van Assche, "The Keccak reference", version 3.0, 2011: the round
/// constants of section 1.2 and the offsets of rho in table 2.1; the one difference to FIPS 202 is the padding.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <openssl/evp.h>

#include <muster/core/bytes.hpp>
#include <muster/crypto/hash.hpp>

namespace muster::crypto {

namespace detail {

// Lanes in the order in which pi visits them, beginning after lane 1, and by how much rho turns what goes there.
inline constexpr std::array<std::uint8_t, 24> keccak_visited{10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                                             15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
inline constexpr std::array<std::uint8_t, 24> keccak_turned{1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                                            27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
/// A round, but for its constant. Indices are known where it is compiled, so that lanes stay in registers: with loops
/// over them the permutation took three times as long.
template <std::size_t... I, std::size_t... L>
void keccak_round(std::array<std::uint64_t, 25>& a, std::index_sequence<I...>, std::index_sequence<L...>) noexcept {
    std::array<std::uint64_t, 5> c, d;
    std::array<std::uint64_t, 25> b;
    for (std::size_t x = 0; x < 5; ++x) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    for (std::size_t x = 0; x < 5; ++x) d[x] = c[(x + 4) % 5] ^ std::rotl(c[(x + 1) % 5], 1);
    ((a[L] ^= d[L % 5]), ...);  // theta
    b[0] = a[0];
    ((b[keccak_visited[I]] = std::rotl(a[I == 0 ? 1 : keccak_visited[I - (I != 0)]], keccak_turned[I])),
     ...);                                                                              // rho, pi
    ((a[L] = b[L] ^ (~b[L / 5 * 5 + (L + 1) % 5] & b[L / 5 * 5 + (L + 2) % 5])), ...);  // chi
}

/// The permutation, over 25 lanes; lane x, y is at x + 5 * y.
inline void keccak_f1600(std::array<std::uint64_t, 25>& a) noexcept {
    static constexpr std::array<std::uint64_t, 24> round_constants{
        0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
        0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
        0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
        0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
        0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};
    for (auto const constant : round_constants) {
        keccak_round(a, std::make_index_sequence<24>{}, std::make_index_sequence<25>{});
        a[0] ^= constant;  // iota
    }
}

/// OpenSSL's own; null before 3.2.
[[nodiscard]] inline EVP_MD const* keccak256_method() noexcept {
    static EVP_MD const* const method = EVP_MD_fetch(nullptr, "KECCAK-256", nullptr);
    return method;
}

}  // namespace detail

/// Keccak-256 over parts given one after another. Not for secrets: nothing is wiped.
class keccak256_hasher {
public:
    keccak256_hasher& update(byte_view part) noexcept {
        while (at_ % 8 == 0 && part.size() >= 8) {  // whole lanes
            std::uint64_t lane = 0;
            for (std::size_t i = 8; i-- > 0;) lane = lane << 8 | part[i];
            part = part.subspan(8);
            state_[at_ / 8] ^= lane;
            step(8);
        }
        for (byte const b : part) {
            state_[at_ / 8] ^= std::uint64_t{b} << (8 * (at_ % 8));
            step(1);
        }
        return *this;
    }
    /// The digest of all parts. Call once.
    [[nodiscard]] digest32 finish() noexcept {
        state_[at_ / 8] ^= std::uint64_t{0x01} << (8 * (at_ % 8));
        state_[(rate - 1) / 8] ^= std::uint64_t{0x80} << 56;
        detail::keccak_f1600(state_);
        digest32 out;
        for (std::size_t i = 0; i < out.size(); ++i) out.octets[i] = static_cast<byte>(state_[i / 8] >> (8 * (i % 8)));
        return out;
    }

private:
    void step(std::size_t n) noexcept {
        at_ += n;
        if (at_ != rate) return;
        detail::keccak_f1600(state_);
        at_ = 0;
    }

    static constexpr std::size_t rate = 136;  // bytes: 1600 bits less twice the size of the digest

    std::array<std::uint64_t, 25> state_{};
    std::size_t at_ = 0;
};

/// Keccak-256 of @p message. O(size).
[[nodiscard]] inline digest32 keccak256(byte_view message) {
    if (auto const* const method = detail::keccak256_method()) {
        digest32 out;
        detail::must(EVP_Digest(message.data(), message.size(), out.data(), nullptr, method, nullptr) == 1);
        return out;
    }
    return keccak256_hasher{}.update(message).finish();
}

}  // namespace muster::crypto
