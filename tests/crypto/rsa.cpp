// SPDX-License-Identifier: MIT

#include <muster/crypto/rsa.hpp>

#include <openssl/err.h>

#include <muster/core/random.hpp>

#include <support/catch.hpp>
#include <support/rsa_host.hpp>

namespace rsa_tests {

using namespace muster;
using crypto::rsa_public;
using test::der;
using test::joined;
using test::modulus_of;
using test::spki_of;

TEST_CASE("RSA: a signature verifies, and nothing near it") {
    test::rsa_host const host;
    auto const key = rsa_public::from_spki(host.spki()).value();
    CHECK(equal(key.spki(), host.spki()));
    auto const message = as_bytes("muster");
    auto const good = host.sign(message);
    CHECK(key.verify(message, good));
    CHECK_FALSE(key.verify(as_bytes("musters"), good));
    CHECK_FALSE(key.verify(message, {}));
    CHECK_FALSE(key.verify(message, byte_view{good}.first(good.size() - 1)));
    auto longer = good;
    longer.insert(longer.begin(), 0);
    CHECK_FALSE(key.verify(message, longer));
    for (std::size_t i = 0; i < good.size(); i += 17) {
        auto near = good;
        near[i] ^= 1;
        CHECK_FALSE(key.verify(message, near));
    }
    CHECK_FALSE(rsa_public::from_spki(test::rsa_host{}.spki()).value().verify(message, good));
    auto const copy = key;
    CHECK(copy == key);
    CHECK(copy.verify(message, good));
}

TEST_CASE("RSA: sizes have bounds, at both ends") {
    CHECK(rsa_public::from_spki(spki_of(modulus_of(2048))));
    CHECK(rsa_public::from_spki(spki_of(modulus_of(8192))));
    CHECK(spki_of(modulus_of(8192)).size() == 1'062);
    CHECK(rsa_public::from_spki(spki_of(modulus_of(2047))).error().message().find("2047 bits; 2048 to 8192") !=
          std::string::npos);
    CHECK(rsa_public::from_spki(spki_of(modulus_of(8193))).error() == crypto::errc::invalid_key);
    CHECK(rsa_public::from_spki(spki_of(modulus_of(16384))).error() == crypto::errc::invalid_key);
    CHECK(rsa_public::from_spki(spki_of(modulus_of(2048), {0x7f, 0xff, 0xff, 0xff})));
    CHECK(rsa_public::from_spki(spki_of(modulus_of(2048), {3})));
    for (auto const& exponent : std::vector<bytes>{{1}, {4}, {0x80, 0, 0, 1}, bytes(300, 0x55), {0}}) {
        CHECK(rsa_public::from_spki(spki_of(modulus_of(2048), exponent)).error() == crypto::errc::invalid_key);
    }
}

TEST_CASE("RSA: a key has one encoding") {
    auto const good = spki_of(modulus_of(2048));
    REQUIRE(rsa_public::from_spki(good));
    auto refused = [](bytes const& what) { return rsa_public::from_spki(what).error() == crypto::errc::invalid_key; };
    CHECK(refused({}));
    CHECK(refused(joined({good, {0}})));  // a byte too many
    for (std::size_t size = 0; size < good.size(); ++size) REQUIRE(refused({good.begin(), good.begin() + long(size)}));
    auto const modulus = joined({{0}, modulus_of(2048)});
    auto const whole = [&](bytes const& algorithm, bytes const& key) {
        return der(0x30, joined({algorithm, der(0x03, joined({{0x00}, key}))}));
    };
    bytes const oid{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
    auto const algorithm = der(0x30, joined({der(0x06, oid), bytes{0x05, 0x00}}));
    auto const key = der(0x30, joined({der(0x02, modulus), der(0x02, {1, 0, 1})}));
    CHECK(rsa_public::from_spki(whole(algorithm, key)));
    CHECK(refused(whole(der(0x30, der(0x06, oid)), key)));  // no NULL
    CHECK(refused(whole(algorithm, der(0x30, joined({der(0x02, joined({{0}, modulus})), der(0x02, {1, 0, 1})})))));
    CHECK(refused(whole(algorithm, der(0x30, joined({der(0x02, modulus), der(0x02, {0, 1, 0, 1})})))));  // padded
    CHECK(refused(whole(algorithm, joined({key, bytes{0x05, 0x00}}))));  // something behind the key
    CHECK(
        refused(spki_of(modulus_of(2048), {1, 0, 1}, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a})));  // PSS
    CHECK(refused(joined({{0x30, 0x83, 0x00, good[2], good[3]}, {good.begin() + 4, good.end()}})));  // a longer length
    CHECK(ERR_peek_error() == 0);  // nothing is left for others to find
}

TEST_CASE("RSA: any bytes are survived") {
    splitmix64 random{7};
    auto const good = spki_of(modulus_of(2048));
    int accepted = 0;
    for (int round = 0; round < 3'000; ++round) {
        auto input = good;
        for (auto n = 1 + uniform(random, 3); n > 0; --n) {
            input[uniform(random, round % 2 == 0 ? input.size() : 40)] = static_cast<byte>(random());
        }
        auto const key = rsa_public::from_spki(input);
        if (!key) continue;
        ++accepted;
        REQUIRE(equal(key.value().spki(), input));
        REQUIRE_FALSE(key.value().verify(as_bytes("x"), bytes(256, 1)));
    }
    CHECK(accepted > 100);
    CHECK(ERR_peek_error() == 0);
}

}  // namespace rsa_tests
