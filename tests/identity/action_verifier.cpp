// SPDX-License-Identifier: MIT

#include <muster/identity/action_verifier.hpp>

#include <chrono>

#include <support/actions.hpp>
#include <support/catch.hpp>
#include <support/effort.hpp>
#include <support/node_keys.hpp>

namespace action_verifier_tests {

using namespace muster;
using namespace muster::identity;
using namespace muster::test;
using namespace std::chrono_literals;
using step = verification_step;

namespace {

/// A verifier, what it is sent, and from whom.
struct desk {
    explicit desk(std::initializer_list<person const*> known, std::size_t rate = 50, std::size_t total = 1000)
        : verifier{who_knows(known), options_for(rate, total)} {}

    static action_verifier<known_authors>::options options_for(std::size_t rate, std::size_t total) {
        action_verifier<known_authors>::options o;
        o.network = test_network;
        o.rate = rate;
        o.burst = 4 * rate;
        o.total_rate = total;
        return o;
    }
    std::string take(action const& a, byte_view payload, freshness fresh = freshness::live) {
        return take(a.encoded(), payload, fresh);
    }
    std::string take(byte_view packet, byte_view payload, freshness fresh = freshness::live) {
        auto const found = verifier.verify(packet, payload, from, now, wall, fresh);
        if (!found) return std::string{found.error().name()};
        return std::holds_alternative<accepted_action>(found.value()) ? "accepted" : "contradiction";
    }
    /// The last step that was reached since the last call.
    step reached() {
        auto const is = verifier.stats();
        auto out = step::form;
        for (std::size_t i = 0; i < is.reached.size(); ++i) {
            if (is.reached[i] != was.reached[i]) out = static_cast<step>(i);
        }
        was = is;
        return out;
    }

