// SPDX-License-Identifier: MIT

#include <muster/peer/envelope.hpp>

#include <type_traits>

#include <muster/core/random.hpp>
#include <muster/peer/routing_record.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>
#include <support/rsa_host.hpp>
#include <support/vectors.hpp>

namespace envelope_tests {

using namespace muster;
using namespace muster::peer;

namespace {

byte const type[]{0x03, 0x01};
envelope_purpose const here{"muster-test", type};

bytes sealed(std::string_view payload, envelope_purpose const& purpose = here, std::size_t who = 0) {
    return envelope::seal(purpose, as_bytes(payload), test::node_keys(who).node).value();
}
error refused(byte_view content, envelope_purpose const& purpose = here) {
    return envelope::open(content, purpose).error();
}
/// A length-delimited field of fewer than 128 bytes.
bytes entry(byte tag, bytes const& content) {
    bytes out{static_cast<byte>(tag << 3 | 2), static_cast<byte>(content.size())};
    append(out, content);
    return out;
}
/// The fields of @p content by their numbers, found by hand.
std::vector<std::pair<byte, bytes>> fields_of(bytes const& content) {
    std::vector<std::pair<byte, bytes>> out;
    for (std::size_t at = 0; at < content.size();) {
        auto const begin = content.begin() + static_cast<std::ptrdiff_t>(at) + 2;
        out.emplace_back(static_cast<byte>(content[at] >> 3), bytes{begin, begin + content[at + 1]});
        at += 2u + content[at + 1];
    }
    return out;
}

}  // namespace

TEST_CASE("envelope: byte by byte") {
    auto const mine = test::node_keys(0).node;
    auto const content = sealed("hello");
    auto const found = fields_of(content);
    REQUIRE(found.size() == 4);
    CHECK(found[0] == std::pair{byte{1}, [&] {
                                    bytes key{0x08, 0x02, 0x12, 0x21};
                                    append(key, mine.public_key().view());
                                    return key;
                                }()});
    CHECK(found[1] == std::pair{byte{2}, bytes{0x03, 0x01}});
    CHECK(found[2] == std::pair{byte{3}, to_bytes(as_bytes("hello"))});
    CHECK(found[3].first == 5);
    // What is signed: each behind its length.
    auto const said = from_hex(
                          "0b"
                          "6d75737465722d74657374"
                          "02"
                          "0301"
                          "05"
                          "68656c6c6f")
                          .value();
    CHECK(crypto::verify_ecdsa_der(mine.public_key(), said, found[3].second));
    CHECK(envelope::decode(content, here).value().encoded() == content);
}

TEST_CASE("envelope: it opens for its purpose, and tells who has signed what") {
    auto const opened = envelope::open(sealed("hello"), here).value();
    CHECK(opened.who() == test::node_keys(0).node.id());
    CHECK(equal(opened->payload(), as_bytes("hello")));
    CHECK(envelope::open(sealed(""), here).value()->payload().empty());
    STATIC_REQUIRE_FALSE(std::is_constructible_v<authenticated<envelope>, peer_id, envelope>);
    STATIC_REQUIRE_FALSE(std::is_default_constructible_v<authenticated<envelope>>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<authenticated<routing_record>, peer_id, routing_record>);
}

TEST_CASE("envelope: for another purpose it is not signed, or is something else") {
    byte const other_type[]{0x03, 0x02};
    CHECK(refused(sealed("hello"), {"muster-tesu", type}) == errc::not_signed);
    CHECK(refused(sealed("hello"), {"", type}) == errc::not_signed);
    CHECK(refused(sealed("hello"), {"muster-test", other_type}) == errc::wrong_type);
    CHECK(refused(sealed("hello"), {"muster-test", other_type}).message() ==
          "an envelope of type 0301; wanted is one of type 0302 for muster-test");
    CHECK(refused(sealed("hello"), {"muster-test", {}}) == errc::wrong_type);
    // Where one part ends and the next begins is signed.
    byte const a[]{'b', 'c'}, b[]{'c'};
    auto const moved = fields_of(sealed("d", {"a", a}));
    bytes forged;
    for (auto const& [tag, content] : moved) append(forged, entry(tag, tag == 2 ? bytes{'c'} : content));
    CHECK(refused(forged, {"ab", b}) == errc::not_signed);
}

TEST_CASE("envelope: forged, truncated, and signed by somebody else") {
    auto const good = sealed("hello");
    for (std::size_t size = 0; size < good.size(); ++size) REQUIRE_FALSE(envelope::open({good.data(), size}, here));
    for (std::size_t i = 0; i < good.size() * 8; ++i) {
        auto near = good;
        near[i / 8] ^= static_cast<byte>(1u << i % 8);
        auto const opened = envelope::open(near, here);
        INFO("bit " << i);
        REQUIRE_FALSE((opened && !equal(opened.value()->payload(), as_bytes("hello"))));
        REQUIRE_FALSE((opened && opened.value().who() != test::node_keys(0).node.id()));
    }
    auto const mine = fields_of(good), theirs = fields_of(sealed("hello", here, 1));
    bytes stolen;  // their key on my signature
    for (std::size_t i = 0; i < 4; ++i)
        append(stolen, entry(mine[i].first, i == 0 ? theirs[0].second : mine[i].second));
    CHECK(refused(stolen) == errc::not_signed);
    CHECK(refused({}) == errc::wrong_type);
    CHECK(refused(bytes{0x0a, 0xff}) == errc::malformed);
    CHECK(refused(bytes(envelope::size_max + 1)) == errc::too_large);
    CHECK(envelope::seal(here, bytes(envelope::size_max), test::node_keys(0).node).error() == errc::too_large);
    bytes unsupported = entry(2, {0x03, 0x01});
    append(unsupported, entry(1, encode(public_key_message{3, bytes(91)})));
    CHECK(refused(unsupported) == errc::unsupported_key);
}

TEST_CASE("envelope: unknown fields are skipped, and other orders are read") {
    auto const found = fields_of(sealed("hello"));
    bytes other = entry(9, {1, 2, 3});
    for (auto f = found.rbegin(); f != found.rend(); ++f) append(other, entry(f->first, f->second));
    append(other, bytes{0xf8, 0x01, 0x07});  // field 31, a varint
    auto const opened = envelope::open(other, here).value();
    CHECK(equal(opened->payload(), as_bytes("hello")));
    CHECK(opened->encoded() == sealed("hello"));
}

TEST_CASE("peer record: what js-libp2p has signed opens, with keys of three kinds") {
    auto const cases = test::load_vectors("libp2p.txt", "peer-record");
    REQUIRE(cases.size() == 3);
    for (auto const& c : cases) {
        INFO(c.word("key"));
        auto const opened = routing_record::open(c.octets("sealed")).value();
        CHECK(opened.who().to_text() == c.word("peer"));
        CHECK(opened->peer == opened.who());
        CHECK(opened->sequence == 1'735'689'600'000);
        REQUIRE(opened->addresses.size() == 2);
        CHECK(opened->addresses[0].to_text() == "/ip4/192.0.2.1/tcp/4001");
        CHECK(opened->addresses[1].kind() == address_kind::webrtc);
        auto forged = c.octets("sealed");
        forged[forged.size() - 1] ^= 1;
        CHECK(routing_record::open(forged).error() == errc::not_signed);
    }
}

TEST_CASE("peer record: byte by byte what js-libp2p makes of the same") {
    // js-libp2p's record of the same key, but for the signature, which is another nonce's.
    auto const c = test::load_vectors("libp2p.txt", "peer-record")[1];
    auto const key =
        node_key{test::key_from(from_hex("53dadf1d5a164d6b4acdb15e24aa4c5b1d3461bdbd42abedb0a4404d56ced8fb").value())};
    CHECK(key.id().to_text() == c.word("peer"));
    auto const ours = fields_of(routing_record::open(c.octets("sealed")).value()->seal(key).value());
    auto const theirs = fields_of(c.octets("sealed"));
    for (std::size_t i = 0; i < 3; ++i) CHECK(ours[i] == theirs[i]);
}

TEST_CASE("peer record: of oneself only; unknown addresses are skipped, and so many are taken") {
    auto const mine = test::node_keys(0).node, theirs = test::node_keys(1).node;
    routing_record const r{mine.id(), 7, {multiaddr::from_text("/ip4/192.0.2.1/tcp/1").value()}};
    CHECK(*routing_record::open(r.seal(mine).value()).value() == r);
    CHECK(r.seal(theirs).error() == errc::wrong_peer);

    envelope_purpose const purpose{"libp2p-peer-record", type};
    auto const open = [&](bytes const& payload) {
        return routing_record::open(envelope::seal(purpose, payload, mine).value());
    };
    auto payload = entry(1, to_bytes(theirs.id().view()));
    CHECK(open(payload).error() == errc::wrong_peer);  // signed by me, of somebody else
    payload = entry(1, to_bytes(mine.id().view()));
    CHECK(open(payload).value()->sequence == 0);
    append(payload, entry(3, entry(1, from_hex("04c0000201060001").value())));
    append(payload, entry(3, entry(1, from_hex("fe0f01").value())));  // a protocol that nobody knows
    append(payload, entry(3, {0x0a}));                                // no message
    append(payload, entry(3, {}));
    append(payload, entry(3, entry(1, from_hex("04c0000202060001").value())));
    CHECK(open(payload).value()->addresses.size() == 2);
    for (int i = 0; i < 100; ++i) append(payload, entry(3, entry(1, from_hex("04c0000202060001").value())));
    CHECK(open(payload).value()->addresses.size() == routing_record::addresses_max);
    CHECK(open({}).error() == errc::invalid_peer_id);
    CHECK(open({0x0a, 0xff}).error() == errc::malformed);
    CHECK(routing_record::open(sealed("hello")).error() == errc::not_signed);  // for another domain
}

TEST_CASE("envelope: any bytes are survived") {
    splitmix64 random{9};
    auto const seed = test::load_vectors("libp2p.txt", "peer-record")[0].octets("sealed");
    for (int round = 0; round < 20'000; ++round) {
        auto input = seed;
        for (auto n = 1 + uniform(random, 4); n > 0; --n)
            input[uniform(random, input.size())] = static_cast<byte>(random());
        input.resize(uniform(random, 2) == 0 ? input.size() : uniform(random, input.size()));
        auto const opened = routing_record::open(input);
        if (opened) REQUIRE(opened.value()->peer == opened.value().who());
    }
}

}  // namespace envelope_tests
