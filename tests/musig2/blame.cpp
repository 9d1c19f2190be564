// SPDX-License-Identifier: MIT

#include <muster/musig2/aggregate.hpp>

#include <algorithm>
#include <set>

#include <muster/musig2/tweak.hpp>

#include <support/backend.hpp>
#include <support/catch.hpp>
#include <support/keys.hpp>

namespace blame_tests {

using namespace muster;
using namespace muster::musig2;
using musig2::detail::scalar;

namespace {

test::backend const backend_under_test;

/// A finished session of n honest signers, ready to be corrupted.
struct session {
    std::vector<key_pair> keys;
    std::vector<pubnonce> nonces;
    std::vector<psig> shares;
    test::backend::session_values_type values;  // last: start() fills the others

    explicit session(std::size_t n, std::uint64_t seed) : keys{test::make_keys(n, seed)}, values{start(seed)} {}

private:
    test::backend::session_values_type start(std::uint64_t seed) {
        test::predictable source{seed + 1000};
        std::vector<tweak> const tweaks{bip32_path{{static_cast<std::uint32_t>(seed)}}, taproot{}};
        auto const context = key_agg(backend_under_test, test::public_keys(keys), tweaks).value();
        std::vector<test::backend::secnonce> secrets;
        for (auto const& key : keys) {
            auto made = backend_under_test.nonce_gen(source, {.key = key.public_key()}).value();
            secrets.push_back(std::move(made.first));
            nonces.push_back(made.second);
        }
        auto const v =
            backend_under_test.session_values(context, backend_under_test.nonce_agg(nonces).value(), bytes{1, 2, 3})
                .value();
        for (std::size_t i = 0; i < keys.size(); ++i) {
            shares.push_back(backend_under_test.sign(std::move(secrets[i]), keys[i], v).value());
        }
        return v;
    }
};

psig shifted(psig const& share, scalar const& by) { return psig{(scalar::reduced(share.octets) + by).octets()}; }

scalar draw(splitmix64& random) {
    std::array<byte, 32> octets{};
    for (auto& octet : octets) octet = static_cast<byte>(random());
    return scalar::reduced(octets);
}

}  // namespace

TEST_CASE("random subsets of bad shares: the blamed one is always bad, cancelling errors hide nobody else",
          "[misuse-33][misuse-34]") {
    splitmix64 random{20};
    int cancelled = 0, blamed = 0;
    for (std::size_t const n : {2u, 3u, 4u, 5u, 8u, 13u, 31u, 64u}) {
        session const honest{n, n};
        REQUIRE(aggregate(backend_under_test, honest.values, honest.nonces, honest.shares));
        for (int round = 0; round < 12; ++round) {
            auto shares = honest.shares;
            std::set<std::uint32_t> bad;
            scalar balance;
            auto const count = 1 + uniform(random, n);
            while (bad.size() < count) bad.insert(static_cast<std::uint32_t>(uniform(random, n)));
            bool const cancels = bad.size() > 1 && uniform(random, 2) == 0;
            for (auto const i : bad) {
                auto error = draw(random);
                if (cancels && i == *bad.rbegin()) error = -balance;
                balance = balance + error;
                shares[i] = shifted(shares[i], error);
            }
            auto const outcome = aggregate(backend_under_test, honest.values, honest.nonces, shares);
            if (balance.is_zero()) {
                CHECK(outcome);  // the errors cancel: the signature is valid, there is nothing to blame
                ++cancelled;
                continue;
            }
            REQUIRE_FALSE(outcome);
            CHECK(outcome.error() == errc::invalid_psig);
            REQUIRE(outcome.error().index());
            CHECK(bad.count(*outcome.error().index()) == 1);
            ++blamed;
        }
    }
    CHECK(cancelled > 0);
    CHECK(blamed > 0);
}

TEST_CASE("some errors cancel among themselves: the one left over is blamed") {
    session const honest{8, 3};
    splitmix64 random{4};
    for (std::uint32_t lone = 0; lone < 8; ++lone) {
        auto shares = honest.shares;
        auto const error = draw(random);
        auto const a = (lone + 1) % 8, b = (lone + 5) % 8;
        shares[a] = shifted(shares[a], error);
        shares[b] = shifted(shares[b], -error);
        shares[lone] = shifted(shares[lone], draw(random));
        auto const outcome = aggregate(backend_under_test, honest.values, honest.nonces, shares);
        REQUIRE(outcome.error().index());
        auto const named = *outcome.error().index();
        CHECK((named == a || named == b || named == lone));
        CHECK_FALSE(partial_sig_verify(backend_under_test, honest.values, {named, honest.nonces[named], shares[named]})
                        .value());
    }
}

TEST_CASE("one bad share among a thousand is found", "[misuse-37]") {
    session const honest{1000, 1};
    for (std::uint32_t const bad : {0u, 1u, 499u, 500u, 999u}) {
        auto shares = honest.shares;
        shares[bad].octets[31] ^= 1;
        auto const outcome = aggregate(backend_under_test, honest.values, honest.nonces, shares);
        CHECK(outcome.error().index() == bad);
    }
}

TEST_CASE("shares of zero, of the order and above, swapped and replayed: an error with the right name", "[misuse-29]") {
    session const honest{4, 9};
    session const other{4, 10};
    auto const expect_blame = [&](std::vector<psig> const& shares, std::set<std::uint32_t> const& bad) {
        auto const outcome = aggregate(backend_under_test, honest.values, honest.nonces, shares);
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error() == errc::invalid_psig);
        CHECK(bad.count(outcome.error().index().value_or(99)) == 1);
    };
    auto shares = honest.shares;
    shares[2] = psig{};
    expect_blame(shares, {2});
    shares[2] = psig{musig2::detail::group_order};
    expect_blame(shares, {2});
    shares[2].octets.fill(0xff);
    expect_blame(shares, {2});
    shares = honest.shares;
    std::swap(shares[0], shares[3]);
    CHECK(aggregate(backend_under_test, honest.values, honest.nonces, shares));  // the sum is the same
    shares = honest.shares;
    shares[1] = other.shares[1];
    expect_blame(shares, {1});
    shares.pop_back();
    CHECK(aggregate(backend_under_test, honest.values, honest.nonces, shares).error() == errc::wrong_count);
    CHECK(crypto::secp256k1::illegal_calls() == 0);
}

TEST_CASE("nonces other than those aggregated blame nobody") {
    session const honest{3, 5};
    auto shares = honest.shares;
    auto nonces = honest.nonces;
    std::swap(nonces[0], nonces[1]);
    shares[0].octets[31] ^= 1;
    // With the equation's nonces wrong a culprit may be named wrongly, which is why callers compare nonces
    // first; what must hold is that honest nonces with honest shares never fail.
    CHECK_FALSE(aggregate(backend_under_test, honest.values, nonces, shares));
    CHECK(aggregate(backend_under_test, honest.values, nonces, honest.shares));
}

}  // namespace blame_tests
