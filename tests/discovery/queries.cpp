// SPDX-License-Identifier: MIT

// How much queries look at, counted, from a hundred signers to a hundred thousand.

#include <muster/discovery/signer_directory.hpp>

#include <bit>

#include <muster/core/random.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>

namespace queries_tests {

using namespace muster;
using discovery::transaction_type;
using test::at;

namespace {

constexpr std::size_t sizes[] = {100, 10'000, 100'000};

/// A key of that number; on no curve, which nobody here looks at.
crypto::public_key key_of(std::size_t number) {
    bytes raw(crypto::public_key::size());
    splitmix64 draw{number};
    for (auto& b : raw) b = static_cast<byte>(uniform(draw, 256));
    return crypto::public_key::from(raw);
}

std::uint64_t compared = 0;
/// Equality of keys, counted.
struct counting_equal {
    bool operator()(crypto::public_key const& a, crypto::public_key const& b) const {
        ++compared;
        return a == b;
    }
};
struct counted : discovery::directory_defaults {
    using equal = counting_equal;
};

discovery::signer_advertisement random_terms(splitmix64& draw) {
    discovery::signer_advertisement a;
    for (auto const t : {transaction_type::spend, transaction_type::swap, transaction_type::custody}) {
        if (uniform(draw, 3) == 0) a.types.push_back(t);
    }
    a.amount_from = uniform(draw, 1'000'000);
    a.amount_to = a.amount_from + uniform(draw, uniform(draw, 50) == 0 ? 1'000'000 : 2'000);
    return a;
}

}  // namespace

TEST_CASE("who looks for a key looks at one, among a hundred signers and among a hundred thousand") {
    for (auto const n : sizes) {
        INFO(n);
        discovery::signer_directory<counted> d{{.signers_max = n, .per_deliverer_max = n}};
        for (std::size_t i = 0; i < n; ++i) {
            discovery::signer_listing l;
            l.expires_at = at(1000);
            (void)d.underlying().put(key_of(i), {l, at(0), at(0), 0, discovery::source::gossip}, at(0));
        }
        REQUIRE(d.size(at(0)) == n);
        constexpr std::size_t look_ups = 5000;
        compared = 0;
        std::size_t found = 0;
        for (std::size_t i = 0; i < look_ups; ++i) found += d.find(key_of(i % n), at(1)) != nullptr ? 1u : 0u;
        CHECK(found == look_ups);
        CHECK(compared >= look_ups);
        CHECK(compared <= look_ups + look_ups / 4);  // a byte of the hash is compared first, and may be the same
        compared = 0;
        for (std::size_t i = 0; i < look_ups; ++i) found += d.find(key_of(n + i), at(1)) != nullptr ? 1u : 0u;
        CHECK(found == look_ups);
        CHECK(compared <= look_ups / 4);
    }
}

TEST_CASE("who looks for a type and an amount looks at what matches and at no other, among a hundred thousand too") {
    for (auto const n : sizes) {
        INFO(n);
        splitmix64 draw{n};
        discovery::detail::signer_index index;
        std::vector<discovery::signer_advertisement> all;
        for (std::size_t i = 0; i < n; ++i) {
            all.push_back(random_terms(draw));
            index.file(key_of(i), all.back());
        }
        auto const depth = static_cast<std::size_t>(std::bit_width(n));
        for (int i = 0; i < 20; ++i) {
            discovery::criteria const c{.type = transaction_type::swap, .amount = uniform(draw, 1'000'000)};
            auto const matches = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](auto const& a) {
                return std::find(a.types.begin(), a.types.end(), *c.type) != a.types.end() &&
                       a.amount_from <= *c.amount && *c.amount <= a.amount_to;
            }));
            std::size_t visited = 0;
            auto const looked_at = index.for_each(c, [&](crypto::public_key const&) { ++visited; });
            CHECK(visited == matches);                      // of signers; the bound is that and eight
            CHECK(looked_at <= 4 * (matches + 1) * depth);  // of places in the tree
            CHECK(looked_at <= n);
        }
    }
}

TEST_CASE("a directory counts whom a query looks at") {
    discovery::signer_directory<> d{{.signers_max = 200, .per_deliverer_max = 200}};
    splitmix64 draw{1};
    effect_list<discovery::directory_event> told;
    for (std::size_t i = 1; i <= 100; ++i) {
        auto a = test::advertisement_of(i);
        auto const terms = random_terms(draw);
        a.types = terms.types;
        a.amount_from = terms.amount_from;
        a.amount_to = terms.amount_to;
        REQUIRE(d.take(a.seal(test::node_keys(i).node).value(), test::node_keys(9).node.id(), discovery::source::gossip,
                       at(0), told));
    }
    for (std::uint64_t amount = 0; amount < 1'000'000; amount += 10'000) {
        discovery::criteria const c{.type = transaction_type::swap, .amount = amount};
        std::size_t matches = 0;
        auto const visited = d.for_each(c, at(1), [&](auto const&) { ++matches; });
        CHECK(visited <= matches + 8);
    }
}

}  // namespace queries_tests
