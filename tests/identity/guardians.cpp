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
