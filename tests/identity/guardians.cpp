// SPDX-License-Identifier: MIT

#include <muster/identity/guardian_desk.hpp>
#include <muster/identity/guardian_watch.hpp>
#include <muster/identity/recovery.hpp>

#include <support/catch.hpp>
#include <support/guardians.hpp>

namespace guardian_tests {

using namespace muster;
using namespace muster::identity;
using namespace muster::test;
using namespace muster::test::guardians;
using namespace std::chrono_literals;

TEST_CASE("guardians: offers are repeated until they are acknowledged, then there is a question each week") {
    table t;
    t.issue(t.c.made, {0, 1, 2});
    CHECK(t.watch.stats() == watch_type::gauges{5, 3, 5});
    t.pass(24h, all);
    CHECK(t.watch.stats() == watch_type::gauges{5, 5, 5});
    auto const quiet = t.owner([&](auto& sink) { t.watch.wake(t.now + 5 * 24h, sink); });
    CHECK(quiet.empty());
    t.pass(24h * 40, all);
    CHECK(t.watch.stats() == watch_type::gauges{5, 5, 5});
    CHECK(t.told.empty());
}

TEST_CASE("guardians: whoever does not answer for eight days is gone, and the owner is told once") {
    table t;
    t.issue(t.c.made, all);
    t.pass(24h * 7, {0, 1, 2, 4});
    CHECK(t.told.empty());
    t.pass(24h * 3, {0, 1, 2, 4});
    CHECK(t.told == std::vector<std::vector<std::uint8_t>>{{0, 1, 2, 4}});
    t.pass(24h * 30, {0, 1, 2, 4});
    CHECK(t.told.size() == 1);
    t.issue(t.c.make(3, 2), all);
    CHECK(t.watch.stats().alive == 5);
    CHECK(t.told.size() == 1);
}

TEST_CASE("guardians: only who has the share is alive") {
    table t;
    t.issue(t.c.made, all);
    auto const sent = t.owner([&](auto& sink) { t.watch.wake(t.now + 7 * 24h, sink); });
    auto const questions = of<watch::send>(sent);
    REQUIRE(questions.size() == 5);
    auto const q = std::get<challenge>(questions[0].what);
    possession lie{q.set, 0, answer_to(q.nonce, t.c.share_of(1, t.c.made))};
    t.now += 9 * 24h;
    auto const told = t.owner([&](auto& sink) {
        t.watch.handle(watch::received{0, t.c.guardians[0].keys.node.public_key(), lie}, t.now, sink);
    });
    CHECK(of<watch::reissue_needed>(told).front().alive.empty());
    // The owner's question of another set, or of somebody else's, is not answered.
    CHECK(t.at(0, stranger, q).empty());
    CHECK(t.at(0, t.c.owner.keys.node.id(), challenge{set_id{}, q.nonce}).empty());
}

TEST_CASE("guardians: an acknowledgement that the guardian did not sign ends no offer") {
    table t;
    auto const sent = of<watch::send>(t.owner([&](auto& sink) { t.watch.issue(t.c.made, t.now, sink); }));
    auto const reply = of<desk::reply>(t.at(0, t.c.owner.keys.node.id(), sent[0].what)).front();
    auto forged = std::get<acknowledgement>(reply.what);
    forged.signature.octets[1] ^= 1;
    auto const hear = [&](guardian_message const& m) {
        (void)t.owner([&](auto& sink) {
            t.watch.handle(watch::received{0, t.c.guardians[0].keys.node.public_key(), m}, t.now, sink);
        });
        return t.watch.has_acknowledged(0);
    };
    CHECK_FALSE(hear(forged));
    CHECK(hear(reply.what));
}

TEST_CASE("guardians: a share is given out three days after a person has approved, and not before") {
    table t;
    t.issue(t.c.made, all);
    predictable source{8};
    auto going_on = recovery::begin(t.c.owner.user, source).value();
    auto const asked = t.at(0, stranger, going_on.request());
    CHECK(of<desk::ask_person>(asked).size() == 1);
    REQUIRE(of<desk::warn_owner>(asked).size() == 1);
    CHECK(of<desk::warn_owner>(asked)[0].key == t.c.owner.keys.node.public_key());
    CHECK(going_on.request().spoken().size() == 24);
    t.wait(24h * 13);
    CHECK(of<desk::reply>(t.at(0, stranger, going_on.request())).empty());  // nobody has approved
    t.approve(0, going_on.request());
    CHECK(t.desks[0]->wards().find(t.c.owner.user)->approved->released_at == t.wall + 72h);
    CHECK(t.approve(0, going_on.request()).empty());  // twice is once
    t.wait(71h);
    CHECK(of<desk::reply>(t.at(0, stranger, going_on.request())).empty());
    t.wait(1h);
    CHECK(of<desk::reply>(t.at(0, stranger, going_on.request())).size() == 1);
    t.wait(24h * 14);
    CHECK(of<desk::request_closed>(t.at(0, stranger, challenge{})).size() == 1);
    // One that nobody approves is forgotten as well.
    CHECK(of<desk::ask_person>(t.at(0, stranger, going_on.request())).size() == 1);
    t.wait(24h * 14 - 1h);
    CHECK(t.at(0, stranger, challenge{}).empty());
    t.wait(1h);
    CHECK(of<desk::request_closed>(t.at(0, stranger, challenge{})).size() == 1);
}

TEST_CASE("guardians: a recovery from its beginning to its end") {
    table t;
    t.issue(t.c.made, all);
    predictable source{8};
    auto going_on = recovery::begin(t.c.owner.user, source).value();
    for (std::size_t i : {0u, 2u, 3u}) {
        (void)t.at(i, stranger, going_on.request());
        t.approve(i, going_on.request());
    }
    CHECK(going_on.finish().error() == identity::errc::too_few_shares);
    t.wait(72h);
    for (std::size_t i = 0; i < 5; ++i) {
        for (auto const& r : of<desk::reply>(t.at(i, stranger, going_on.request()))) {
            REQUIRE(going_on.take(std::get<release>(r.what)));
            REQUIRE(going_on.take(std::get<release>(r.what)));  // twice is once
        }
    }
    CHECK(going_on.finish().value().key_file == t.c.key_file);
    // Nobody else can read what was sent.
    auto other = recovery::begin(t.c.owner.user, source).value();
    auto const sent = of<desk::reply>(t.at(0, stranger, going_on.request()));
    CHECK(other.take(std::get<release>(sent[0].what)).error() == identity::errc::wrong_set);
    auto pretended = std::get<release>(sent[0].what);
    pretended.request = other.request().id();
    REQUIRE(other.take(pretended));
    CHECK(other.finish().error() == identity::errc::too_few_shares);
}

TEST_CASE("guardians: the old key objects, and there is quiet for a day") {
    table t;
    t.issue(t.c.made, all);
    predictable source{8};
    auto const theft = recovery::begin(t.c.owner.user, source).value();
    (void)t.at(0, stranger, theft.request());
    t.approve(0, theft.request());
    auto const warned = t.owner([&](auto& s) { t.watch.handle(watch::warned{theft.request()}, t.now, s); });
    CHECK(of<watch::recovery_begun>(warned).size() == 1);
    auto const sent = of<watch::send>(t.owner([&](auto& s) { REQUIRE(t.watch.object(theft.request().id(), s)); }));
    REQUIRE(sent.size() == 5);
    auto forged = std::get<veto>(sent[0].what);
    forged.signature.octets[0] ^= 1;
    CHECK(of<desk::penalise>(t.at(0, stranger, forged)).size() == 1);
    CHECK(t.desks[0]->stats().approved == 1);
    auto const closed = t.at(0, stranger, sent[0].what);  // whoever brings it
    CHECK(of<desk::request_closed>(closed).size() == 1);
    t.wait(12h);
    CHECK(t.at(0, stranger, theft.request()).empty());
    t.wait(60h);
    CHECK(of<desk::ask_person>(t.at(0, stranger, theft.request())).size() == 1);  // asked anew, from the beginning
    CHECK(of<desk::reply>(t.at(0, stranger, theft.request())).empty());
}

TEST_CASE("guardians: one request of an owner is approved at a time, and the last word counts") {
    table t;
    t.issue(t.c.made, all);
    predictable source{8};
    auto const first = recovery::begin(t.c.owner.user, source).value(),
               second = recovery::begin(t.c.owner.user, source).value();
    CHECK(of<desk::ask_person>(t.at(0, stranger, first.request())).size() == 1);
    CHECK(of<desk::ask_person>(t.at(0, stranger, second.request())).size() == 1);
    for (int i = 0; i < 100; ++i) CHECK(t.at(0, stranger, second.request()).empty());
    // Of somebody whose guardian this is not nothing is said.
    auto const nobody = recovery::begin(t.c.guardians[1].user, source).value();
    CHECK(t.at(0, stranger, nobody.request()).empty());
    t.approve(0, first.request());
    t.wait(71h);
    auto const replaced = of<desk::request_closed>(t.approve(0, second.request()));
    REQUIRE(replaced.size() == 1);
    CHECK(replaced[0].request == first.request().id());
    t.wait(1h);
    CHECK(of<desk::reply>(t.at(0, stranger, first.request())).empty());
    CHECK(of<desk::reply>(t.at(0, stranger, second.request())).empty());  // its delay is its own
    CHECK(t.desks[0]->stats().approved == 1);
    effect_list<desk_type::effect> sink;
    REQUIRE(t.desks[0]->decline(second.request().id(), t.now, sink));
    CHECK(t.desks[0]->decline(second.request().id(), t.now, sink).error() == identity::errc::wrong_state);
    t.wait(71h);
    CHECK(of<desk::reply>(t.at(0, stranger, second.request())).empty());
}

TEST_CASE("guardians: an older epoch is kept until the new one is settled, and never comes back") {
    table t;
    t.issue(t.c.made, all);
    auto const next = t.c.make(3, 2);
    t.issue(next, {0, 1});  // two have the new one, three the old one: neither is settled
    predictable source{8};
    auto going_on = recovery::begin(t.c.owner.user, source).value();
    for (std::size_t i : {0u, 1u, 2u}) {
        (void)t.at(i, stranger, going_on.request());
        t.approve(i, going_on.request());
    }
    t.wait(72h);
    for (std::size_t i : {0u, 1u, 2u}) {
        for (auto const& r : of<desk::reply>(t.at(i, stranger, going_on.request())))
            REQUIRE(going_on.take(std::get<release>(r.what)));
    }
    CHECK(going_on.finish().value().key_file == t.c.key_file);

    table u;
    u.issue(u.c.made, all);
    auto const newer = u.c.make(3, 2);
    u.issue(newer, all);
    u.pass(24h * 8, all);
    auto again = recovery::begin(u.c.owner.user, source).value();
    (void)u.at(0, stranger, again.request());
    u.approve(0, again.request());
    u.wait(72h);
    auto const given = of<desk::reply>(u.at(0, stranger, again.request()));
    REQUIRE(given.size() == 1);
    CHECK(std::get<release>(given[0].what).manifest == newer.manifest.encoded());
    offer const old{u.c.made.manifest.encoded(), 0, u.c.made.sealed[0], u.c.made.blob, {}};
    CHECK(of<desk::penalise>(u.at(0, u.c.owner.keys.node.id(), old)).size() == 1);
    CHECK(u.desks[0]->manifest_of(u.c.owner.user)->epoch == 2);
}

TEST_CASE("guardians: nobody offers shares in another's name, nor wrong ones") {
    table t;
    auto const good = offer{t.c.made.manifest.encoded(), 0, t.c.made.sealed[0], t.c.made.blob, {}};
    auto const taken = [&](offer const& o, peer::peer_id const& from) {
        return of<desk::penalise>(t.at(0, from, o)).empty();
    };
    auto const owner = t.c.owner.keys.node.id();
    CHECK_FALSE(taken(good, stranger));
    auto wrong = good;
    wrong.index = 1;
    CHECK_FALSE(taken(wrong, owner));
    wrong = good;
    wrong.index = 9;
    CHECK_FALSE(taken(wrong, owner));
    wrong = good;
    wrong.blob[0] ^= 1;
    CHECK_FALSE(taken(wrong, owner));
    wrong = good;
    wrong.manifest[120] ^= 1;
    CHECK_FALSE(taken(wrong, owner));
    wrong = good;
    wrong.sealed = t.c.made.sealed[1];
    CHECK_FALSE(taken(wrong, owner));
    CHECK(t.desks[0]->stats().wards == 0);
    CHECK(taken(good, owner));
}

TEST_CASE("guardians: what is kept survives a restart, delays included") {
    table t;
    t.issue(t.c.made, all);
    t.issue(t.c.make(3, 2), {0});
    predictable source{8};
    auto going_on = recovery::begin(t.c.owner.user, source).value();
    (void)t.at(0, stranger, going_on.request());
    t.approve(0, going_on.request());
    auto const kept = t.desks[0]->export_ward(t.c.owner.user).value();
    CHECK_FALSE(t.desks[0]->export_ward(t.c.guardians[0].user));
    auto again = std::make_unique<desk_type>(t.c.guardians[0].keys, predictable{4});
    REQUIRE(again->import_ward(kept));
    t.desks[0] = std::move(again);
    CHECK(of<desk::reply>(t.at(0, stranger, going_on.request())).empty());  // its clock begins
    t.wait(71h);
    CHECK(of<desk::reply>(t.at(0, stranger, going_on.request())).empty());
    t.wait(1h);
    CHECK(of<desk::reply>(t.at(0, stranger, going_on.request())).size() == 2);
    desk_type other{t.c.guardians[1].keys, predictable{4}};
    CHECK_FALSE(other.import_ward(kept));
    for (std::size_t n = 0; n < kept.size(); n += 5) CHECK_FALSE(other.import_ward(byte_view{kept}.first(n)));
}

TEST_CASE("guardians: a new epoch is wanted when fewer live than min(N, T + 3)") {
    table t{{3, 7}};
    t.issue(t.c.made, {0, 1, 2, 3, 4, 5, 6});
    t.pass(24h * 10, {0, 1, 2, 3, 4, 5});
    CHECK(t.watch.stats().alive == 6);
    CHECK(t.told.empty());  // T + 3
    t.pass(24h * 10, {0, 1, 2, 3, 4});
    CHECK(t.told == std::vector<std::vector<std::uint8_t>>{{0, 1, 2, 3, 4}});

    table few{{2, 3}};
    few.issue(few.c.made, {0, 1, 2});
    few.pass(24h * 7, {0, 1, 2});
    CHECK(few.told.empty());  // all of them, which are fewer than T + 3
    few.pass(24h * 10, {0, 2});
    CHECK(few.told == std::vector<std::vector<std::uint8_t>>{{0, 2}});
}

TEST_CASE("guardians: a restart forgives nobody who was silent, and holds the time away against nobody") {
    table t;
    t.issue(t.c.made, {0, 1, 2, 3});
    t.pass(24h * 6, {0, 1, 2, 3});
    auto const known = t.watch.standings(t.now);
    REQUIRE(known.size() == 5);
    CHECK(known[0] == watch_type::standing{true, 24h * 2});
    CHECK(known[4] == watch_type::standing{false, 24h * 2});
    watch_type again{t.c.owner.keys, splitmix64{2}};
    t.now += 24h * 100;  // nobody asked
    effect_list<watch_type::effect> sink;
    again.resume(t.c.made, known, t.now, sink);
    CHECK(again.standings(t.now) == known);
    CHECK(again.stats() == watch_type::gauges{5, 4, 5});
    CHECK(of<watch::send>(sink.take()).size() == 5);
    again.wake(t.now + 47h, sink);
    CHECK(of<watch::reissue_needed>(sink.take()).empty());
    again.wake(t.now + 48h, sink);
    auto const told = of<watch::reissue_needed>(sink.take());
    REQUIRE(told.size() == 1);
    CHECK(told[0].alive.empty());
}

TEST_CASE("guardians: who can be reached again is asked at once") {
    table t;
    t.issue(t.c.made, {0, 1});
    auto const sent = of<watch::send>(t.owner([&](auto& sink) { t.watch.handle(watch::reached{3}, t.now, sink); }));
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].to == 3);
    CHECK(std::holds_alternative<offer>(sent[0].what));
    CHECK(t.owner([&](auto& sink) { t.watch.handle(watch::reached{0}, t.now, sink); }).empty());
    CHECK(t.owner([&](auto& sink) { t.watch.handle(watch::reached{9}, t.now, sink); }).empty());
}

