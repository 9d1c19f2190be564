// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Shares of a secret, of which a number restores it and one less says nothing.
///
/// Each byte is a point of its own polynomial over GF(2^8), of degree threshold - 1. As in SLIP-39 the secret is its
/// value at 255, and at 254 lies a digest: 28 random bytes, and 4 of their HMAC of the secret. What does not come of
/// shares of one splitting is thus noticed, except one time in 2^32. Shares are at 0, 1, 2 ...
///
/// Nothing branches on secrets nor reads where they say; where the shares are is public.
/// @see A. Shamir, "How to Share a Secret", CACM 1979; SLIP-0039, "Design rationale: digest".

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <muster/core/random.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/declassify.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/secret.hpp>
#include <muster/identity/errc.hpp>
#include <muster/identity/gf256.hpp>

namespace muster::identity {

/// One of several, which together restore a secret. Move-only.
struct share {
    std::uint8_t index = 0;  ///< Where it lies; at most 15.
    crypto::secret<32> value;
};

/// How many shares there are, and how many restore the secret.
struct sharing {
    static constexpr std::uint8_t shares_max = 16;  ///< SLIP-0039's.
    std::uint8_t threshold = 3;
    std::uint8_t shares = 5;
    bool operator==(sharing const&) const = default;

    /// @return `bad_policy` unless 2 <= threshold <= shares <= 16. (One share that restores the secret is the secret.)
    [[nodiscard]] result<void> check() const {
        if (threshold >= 2 && threshold <= shares && shares <= shares_max) return ok();
        return error{errc::bad_policy,
                     text(threshold, " of ", shares, " cannot be: at least 2, at most all, and no more than ",
                          shares_max, " in all")};
    }
};

namespace detail {
inline constexpr std::uint8_t at_secret = 255, at_digest = 254;
inline constexpr std::size_t digest_size = 4;

/// The value at @p x of the polynomials through @p points. O(points^2), on public places alone, and 32 products each.
[[nodiscard]] inline result<crypto::secret<32>> interpolate(std::span<share const* const> points, std::uint8_t x) {
    MUSTER_TRY(auto out, crypto::secret<32>::make());
    auto sum = out.span();
    for (auto const* p : points) {
        MUSTER_TRY(p->value.require());
        byte above = 1, below = 1;
        for (auto const* q : points) {
            if (q == p) continue;
            above = gf256::multiply(above, static_cast<byte>(x ^ q->index));
            below = gf256::multiply(below, static_cast<byte>(p->index ^ q->index));
        }
        auto const weight = gf256::multiply(above, gf256::inverse(below));
        auto const value = p->value.view();
        for (std::size_t i = 0; i < 32; ++i) sum[i] = static_cast<byte>(sum[i] ^ gf256::multiply(weight, value[i]));
    }
    return out;
}
[[nodiscard]] inline result<crypto::secret<32>> digest_of(byte_view secret, byte_view random) {
    MUSTER_TRY(auto out, crypto::secret<32>::make());
    auto mac = crypto::hmac_sha256(random, secret);
    std::copy_n(mac.octets.begin(), digest_size, out.span().begin());
    std::copy(random.begin(), random.end(), out.span().begin() + digest_size);
    crypto::wipe(mac.octets);
    return out;
}
}  // namespace detail

/// Splits @p secret. The same bytes of @p source give the same shares.
/// @return one share for each place; `bad_policy`, `secret_gone`, or the source's error.
template <secret_source Source>
[[nodiscard]] result<std::vector<share>> split(crypto::secret<32> const& secret, sharing const& how, Source& source) {
    MUSTER_TRY(how.check());
    MUSTER_TRY(auto whole, secret.clone());
    std::vector<share> points;
    for (std::uint8_t i = 0; i + 2 < how.threshold; ++i) {
        MUSTER_TRY(auto value, crypto::secret<32>::generate(source));
        points.push_back({i, std::move(value)});
    }
    std::array<byte, 32 - detail::digest_size> random{};
    crypto::wipe_on_exit const wipe_random{random};
    MUSTER_TRY(source.fill_secret(random));
    MUSTER_TRY(auto digest, detail::digest_of(whole.view(), random));
    points.push_back({detail::at_digest, std::move(digest)});
    points.push_back({detail::at_secret, std::move(whole)});
    std::vector<share const*> through;
    for (auto const& p : points) through.push_back(&p);
    std::vector<share> out;
    for (std::uint8_t x = 0; x < how.shares; ++x) {
        bool const is_given = x + 2 < how.threshold;
        MUSTER_TRY(auto value, is_given ? points[x].value.clone() : detail::interpolate(through, x));
        out.push_back({x, std::move(value)});
    }
    return out;
}

/// Restores the secret from @p shares: all of them are used, so that there are to be exactly as many as the threshold.
/// @return `too_few_shares` for fewer than two; `bad_share` for two at one place, or when they are not of one
/// splitting,
///         or fewer than its threshold.
[[nodiscard]] inline result<crypto::secret<32>> combine(std::span<share const* const> shares) {
    if (shares.size() < 2) return error{errc::too_few_shares, text(shares.size(), " shares restore nothing")};
    std::uint64_t places = 0;
    for (auto const* s : shares) {
        auto const place = std::uint64_t{1} << (s->index % 64);
        if (s->index >= sharing::shares_max || (places & place) != 0) {
            return error{errc::bad_share, text("a share at place ", s->index, " that cannot be, or is there twice"),
                         s->index};
        }
        places |= place;
    }
    MUSTER_TRY(auto const digest, detail::interpolate(shares, detail::at_digest));
    MUSTER_TRY(auto secret, detail::interpolate(shares, detail::at_secret));
    MUSTER_TRY(auto const expected, detail::digest_of(secret.view(), digest.view().subspan(detail::digest_size)));
    byte difference = 0;
    for (std::size_t i = 0; i < detail::digest_size; ++i) {
        difference = static_cast<byte>(difference | (expected.view()[i] ^ digest.view()[i]));
    }
    crypto::declassify(difference);
    if (difference == 0) return secret;
    return error{errc::bad_share, "these shares do not belong together, or are fewer than it takes"};
}

}  // namespace muster::identity
