// SPDX-License-Identifier: MIT

#include <algorithm>
#include <array>

#include <muster/musig2/aggregate.hpp>
#include <muster/musig2/tweak.hpp>

#include <support/backend.hpp>
#include <support/catch.hpp>
#include <support/keys.hpp>

namespace arithmetic_tests {

using namespace muster;
using namespace muster::musig2;
using musig2::detail::scalar;

namespace {

test::backend const backend_under_test;

std::array<byte, 32> number(std::string_view digits) {
    auto const raw = from_hex(digits).value();
    std::array<byte, 32> out{};
    std::copy(raw.begin(), raw.end(), out.begin());
    return out;
}

/// A public nonce of two given points.
pubnonce nonce_of(public_key const& r1, public_key const& r2) {
    pubnonce out;
    std::copy(r1.octets.begin(), r1.octets.end(), out.octets.begin());
    std::copy(r2.octets.begin(), r2.octets.end(), out.octets.begin() + 33);
    return out;
}

public_key negated(public_key key) {
    key.octets[0] ^= 1;
    return key;
}

}  // namespace

TEST_CASE("reduction modulo the order: n-1, n, n+1, 2^256-1") {
    auto const n = musig2::detail::group_order;
    auto const minus_one = number("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140");
    auto const plus_one = number("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142");
    std::array<byte, 32> top{};
    top.fill(0xff);
    CHECK(scalar::reduced(minus_one).octets() == minus_one);
    CHECK(scalar::reduced(n).is_zero());
    CHECK(scalar::reduced(plus_one).octets() ==
          number("0000000000000000000000000000000000000000000000000000000000000001"));
    CHECK(scalar::reduced(top).octets() == number("000000000000000000000000000000014551231950b75fc4402da1732fc9bebe"));
    CHECK_FALSE(scalar::below_order(n));
    CHECK(scalar::below_order(minus_one));
}

TEST_CASE("scalars know zero") {
    auto const a = scalar::reduced(number("0000000000000000000000000000000000000000000000000000000000000007"));
    scalar const zero;
    CHECK((a + -a).is_zero());
    CHECK(a + zero == a);
    CHECK(zero + a == a);
    CHECK((a * zero).is_zero());
    CHECK((-zero).is_zero());
}

TEST_CASE("nonces whose partial sums are infinite add up the same in any order", "[misuse-25]") {
    auto const keys = test::public_keys(test::make_keys(4));
    std::vector<pubnonce> nonces{nonce_of(keys[0], keys[1]), nonce_of(negated(keys[0]), negated(keys[1])),
                                 nonce_of(keys[2], keys[3])};
    std::sort(nonces.begin(), nonces.end());
    do {
        CHECK(backend_under_test.nonce_agg(nonces).value() == aggnonce{nonce_of(keys[2], keys[3]).octets});
    } while (std::next_permutation(nonces.begin(), nonces.end()));
}

TEST_CASE("nonces that cancel in one half or both are infinity, and a session goes on", "[misuse-24]") {
    auto const pairs = test::make_keys(2);
    auto const keys = test::public_keys(pairs);
    auto const context = backend_under_test.key_agg(keys).value();
    std::vector const both{nonce_of(keys[0], keys[1]), nonce_of(negated(keys[0]), negated(keys[1]))};
    auto const total = backend_under_test.nonce_agg(both).value();
    CHECK(total.is_zero());
    CHECK(backend_under_test.session_values(context, total, bytes{1}));

    std::vector const half{nonce_of(keys[0], keys[1]), nonce_of(keys[0], negated(keys[1]))};
    CHECK(equal(backend_under_test.nonce_agg(half).value().view().last(33), bytes(33, 0)));
}

TEST_CASE("the rogue who cancels the nonces is named in round two") {
    auto const pairs = test::make_keys(2);
    auto const context = backend_under_test.key_agg(test::public_keys(pairs)).value();
    test::predictable source{3};
    auto honest = backend_under_test.nonce_gen(source, {.key = pairs[0].public_key()}).value();
    auto rogue = honest.second;
    rogue.octets[0] ^= 1;   // -R1
    rogue.octets[33] ^= 1;  // -R2
    std::vector const nonces{honest.second, rogue};
    auto const total = backend_under_test.nonce_agg(nonces).value();
    CHECK(total.is_zero());
    auto const values = backend_under_test.session_values(context, total, bytes{1}).value();
    std::vector const shares{backend_under_test.sign(std::move(honest.first), pairs[0], values).value(), psig{{5}}};
    CHECK(aggregate(backend_under_test, values, nonces, shares).error().index() == 1u);
}

TEST_CASE("zero tweaks change nothing but the sign rules they imply", "[misuse-39]") {
    auto const keys = test::public_keys(test::make_keys(3));
    auto const context = backend_under_test.key_agg(keys).value();
    CHECK(backend_under_test.apply_tweak(context, {}, false).value().aggregate() == context.aggregate());
    auto const even = backend_under_test.apply_tweak(context, {}, true).value().aggregate();
    CHECK(crypto::to_xonly(even) == crypto::to_xonly(context.aggregate()));
    CHECK(even.octets[0] == 2);
}

TEST_CASE("a tweak to infinity or out of range is refused and leaves the context unchanged", "[misuse-39][misuse-41]") {
    // One signer with secret 1 has coefficient a; tweaking by -a takes a G to infinity.
    auto const one = test::key_from(number("0000000000000000000000000000000000000000000000000000000000000001"));
    std::vector const keys{one.public_key(), one.public_key()};
    auto const context = backend_under_test.key_agg(keys).value();
    static crypto::hash_tag const list{"KeyAgg list"};
    static crypto::hash_tag const coefficient{"KeyAgg coefficient"};
    auto const hash = crypto::tagged_hash(list, keys[0].view(), keys[1].view());
    auto const a = scalar::reduced(crypto::tagged_hash(coefficient, hash.view(), keys[0].view()).octets);
    auto const before = context.aggregate();
    CHECK(backend_under_test.apply_tweak(context, {(-(a + a)).octets()}, false).error() == errc::tweak_to_infinity);
    CHECK(backend_under_test.apply_tweak(context, {musig2::detail::group_order}, true).error() ==
          errc::tweak_out_of_range);
    CHECK(context.aggregate() == before);
    auto const after = backend_under_test.apply_tweak(context, {{1}}, false).value();
    CHECK(after.aggregate() != before);
}

TEST_CASE("keys that cancel are refused, an empty list too") {
    CHECK(backend_under_test.key_agg({}).error() == errc::no_keys);
}

TEST_CASE("tweaks are typed: derivation comes first and is never hardened") {
    auto const keys = test::public_keys(test::make_keys(2));
    std::vector<tweak> const late{taproot{}, bip32_path{{1}}};
    CHECK(key_agg(backend_under_test, keys, late).error() == errc::tweak_order);
    CHECK(key_agg(backend_under_test, keys, late).error().index() == 1u);
    std::vector<tweak> const hardened{bip32_path{{0x80000000u}}};
    CHECK(key_agg(backend_under_test, keys, hardened).error() == errc::hardened_step);
    std::vector<tweak> const split{bip32_path{{1}}, bip32_path{{2}}};
    CHECK(key_agg(backend_under_test, keys, split).error() == errc::tweak_order);
}

TEST_CASE("a taproot tweak commits to the script tree") {
    auto const keys = test::public_keys(test::make_keys(2));
    std::vector<tweak> const bare{taproot{}}, tree{taproot{digest32{}}};
    CHECK(key_agg(backend_under_test, keys, bare).value().aggregate() !=
          key_agg(backend_under_test, keys, tree).value().aggregate());
}

TEST_CASE("a secret nonce works once, with its own key, in a group that has it", "[misuse-18][misuse-21][misuse-36]") {
    auto const pairs = test::make_keys(3);
    std::vector const keys{pairs[0].public_key(), pairs[1].public_key()};
    auto const context = backend_under_test.key_agg(keys).value();
    test::predictable source{5};
    auto const make = [&](std::size_t i) {
        return backend_under_test.nonce_gen(source, {.key = pairs[i].public_key()}).value();
    };
    auto a = make(0), b = make(1), c = make(2);
    auto const values =
        backend_under_test
            .session_values(context, backend_under_test.nonce_agg(std::vector{a.second, b.second}).value(), bytes{})
            .value();
    CHECK(backend_under_test.sign(std::move(b.first), pairs[0], values).error() == errc::key_mismatch);
    CHECK(backend_under_test.sign(std::move(c.first), pairs[2], values).error() == errc::not_a_signer);
    CHECK(backend_under_test.sign(std::move(a.first), pairs[0], values));
    CHECK(backend_under_test.sign(std::move(a.first), pairs[0], values).error() == errc::nonce_consumed);
}

}  // namespace arithmetic_tests