TEST_CASE("guardians: whoever gives a wrong share is named, and the rest is enough") {
    table t;
    predictable source{8};
    auto going_on = recovery::begin(t.c.owner.user, source).value();
    auto const& m = t.c.made.manifest;
    auto const give = [&](std::uint8_t i, share const& s) {
        auto box = seal(going_on.request().fresh, m.context(), s.value.view(), source).value();
        return going_on.take(release{going_on.request().id(), m.encoded(), i, std::move(box), t.c.made.blob, {}});
    };
    REQUIRE(give(1, t.c.share_of(2, t.c.made)));
    REQUIRE(give(0, t.c.share_of(0, t.c.made)));
    REQUIRE(give(2, t.c.share_of(2, t.c.made)));
    CHECK(going_on.finish().error() == identity::errc::too_few_shares);
    REQUIRE(give(4, t.c.share_of(4, t.c.made)));
    auto const found = going_on.finish().value();
    CHECK(found.key_file == t.c.key_file);
    CHECK(found.bad == std::vector<std::uint8_t>{1});
    CHECK(found.blamed == std::vector{t.c.guardians[1].user});
}

TEST_CASE("guardians: messages have one encoding") {
    table t;
    auto const& m = t.c.made;
    predictable source{8};
    auto const going_on = recovery::begin(t.c.owner.user, source).value();
    std::vector<guardian_message> const messages{
        offer{m.manifest.encoded(), 2, m.sealed[2], m.blob, bytes(396, 1)},
        acknowledgement{m.manifest.set, 1, 2, {}},
        challenge{m.manifest.set, crypto::sha256(as_bytes("x"))},
        possession{m.manifest.set, 2, crypto::sha256(as_bytes("y"))},
        going_on.request(),
        veto{going_on.request().id(), m.manifest.key, {}},
        release{going_on.request().id(), m.manifest.encoded(), 2, m.sealed[2], m.blob, {}},
        introduction{t.c.owner.user, m.manifest.signer, t.c.owner.keys.agreement.public_point(), bytes(396, 1)}};
    splitmix64 random{1};
    for (auto const& each : messages) {
        auto const encoded = encode(each);
        CHECK(decode_guardian_message(encoded).value() == each);
        for (std::size_t n = 0; n < encoded.size(); ++n)
            CHECK_FALSE(decode_guardian_message(byte_view{encoded}.first(n)));
        for (int i = 0; i < 300; ++i) {
            auto changed = encoded;
            changed[static_cast<std::size_t>(uniform(random, changed.size()))] = static_cast<byte>(random());
            auto const read = decode_guardian_message(changed);
            if (read) CHECK(encode(read.value()) == changed);
        }
    }
}

}  // namespace guardian_tests
