// SPDX-License-Identifier: MIT

#include <muster/peer/host_key.hpp>

#include <muster/peer/identity.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>
#include <support/rsa_host.hpp>
#include <support/vectors.hpp>

namespace host_key_tests {

using namespace muster;
using namespace muster::peer;

namespace {

bytes message_of(std::uint64_t type, bytes data) { return encode(public_key_message{type, std::move(data)}); }
error refused(byte_view message) { return host_key::decode(message).error(); }

}  // namespace

TEST_CASE("host key: the encodings and names of the libp2p specification") {
    // peer-ids/peer-ids.md, "Test vectors"; the ids follow from the public keys.
    auto const ed25519 = from_hex("080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e").value();
    auto const key = host_key::decode(ed25519).value();
    CHECK(key.type() == key_type::ed25519);
    CHECK(key.encoded() == ed25519);
    CHECK(to_hex(key.id().view()) == "0024" + to_hex(ed25519));

    auto const mine = test::node_keys(0).node;
    auto const secp256k1 = host_key::of(mine.public_key());
    CHECK(secp256k1.type() == key_type::secp256k1);
    CHECK(secp256k1.id() == mine.id());
    CHECK(host_key::decode(secp256k1.encoded()).value() == secp256k1);
    CHECK(secp256k1 != key);
}

TEST_CASE("host key: an RSA key has the name that js-libp2p gives it, a hash") {
    for (auto const& c : test::load_vectors("libp2p.txt", "peer-record")) {
        INFO(c.word("key"));
        auto const sealed = c.octets("sealed");
        std::size_t const at = sealed[1] < 0x80 ? 2 : 3;  // the first field is the key; its length has one byte or two
        std::size_t const size = at == 2 ? sealed[1] : (sealed[1] & 0x7fu) + 128u * sealed[2];
        auto const key = host_key::decode(byte_view{sealed}.subspan(at, size)).value();
        CHECK(key.id().to_text() == c.word("peer"));
        CHECK(to_string(key.type()) == c.word("key"));
        CHECK(equal(key.encoded(), byte_view{sealed}.subspan(at, size)));
        CHECK(host_key::inlined_in(key.id()).has_value() == (key.type() != key_type::rsa));
    }
}

TEST_CASE("host key: each kind verifies by its own rule, and by no other's") {
    auto const message = as_bytes("what was said");
    auto const mine = test::node_keys(0).node;
    auto const own = host_key::of(mine.public_key());
    auto const by_me = mine.sign_handshake(message).value();
    CHECK(own.verify(message, by_me));
    CHECK_FALSE(own.verify(as_bytes("what was not"), by_me));

    test::rsa_host const other;
    auto const rsa = host_key::decode(other.public_key_message()).value();
    auto const by_rsa = other.sign(message);
    CHECK(rsa.type() == key_type::rsa);
    CHECK(rsa.verify(message, by_rsa));
    CHECK_FALSE(rsa.verify(as_bytes("what was not"), by_rsa));
    CHECK_FALSE(rsa.verify(message, by_me));
    CHECK_FALSE(own.verify(message, by_rsa));
    CHECK_FALSE(host_key::decode(test::rsa_host{}.public_key_message()).value().verify(message, by_rsa));
    CHECK_FALSE(host_key::decode(message_of(1, bytes(32))).value().verify(message, bytes(64)));
    CHECK_FALSE(host_key::decode(message_of(2, bytes(33))).value().verify(message, by_me));  // no point
}

TEST_CASE("host key: what is no key is refused, and what is not supported by its name") {
    CHECK(refused({}) == errc::invalid_key);
    CHECK(refused(bytes{0x08, 0x02}) == errc::invalid_key);  // no data
    CHECK(refused(bytes{0x12, 0x00}) == errc::invalid_key);  // no type; it is not RSA for that
    CHECK(refused(bytes{0x0a, 0xff}) == errc::invalid_key);  // no message
    CHECK(refused(bytes(1'201, 0x08)) == errc::invalid_key);
    CHECK(refused(message_of(1, bytes(31))) == errc::invalid_key);
    CHECK(refused(message_of(2, bytes(32))) == errc::invalid_key);
    CHECK(refused(message_of(2, bytes(65))) == errc::invalid_key);
    CHECK(refused(message_of(0, bytes(294))) == errc::invalid_key);
    CHECK(refused(message_of(0, test::spki_of(test::modulus_of(1024)))).message() ==
          "a host key: RSA: a modulus of 1024 bits; 2048 to 8192 are supported");
    CHECK(host_key::decode(message_of(0, test::spki_of(test::modulus_of(8192)))));
    CHECK(refused(message_of(3, bytes(91))) == errc::unsupported_key);
    CHECK(refused(message_of(3, bytes(91))).message().find("an ECDSA host key") == 0);
    CHECK(refused(message_of(4, bytes(32))) == errc::unsupported_key);
    CHECK(refused(message_of(1u << 20, {})).message() ==
          "a host key of type 1048576; supported are RSA (0), Ed25519 (1) and secp256k1 (2)");
}

TEST_CASE("host key: a peer id gives back the key that it carries, and no other") {
    auto const mine = test::node_keys(0).node;
    CHECK(host_key::inlined_in(mine.id()) == host_key::of(mine.public_key()));
    CHECK_FALSE(host_key::inlined_in(peer_id{}));
    CHECK_FALSE(host_key::inlined_in(peer_id::from_multihash(from_hex("0003080112").value()).value()));
    // The same key, spelled in another order, is another id, and nobody's.
    bytes swapped{0x00, 0x25, 0x12, 0x21};
    append(swapped, mine.public_key().view());
    append(swapped, bytes{0x08, 0x02});
    CHECK_FALSE(host_key::inlined_in(peer_id::from_multihash(swapped).value()));
}

}  // namespace host_key_tests
