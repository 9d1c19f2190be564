// SPDX-License-Identifier: MIT

#include <muster/musig2/rounds.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <muster/musig2/tweak.hpp>

#include <support/backend.hpp>
#include <support/catch.hpp>
#include <support/keys.hpp>

namespace rounds_tests {

using namespace muster;
using namespace muster::musig2;
using first_round = round1<test::backend>;
using second_round = round2<test::backend>;

namespace {

/// A group of signers in one process, each with a round of its own.
struct group {
    std::vector<key_pair> keys;
    test::backend::keyagg_context context;
    std::vector<message> messages;
    test::predictable source{99};

    explicit group(std::size_t n, std::vector<tweak> tweaks = {}, std::size_t message_count = 1)
        : keys{test::make_keys(n)}, context{key_agg(test::backend{}, test::public_keys(keys), tweaks).value()} {
        for (std::size_t k = 0; k < message_count; ++k) {
            messages.push_back(message::tagged("muster/test", bytes{static_cast<byte>(k)}));
        }
    }

    [[nodiscard]] first_round open(std::uint32_t position) {
        return first_round::open_many(source, keys[position], {context, messages, position}).value();
    }

    /// Everyone's first round, with all nonces exchanged.
    [[nodiscard]] std::vector<first_round> first() {
        std::vector<first_round> rounds;
        for (std::uint32_t i = 0; i < keys.size(); ++i) rounds.push_back(open(i));
        for (auto& to : rounds) {
            for (auto& from : rounds) REQUIRE(to.receive(from.position(), from.nonces()));
        }
        return rounds;
    }

    /// Everyone's second round, with all shares exchanged.
    [[nodiscard]] std::vector<second_round> second() {
        std::vector<second_round> rounds;
        for (auto& round : first()) rounds.push_back(std::move(round).sign().value());
        for (auto& to : rounds) {
            for (auto& from : rounds) REQUIRE(to.receive(from.position(), from.shares()));
        }
        return rounds;
    }

    [[nodiscard]] bool accepts(std::size_t k, signature const& s) const {
        return crypto::verify_bip340(crypto::to_xonly(context.aggregate()), messages[k].view(), s);
    }
};

template <class Round>
concept signs_as_lvalue = requires(Round& r) {
    r.sign();
};
template <class Round>
concept signs_as_const = requires(Round const& r) {
    std::move(r).sign();
};
template <class Round>
concept signs_as_rvalue = requires(Round&& r) {
    std::move(r).sign();
};
template <class Round>
concept signs_another_message = requires(Round&& r, message m) {
    std::move(r).sign(m);
};
template <class Round>
concept signs_another_group = requires(Round&& r, test::backend::keyagg_context c) {
    std::move(r).sign(c);
};
template <class T>
concept has_an_encoding = requires(T const& t) {
    t.view();
}
|| requires(T const& t) { t.data(); }
|| requires(T const& t) { t.serialize(); }
|| requires(T const& t) { to_hex(t); };
template <class Round>
concept shows_its_secret = requires(Round const& r) {
    r.secrets_;
}
|| requires(Round const& r) { r.secnonce(); };

}  // namespace

TEST_CASE("misuse of a round does not compile",
          "[misuse-1][misuse-2][misuse-4][misuse-5][misuse-6][misuse-7][misuse-8]") {
    STATIC_REQUIRE(signs_as_rvalue<first_round>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<first_round>);
    STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<first_round>);
    STATIC_REQUIRE_FALSE(signs_as_lvalue<first_round>);
    STATIC_REQUIRE_FALSE(signs_as_const<first_round>);
    STATIC_REQUIRE_FALSE(signs_another_message<first_round>);
    STATIC_REQUIRE_FALSE(signs_another_group<first_round>);
    STATIC_REQUIRE_FALSE(has_an_encoding<first_round>);
    STATIC_REQUIRE_FALSE(has_an_encoding<test::backend::secnonce>);
    STATIC_REQUIRE_FALSE(shows_its_secret<first_round>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<test::backend::secnonce>);
    STATIC_REQUIRE_FALSE(std::is_default_constructible_v<test::backend::secnonce>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<bytes, message>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<digest32, message>);
    STATIC_REQUIRE_FALSE(signs_as_rvalue<second_round>);
    STATIC_REQUIRE(has_an_encoding<pubnonce>);  // the concept can hold
}

