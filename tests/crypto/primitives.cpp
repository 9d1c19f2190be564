// SPDX-License-Identifier: MIT

#include <muster/crypto/aead.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/kdf.hpp>
#include <muster/crypto/x25519.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>

namespace primitives_tests {

using namespace muster;
using namespace muster::crypto;

namespace {

bytes hex(std::string_view digits) { return from_hex(digits).value(); }

}  // namespace

TEST_CASE("SHA-256: FIPS 180-4 figures, in one part or in many") {
    CHECK(to_hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    auto const abc = as_bytes("abc");
    CHECK(to_hex(sha256(abc)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256_hasher{}.update(abc.first(1)).update({}).update(abc.subspan(1)).finish() == sha256(abc));
}

TEST_CASE("tagged hashes follow BIP-340's definition") {
    auto const tag = sha256(as_bytes("BIP0340/challenge"));
    bytes whole = to_bytes(tag.view());
    append(whole, tag.view());
    append(whole, bytes{1, 2, 3});
    CHECK(tagged_hash(hash_tag{"BIP0340/challenge"}, bytes{1}, bytes{2, 3}) == sha256(whole));
}

TEST_CASE("HMAC and HKDF: RFC 4231 case 2, RFC 5869 cases 1 and 3") {
    auto const key = as_bytes("Jefe");
    std::string const data = "what do ya want for nothing?";
    CHECK(to_hex(hmac_sha256(key, as_bytes(data))) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(to_hex(hmac_sha512(key, as_bytes(data))) ==
          "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
          "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");

    bytes out(42);
    hkdf_sha256(hex("000102030405060708090a0b0c"), bytes(22, 0x0b), hex("f0f1f2f3f4f5f6f7f8f9"), out);
    CHECK(to_hex(out) ==
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
          "34007208d5b887185865");
    hkdf_sha256({}, bytes(22, 0x0b), {}, out);
    CHECK(to_hex(out) ==
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
          "9d201395faa4b61a96c8");
}

TEST_CASE("ChaCha20-Poly1305: RFC 8439 section 2.8.2") {
    aead box{hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f")};
    aead::nonce const nonce{0x07, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
    auto const associated = hex("50515253c0c1c2c3c4c5c6c7");
    std::string const plain =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        "sunscreen would be it.";
    bytes sealed;
    box.seal(nonce, associated, as_bytes(plain), sealed);
    CHECK(to_hex(byte_view{sealed}.first(16)) == "d31a8d34648e60db7b86afbc53ef7ec2");
    CHECK(to_hex(byte_view{sealed}.last(16)) == "1ae10b594f09e26a7e902ecbd0600691");

    bytes opened{42};
    REQUIRE(box.open(nonce, associated, sealed, opened));
    CHECK(equal(byte_view{opened}.subspan(1), as_bytes(plain)));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto tampered = sealed;
        tampered[i] ^= 1;
        bytes untouched{42};
        CHECK(box.open(nonce, associated, tampered, untouched).error() == errc::not_authentic);
        CHECK(untouched == bytes{42});
    }
    bytes none;
    CHECK(box.open(nonce, {}, sealed, none).error() == errc::not_authentic);
    CHECK(box.open(nonce, associated, byte_view{sealed}.first(15), none).error() == errc::not_authentic);
}

TEST_CASE("X25519: RFC 7748 section 6.1, and points of low order are refused") {
    auto const load = [](std::string_view digits) {
        return x25519_key::from_secret(secret<32>::copy_of(hex(digits)).value()).value();
    };
    auto const bob = load("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    CHECK(to_hex(bob.public_point()) == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    auto const alice =
        from_hex_as<x25519_public>("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a").value();
    CHECK(to_hex(bob.agree(alice).value().view()) ==
          "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    CHECK(bob.agree(x25519_public{}).error() == errc::invalid_key);
}

TEST_CASE("AES-256-GCM: McGrew and Viega's test cases 14 and 16") {
    bytes sealed;
    aes_256_gcm{bytes(32, 0)}.seal({}, {}, bytes(16, 0), sealed);
    CHECK(to_hex(sealed) == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");

    aes_256_gcm box{hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")};
    aes_256_gcm::nonce const nonce{0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
    auto const associated = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    auto const plain =
        hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    sealed.clear();
    box.seal(nonce, associated, plain, sealed);
    CHECK(to_hex(sealed) ==
          "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
    bytes opened;
    REQUIRE(box.open(nonce, associated, sealed, opened));
    CHECK(opened == plain);
    sealed[3] ^= 1;
    CHECK(box.open(nonce, associated, sealed, opened).error() == errc::not_authentic);
}

TEST_CASE("scrypt: RFC 7914 section 12") {
    bytes out(64);
    REQUIRE(scrypt({}, {}, {16, 1, 1}, out));
    CHECK(to_hex(out) ==
          "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
          "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
    REQUIRE(scrypt(as_bytes("password"), as_bytes("NaCl"), {1024, 8, 16}, out));
    CHECK(to_hex(out) ==
          "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
          "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
    REQUIRE(scrypt(as_bytes("pleaseletmein"), as_bytes("SodiumChloride"), {16384, 8, 1}, out));
    CHECK(to_hex(out) ==
          "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
          "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}

TEST_CASE("PBKDF2-HMAC-SHA256: RFC 7914 section 11") {
    bytes out(64);
    pbkdf2_sha256(as_bytes("passwd"), as_bytes("salt"), 1, out);
    CHECK(to_hex(out) ==
          "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
          "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
    pbkdf2_sha256(as_bytes("Password"), as_bytes("NaCl"), 80000, out);
    CHECK(to_hex(out) ==
          "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
          "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
}

}  // namespace primitives_tests
