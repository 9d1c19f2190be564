// SPDX-License-Identifier: MIT

#include <muster/peer/record.hpp>

#include <chrono>
#include <functional>

#include <muster/core/random.hpp>
#include <muster/peer/presence.hpp>
#include <muster/peer/record_book.hpp>
#include <muster/peer/routing_record.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>
#include <support/rsa_host.hpp>

namespace record_tests {

using namespace muster;
using namespace muster::peer;
using namespace std::chrono_literals;

namespace {

constexpr timestamp now = from_unix_millis(1'735'689'600'000);

node_key const& key(std::size_t i) {
    static std::vector<key_set> const keys = [] {
        std::vector<key_set> out;
        for (std::size_t k = 0; k < 8; ++k) out.push_back(test::node_keys(k));
        return out;
    }();
    return keys[i].node;
}
multiaddr at(std::string_view written) { return multiaddr::from_text(written).value(); }

record of(std::size_t who, std::uint64_t sequence = 1, std::string_view where = "/ip4/192.0.2.1/tcp/4001") {
    return {key(who).id(), sequence, {at(where)}, {"relay", "signer/1"}, now - 1min, now + 1h};
}
bytes sealed(record const& r, std::size_t who = 0) { return r.seal(key(who)).value(); }
error refused(byte_view content, timestamp when = now) { return record::open(content, when).error(); }

envelope_purpose const purpose{"muster/record/v1", as_bytes("/muster/record/1")};
/// What nobody's @ref record::seal would sign.
bytes signed_as_it_is(bytes const& payload, std::size_t who = 0) {
    return envelope::seal(purpose, payload, key(who)).value();
}
bytes payload_of(record const& r) { return to_bytes(envelope::open(sealed(r), purpose).value()->payload()); }

}  // namespace

TEST_CASE("record: byte by byte") {
    auto const mine = key(0).id();
    record const r{mine,         0x0102, {at("/ip4/192.0.2.1/tcp/1"), at("/dns4/a.io/udp/9/quic-v1")},
                   {"a", "b/2"}, now,    now + 2h};
    auto const expected = "27" + to_hex(mine.view()) +  // who
                          "0000000000000102"            // sequence
                          "02"
                          "08"
                          "04c0000201060001"
                          "0c"
                          "3604612e696f91020009cd03" +
                          "02"
                          "01"
                          "61"
                          "03"
                          "622f32"
                          "00000194"
                          "1f297c00"  // issued
                          "00000194"
                          "1f975900";  // expires
    CHECK(to_hex(payload_of(r)) == expected);
    CHECK(*record::open(sealed(r), now).value() == r);
    CHECK(record::open(sealed(r), now).value().who() == mine);
    CHECK(record::read(sealed(r), now).value() == r);
}

TEST_CASE("record: what nobody would take is not signed") {
    auto const refuses = [](std::function<void(record&)> change) {
        auto r = of(0);
        change(r);
        return r.seal(key(0)).error();
    };
    CHECK(refuses([](auto& r) { r.peer = key(1).id(); }) == errc::wrong_peer);
    CHECK(refuses([](auto& r) { r.expires = r.issued; }) == errc::expired);
    CHECK(refuses([](auto& r) { r.expires = r.issued + 2h + 1ms; }) == errc::expired);
    CHECK(refuses([](auto& r) { r.expires = timestamp::max(), r.issued = timestamp::min(); }) == errc::expired);
    CHECK(refuses([](auto& r) { r.addresses.assign(9, at("/ip4/192.0.2.1/tcp/1")); }) == errc::too_large);
    CHECK(refuses([](auto& r) { r.addresses.assign(2, at("/ip4/192.0.2.1/tcp/1")); }) == errc::malformed);
    CHECK(refuses([](auto& r) { r.addresses = {multiaddr{}}; }) == errc::malformed);
    CHECK(refuses([](auto& r) { r.capabilities = {"b", "a"}; }) == errc::malformed);
    CHECK(refuses([](auto& r) { r.capabilities = {"a", "a"}; }) == errc::malformed);
    CHECK(refuses([](auto& r) { r.capabilities = {"A"}; }) == errc::malformed);
    CHECK(refuses([](auto& r) { r.capabilities = {""}; }) == errc::malformed);
    CHECK(refuses([](auto& r) { r.capabilities = {std::string(33, 'a')}; }) == errc::malformed);
    CHECK(refuses([](auto& r) { r.capabilities.assign(9, "a"); }) == errc::too_large);
    auto const name = "/dns4/" + std::string(60, 'a') + "." + std::string(60, 'b') + "/tcp/";
    CHECK(refuses([&](auto& r) { r.addresses = {at(name + "1"), at(name + "2"), at(name + "3")}; }) == errc::too_large);
    CHECK(record{key(0).id(), 1, {}, {}, now, now + 1ms}.seal(key(0)));
}

TEST_CASE("record: the largest usual one fits") {
    auto r = of(0);
    r.addresses.clear();
    for (int i = 0; i < 8; ++i) r.addresses.push_back(at(text("/ip6/2001:db8::", i, "/udp/4001/quic-v1")));
    r.capabilities = {"aggregator", "dht/1", "relay/2", "signer/1"};
    CHECK(sealed(r).size() <= record::size_max);
}

TEST_CASE("record: times are judged by our clock") {
    auto const content = sealed(of(0));  // from a minute ago, for an hour from now
    CHECK(record::open(content, now + 1h - 1ms));
    CHECK(refused(content, now + 1h) == errc::expired);
    CHECK(record::open(content, now - 3min));  // two minutes ahead of us
    CHECK(refused(content, now - 3min - 1ms) == errc::not_yet_issued);
    CHECK(refused(content, timestamp::max()) == errc::expired);
    CHECK(refused(content, timestamp::min()) == errc::not_yet_issued);
    record_rules const strict{30min, 0ms};
    CHECK(record::open(content, now, strict).error() == errc::expired);  // lives for too long
}

TEST_CASE("record: forged, truncated, of another, for another purpose") {
    auto const good = sealed(of(0));
    for (std::size_t size = 0; size < good.size(); ++size) REQUIRE_FALSE(record::open({good.data(), size}, now));
    for (std::size_t i = 0; i < good.size() * 8; ++i) {  // every byte is bound
        auto near = good;
        near[i / 8] ^= static_cast<byte>(1u << i % 8);
        INFO("bit " << i);
        REQUIRE_FALSE(record::open(near, now));
    }
    CHECK(refused(signed_as_it_is(payload_of(of(0)), 1)) == errc::wrong_peer);
    CHECK(refused(envelope::seal({"muster/record/v2", purpose.type}, payload_of(of(0)), key(0)).value()) ==
          errc::not_signed);
    CHECK(refused(routing_record{key(0).id(), 1, {}}.seal(key(0)).value()) == errc::wrong_type);
    CHECK(refused(bytes(513)) == errc::too_large);
    CHECK(refused({}) == errc::wrong_type);
}

TEST_CASE("record: one encoding is accepted") {
    auto const good = sealed(of(0));
    auto with_more = good;
    append(with_more, bytes{0x30, 0x00});  // a field that nobody knows
    CHECK(refused(with_more) == errc::not_canonical);
    auto twice = good;
    append(twice, bytes{0x12, 16});
    append(twice, purpose.type);  // the type once more
    CHECK(refused(twice) == errc::not_canonical);
    CHECK(envelope::open(twice, purpose));  // which other envelopes may do

    SECTION("the key in another order") {
        auto const claim = envelope::decode(good, purpose).value();
        bytes spelled{0x0a, 0x25, 0x12, 0x21};
        append(spelled, key(0).public_key().view());
        append(spelled, bytes{0x08, 0x02});
        append(spelled, byte_view{good}.subspan(2 + 0x25));
        CHECK(envelope::open(spelled, purpose));
        CHECK(refused(spelled) == errc::not_canonical);
    }
    SECTION("the other signature that follows from a signature") {
        auto const claim = envelope::decode(good, purpose).value();
        secp256k1_ecdsa_signature raw;
        REQUIRE(secp256k1_ecdsa_signature_parse_der(crypto::secp256k1::context(), &raw, claim.signature().data(),
                                                    claim.signature().size()) == 1);
        std::array<byte, 64> compact{};
        secp256k1_ecdsa_signature_serialize_compact(crypto::secp256k1::context(), compact.data(), &raw);
        auto const n = from_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").value();
        int borrow = 0;
        for (int i = 31; i >= 0; --i) {  // n - s
            auto const at = static_cast<std::size_t>(i);
            int const d = n[at] - compact[32 + at] - borrow;
            borrow = d < 0 ? 1 : 0;
            compact[32 + at] = static_cast<byte>(d);
        }
        REQUIRE(secp256k1_ecdsa_signature_parse_compact(crypto::secp256k1::context(), &raw, compact.data()) == 1);
        std::array<byte, 72> der{};
        std::size_t size = der.size();
        secp256k1_ecdsa_signature_serialize_der(crypto::secp256k1::context(), der.data(), &size, &raw);
        auto other = to_bytes(byte_view{good}.first(good.size() - claim.signature().size() - 1));
        other.push_back(static_cast<byte>(size));
        append(other, byte_view{der}.first(size));
        CHECK(envelope::open(other, purpose));  // it verifies
        CHECK(refused(other) == errc::not_canonical);
    }
    SECTION("payloads that are no record's") {
        auto const p = payload_of(of(0));
        CHECK(record::open(signed_as_it_is(p), now));
        auto longer = p;
        longer.push_back(0);
        CHECK(refused(signed_as_it_is(longer)) == errc::malformed);
        for (std::size_t size = 0; size < p.size(); ++size) {
            REQUIRE(refused(signed_as_it_is({p.begin(), p.begin() + static_cast<std::ptrdiff_t>(size)})) ==
                    errc::malformed);
        }
        auto unknown = p;
        unknown[49] = 0x0b;  // the protocol of the first address
        CHECK(refused(signed_as_it_is(unknown)) == errc::malformed);
    }
}

TEST_CASE("record: a key that is too large for one is refused by its size") {
    test::rsa_host const other;
    CHECK(other.spki().size() + 256 > record::size_max);
}

TEST_CASE("book: the greater number counts, whatever comes first") {
    auto const old = sealed(of(0, 5)), young = sealed(of(0, 6, "/ip4/192.0.2.2/tcp/1"));
    SECTION("in order") {
        record_book b;
        CHECK(b.take(old, now).value() == filing::added);
        CHECK(b.take(young, now).value() == filing::replaced);
        CHECK(b.find(key(0).id(), now)->sequence == 6);
        CHECK(equal(b.sealed(key(0).id(), now), young));
    }
    SECTION("and in the other") {
        record_book b;
        CHECK(b.take(young, now).value() == filing::added);
        CHECK(b.take(old, now).value() == filing::older);
        CHECK(b.find(key(0).id(), now)->sequence == 6);
    }
    SECTION("a later time does not make it count") {
        record_book b;
        REQUIRE(b.take(young, now));
        auto late = of(0, 5);
        late.issued = now + 1min, late.expires = now + 2h;
        CHECK(b.take(sealed(late), now).value() == filing::older);
    }
    SECTION("again") {
        record_book b;
        REQUIRE(b.take(old, now));
        CHECK(b.take(old, now).value() == filing::repeated);
        CHECK(b.size() == 1);
    }
}

TEST_CASE("book: what is forged changes nothing, also with a greater number, or the same") {
    record_book b;
    REQUIRE(b.take(sealed(of(0, 5)), now));
    auto const forge = [](record const& r, std::size_t who = 0) {
        auto content = sealed(r, who);
        content.back() ^= 1;
        return content;
    };
    CHECK(b.take(forge(of(0, 6)), now).error() == errc::not_signed);
    CHECK(b.take(forge(of(0, 5, "/ip4/192.0.2.9/tcp/1")), now).error() == errc::not_signed);
    CHECK(b.take(forge(of(1, 5), 1), now).error() == errc::not_signed);
    CHECK(b.size() == 1);
    CHECK(b.find(key(0).id(), now)->sequence == 5);
    CHECK_FALSE(b.evidence(key(0).id()));
    CHECK(b.take(forge(of(0, 4)), now).value() == filing::older);  // cheap, and without consequence
}

TEST_CASE("book: two records with one number are evidence, and change nothing") {
    record_book b;
    auto const first = sealed(of(0, 5)), second = sealed(of(0, 5, "/ip4/192.0.2.2/tcp/1")),
               third = sealed(of(0, 5, "/ip4/192.0.2.3/tcp/1"));
    REQUIRE(b.take(first, now));
    CHECK(b.take(second, now).value() == filing::conflicting);
    CHECK(*b.find(key(0).id(), now) == of(0, 5));
    conflict const expected{key(0).id(), 5, first, second};
    CHECK(b.evidence(key(0).id()) == expected);
    CHECK(b.take(third, now).value() == filing::conflicting);
    CHECK(b.evidence(key(0).id()) == expected);  // the first is kept
    CHECK(b.take(sealed(of(0, 6)), now).value() == filing::replaced);
    CHECK(b.evidence(key(0).id()) == expected);
    CHECK(record::open(expected.first, now));  // anybody can check it
    CHECK(record::open(expected.second, now));
}

TEST_CASE("book: records end, and older ones do not come back") {
    record_book b;
    auto old = of(0, 5);
    old.expires = now + 110min;
    auto young = of(0, 6);
    young.expires = now + 10min;
    REQUIRE(b.take(sealed(old), now));
    REQUIRE(b.take(sealed(young), now));
    CHECK(b.find(key(0).id(), now + 10min - 1ms) != nullptr);
    CHECK(b.find(key(0).id(), now + 10min) == nullptr);
    CHECK(b.sealed(key(0).id(), now + 10min).empty());
    b.forget(now + 100min);
    CHECK(b.take(sealed(old), now + 100min).value() == filing::older);
    b.forget(now + 10min + 2h);
    CHECK(b.size() == 0);
}

TEST_CASE("book: a signer whose clock is ahead does not stay for longer") {
    record_book b;
    auto r = of(0);
    r.issued = now + 2min, r.expires = now + 2min + 2h;
    REQUIRE(b.take(sealed(r), now));
    CHECK(b.find(key(0).id(), now + 2h - 1ms) != nullptr);
    CHECK(b.find(key(0).id(), now + 2h) == nullptr);
}

TEST_CASE("book: so many peers; a stranger that finds no room is refused") {
    record_book b{{2, {}}};
    REQUIRE(b.take(sealed(of(0), 0), now));
    REQUIRE(b.take(sealed(of(1), 1), now));
    CHECK(b.take(sealed(of(2), 2), now).error() == errc::full);
    CHECK(b.take(sealed(of(1, 2), 1), now).value() == filing::replaced);  // who is known goes on
    CHECK(b.size() == 2);
    auto const later = now + 3h + 1ms;
    auto r = of(2);
    r.issued = later, r.expires = later + 1h;
    CHECK(b.take(sealed(r, 2), later).value() == filing::added);
    CHECK(b.size() == 1);
}

TEST_CASE("record: any bytes are survived, and what is accepted is canonical") {
    splitmix64 random{11};
    record_book b;
    auto const payload = payload_of(of(0));
    int accepted = 0;
    for (int round = 0; round < 3'000; ++round) {
        auto input = payload;
        for (auto n = 1 + uniform(random, 3); n > 0; --n)
            input[uniform(random, input.size())] = static_cast<byte>(random());
        auto const content = signed_as_it_is(input);
        if (auto const opened = record::open(content, now)) {
            ++accepted;
            REQUIRE(payload_of(*opened.value()) == input);
        }
        auto wild = content;
        wild[uniform(random, wild.size())] = static_cast<byte>(random());
        (void)b.take(wild, now);
    }
    CHECK(accepted > 10);
}

TEST_CASE("presence: a value that shows its fields") {
    presence const p{key(0).id(), {at("/ip4/192.0.2.1/tcp/1")}, {}, {}, "lotus_16PSJ", "ann", "", now, now + 1h};
    CHECK(to_text(p).find("ann") != std::string::npos);
    CHECK(presence{} == presence{});
}

}  // namespace record_tests
