// SPDX-License-Identifier: MIT

#include <muster/identity/action.hpp>

#include <support/actions.hpp>
#include <support/catch.hpp>
#include <support/effort.hpp>

namespace action_tests {

using namespace muster;
using namespace muster::identity;
using namespace muster::test;

TEST_CASE("action: what is written is read, and nothing else has the same encoding") {
    person alice{1};
    auto const a = alice.act(as_bytes("a label"));
    auto const encoded = a.encoded();
    REQUIRE(encoded.size() == action::size);
    CHECK(action::decode(encoded).value() == a);
    CHECK(a.is_signed());
    CHECK(a.is_about(as_bytes("a label")));
    CHECK_FALSE(a.is_about(as_bytes("a lavel")));
    CHECK(a.sequence == 1);
    CHECK(a.previous.is_zero());
    auto const next = alice.act(as_bytes("another"));
    CHECK(next.sequence == 2);
    CHECK(next.previous == a.id());
    CHECK(next.time > a.time);
}

TEST_CASE("action: of random bytes what is taken is spelled the same again") {
    person alice{1};
    auto const good = alice.act(as_bytes("a label")).encoded();
    splitmix64 random{3};
    std::size_t taken = 0;
    for (std::size_t i = 0; i < test::effort(1'000'000, 30'000); ++i) {
        auto bytes = good;
        for (auto n = uniform(random, 8); n-- > 0;) {
            bytes[static_cast<std::size_t>(uniform(random, bytes.size()))] = static_cast<byte>(random());
        }
        if (uniform(random, 10) == 0) bytes.resize(static_cast<std::size_t>(uniform(random, bytes.size() + 10)));
        auto const read = action::decode(bytes);
        if (!read) continue;
        ++taken;
        REQUIRE(read.value().encoded() == bytes);
    }
    CHECK(taken > 1000);
}

TEST_CASE("action: what cannot be one is refused by name") {
    person alice{1};
    auto const good = alice.act(as_bytes("a label"));
    auto const outcome = [&](auto change) {
        auto a = good;
        change(a);
        auto const read = action::decode(a.encoded());
        return read ? std::string{"taken"} : std::string{read.error().name()};
    };
    CHECK(outcome([](action&) {}) == "taken");
    CHECK(outcome([](action& a) { a.payload_size = action::payload_size_max + 1; }) == "too_large");
    CHECK(outcome([](action& a) { a.sequence = 0; }) == "malformed");
    CHECK(outcome([](action& a) { a.sequence = 2; }) == "malformed");  // and nothing before it
    CHECK(outcome([](action& a) { a.previous.octets[0] = 1; }) == "malformed");
    CHECK(outcome([](action& a) { a.key.octets[0] = 4; }) == "malformed");
    auto encoded = good.encoded();
    for (std::size_t n = 0; n < encoded.size(); ++n) CHECK_FALSE(action::decode(byte_view{encoded}.first(n)));
    encoded.push_back(0);
    CHECK(action::decode(encoded).error() == errc::malformed);
    encoded[0] = 2;
    CHECK(action::decode(encoded).error() == errc::unsupported_version);
}

TEST_CASE("action: every byte is under the signature") {
    person alice{1};
    auto const good = alice.act(as_bytes("a label")).encoded();
    for (std::size_t at = 0; at < good.size(); ++at) {
        auto changed = good;
        changed[at] ^= 1;
        auto const read = action::decode(changed);
        if (!read) continue;
        CHECK_FALSE(read.value().is_signed());
    }
}

TEST_CASE("action: the hash is of the payload alone, wherever that lies (defect B11)") {
    // A view of a part of something larger: the hash is of the part.
    person alice{1};
    bytes const whole = to_bytes(as_bytes("before|a label|behind"));
    auto const part = byte_view{whole}.subspan(7, 7);
    auto const a = alice.act(part);
    CHECK(a.payload_hash == crypto::sha256(as_bytes("a label")));
    CHECK(a.is_about(as_bytes("a label")));
    CHECK_FALSE(a.is_about(whole));
}

TEST_CASE("action: the time that is signed is the time that is sent (defect B11)") {
    person alice{1};
    auto const a = alice.act(as_bytes("a label"));
    CHECK(a.time == hybrid_time::at(noon));
    CHECK(a.time == alice.author.end().time);
    CHECK(action::decode(a.encoded()).value().time == a.time);
    CHECK(action::decode(a.encoded()).value().is_signed());
}

TEST_CASE("action: nobody signs for another, and a payload that is too large changes nothing") {
    person alice{1}, bob{2};
    auto a = alice.act(as_bytes("a label"));
    CHECK(a.sign(bob.keys.node).error() == errc::not_signed);
    auto const before = alice.author.end();
    CHECK(alice.author.act({}, bytes(action::payload_size_max + 1), a_day, noon, alice.keys.node).error() ==
          errc::too_large);
    CHECK(alice.author.end() == before);
    CHECK(alice.author.act({}, bytes(action::payload_size_max), a_day, noon, alice.keys.node));
}

TEST_CASE("action: a chain goes on where it was written down") {
    person alice{1};
    auto const first = alice.act(as_bytes("one"));
    action_author again{test_network, alice.user, 1, alice.author.end()};
    auto const second = again.act({}, as_bytes("two"), a_day, noon - std::chrono::hours{1}, alice.keys.node).value();
    CHECK(second.sequence == 2);
    CHECK(second.previous == first.id());
    CHECK(second.time > first.time);  // though the clock went back
}

}  // namespace action_tests
