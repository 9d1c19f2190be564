// SPDX-License-Identifier: MIT

#include <muster/crypto/keccak.hpp>
#include <muster/crypto/recoverable.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>
#include <support/vectors.hpp>

namespace recoverable_tests {

using namespace muster;
using namespace muster::crypto;

TEST_CASE("Keccak-256: known digests, which are not those of SHA3-256") {
    CHECK(to_hex(keccak256({})) == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    CHECK(to_hex(keccak256(as_bytes("abc"))) == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    CHECK(to_hex(keccak256(as_bytes("The quick brown fox jumps over the lazy dog"))) ==
          "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15");
    bytes const one{1};
    CHECK(to_hex(keccak256(one)) == "5fe7f977e71dba2ea1a68e21057beebb9be2ac30c6410aa38d4f3fbe41dcffd2");
}

TEST_CASE("Keccak-256: in one part or in many, at every size about the rate, ours and OpenSSL's alike") {
    bytes content;
    for (std::size_t size = 0; size <= 3 * 136 + 1; ++size) {
        auto const whole = keccak256_hasher{}.update(content).finish();
        CHECK(keccak256(content) == whole);  // OpenSSL's where it has one
        auto const cut = size / 3;
        CHECK(
            keccak256_hasher{}.update(byte_view{content}.first(cut)).update(byte_view{content}.subspan(cut)).finish() ==
            whole);
        content.push_back(static_cast<byte>(size * 7));
    }
}

TEST_CASE("recoverable signatures: the vectors sign, recover, and their twins are refused") {
    for (auto const& c : test::load_vectors("preconf.txt", "signature")) {
        auto const key = test::key_from(c.octets("secret"));
        auto const digest = test::load_vectors("preconf.txt", "record")[0].one<digest32>("signing_hash");
        auto const made = sign_recoverable(key, digest).value();
        CHECK(made == c.one<recoverable_signature>("signature"));
        CHECK(recover(made, digest).value() == to_uncompressed(key.public_key()).value());
        auto const twin = c.one<recoverable_signature>("twin");
        CHECK_FALSE(is_canonical(twin));
        CHECK(recover(twin, digest).error() == errc::invalid_signature);
    }
}

TEST_CASE("recoverable signatures: what is no canonical one is refused, and nothing reaches the library's abort") {
    auto const key = test::make_keys(1)[0].clone().value();
    auto const digest = sha256(as_bytes("digest"));
    auto const good = sign_recoverable(key, digest).value();
    for (unsigned id : {2u, 3u, 4u, 27u, 28u, 255u}) {
        auto bad = good;
        bad.octets[64] = static_cast<byte>(id);
        CHECK(recover(bad, digest).error() == errc::invalid_signature);
    }
    auto zero_r = good, zero_s = good, large = good;
    for (std::size_t i = 0; i < 32; ++i) {
        zero_r.octets[i] = 0;
        zero_s.octets[32 + i] = 0;
        large.octets[i] = 0xff;
    }
    for (auto const& bad : {zero_r, zero_s, large, recoverable_signature{}}) {
        CHECK(recover(bad, digest).error() == errc::invalid_signature);
    }
    auto other = good;
    other.octets[64] ^= 1;
    auto const whose = recover(other, digest);
    CHECK((!whose || whose.value() != to_uncompressed(key.public_key()).value()));
    CHECK(secp256k1::illegal_calls() == 0);
}

}  // namespace recoverable_tests