TEST_CASE("a group signs, whatever its size, and everyone ends with the same signature", "[misuse-37]") {
    for (std::size_t const n : {1u, 2u, 3u, 7u, 16u}) {
        group g{n};
        auto const rounds = g.second();
        auto const expected = rounds[0].aggregate().value();
        REQUIRE(expected.size() == 1);
        CHECK(g.accepts(0, expected[0]));
        for (auto const& round : rounds) CHECK(round.aggregate().value() == expected);
    }
}

TEST_CASE("many messages share the two rounds") {
    group g{3, {}, 5};
    auto const rounds = g.second();
    auto const signatures = rounds[2].aggregate().value();
    REQUIRE(signatures.size() == 5);
    for (std::size_t k = 0; k < 5; ++k) CHECK(g.accepts(k, signatures[k]));
    CHECK_FALSE(g.accepts(0, signatures[1]));
    // Each message has nonces of its own.
    auto const round = g.open(0);
    CHECK(round.nonces()[0] != round.nonces()[1]);
}

TEST_CASE("groups sign under derivation, Taproot and raw tweaks, in both parities") {
    std::vector<std::vector<tweak>> const plans{
        {taproot{}},
        {taproot{digest32{{7}}}},
        {bip32_path{{1, 2}}},
        {bip32_path{{0, 5}}, taproot{}},
        {unsafe::raw_tweak{{{9}}, true}, unsafe::raw_tweak{{{8}}, false}, unsafe::raw_tweak{{{7}}, true}},
        {unsafe::raw_tweak{{}, false}, unsafe::raw_tweak{{}, true}},
    };
    for (auto const& plan : plans) {
        for (std::size_t n = 2; n < 6; ++n) {  // different aggregates, so different parities
            group g{n, plan};
            CHECK(g.accepts(0, g.second()[0].aggregate().value()[0]));
        }
    }
}

TEST_CASE("a round that was used or moved from never signs again", "[misuse-3]") {
    group g{2};
    auto rounds = g.first();
    auto moved = std::move(rounds[0]);
    CHECK(std::move(rounds[0]).sign().error() == errc::nonce_consumed);
    CHECK(std::move(moved).sign());
    CHECK(std::move(moved).sign().error() == errc::nonce_consumed);
    CHECK(moved.nonces().empty());
}

