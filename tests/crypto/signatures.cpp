// SPDX-License-Identifier: MIT

#include <muster/crypto/secp256k1.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>
#include <support/vectors.hpp>

namespace signatures_tests {

using namespace muster;
using namespace muster::crypto;
using test::key_from;

TEST_CASE("BIP-340: every vector signs and verifies as the BIP says") {
    auto const cases = test::load_vectors("bip340.txt", "bip340");
    REQUIRE(cases.size() == 19);
    for (auto const& c : cases) {
        INFO("bip340.txt:" << c.line << " " << c.word("note"));
        auto const key = c.one<xonly_key>("key");
        auto const message = c.octets("message");
        auto const sig = c.one<signature>("signature");
        CHECK(verify_bip340(key, message, sig) == (c.word("valid") == "yes"));
        if (c.has("secret")) {
            auto const pair = key_from(c.octets("secret"));
            CHECK(to_xonly(pair.public_key()) == key);
            std::array<byte, 32> aux{};
            auto const given = c.octets("aux");
            std::copy(given.begin(), given.end(), aux.begin());
            CHECK(pair.sign_bip340(message, aux).value() == sig);
        }
    }
}

TEST_CASE("ECDSA: DER signatures verify, also with a high s, and bind message and key") {
    auto const keys = test::make_keys(2);
    auto const message = as_bytes("noise-libp2p-static-key:");
    auto const der = keys[0].sign_ecdsa_der(message).value();
    CHECK(verify_ecdsa_der(keys[0].public_key(), message, der));
    CHECK_FALSE(verify_ecdsa_der(keys[1].public_key(), message, der));
    CHECK_FALSE(verify_ecdsa_der(keys[0].public_key(), as_bytes("other"), der));
    CHECK_FALSE(verify_ecdsa_der(keys[0].public_key(), message, {}));
    CHECK_FALSE(verify_ecdsa_der(public_key{}, message, der));

    secp256k1_ecdsa_signature raw;
    auto const* const ctx = secp256k1::context();
    REQUIRE(secp256k1_ecdsa_signature_parse_der(ctx, &raw, der.data(), der.size()) == 1);
    std::array<byte, 64> compact{};
    REQUIRE(secp256k1_ecdsa_signature_serialize_compact(ctx, compact.data(), &raw) == 1);
    REQUIRE(secp256k1_ec_seckey_negate(ctx, compact.data() + 32) == 1);
    REQUIRE(secp256k1_ecdsa_signature_parse_compact(ctx, &raw, compact.data()) == 1);
    bytes high(72);
    std::size_t size = high.size();
    REQUIRE(secp256k1_ecdsa_signature_serialize_der(ctx, high.data(), &size, &raw) == 1);
    high.resize(size);
    CHECK(high != der);
    CHECK(verify_ecdsa_der(keys[0].public_key(), message, high));
}

TEST_CASE("secret keys out of range are refused, not aborted on") {
    for (auto const* bad : {"0000000000000000000000000000000000000000000000000000000000000000",
                            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
                            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
        auto const made = key_pair::from_secret(secret<32>::copy_of(from_hex(bad).value()).value());
        CHECK(made.error() == errc::invalid_secret);
    }
}

TEST_CASE("a key pair that was moved from refuses to sign") {
    auto pair = test::make_keys(1)[0].clone().value();
    auto const taken = std::move(pair);
    CHECK(pair.sign_bip340({}).error() == errc::secret_gone);
    CHECK(pair.sign_ecdsa_der({}).error() == errc::secret_gone);
    CHECK(pair.clone().error() == errc::secret_gone);
    CHECK(taken.sign_bip340({}));
}

TEST_CASE("malformed public keys are an error, never an abort") {
    auto key = test::make_keys(1)[0].public_key();
    CHECK(is_valid(key));
    for (int prefix : {0, 1, 4, 5, 6, 7, 255}) {
        key.octets[0] = static_cast<byte>(prefix);
        CHECK(parse(key).error() == errc::invalid_key);
    }
    CHECK(parse(public_key{}).error() == errc::invalid_key);
    CHECK(secp256k1::illegal_calls() == 0);
}

}  // namespace signatures_tests
