// SPDX-License-Identifier: MIT

#include <muster/identity/shamir.hpp>

#include <array>
#include <set>

#include <support/catch.hpp>
#include <support/effort.hpp>
#include <support/keys.hpp>

namespace shamir_tests {

using namespace muster;
using namespace muster::identity;

namespace {

crypto::secret<32> secret_of(std::uint64_t seed) {
    test::predictable source{seed};
    return crypto::secret<32>::generate(source).value();
}
std::vector<share> shares_of(std::uint64_t seed, sharing how) {
    test::predictable source{seed ^ 0x5eed};
    return split(secret_of(seed), how, source).value();
}
/// Those shares whose bits are set in @p which.
std::vector<share const*> chosen(std::vector<share> const& all, unsigned which) {
    std::vector<share const*> out;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if ((which >> i & 1) != 0) out.push_back(&all[i]);
    }
    return out;
}
unsigned bits(unsigned v) {
    unsigned n = 0;
    for (; v != 0; v &= v - 1) ++n;
    return n;
}

}  // namespace

TEST_CASE("GF(256): products of FIPS 197, inverses, and a generator of order 255 (defect B1)") {
    CHECK(gf256::multiply(0x57, 0x83) == 0xc1);
    CHECK(gf256::multiply(0x57, 0x13) == 0xfe);
    for (unsigned a = 0; a < 256; ++a) {
        auto const x = static_cast<byte>(a);
        CHECK(gf256::multiply(x, 1) == x);
        CHECK(gf256::multiply(x, 0) == 0);
        CHECK(gf256::multiply(x, gf256::inverse(x)) == (a == 0 ? 0 : 1));
        for (unsigned b = 0; b < 256; b += 7) {
            auto const y = static_cast<byte>(b);
            CHECK(gf256::multiply(x, y) == gf256::multiply(y, x));
            CHECK(gf256::multiply(x, static_cast<byte>(y ^ 0x1b)) ==
                  static_cast<byte>(gf256::multiply(x, y) ^ gf256::multiply(x, 0x1b)));
        }
    }
    auto const order = [](byte g) {
        int n = 1;
        for (byte p = g; p != 1; p = gf256::multiply(p, g)) ++n;
        return n;
    };
    CHECK(order(3) == 255);
    CHECK(order(2) == 51);  // what tables were once built on
}

TEST_CASE("shamir: every choice of as many as it takes restores the secret (goal A1)") {
    for (auto const how : {sharing{2, 3}, sharing{3, 5}, sharing{4, 7}, sharing{5, 15}}) {
        auto const rounds = how.shares == 15 ? test::effort(1000, 4) : test::effort(1000, 40);
        for (std::uint64_t seed = 0; seed < rounds; ++seed) {
            auto const secret = secret_of(seed);
            auto const all = shares_of(seed, how);
            REQUIRE(all.size() == how.shares);
            for (unsigned which = 0; which < 1u << how.shares; ++which) {
                if (bits(which) != how.threshold) continue;
                auto const some = chosen(all, which);
                auto const restored = combine(some);
                REQUIRE(restored);
                REQUIRE(equal(restored.value().view(), secret.view()));
            }
        }
    }
}

TEST_CASE("shamir: one less restores nothing, and is noticed") {
    for (auto const how : {sharing{3, 5}, sharing{4, 7}}) {
        auto const all = shares_of(1, how);
        for (unsigned which = 0; which < 1u << how.shares; ++which) {
            if (bits(which) != how.threshold - 1u) continue;
            CHECK(combine(chosen(all, which)).error() == errc::bad_share);
        }
    }
    auto const all = shares_of(1, {2, 3});
    CHECK(combine(chosen(all, 1)).error() == errc::too_few_shares);
}

TEST_CASE("shamir: shares that are wrong, or of another splitting, restore nothing") {
    auto const all = shares_of(1, {3, 5});
    auto other = shares_of(2, {3, 5});
    std::vector<share const*> mixed{&all[0], &all[1], &other[2]};
    CHECK(combine(mixed).error() == errc::bad_share);
    for (std::size_t at = 0; at < 32; ++at) {
        auto damaged = shares_of(1, {3, 5});
        damaged[1].value.span()[at] ^= 0x40;
        CHECK(combine(chosen(damaged, 0b00111)).error() == errc::bad_share);
        CHECK(combine(chosen(damaged, 0b11100)));
    }
    std::vector<share const*> twice{&all[0], &all[1], &all[1]};
    CHECK(combine(twice).error() == errc::bad_share);
    auto moved = shares_of(1, {3, 5});
    moved[0].index = 3;
    CHECK(combine(chosen(moved, 0b00111)).error() == errc::bad_share);
}

TEST_CASE("shamir: policies that cannot be") {
    test::predictable source{1};
    for (auto const how : {sharing{0, 5}, sharing{1, 5}, sharing{6, 5}, sharing{2, 17}, sharing{2, 1}}) {
        CHECK(split(secret_of(1), how, source).error() == errc::bad_policy);
    }
    CHECK(split(crypto::secret<32>{}, {2, 3}, source).error() == crypto::errc::secret_gone);
    test::scripted zeros{bytes{0}};
    CHECK(split(secret_of(1), {2, 3}, zeros));
}

TEST_CASE("shamir: fewer than it takes say nothing of the secret (goal A1)") {
    // The bytes of two of three shares that it takes, and their sum with the secret, are uniform for a fixed secret:
    // chi square over 256 values, with 255 degrees of freedom, is above 330.5 one time in a thousand.
    auto const secret = secret_of(1);
    test::predictable source{77};
    auto const samples = test::effort(1'000'000, 40'000);
    std::array<std::array<std::size_t, 256>, 4> seen{};
    std::size_t drawn = 0;
    for (; drawn < samples; drawn += 32) {
        auto const all = split(secret, {3, 5}, source).value();
        for (std::size_t i = 0; i < 32; ++i) {
            auto const a = all[1].value.view()[i], b = all[4].value.view()[i], s = secret.view()[i];
            ++seen[0][a];
            ++seen[1][b];
            ++seen[2][static_cast<byte>(a ^ b)];
            ++seen[3][static_cast<byte>(a ^ s)];
        }
    }
    for (auto const& counts : seen) {
        double const expected = static_cast<double>(drawn) / 256;
        double chi = 0;
        for (auto const n : counts)
            chi += (static_cast<double>(n) - expected) * (static_cast<double>(n) - expected) / expected;
        CHECK(chi < 330.5);
        CHECK(chi > 190);  // nor are they more even than chance
    }
}

}  // namespace shamir_tests
