// SPDX-License-Identifier: MIT

#include <muster/libp2p/noise.hpp>

#include <muster/core/hex.hpp>

#include <support/catch.hpp>
#include <support/rsa_host.hpp>

#include "hosts.hpp"

namespace noise_tests {

using namespace muster;
using namespace muster::libp2p;
using namespace muster::libp2p::noise;
using test::host;

namespace {

bytes hex(std::string_view digits) { return from_hex(digits).value(); }

/// A handshake with what it has to send and what it told.
struct end {
    explicit end(handshake h) : machine{std::move(h)} { machine.start(out); }

    handshake machine;
    bytes out;
    effect_list<proved> events;

    [[nodiscard]] result<std::size_t> feed(byte_view in) { return machine.feed(in, instant{}, out, events); }
    [[nodiscard]] bytes take_output() { return std::exchange(out, {}); }
    [[nodiscard]] bool finished() const { return machine.finished(); }
    [[nodiscard]] result<secured> finish() { return machine.finish(); }
};

end start(role side, peer::node_key const& me, std::optional<peer::peer_id> expected = {}, std::uint64_t seed = 1) {
    test::predictable source{seed + (side == role::dialer ? 100u : 200u)};
    auto key = test::x25519(seed + (side == role::dialer ? 300u : 400u));
    return end{handshake::make(side, me, std::move(key), source, expected).value()};
}

/// The three messages of an undisturbed handshake between two hosts, and its ends.
struct run {
    end dialer = start(role::dialer, host(1), host(2).id());
    end listener = start(role::listener, host(2));
    bytes message0 = dialer.take_output();
    bytes message1 = (listener.feed(message0).value(), listener.take_output());
    bytes message2 = (dialer.feed(message1).value(), dialer.take_output());
};

/// Two ends of a finished handshake.
std::pair<channel, channel> channels() {
    run r;
    REQUIRE(r.listener.feed(r.message2));
    return {r.dialer.finish().value().channel, r.listener.finish().value().channel};
}

}  // namespace

TEST_CASE("Ed25519: RFC 8032 section 7.1 test 1 verifies, and nothing near it") {
    auto const key =
        from_hex_as<crypto::ed25519_public>("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").value();
    auto signature =
        hex("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
            "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    CHECK(crypto::verify_ed25519(key, {}, signature));
    CHECK_FALSE(crypto::verify_ed25519(key, bytes{0}, signature));
    CHECK_FALSE(crypto::verify_ed25519(key, {}, byte_view{signature}.first(63)));
    CHECK_FALSE(crypto::verify_ed25519(crypto::ed25519_public{}, {}, signature));
    signature[0] ^= 1;
    CHECK_FALSE(crypto::verify_ed25519(key, {}, signature));
}

TEST_CASE("noise: the published vector of Noise_XX_25519_ChaChaPoly_SHA256") {
    // cacophony, vectors/cacophony.txt.
    struct step {
        std::string_view payload, message;
    };
    std::vector<step> const steps{
        {"4c756477696720766f6e204d69736573",
         "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573"},
        {"4d757272617920526f746862617264",
         "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884381cbad1f276e038c48378ffce2b65285e08d6b68aaa36"
         "29a5a8639"
         "392490e5b9bd5269c2f1e4f488ed8831161f19b7815528f8982ffe09be9b5c412f8a0db50f8814c7194e83f23dbd8d162c9326ad"},
        {"462e20412e20486179656b",
         "c7195ffacac1307ff99046f219750fc47693e23c3cb08b89c2af808b444850a80ae475b9df0f169ae80a89be0865b57f58c9fea0d4ec8"
         "2a2864274"
         "02f113e4b6ae769a1d95941d49b25030"},
        {"4361726c204d656e676572", "96763ed773f8e47bb3712f0e29b3060ffc956ffc146cee53d5e1df"},
        {"4a65616e2d426170746973746520536179", "3e40f15f6f3a46ae446b253bf8b1d9ffb6ed9b174d272328ff91a7e2e5c79c07f5"},
        {"457567656e2042f6686d20766f6e2042617765726b",
         "eb3f3515110702e047a6c9da4478b6ead94873c11c0f2d710ddb3f09fce024b3a58502ae3f"},
    };
    auto const prologue = hex("4a6f686e2047616c74");
    auto initiator =
        xx_pattern::make(role::dialer, test::x25519("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1"),
                         test::x25519("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"), prologue)
            .value();
    auto responder =
        xx_pattern::make(role::listener,
                         test::x25519("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893"),
                         test::x25519("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"), prologue)
            .value();

    for (std::size_t i = 0; i < 3; ++i) {
        auto& from = i % 2 == 0 ? initiator : responder;
        auto& to = i % 2 == 0 ? responder : initiator;
        REQUIRE(from.our_turn());
        REQUIRE_FALSE(to.our_turn());
        bytes message;
        REQUIRE(from.write(hex(steps[i].payload), message));
        CHECK(to_hex(message) == steps[i].message);
        CHECK(to_hex(to.read(message).value()) == steps[i].payload);
    }
    CHECK(to_hex(initiator.hash()) == "c8e5f64e846193be2a834104c2a009868d6c9f3bd3c186299888b488b2f1f58e");
    CHECK(initiator.hash() == responder.hash());
    auto a = initiator.split().value();
    auto b = responder.split().value();
    for (std::size_t i = 3; i < 6; ++i) {
        auto& from = i % 2 == 0 ? a : b;
        auto& to = i % 2 == 0 ? b : a;
        bytes message, plain;
        REQUIRE(from.outgoing.seal({}, hex(steps[i].payload), message));
        CHECK(to_hex(message) == steps[i].message);
        REQUIRE(to.incoming.open({}, message, plain));
        CHECK(to_hex(plain) == steps[i].payload);
    }
}

TEST_CASE("noise: two hosts learn each other's names and talk") {
    run r;
    CHECK(r.message0.size() == 2 + 32);
    REQUIRE(r.listener.feed(r.message2).value() == r.message2.size());
    REQUIRE(r.dialer.finished());
    REQUIRE(r.listener.finished());
    auto a = r.dialer.finish().value();
    auto b = r.listener.finish().value();
    CHECK(r.dialer.events.take() == std::vector{proved{host(2).id()}});
    CHECK(r.listener.events.take() == std::vector{proved{host(1).id()}});

    bytes wire, plain;
    REQUIRE(a.channel.seal(as_bytes("hello"), wire));
    CHECK(wire.size() == 2 + 5 + 16);
    REQUIRE(b.channel.open(wire, plain));
    CHECK(equal(plain, as_bytes("hello")));
}

TEST_CASE("noise: a handshake can be driven without a buffer") {
    test::predictable source{1};
    auto a = handshake::make(role::dialer, host(1), test::x25519(301), source, host(2).id()).value();
    auto b = handshake::make(role::listener, host(2), test::x25519(302), source).value();
    REQUIRE(b.feed(a.take_output()));
    REQUIRE(a.feed(b.take_output()));
    REQUIRE(b.feed(a.take_output()));
    CHECK(a.finish().value().peer == host(2).id());
    CHECK(b.finish().value().peer == host(1).id());
}

TEST_CASE("noise: one byte at a time, and nothing beyond the handshake is taken") {
    auto dialer = start(role::dialer, host(1), host(2).id());
    auto listener = start(role::listener, host(2));
    auto const feed_all = [](end& to, bytes const& octets) {
        for (byte b : octets) REQUIRE(to.feed({&b, 1}).value() == 1);
    };
    feed_all(listener, dialer.take_output());
    feed_all(dialer, listener.take_output());
    CHECK(dialer.finished());
    auto last = dialer.take_output();
    auto const own = last.size();
    append(last, bytes{0, 17, 1, 2, 3});
    CHECK(listener.feed(last).value() == own);
    CHECK(listener.finished());
}

TEST_CASE("noise: a peer other than the one dialled is refused") {
    auto dialer = start(role::dialer, host(1), host(3).id());
    auto listener = start(role::listener, host(2));
    REQUIRE(listener.feed(dialer.take_output()));
    CHECK(dialer.feed(listener.take_output()).error() == errc::unexpected_peer);
    CHECK(dialer.take_output().empty());
}

TEST_CASE("noise: every byte of every message matters") {
    run const whole;
    for (std::size_t i = 2; i < whole.message0.size(); ++i) {
        auto message = whole.message0;
        message[i] ^= 1;
        auto listener = start(role::listener, host(2));
        auto dialer = start(role::dialer, host(1));
        (void)dialer.take_output();
        // An altered ephemeral key is noticed when the answer does not authenticate. X25519 ignores the top
        // bit of the last byte, but the transcript does not.
        if (listener.feed(message)) REQUIRE_FALSE(dialer.feed(listener.take_output()));
    }
    for (std::size_t i = 0; i < whole.message1.size(); ++i) {
        auto message = whole.message1;
        message[i] ^= 1;
        auto dialer = start(role::dialer, host(1));
        auto const fed = dialer.feed(message);
        REQUIRE_FALSE((fed && dialer.finished()));
    }
    for (std::size_t i = 0; i < whole.message2.size(); ++i) {
        auto message = whole.message2;
        message[i] ^= 1;
        auto listener = start(role::listener, host(2));
        REQUIRE(listener.feed(whole.message0));
        REQUIRE_FALSE((listener.feed(message) && listener.finished()));
    }
}

TEST_CASE("noise: a recorded handshake does not replay") {
    run const recorded;
    auto fresh = start(role::listener, host(2), {}, 77);
    REQUIRE(fresh.feed(recorded.message0));
    CHECK(fresh.feed(recorded.message2).error() == errc::not_authentic);
}

TEST_CASE("noise: a host key that did not sign, or is of another kind, is refused") {
    auto const answer_with = [](bytes const& payload) {
        auto dialer = start(role::dialer, host(1));
        auto pattern = xx_pattern::make(role::listener, test::x25519(9), test::x25519(10)).value();
        auto const greeting = dialer.take_output();
        REQUIRE(pattern.read(byte_view{greeting}.subspan(2)));
        bytes message, wire;
        REQUIRE(pattern.write(payload, message));
        append_length(wire, message.size());
        append(wire, message);
        auto const fed = dialer.feed(wire);
        return fed ? std::optional<error>{} : std::optional{fed.error()};
    };
    auto const own_static = test::x25519(9).public_point();
    auto const me = host(5);
    auto const key = peer::host_key::of(me.public_key()).encoded();
    auto const good = me.sign_handshake(signed_message(own_static)).value();
    CHECK_FALSE(answer_with(encode(handshake_payload{key, good})));
    CHECK(*answer_with(encode(handshake_payload{key, {}})) == errc::bad_identity);
    CHECK(*answer_with(encode(handshake_payload{peer::host_key::of(host(6).public_key()).encoded(), good})) ==
          errc::bad_identity);
    CHECK(*answer_with(encode(handshake_payload{key, me.sign_handshake(own_static.view()).value()})) ==
          errc::bad_identity);
    CHECK(*answer_with(encode(handshake_payload{{}, good})) == errc::bad_identity);
    CHECK(*answer_with(encode(handshake_payload{encode(peer::public_key_message{0, bytes(300)}), good})) ==
          errc::bad_identity);
    CHECK(*answer_with({}) == errc::bad_identity);
    CHECK(*answer_with(bytes{0x0a, 0xff}) == errc::malformed);

    SECTION("Ed25519 hosts and unknown extensions are welcome") {
        test::ed25519_host const other{bytes(32, 7)};
        auto payload = encode(handshake_payload{encode(peer::public_key_message{1, other.public_key()}),
                                                other.sign(signed_message(own_static))});
        append(payload, hex("220e120c2f79616d75782f312e302e30"));  // extensions { stream_muxers: "/yamux/1.0.0" }
        append(payload, hex("f80305"));                            // field 63
        CHECK_FALSE(answer_with(payload));
    }
    SECTION("RSA hosts are welcome, under the hash of their key") {
        test::rsa_host const other, liar;
        auto const signed_by = [&](test::rsa_host const& h) {
            return encode(handshake_payload{other.public_key_message(), h.sign(signed_message(own_static))});
        };
        CHECK_FALSE(answer_with(signed_by(other)));
        CHECK(*answer_with(signed_by(liar)) == errc::bad_identity);
    }
    SECTION("ECDSA hosts and weak RSA keys are refused by their name") {
        auto const refused = [&](std::uint64_t type, bytes data) {
            return answer_with(
                encode(handshake_payload{encode(peer::public_key_message{type, std::move(data)}), good}));
        };
        CHECK(refused(3, bytes(91))->message().find("ECDSA") != std::string::npos);
        CHECK(refused(0, test::spki_of(test::modulus_of(1024)))->message().find("1024 bits") != std::string::npos);
    }
    SECTION("an Ed25519 signature by another host is not") {
        test::ed25519_host const other{bytes(32, 7)}, liar{bytes(32, 8)};
        auto const payload = encode(handshake_payload{encode(peer::public_key_message{1, other.public_key()}),
                                                      liar.sign(signed_message(own_static))});
        CHECK(*answer_with(payload) == errc::bad_identity);
    }
}

TEST_CASE("noise: the peer id follows from the key, not from its spelling") {
    auto const me = host(5);
    bytes swapped;  // data before type
    swapped.push_back(0x12);
    swapped.push_back(33);
    append(swapped, me.public_key().view());
    append(swapped, bytes{0x08, 0x02});
    CHECK(peer::host_key::decode(swapped).value().id() == me.id());
    CHECK(peer::host_key::decode(peer::host_key::of(me.public_key()).encoded()).value().id() == me.id());
}

TEST_CASE("noise: handshake messages are bounded and keys of low order refused") {
    auto listener = start(role::listener, host(2));
    CHECK(listener.feed(bytes{0x10, 0x01}).error() == errc::too_large);
    CHECK(start(role::listener, host(2)).feed(bytes{0, 3, 1, 2, 3}).error() == errc::malformed);
    CHECK(start(role::listener, host(2)).feed(bytes{0, 0}).error() == errc::malformed);
    bytes zero{0, 32};
    zero.resize(34);
    CHECK(start(role::listener, host(2)).feed(zero).error() == crypto::errc::invalid_key);
}

TEST_CASE("noise: the channel cuts long plaintext and joins split messages") {
    auto [a, b] = channels();
    auto const plain = test::noise_of(200'000, 3);
    bytes wire;
    REQUIRE(a.seal(plain, wire));
    CHECK(wire[0] == 0xff);  // a full first message, 65535
    CHECK(wire[1] == 0xff);
    CHECK(wire.size() == plain.size() + 4 * (2 + tag_size));
    bytes opened;
    splitmix64 random{4};
    for (std::size_t at = 0; at < wire.size();) {
        auto const part = std::min<std::size_t>(1 + uniform(random, 5000), wire.size() - at);
        REQUIRE(b.open(byte_view{wire}.subspan(at, part), opened));
        at += part;
    }
    CHECK(opened == plain);
    bytes nothing;
    REQUIRE(a.seal({}, nothing));
    CHECK(nothing.empty());
}

TEST_CASE("noise: an empty message is valid and says nothing") {
    cipher out{bytes(32, 1)}, in{bytes(32, 1)};
    bytes sealed, plain;
    REQUIRE(out.seal({}, {}, sealed));
    CHECK(sealed.size() == tag_size);
    REQUIRE(in.open({}, sealed, plain));
    CHECK(plain.empty());
}

TEST_CASE("noise: replayed, reordered, tampered and tagless messages end the channel") {
    auto [a, b] = channels();
    bytes first, second, plain;
    REQUIRE(a.seal(as_bytes("one"), first));
    REQUIRE(a.seal(as_bytes("two"), second));
    SECTION("replayed") {
        REQUIRE(b.open(first, plain));
        CHECK(b.open(first, plain).error() == errc::not_authentic);
        CHECK(equal(plain, as_bytes("one")));
    }
    SECTION("reordered") { CHECK(b.open(second, plain).error() == errc::not_authentic); }
    SECTION("reflected") { CHECK(a.open(first, plain).error() == errc::not_authentic); }
    SECTION("tampered, after one that is intact") {
        auto wire = first;
        append(wire, second);
        wire.back() ^= 1;
        CHECK(b.open(wire, plain).error() == errc::not_authentic);
        CHECK(equal(plain, as_bytes("one")));
    }
    SECTION("tagless") {
        CHECK(b.open(bytes{0, 15}, plain));
        CHECK(b.open(bytes(15), plain).error() == errc::malformed);
    }
    SECTION("no length at all") { CHECK(b.open(bytes{0, 0}, plain).error() == errc::malformed); }
}

TEST_CASE("noise: a key stops before its nonces run out") {
    bytes const key(32, 1);
    cipher out{key, cipher::nonce_reserved - 1}, in{key, cipher::nonce_reserved - 1};
    bytes sealed, plain;
    REQUIRE(out.seal({}, bytes{1}, sealed));
    CHECK(out.seal({}, bytes{1}, sealed).error() == errc::nonces_exhausted);
    CHECK(sealed.size() == 17);
    REQUIRE(in.open({}, sealed, plain));
    CHECK(in.open({}, sealed, plain).error() == errc::nonces_exhausted);
}

TEST_CASE("noise: any bytes in place of a message are refused") {
    splitmix64 random{5};
    run const recorded;
    for (int round = 0; round < 300; ++round) {
        bytes garbage;
        append_length(garbage, 64);
        append(garbage, test::noise_of(64, random()));
        auto dialer = start(role::dialer, host(1));
        REQUIRE_FALSE(dialer.feed(garbage));
    }
}

}  // namespace noise_tests