TEST_CASE("a forked child cannot sign, its parent can", "[misuse-9]") {
    group g{2};
    auto rounds = g.first();
    auto const child = ::fork();
    if (child == 0) {
        auto const refused = std::move(rounds[0]).sign();
        ::_exit(!refused && refused.error() == errc::nonce_consumed ? 0 : 1);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(std::move(rounds[0]).sign());
}

TEST_CASE("an incomplete round says so and stays usable") {
    group g{3};
    auto a = g.open(0), b = g.open(1), c = g.open(2);
    REQUIRE(a.receive(1, b.nonces()));
    CHECK(std::move(a).sign().error() == errc::incomplete);
    REQUIRE(a.receive(2, c.nonces()));
    CHECK(std::move(a).sign());
}

TEST_CASE("contributions are idempotent, and a second different one is equivocation") {
    group g{3};
    auto a = g.open(0), b = g.open(1), other_b = g.open(1);
    CHECK(a.receive(1, b.nonces()));
    CHECK(a.receive(1, b.nonces()));
    auto const twice = a.receive(1, other_b.nonces());
    CHECK(twice.error() == errc::equivocation);
    CHECK(twice.error().index() == 1u);
    CHECK(a.nonces_of(1)[0] == b.nonces()[0]);
    CHECK(a.receive(0, b.nonces()).error() == errc::equivocation);  // my own slot
    CHECK(a.receive(3, b.nonces()).error() == errc::unknown_position);
    CHECK(a.receive(2, {}).error() == errc::wrong_count);
}

TEST_CASE("a nonce that is no point is pinned on its sender, and nothing is signed", "[misuse-23]") {
    group g{3};
    auto a = g.open(0), b = g.open(1);
    REQUIRE(a.receive(1, b.nonces()));
    pubnonce const zero{};
    REQUIRE(a.receive(2, std::span{&zero, 1}));
    auto const refused = std::move(a).sign();
    CHECK(refused.error() == errc::invalid_pubnonce);
    CHECK(refused.error().index() == 2u);
    CHECK(std::move(a).sign().error() == errc::nonce_consumed);
}

TEST_CASE("signing under an aggregator's nonce works, and its lies are found with the nonces") {
    group g{3};
    std::vector<first_round> rounds;
    for (std::uint32_t i = 0; i < 3; ++i) rounds.push_back(g.open(i));
    for (auto& from : rounds) REQUIRE(rounds[0].receive(from.position(), from.nonces()));
    auto const totals = rounds[0].aggregate_nonces().value();
    auto honest = rounds[1].nonces()[0], other = rounds[2].nonces()[0], own = rounds[0].nonces()[0];
    for (std::uint32_t i = 1; i < 3; ++i) REQUIRE(rounds[i].receive_aggregate(totals));
    CHECK(rounds[1].receive_aggregate(totals));
    aggnonce const lie{honest.octets};
    CHECK(rounds[1].receive_aggregate(std::span{&lie, 1}).error() == errc::equivocation);

    std::vector<second_round> signed_rounds;
    for (auto& round : rounds) signed_rounds.push_back(std::move(round).sign().value());
    for (auto& to : signed_rounds) {
        for (auto& from : signed_rounds) REQUIRE(to.receive(from.position(), from.shares()));
    }
    CHECK(g.accepts(0, signed_rounds[1].aggregate().value()[0]));

    // Signed under a lie: nothing can be pinned on anyone until the nonces are on the table.
    auto liar = g.open(1);
    REQUIRE(liar.receive_aggregate(std::span{&lie, 1}));
    auto deceived = std::move(liar).sign().value();
    REQUIRE(deceived.receive(0, signed_rounds[0].shares()));
    REQUIRE(deceived.receive(2, signed_rounds[2].shares()));
    CHECK(deceived.aggregate().error() == errc::incomplete);
    REQUIRE(deceived.receive_nonces(0, std::span{&own, 1}));
    REQUIRE(deceived.receive_nonces(2, std::span{&other, 1}));
    REQUIRE(deceived.has_all_nonces());
    CHECK_FALSE(deceived.nonces_match());
}

TEST_CASE("a round opens only for a key at its own position, duplicates included", "[misuse-35][misuse-36]") {
    group g{2};
    CHECK(first_round::open(g.source, g.keys[0], g.context, g.messages[0], 1).error() == errc::not_a_signer);
    CHECK(first_round::open(g.source, g.keys[0], g.context, g.messages[0], 2).error() == errc::not_a_signer);
    CHECK(first_round::open_many(g.source, g.keys[0], {g.context, {}, 0}).error() == errc::wrong_count);

    auto const one = test::make_keys(1)[0].clone().value();
    std::vector const twice{one.public_key(), one.public_key(), g.keys[1].public_key()};
    auto const context = test::backend{}.key_agg(twice).value();
    std::vector<first_round> rounds;
    rounds.push_back(first_round::open(g.source, one, context, g.messages[0], 0).value());
    rounds.push_back(first_round::open(g.source, one, context, g.messages[0], 1).value());
    rounds.push_back(first_round::open(g.source, g.keys[1], context, g.messages[0], 2).value());
    for (auto& to : rounds) {
        for (auto& from : rounds) REQUIRE(to.receive(from.position(), from.nonces()));
    }
    std::vector<second_round> seconds;
    for (auto& round : rounds) seconds.push_back(std::move(round).sign().value());
    for (auto& from : seconds) REQUIRE(seconds[0].receive(from.position(), from.shares()));
    auto const sig = seconds[0].aggregate().value()[0];
    CHECK(crypto::verify_bip340(crypto::to_xonly(context.aggregate()), g.messages[0].view(), sig));
}

TEST_CASE("a random source that is broken or repeats itself is survived", "[misuse-16][misuse-17]") {
    group g{2};
    test::scripted zeros{bytes(1, 0)};
    CHECK(first_round::open(zeros, g.keys[0], g.context, g.messages[0], 0).error() == errc::no_entropy);
    test::scripted same_a{bytes(32, 5)}, same_b{bytes(32, 5)}, same_c{bytes(32, 5)};
    auto const a = first_round::open(same_a, g.keys[0], g.context, g.messages[0], 0).value();
    auto const b = first_round::open(same_b, g.keys[0], g.context, message::tagged("other", {}), 0).value();
    auto const c = first_round::open(same_c, g.keys[0], g.context, g.messages[0], 0, bytes{1}).value();
    CHECK(a.nonces()[0] != b.nonces()[0]);
    CHECK(a.nonces()[0] != c.nonces()[0]);
}

}  // namespace rounds_tests
