// SPDX-License-Identifier: MIT

#include <muster/identity/successor.hpp>

#include <muster/identity/action_verifier.hpp>

#include <support/actions.hpp>
#include <support/catch.hpp>

namespace successor_tests {

using namespace muster;
using namespace muster::identity;
using test::noon;

static_assert(author_directory<successor_book>);

namespace {

/// Somebody in their first epochs.
struct long_lived {
    explicit long_lived(std::uint64_t seed) {
        for (peer::key_epoch e = 0; e < 4; ++e) epochs.push_back(test::master_key(seed, e).keys().value());
        user = user_of(epochs[0].node.public_key());
    }
    [[nodiscard]] successor to(peer::key_epoch e) const {
        return successor::make(user, e, epochs[e - 1], epochs[e], noon).value();
    }
    [[nodiscard]] crypto::public_key node(std::size_t e) const { return epochs[e].node.public_key(); }
    std::vector<peer::key_set> epochs;
    user_id user;
};

}  // namespace

TEST_CASE("successor: the user id stays, and leads to the key of now") {
    long_lived alice{1};
    successor_book book;
    CHECK(book.follow(alice.to(1)).error() == errc::unknown_author);
    REQUIRE(book.know(alice.node(0), alice.epochs[0].signer.public_key()));
    CHECK(book.key_of(alice.user) == alice.node(0));
    CHECK(book.follow(alice.to(2)).error() == errc::out_of_sequence);
    REQUIRE(book.follow(alice.to(1)));
    CHECK(book.key_of(alice.user) == alice.node(1));
    CHECK(book.follow(alice.to(1)).error() == errc::duplicate);
    REQUIRE(book.follow(alice.to(2)));
    REQUIRE(book.follow(alice.to(3)));
    CHECK(book.key_of(alice.user) == alice.node(3));
    CHECK(book.epoch_of(alice.user) == 3);
    CHECK(book.follow(alice.to(1)).error() == errc::out_of_sequence);
    REQUIRE(book.know(alice.node(0), alice.epochs[0].signer.public_key()));  // does not go back
    CHECK(book.key_of(alice.user) == alice.node(3));
    CHECK_FALSE(book.key_of(user_of(alice.node(3))));  // no other name
}

TEST_CASE("successor: who has the old node key alone cannot hand it on") {
    long_lived alice{1}, mallory{2};
    auto forged = alice.to(1);
    forged.new_node = mallory.node(1);
    CHECK(forged.verify().error() == errc::not_signed);
    CHECK(successor::make(alice.user, 1, alice.epochs[0], mallory.epochs[1], noon).error() == errc::wrong_set);
    // With a signer key of their own it is signed, and not followed.
    auto const other = successor::make(mallory.user, 1, mallory.epochs[0], mallory.epochs[1], noon).value();
    auto taken_over = other;
    taken_over.user = alice.user;
    successor_book book;
    REQUIRE(book.know(alice.node(0), alice.epochs[0].signer.public_key()));
    CHECK(book.follow(taken_over).error() == errc::wrong_set);
    CHECK(taken_over.verify().error() == errc::not_signed);
    CHECK(book.key_of(alice.user) == alice.node(0));
}

TEST_CASE("successor: two for one epoch are a contradiction, and none is followed") {
    long_lived alice{1};
    successor_book book;
    REQUIRE(book.know(alice.node(0), alice.epochs[0].signer.public_key()));
    REQUIRE(book.follow(alice.to(1)));
    auto const again =
        successor::make(alice.user, 1, alice.epochs[0], alice.epochs[1], noon + std::chrono::hours{1}).value();
    CHECK(book.follow(again).error() == errc::duplicate);  // the same keys
    CHECK(book.key_of(alice.user) == alice.node(1));
    auto const rival = successor::make(alice.user, 1, alice.epochs[0], alice.epochs[3], noon).value();
    CHECK(book.follow(rival).error() == errc::forked);
    CHECK_FALSE(book.key_of(alice.user));
    CHECK(book.follow(alice.to(2)).error() == errc::forked);
}

TEST_CASE("successor: one encoding, and every byte is signed") {
    long_lived alice{1};
    auto const good = alice.to(1);
    auto const encoded = good.encoded();
    REQUIRE(encoded.size() == successor::size);
    CHECK(successor::decode(encoded).value() == good);
    CHECK(good.verify());
    for (std::size_t i = 0; i < encoded.size(); ++i) {
        CHECK_FALSE(successor::decode(byte_view{encoded}.first(i)));
        auto changed = encoded;
        changed[i] ^= 1;
        auto const read = successor::decode(changed);
        if (!read) continue;
        CHECK(read.value().encoded() == changed);
        CHECK_FALSE(read.value().verify());
    }
}

TEST_CASE("successor: actions are taken from the key of now alone") {
    long_lived alice{1};
    successor_book book;
    REQUIRE(book.know(alice.node(0), alice.epochs[0].signer.public_key()));
    action_verifier<successor_book>::options o;
    o.network = test::test_network;
    action_verifier<successor_book> verifier{std::move(book), o};
    action_author author{test::test_network, alice.user, 1};
    auto const take = [&](peer::key_set const& with) {
        auto next = author;
        auto const a = next.act({}, as_bytes("x"), test::a_day, noon, with.node).value();
        auto const found = verifier.verify(a.encoded(), as_bytes("x"), with.node.id(), instant{std::chrono::hours{1}},
                                           noon, freshness::live);
        if (found) author = next;
        return found ? std::string{"accepted"} : std::string{found.error().name()};
    };
    CHECK(take(alice.epochs[1]) == "unknown_author");
    CHECK(take(alice.epochs[0]) == "accepted");
    REQUIRE(verifier.authors().follow(alice.to(1)));
    CHECK(take(alice.epochs[0]) == "unknown_author");
    CHECK(take(alice.epochs[1]) == "accepted");  // in the same chain
}

}  // namespace successor_tests