    action_verifier<known_authors> verifier;
    peer::peer_id from = node_keys(900).node.id();
    instant now{1h};
    timestamp wall = noon;
    action_verifier<known_authors>::counts was;
};

}  // namespace

TEST_CASE("action verifier: a chain is taken in order, once") {
    person alice{1};
    desk d{std::initializer_list<person const*>{&alice}};
    auto const one = alice.act(as_bytes("1")), two = alice.act(as_bytes("2")), three = alice.act(as_bytes("3"));
    CHECK(d.take(two, as_bytes("2")) == "out_of_sequence");
    CHECK(d.take(one, as_bytes("1")) == "accepted");
    CHECK(d.take(three, as_bytes("3")) == "out_of_sequence");
    CHECK(d.take(two, as_bytes("2")) == "accepted");
    CHECK(d.take(three, as_bytes("3")) == "accepted");
    for (auto const* again : {&one, &two, &three}) CHECK(d.take(again->encoded(), bytes{'1'}) == "duplicate");
    CHECK(d.verifier.chains().end_of({alice.user, 1})->sequence == 3);
}

TEST_CASE("action verifier: what fails at a step causes no later one") {
    person alice{1}, mallory{2};
    desk d{std::initializer_list<person const*>{&alice}};
    auto const good = alice.act(as_bytes("x"));
    auto const fails = [&](auto change, byte_view payload = as_bytes("x"), bool is_resigned = true) {
        auto a = good;
        change(a);
        if (is_resigned) (void)a.sign(alice.keys.node);
        (void)d.reached();
        auto const name = d.take(a, payload);
        return name + " at " + std::string{to_string(d.reached())};
    };
    CHECK(fails([](action& a) { a.sequence = 0; }) == "malformed at form");
    CHECK(fails([](action&) {}, as_bytes("xy")) == "wrong_payload at form");
    CHECK(fails([](action& a) { a.network.octets[0] ^= 1; }) == "wrong_network at network");
    CHECK(fails([&](action& a) { a.author = mallory.user; }) == "unknown_author at author");
    CHECK(fails([&](action& a) { a.key = mallory.keys.node.public_key(); }, as_bytes("x"), false) ==
          "unknown_author at author");
    CHECK(fails([](action& a) { a.expires = noon; }) == "expired at time");
    CHECK(fails([](action& a) { a.time = hybrid_time::at(noon + 121s); }) == "from_the_future at time");
    CHECK(fails([](action& a) { a.time = hybrid_time::at(noon - 121s); }) == "expired at time");
    CHECK(fails([](action& a) {
              a.sequence = 2;
              a.previous.octets[0] = 1;
          }) == "out_of_sequence at chain");
    CHECK(fails([](action& a) { a.signature.octets[63] ^= 1; }, as_bytes("x"), false) == "not_signed at signature");
    CHECK(fails([](action& a) { a.type = action_type{7}; }, as_bytes("x"), false) == "not_signed at signature");
    CHECK(fails([](action&) {}, as_bytes("y")) == "wrong_payload at payload");
    CHECK(d.verifier.chains().size() == 0);  // none of it has left a trace
    CHECK(fails([](action&) {}) == "accepted at payload");
    CHECK(fails([](action&) {}) == "duplicate at chain");
}

TEST_CASE("action verifier: a stored action may be old, and not from the future") {
    person alice{1};
    desk d{std::initializer_list<person const*>{&alice}};
    auto const old = alice.act(as_bytes("x"), noon - 20h);
    CHECK(d.take(old, as_bytes("x")) == "expired");
    CHECK(d.take(old, as_bytes("x"), freshness::stored) == "accepted");
    auto const ahead = alice.act(as_bytes("x"), noon + 121s);
    CHECK(d.take(ahead, as_bytes("x"), freshness::stored) == "from_the_future");
    d.wall += 1s;
    CHECK(d.take(ahead, as_bytes("x"), freshness::stored) == "accepted");
}

TEST_CASE("action verifier: a forgery does not count as known (it would keep the real one out)") {
    person alice{1};
    desk d{std::initializer_list<person const*>{&alice}};
    auto const real = alice.act(as_bytes("x"));
    auto forged = real;
    forged.signature = {};
    CHECK(d.take(forged, as_bytes("x")) == "not_signed");
    CHECK(d.take(real, as_bytes("y")) == "wrong_payload");
    CHECK(d.take(real, as_bytes("x")) == "accepted");
}

TEST_CASE("action verifier: two stories are a proof that anybody can check") {
    person alice{1}, bob{2};
    desk d{{&alice, &bob}};
    CHECK(d.take(alice.act(as_bytes("before")), as_bytes("before")) == "accepted");
    auto const one = alice.would_act(as_bytes("one")), other = alice.would_act(as_bytes("other"));
    CHECK(d.take(one, as_bytes("one")) == "accepted");
    auto forged = other;
    forged.signature.octets[5] ^= 1;
    CHECK(d.take(forged, as_bytes("other")) == "not_signed");  // nobody is convicted by what others made
    auto const found = d.verifier.verify(other.encoded(), as_bytes("other"), d.from, d.now, d.wall, freshness::live);
    auto const proof = std::get<contradiction>(found.value()).proof;
    CHECK(proof.author() == alice.user);
    CHECK(d.take(one, as_bytes("one")) == "forked");
    CHECK(d.take(bob.act(as_bytes("b")), as_bytes("b")) == "accepted");

    auto const encoded = proof.encoded();
    REQUIRE(encoded.size() == fault_proof::size);
    CHECK(fault_proof::decode(encoded).value() == proof);
    CHECK(fault_proof::of(other, one).value() == proof);
    desk elsewhere{{&alice, &bob}};
    CHECK(elsewhere.verifier.learn(encoded, d.from, d.now).value() == proof);
    CHECK(elsewhere.take(one, as_bytes("one")) == "forked");
    for (std::size_t at = 0; at < encoded.size(); at += 3) {
        auto changed = encoded;
        changed[at] ^= 1;
        CHECK_FALSE(fault_proof::decode(changed));
    }
}

TEST_CASE("action verifier: what is no contradiction proves nothing") {
    person alice{1}, bob{2};
    auto const one = alice.would_act(as_bytes("one"));
    CHECK(fault_proof::of(one, one).error() == errc::malformed);
    CHECK(fault_proof::of(one, bob.would_act(as_bytes("two"))).error() == errc::malformed);
    auto resigned = one;  // the same action under another signature
    resigned.signature = alice.keys.signer.sign_bip340(bytes(32, 1)).value();
    CHECK(fault_proof::of(one, resigned).error() == errc::malformed);
    person life{1, 2};
    CHECK(fault_proof::of(one, life.would_act(as_bytes("two"))).error() == errc::malformed);
    (void)alice.act(as_bytes("one"));
    CHECK(fault_proof::of(one, alice.would_act(as_bytes("two"))).error() == errc::malformed);
    auto other = person{1}.would_act(as_bytes("two"));
    other.signature.octets[0] ^= 1;
    CHECK(fault_proof::of(one, other).error() == errc::not_signed);
}

TEST_CASE("action verifier: who begins a new life is heard, sixteen times") {
    person alice{1};
    desk d{std::initializer_list<person const*>{&alice}};
    for (std::uint64_t life = 1; life <= 18; ++life) {
        person again{1, life};
        CHECK(d.take(again.act(as_bytes("x")), as_bytes("x")) == (life <= 16 ? "accepted" : "out_of_sequence"));
    }
}

TEST_CASE("action verifier: fifty thousand bad packets cost what the limiter allows (goal S1)") {
    person alice{1};
    auto const flood = [&](std::size_t senders) {
        desk d{std::initializer_list<person const*>{&alice}};
        auto bad = alice.would_act(as_bytes("x"));
        bad.signature.octets[0] ^= 1;
        auto const packet = bad.encoded();
        std::vector<peer::peer_id> from;
        for (std::size_t i = 0; i < senders; ++i) from.push_back(node_keys(i).node.id());
        std::size_t const packets = 50'000;
        for (std::size_t i = 0; i < packets; ++i) {
            d.from = from[i % senders];
            d.now += 1s / packets;
            auto const name = d.take(packet, as_bytes("x"));
            if (name != "rate_limited" && name != "not_signed") FAIL(name);
        }
        // The flood hurts nobody else.
        d.now += 1s;
        d.from = node_keys(5000).node.id();
        CHECK(d.take(alice.would_act(as_bytes("x")), as_bytes("x")) == "accepted");
        return d.verifier.stats()[step::signature] - 1;
    };
    CHECK(flood(1) <= 200 + 50);
    CHECK(flood(1) >= 200);
    CHECK(flood(40) <= 2 * 1000);  // a burst of a second's, and a second
}

TEST_CASE("action verifier: of a million mutated packets none is accepted (goal S1)") {
    person alice{1};
    std::size_t const unlimited = 1'000'000'000;
    desk d{{&alice}, unlimited, unlimited};
    auto const first = alice.act(as_bytes("first"));
    REQUIRE(d.take(first, as_bytes("first")) == "accepted");
    auto const good = alice.act(as_bytes("payload"));
    auto const packet = good.encoded();
    splitmix64 random{9};
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < test::effort(1'000'000, 12'000); ++i) {
        auto changed = packet;
        auto payload = to_bytes(as_bytes("payload"));
        for (auto n = 1 + uniform(random, 3); n-- > 0;) {
            auto const at = static_cast<std::size_t>(uniform(random, changed.size() + payload.size()));
            auto& touched = at < changed.size() ? changed[at] : payload[at - changed.size()];
            touched ^= static_cast<byte>(1 + uniform(random, 255));
        }
        if (changed == packet && equal(payload, as_bytes("payload"))) continue;
        d.now += 1ms;
        accepted += d.take(changed, payload) == "accepted" ? 1u : 0u;
    }
    CHECK(accepted == 0);
    CHECK(d.take(good, as_bytes("payload")) == "accepted");
    CHECK(d.take(good, as_bytes("payload")) == "duplicate");
}

}  // namespace action_verifier_tests
