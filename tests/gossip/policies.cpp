// SPDX-License-Identifier: MIT

// Message ids and signatures: two policies that do not know of each other, and what a user's own must look like.

#include <muster/gossip/node_key_signer.hpp>

#include <muster/core/hex.hpp>

#include <muster/core/machine.hpp>

#include "bench.hpp"

namespace policies_tests {

using namespace muster;
using namespace muster::gossip;
using test::string_of;

namespace {

rpc::message_view view_of(bytes const& raw) { return rpc::decode_message(raw).value(); }
peer::node_key key_of(byte n) {
    bytes const scalar(32, n);
    return peer::node_key{crypto::key_pair::from_secret(crypto::secret<32>::copy_of(scalar).value()).value()};
}

/// The first 20 bytes of SHA-256(domain ‖ length of topic, 64 bits, little-endian ‖ topic ‖ data).
struct id_of_domain {
    std::array<byte, 4> domain{};
    [[nodiscard]] message_id operator()(rpc::message_view const& m) const {
        bytes hashed{domain.begin(), domain.end()};
        for (unsigned i = 0; i < 8; ++i) hashed.push_back(static_cast<byte>(std::uint64_t{m.topic.size()} >> (8 * i)));
        append(hashed, as_bytes(m.topic));
        append(hashed, m.data);
        return message_id{crypto::sha256(hashed).view().first(20)};
    }
};
/// The first 20 bytes of SHA-256(00000000 ‖ data).
struct id_of_data {
    [[nodiscard]] message_id operator()(rpc::message_view const& m) const {
        bytes hashed(4);
        append(hashed, m.data);
        return message_id{crypto::sha256(hashed).view().first(20)};
    }
};
struct rollup {
    using signing = anonymous;
    using message_ids = id_of_domain;
};
struct preconfirmation {
    using signing = strict_sign<test::checksum_signer>;
    using message_ids = id_of_data;
};

/// The least that is accepted.
struct archetype_signing {
    [[nodiscard]] result<bytes> seal(byte_view, std::string_view, std::uint64_t) const { return bytes{}; }
    [[nodiscard]] std::optional<peer_id> author_of(rpc::message_view const&) const { return {}; }
    [[nodiscard]] result<void> check_form(rpc::message_view const&) const { return ok(); }
    [[nodiscard]] bool is_authentic(rpc::message_view const&) const { return true; }
    [[nodiscard]] peer_id self() const { return {}; }
};
struct archetype_ids {
    [[nodiscard]] message_id operator()(rpc::message_view const&) const { return {}; }
};
static_assert(sign_policy<archetype_signing> && message_id_function<archetype_ids>);
struct archetypes {
    using signing = archetype_signing;
    using message_ids = archetype_ids;
};
static_assert(machine<gossip::router<archetypes>>);
struct near_miss : archetype_signing {
    [[nodiscard]] bool check_form(rpc::message_view const&) const { return true; }
};
static_assert(!sign_policy<near_miss>);
struct mutable_ids {
    [[nodiscard]] message_id operator()(rpc::message_view const&) { return {}; }
};
static_assert(!message_id_function<mutable_ids>);
static_assert(!message_signer<archetype_signing>);

}  // namespace

TEST_CASE("gossip ids: the author's name and number, or the content") {
    auto const raw = rpc::encode_message({test::peer_number(7).view(), as_bytes("x"), bytes(8, 1), "t"});
    CHECK(id_of_author{}(view_of(raw)).to_text() ==
          "000400000007"
          "0101010101010101");
    auto const other = rpc::encode_message({{}, as_bytes("x"), {}, "t"});
    CHECK(id_of_content{}(view_of(raw)) == id_of_content{}(view_of(other)));
    auto const moved = rpc::encode_message({{}, as_bytes("tx"), {}, ""});
    CHECK(id_of_content{}(view_of(other)) != id_of_content{}(view_of(moved)));
    CHECK(message_id{bytes(100, 1)}.view().size() == message_id::size_max);
}

TEST_CASE("gossip ids: an application's own, with anonymous and with signed messages") {
    // SHA-256 of 01020304 0100000000000000 74 78, and of 00000000 78, by another program.
    auto const raw = rpc::encode_message({{}, as_bytes("x"), {}, "t"});
    CHECK(id_of_domain{{1, 2, 3, 4}}(view_of(raw)).to_text() == "b418ee67a4bf7f74ea1789254e1fcdcdeb6da67d");
    CHECK(id_of_data{}(view_of(raw)).to_text() == "c66327bc5b0b8b9037adfd63c2a9f1922ce2144a");

    test::bench<rollup> a;
    a.join("t");
    a.crowd(1, 1, "t");
    a.sends(1, "t", "x");
    auto all = a.take();
    REQUIRE(a.all_of<deliver>(all).size() == 1);
    CHECK(a.all_of<deliver>(all)[0].message->id.view().size() == 20);
    CHECK(a.all_of<deliver>(all)[0].message->author == std::nullopt);
    a.announces(1, "t", {id_of_domain{}(view_of(raw))});
    CHECK(a.to(1, a.take()).iwant.empty());  // known by that id

    test::bench<preconfirmation> b;
    b.join("t");
    b.crowd(1, 2, "t");
    auto const one = strict_sign{test::checksum_signer{test::peer_number(1)}}.seal(as_bytes("x"), "t", 5).value();
    auto const two = strict_sign{test::checksum_signer{test::peer_number(2)}}.seal(as_bytes("x"), "t", 6).value();
    b.hear(1, rpc::encode_publish(one));
    b.hear(2, rpc::encode_publish(two));  // other bytes, the same id
    all = b.take();
    REQUIRE(b.delivered(all) == std::vector<std::string>{"x"});
    CHECK(b.all_of<deliver>(all)[0].message->author == test::peer_number(1));
    CHECK(b.all_of<deliver>(all)[0].message->seqno == 5);
}

TEST_CASE("gossip signatures: a secp256k1 node key signs what it publishes, and nothing else verifies") {
    auto const key = key_of(1);
    strict_sign<node_key_signer> const ours{node_key_signer{key}};
    auto const raw = ours.seal(as_bytes("hello"), "t", 0x0102030405060708).value();
    auto const m = view_of(raw);
    CHECK(equal(m.from, key.id().view()));
    CHECK(to_hex(m.seqno) == "0102030405060708");
    CHECK_FALSE(m.key);
    CHECK(ours.check_form(m));
    CHECK(ours.is_authentic(m));
    CHECK(ours.author_of(m) == key.id());
    for (std::size_t i = 0; i < raw.size(); ++i) {  // one bit anywhere
        auto bent = raw;
        bent[i] ^= 1;
        auto const read = rpc::decode_message(bent);
        INFO(i);
        CHECK_FALSE((read && ours.check_form(read.value()) && ours.is_authentic(read.value())));
    }
    auto longer = raw;
    longer.insert(longer.end(), {0x40, 0x01});  // a field that nobody knows is signed as well
    CHECK_FALSE(ours.is_authentic(view_of(longer)));
    auto keyed = raw;
    muster::wire::protobuf_writer right, wrong;
    keyed.insert(keyed.end(), {0x32, 37});
    append(keyed, key.id().view().subspan(2));
    CHECK(ours.is_authentic(view_of(keyed)));  // the key that the id contains anyway
    keyed.back() ^= 1;
    CHECK_FALSE(ours.is_authentic(view_of(keyed)));
}

TEST_CASE("gossip signatures: an Ed25519 author, as RFC 8032 signs, and ids without a key") {
    // RFC 8032, 7.1, TEST 1: public key, empty message, signature.
    auto const ed = from_hex(
                        "00240801"
                        "1220"
                        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
                        .value();
    auto const sig =
        from_hex(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b")
            .value();
    auto const key = key_of(1);
    node_key_signer const s{key};
    auto const author = peer_id::from_multihash(ed).value();
    CHECK(s.verify(author, {}, {}, sig));
    CHECK_FALSE(s.verify(author, {}, as_bytes("x"), sig));
    CHECK_FALSE(s.verify(test::peer_number(3), {}, {}, sig));
    auto hashed = bytes{0x12, 0x20};
    hashed.resize(34, 7);
    CHECK_FALSE(s.verify(peer_id::from_multihash(hashed).value(), {}, {}, sig));
}

TEST_CASE("gossip signatures: each policy refuses what belongs to the other, and charges whoever relayed it") {
    test::bench<> nobody;
    nobody.join("t");
    nobody.crowd(1, 4, "t");
    (void)nobody.take();
    std::uint32_t from = 0;
    for (auto const* const field : {"0a00", "1a00", "2a00", "3200"}) {  // from, seqno, signature, key: if only empty
        auto raw = rpc::encode_message({{}, as_bytes(field), {}, "t"});
        append(raw, from_hex(field).value());
        nobody.hear(++from, rpc::encode_publish(raw));
        auto const all = nobody.take();
        CHECK(nobody.delivered(all).empty());
        CHECK(nobody.all_of<penalise>(all) ==
              std::vector<penalise>{{test::peer_number(from), 1, offence::not_authentic}});
    }
    CHECK(nobody.score(1) == -10);

    test::bench<test::signed_policies> all_sign;
    all_sign.join("t");
    all_sign.crowd(1, 5, "t");
    from = 0;
    (void)all_sign.take();
    auto const good = strict_sign{test::checksum_signer{test::peer_number(9)}}.seal(as_bytes("x"), "t", 1).value();
    auto const m = view_of(good);
    bytes const without_author = rpc::encode_message({{}, m.data, m.seqno, "t"});
    bytes const without_number = rpc::encode_message({m.from, m.data, {}, "t"});
    bytes const with_short_number = rpc::encode_message({m.from, m.data, bytes(4), "t"});
    bytes const without_signature = rpc::encode_message({m.from, m.data, m.seqno, "t"});
    for (auto raw : {without_author, without_number, with_short_number, without_signature}) {
        if (raw != without_signature) rpc::append_signature(raw, *m.signature, {});
        all_sign.hear(++from, rpc::encode_publish(raw));
        auto const all = all_sign.take();
        CHECK(all_sign.delivered(all).empty());
        CHECK(all_sign.all_of<penalise>(all).size() == 1);
    }
    // A forgery does not use up the id of the right message.
    auto forged = without_signature;
    rpc::append_signature(forged, as_bytes("12345678"), {});
    all_sign.hear(5, rpc::encode_publish(forged));
    CHECK(all_sign.delivered(all_sign.take()).empty());
    all_sign.hear(1, rpc::encode_publish(good));
    CHECK(all_sign.delivered(all_sign.take()) == std::vector<std::string>{"x"});
}

TEST_CASE("gossip signatures: own messages never come back, not even those of before a restart") {
    test::bench<test::signed_policies> b;
    b.join("t");
    b.crowd(1, 2, "t");
    b.heartbeat();
    (void)b.take();
    (void)b.publish("t", "mine");
    auto const sends = b.all_of<send>(b.take());
    REQUIRE(!sends.empty());
    b.hear(1, *sends[0].frame);
    CHECK(b.take().empty());
    auto const old = strict_sign{test::checksum_signer{test::peer_number(0)}}.seal(as_bytes("old"), "t", 7).value();
    b.hear(1, rpc::encode_publish(old));
    CHECK(b.take().empty());
    CHECK(b.score(1) >= 0);
    test::bench<> unsigned_too;
    unsigned_too.join("t");
    unsigned_too.crowd(1, 2, "t");
    (void)unsigned_too.publish("t", "mine");
    (void)unsigned_too.take();
    unsigned_too.sends(1, "t", "mine");
    CHECK(unsigned_too.take().empty());
    CHECK_FALSE(unsigned_too.own.publish("t", as_bytes("mine"), unsigned_too.now, unsigned_too.effects));
}

}  // namespace policies_tests
