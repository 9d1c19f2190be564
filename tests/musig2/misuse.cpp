// SPDX-License-Identifier: MIT

// Signers who do it wrong, by mistake or on purpose, where no other test already has them. Every way to misuse MuSig2
// that is tested has a number; tests/misuse.md lists them all.

#include <muster/musig2/aggregate.hpp>

#include <array>
#include <numeric>
#include <set>

#include <muster/musig2/portable.hpp>
#include <muster/musig2/rounds.hpp>
#include <muster/musig2/tweak.hpp>

#include <support/backend.hpp>
#include <support/catch.hpp>
#include <support/keys.hpp>
#include <support/secnonce.hpp>

namespace misuse_tests {

using namespace muster;
using namespace muster::musig2;
using musig2::detail::scalar;
using round_one = round1<test::backend>;

namespace {

test::backend const backend_under_test;

/// A source that has nothing to give.
struct dry {
    [[nodiscard]] result<void> fill_secret(byte_span) {
        return error{crypto::errc::no_entropy, "the random source is dry"};
    }
};

scalar one() {
    std::array<byte, 32> octets{};
    octets[31] = 1;
    return scalar::reduced(octets);
}

/// 1/x mod n, by Fermat.
scalar inverse(scalar const& x) {
    auto exponent = musig2::detail::group_order;
    exponent[31] = static_cast<byte>(exponent[31] - 2);
    auto out = one();
    for (std::size_t bit = 0; bit < 256; ++bit) {
        out = out * out;
        if ((exponent[bit / 8] >> (7 - bit % 8) & 1) != 0) out = out * x;
    }
    return out;
}

/// One share, as an equation: s = k1 + b k2 + x d, all but k1, k2 and d known to everyone.
struct equation {
    scalar s, b, x;
};

/// What everyone can compute of a session with two signers without tweaks: BIP-327's formulas once more.
equation equation_of(std::span<public_key const> keys, aggnonce const& total, byte_view text, psig const& share) {
    static crypto::hash_tag const list{"KeyAgg list"}, coefficient{"KeyAgg coefficient"}, nonce{"MuSig/noncecoef"},
        challenge{"BIP0340/challenge"};
    auto const aggregate = portable{}.key_agg(keys).value().aggregate();
    auto const q = crypto::to_xonly(aggregate);
    auto const hash = crypto::tagged_hash(list, keys[0].view(), keys[1].view());
    auto const a = scalar::reduced(crypto::tagged_hash(coefficient, hash.view(), keys[0].view()).octets);
    auto const b = scalar::reduced(crypto::tagged_hash(nonce, total.view(), q.view(), text).octets);
    using musig2::detail::multiply;
    using musig2::detail::parse_point;
    std::array const terms{parse_point(total.view().first(33)), multiply(parse_point(total.view().last(33)), b)};
    auto const r = crypto::serialize(*musig2::detail::sum(terms));
    auto const e = scalar::reduced(crypto::tagged_hash(challenge, crypto::to_xonly(r).view(), q.view(), text).octets);
    auto const s = scalar::reduced(share.octets);
    auto const x = aggregate.octets[0] == 3 ? -(e * a) : e * a;
    bool const is_odd = r.octets[0] == 3;  // then the nonces count negatively
    return {is_odd ? -s : s, b, is_odd ? -x : x};
}

/// d, from three equations with the same k1 and k2.
scalar solve(std::array<equation, 3> const& of) {
    // Without k1 two are left, without k2 one.
    auto const [s1, b1, x1] = equation{of[0].s + -of[1].s, of[0].b + -of[1].b, of[0].x + -of[1].x};
    auto const [s2, b2, x2] = equation{of[0].s + -of[2].s, of[0].b + -of[2].b, of[0].x + -of[2].x};
    return (s1 * b2 + -(s2 * b1)) * inverse(x1 * b2 + -(x2 * b1));
}

}  // namespace

TEST_CASE("a random source that fails: no nonce, and its own reason", "[misuse-16]") {
    auto const keys = test::make_keys(1);
    dry source;
    CHECK(backend_under_test.nonce_gen(source, {.key = keys[0].public_key()}).error() == crypto::errc::no_entropy);
    auto const context = backend_under_test.key_agg(test::public_keys(keys)).value();
    CHECK(round_one::open(source, keys[0], context, message::tagged("t", {}), 0).error() == crypto::errc::no_entropy);
}

TEST_CASE("three shares under one nonce give the key away; ours gives one", "[misuse-20]") {
    auto const keys = test::make_keys(2);
    auto const points = test::public_keys(keys);
    portable const b;
    auto const context = b.key_agg(points).value();
    test::predictable source{20};
    auto made = b.nonce_gen(source, {.key = points[0]}).value();
    std::array<equation, 3> known;
    for (byte i = 0; i < 3; ++i) {
        bytes const text{i};
        auto const other = b.nonce_gen(source, {.key = points[1]}).value().second;
        auto const total = b.nonce_agg(std::vector{made.second, other}).value();
        auto const values = b.session_values(context, total, text).value();
        // A broken signer: it keeps what it should have used up.
        auto kept = secnonce_test_access::copy(made.first);
        known[i] = equation_of(points, total, text, b.sign(std::move(kept), keys[0], values).value());
    }
    CHECK(equal(solve(known).octets(), keys[0].secret_scalar()));
    auto const values = b.session_values(context, aggnonce{made.second.octets}, bytes{}).value();
    CHECK(b.sign(std::move(made.first), keys[0], values));
    CHECK(b.sign(std::move(made.first), keys[0], values).error() == errc::nonce_consumed);
    CHECK(b.sign(std::move(made.first), keys[0], values).error() == errc::nonce_consumed);
}

TEST_CASE("a secret nonce of zero, of the order or above signs nothing", "[misuse-22]") {
    auto const keys = test::make_keys(1);
    portable const b;
    auto const context = b.key_agg(test::public_keys(keys)).value();
    test::predictable source{22};
    auto const shown = b.nonce_gen(source, {.key = keys[0].public_key()}).value().second;
    auto const values = b.session_values(context, aggnonce{shown.octets}, bytes{}).value();
    bytes good(32, 1), order(musig2::detail::group_order.begin(), musig2::detail::group_order.end());
    for (bytes const& bad : {bytes(32, 0), order, bytes(32, 0xff)}) {
        for (bool const is_first : {true, false}) {
            auto octets = is_first ? bad : good;
            append(octets, is_first ? good : bad);
            append(octets, keys[0].public_key().view());
            auto const refused = b.sign(secnonce_test_access::portable_nonce(octets), keys[0], values).error();
            CHECK(refused == errc::secnonce_out_of_range);
        }
    }
    CHECK(crypto::secp256k1::illegal_calls() == 0);
}

TEST_CASE("public nonces that are no two points, whatever their bytes and their number", "[misuse-23]") {
    auto const keys = test::make_keys(2);
    auto const context = backend_under_test.key_agg(test::public_keys(keys)).value();
    test::predictable source{23};
    auto const good = backend_under_test.nonce_gen(source, {.key = keys[0].public_key()}).value().second;
    for (std::size_t const half : {0u, 33u}) {
        for (byte const prefix : {byte{0}, byte{1}, byte{4}, byte{5}, byte{6}, byte{0xff}}) {
            auto bad = good;
            bad.octets[half] = prefix;
            CHECK(backend_under_test.nonce_agg(std::vector{good, bad}).error().index() == 1u);
        }
        auto off_curve = good;  // no x at or above the field's size is a coordinate
        std::fill_n(off_curve.octets.begin() + static_cast<std::ptrdiff_t>(half) + 1, 32, byte{0xff});
        CHECK(backend_under_test.nonce_agg(std::vector{off_curve, good}).error().index() == 0u);
    }
    CHECK(backend_under_test.nonce_agg(std::vector{pubnonce{}, good}).error() == errc::invalid_pubnonce);
    for (std::size_t const octets : {0u, 65u, 67u}) {
        CHECK_FALSE(from_hex_as<pubnonce>(std::string(2 * octets, '0')));
    }
}

TEST_CASE("nonces that cancel in either half or both: the session goes on, and its liar is named", "[misuse-24]") {
    auto const keys = test::make_keys(2);
    auto const context = backend_under_test.key_agg(test::public_keys(keys)).value();
    test::predictable source{24};
    for (int const which : {1, 2, 3}) {
        auto honest = backend_under_test.nonce_gen(source, {.key = keys[0].public_key()}).value();
        auto rogue = backend_under_test.nonce_gen(source, {.key = keys[1].public_key()}).value().second;
        for (std::size_t half = 0; half < 2; ++half) {
            if ((which >> half & 1) == 0) continue;
            auto const at = static_cast<std::ptrdiff_t>(33 * half);
            std::copy_n(honest.second.octets.begin() + at, 33, rogue.octets.begin() + at);
            rogue.octets[33 * half] ^= 1;  // minus
        }
        std::vector const nonces{honest.second, rogue};
        auto const total = backend_under_test.nonce_agg(nonces).value();
        CHECK(equal(total.view().first(33), bytes(33, 0)) == ((which & 1) != 0));
        CHECK(equal(total.view().last(33), bytes(33, 0)) == ((which & 2) != 0));
        auto const values = backend_under_test.session_values(context, total, bytes{1}).value();
        auto const share = backend_under_test.sign(std::move(honest.first), keys[0], values).value();
        auto const outcome = aggregate(backend_under_test, values, nonces, std::vector{share, psig{{5}}});
        CHECK(outcome.error().index() == 1u);
    }
}

TEST_CASE("a peer that echoes my nonce may, and is named by the share that it cannot make", "[misuse-26]") {
    auto const keys = test::make_keys(2);
    auto const context = backend_under_test.key_agg(test::public_keys(keys)).value();
    test::predictable source{26};
    auto mine = round_one::open(source, keys[0], context, message::tagged("t", {}), 0).value();
    std::vector const echoed(mine.nonces().begin(), mine.nonces().end());
    REQUIRE(mine.receive(1, echoed));
    auto two = std::move(mine).sign().value();
    std::vector const mine_again(two.shares().begin(), two.shares().end());
    REQUIRE(two.receive(1, mine_again));  // all that it has
    CHECK(two.aggregate().error() == errc::invalid_psig);
    CHECK(two.aggregate().error().index() == 1u);
}

TEST_CASE("a peer with the keys in another order signs for another key: its share is no share of ours", "[misuse-38]") {
    auto const keys = test::make_keys(3);
    auto points = test::public_keys(keys);
    auto const ours = backend_under_test.key_agg(points).value();
    std::swap(points[0], points[1]);
    auto const theirs = backend_under_test.key_agg(points).value();
    REQUIRE(ours.aggregate() != theirs.aggregate());
    test::predictable source{38};
    auto const text = message::tagged("t", {});
    std::vector<round_one> rounds;
    for (std::uint32_t i = 0; i < 3; ++i) {
        bool const is_stubborn = i == 2;
        rounds.push_back(round_one::open(source, keys[i], is_stubborn ? theirs : ours, text, i).value());
    }
    for (auto& to : rounds) {
        for (auto& from : rounds) REQUIRE(to.receive(from.position(), from.nonces()));
    }
    auto two = std::move(rounds[0]).sign().value();
    for (std::uint32_t i = 1; i < 3; ++i) REQUIRE(two.receive(i, std::move(rounds[i]).sign().value().shares()));
    CHECK(two.aggregate().error().index() == 2u);
}

TEST_CASE("three mixed tweaks through all eight paths of parities", "[misuse-40]") {
    std::vector<tweak> const plan{unsafe::raw_tweak{{{9}}, true}, unsafe::raw_tweak{{{8}}, false},
                                  unsafe::raw_tweak{{{7}}, true}};
    std::set<std::array<bool, 3>> paths;
    for (std::uint64_t seed = 1; paths.size() < 8; ++seed) {
        REQUIRE(seed < 200);
        auto const keys = test::make_keys(2, seed);
        auto const points = test::public_keys(keys);
        // The parities that x-only tweaks and the challenge look at.
        std::array<bool, 3> path{};
        for (std::size_t i = 0; i < 3; ++i) {
            auto const partial =
                key_agg(backend_under_test, points, std::span{plan}.first(std::array<std::size_t, 3>{0, 2, 3}[i]));
            path[i] = partial.value().aggregate().octets[0] == 3;
        }
        if (!paths.insert(path).second) continue;
        auto const context = key_agg(backend_under_test, points, plan).value();
        test::predictable source{seed};
        auto const text = message::tagged("t", {});
        auto a = round_one::open(source, keys[0], context, text, 0).value();
        auto b = round_one::open(source, keys[1], context, text, 1).value();
        REQUIRE(a.receive(1, b.nonces()));
        REQUIRE(b.receive(0, a.nonces()));
        auto two = std::move(a).sign().value();
        REQUIRE(two.receive(1, std::move(b).sign().value().shares()));
        CHECK(two.aggregate());
    }
}

TEST_CASE("whatever bytes come in, libsecp256k1 never sees an illegal argument", "[misuse-45]") {
    splitmix64 random{45};
    auto const pairs = test::make_keys(3);
    auto const good_keys = test::public_keys(pairs);
    auto const good_context = backend_under_test.key_agg(good_keys).value();
    // Anything at all, zeros, ones, or something good with one byte changed.
    auto const spoil = [&](auto value) {
        auto const style = uniform(random, 5);
        if (style < 3) {
            for (auto& octet : value.octets) octet = style == 0 ? byte{0} : style == 1 ? byte{0xff} : byte(random());
        }
        if (style == 3) value.octets[uniform(random, value.size())] ^= static_cast<byte>(1 + uniform(random, 255));
        return value;
    };
    std::size_t accepted = 0, refused = 0;
    auto const count = [&](auto const& r) { ++(r ? accepted : refused); };
    for (int round = 0; round < 500; ++round) {
        auto keys = good_keys;
        for (auto& key : keys) key = spoil(key);
        auto const made = backend_under_test.key_agg(keys);
        count(made);
        auto const context = made ? made.value() : good_context;
        auto const tweaked = backend_under_test.apply_tweak(context, spoil(tweak_value{{1}}), round % 2 == 0);
        count(tweaked);
        test::predictable source{random()};
        std::vector<pubnonce> nonces;
        for (auto const& pair : pairs) {
            nonces.push_back(spoil(backend_under_test.nonce_gen(source, {.key = pair.public_key()}).value().second));
        }
        auto const sum = backend_under_test.nonce_agg(nonces);
        count(sum);
        bytes const text(uniform(random, 2) == 0 ? 32 : uniform(random, 40), 1);
        auto const values =
            backend_under_test.session_values(context, sum ? spoil(sum.value()) : aggnonce{nonces[0].octets}, text);
        count(values);
        if (!values) continue;
        std::vector<psig> shares(3);
        for (auto& share : shares) share = spoil(share);
        for (std::uint32_t i = 0; i < 4; ++i) {
            count(partial_sig_verify(backend_under_test, values.value(), {i, nonces[i % 3], shares[i % 3]}));
        }
        count(aggregate(backend_under_test, values.value(), nonces, shares));
        count(backend_under_test.deterministic_sign(
            context, pairs[0], {.other_nonces = spoil(aggnonce{nonces[1].octets}), .message = text}));
    }
    CHECK(accepted > 100);
    CHECK(refused > 100);
    CHECK(crypto::secp256k1::illegal_calls() == 0);
}

TEST_CASE("two bad nonces, each in another half: everyone names the same one") {
    test::predictable source{4};
    auto const key = test::make_keys(1)[0].public_key();
    std::vector nonces{backend_under_test.nonce_gen(source, {.key = key}).value().second,
                       backend_under_test.nonce_gen(source, {.key = key}).value().second};
    nonces[0].octets[33] = 0;
    nonces[1].octets[0] = 0;
    CHECK(backend_under_test.nonce_agg(nonces).error().index() == 0u);
}

}  // namespace misuse_tests
