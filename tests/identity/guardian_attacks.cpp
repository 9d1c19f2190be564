// SPDX-License-Identifier: MIT

// What somebody would try who wants shares, or wants that their owner does not get them.

#include <support/catch.hpp>
#include <support/guardians.hpp>

namespace guardian_attack_tests {

using namespace muster;
using namespace muster::identity;
using namespace muster::test;
using namespace muster::test::guardians;

namespace {

/// Somebody after @p epoch rotations of the keys that a circle's owner has.
struct rotated {
    explicit rotated(peer::key_epoch epoch, std::uint64_t seed = 1) {
        std::vector<successor> records;
        auto before = test::master_key(seed).keys().value();
        auto const user = user_of(before.node.public_key());
        for (peer::key_epoch e = 1; e <= epoch; ++e) {
            auto next = test::master_key(seed, e).keys().value();
            records.push_back(successor::make(user, e, before, next, noon).value());
            before = std::move(next);
        }
        line = lineage{std::move(records)};
        keys.emplace(std::move(before));
    }
    lineage line;
    std::optional<peer::key_set> keys;
};

/// What @p who hands out to the guardians of @p t, as @p epoch of it.
backup issued(table const& t, peer::key_set const& who, std::uint32_t epoch) {
    predictable source{epoch + 1000};
    std::vector<guardian_name> names;
    for (auto const& g : t.c.guardians) names.push_back({g.user, g.keys.agreement.public_point()});
    return make_backup(t.c.key_file, t.c.owner.user, who, names, 3, epoch, noon, source).value();
}
offer offered(backup const& b, std::uint8_t i, lineage const& line) {
    return {b.manifest.encoded(), i, b.sealed[i], b.blob, line.encoded()};
}
recovery asked_by(table const& t, std::uint64_t seed) {
    predictable source{seed};
    return recovery::begin(t.c.owner.user, source).value();
}

}  // namespace

TEST_CASE("guardian attacks: who has exchanged keys keeps guardians and the veto") {
    table t;
    t.issue(t.c.made, all);
    rotated const now{2};
    auto const to = now.keys->node.id();
    effect_list<desk_type::effect> sink;
    auto& d = *t.desks[0];
    auto const theft = asked_by(t, 5);
    (void)t.at(0, stranger, theft.request());
    t.approve(0, theft.request());
    veto const v{theft.request().id(), now.keys->node.public_key(),
                 now.keys->node.sign(veto::digest(theft.request().id())).value()};
    CHECK(of<desk::penalise>(t.at(0, to, v)).size() == 1);  // nobody knows that key yet
    REQUIRE(d.follow(t.c.owner.user, now.line, now.keys->node.public_key(), sink));
    CHECK(of<desk::request_closed>(t.at(0, to, v)).size() == 1);

    // The next epoch is of the key of now, and whoever has the old one makes none any more.
    auto const next = issued(t, *now.keys, 2);
    CHECK(of<desk::reply>(t.at(0, to, offered(next, 0, now.line))).size() == 1);
    CHECK(d.manifest_of(t.c.owner.user)->epoch == 2);
    auto const by_old = issued(t, t.c.owner.keys, 3);
    CHECK(of<desk::penalise>(t.at(0, t.c.owner.keys.node.id(), offered(by_old, 0, {}))).size() == 1);
    CHECK(of<desk::reply>(t.at(0, to, challenge{next.manifest.set, {}})).size() == 1);
    CHECK(t.at(0, t.c.owner.keys.node.id(), challenge{next.manifest.set, {}}).empty());

    // Another guardian hears of it by the offer, and what they give is taken by who only knows the user id.
    auto going_on = asked_by(t, 6);
    for (std::uint8_t i = 1; i < 4; ++i) {
        REQUIRE(of<desk::reply>(t.at(i, to, offered(next, i, now.line))).size() == 1);
        (void)t.at(i, stranger, going_on.request());
        t.approve(i, going_on.request());
    }
    t.wait(72h);
    for (std::size_t i = 1; i < 4; ++i) {
        for (auto const& r : of<desk::reply>(t.at(i, stranger, going_on.request()))) {
            REQUIRE(going_on.take(std::get<release>(r.what)));
        }
    }
    CHECK(going_on.finish().value().key_file == t.c.key_file);
}

TEST_CASE("guardian attacks: who has a key that was exchanged gives out nothing in place of what is") {
    table t, thief;
    rotated const now{1};
    auto going_on = asked_by(t, 6);
    auto const real = issued(t, *now.keys, 2);
    thief.c.key_file = bytes(100, 7);
    auto const fake = issued(thief, thief.c.owner.keys, 1'790'000'000);
    auto const gives = [&](table& from, peer::peer_id const& owner, backup const& b, lineage const& line) {
        from.issue(from.c.made, all);
        effect_list<desk_type::effect> sink;
        for (std::uint8_t i = 0; i < 3; ++i) {
            REQUIRE(from.desks[i]->follow(t.c.owner.user, line, b.manifest.key, sink));
            REQUIRE(of<desk::reply>(from.at(i, owner, offered(b, i, line))).size() == 1);
            (void)from.at(i, stranger, going_on.request());
            from.approve(i, going_on.request());
        }
        from.wait(72h);
        for (std::size_t i = 0; i < 3; ++i) {
            for (auto const& r : of<desk::reply>(from.at(i, stranger, going_on.request())))
                REQUIRE(going_on.take(std::get<release>(r.what)));
        }
    };
    gives(thief, thief.c.owner.keys.node.id(), fake, {});
    gives(t, now.keys->node.id(), real, now.line);
    CHECK(going_on.finish().value().key_file == t.c.key_file);
}

TEST_CASE("guardian attacks: who has an old key names no successor under a signer key of their own") {
    table t;
    t.issue(t.c.made, all);
    auto& d = *t.desks[0];
    effect_list<desk_type::effect> sink;
    // The thief signs the first record with the key that the owner had, and the second key with a signer's of theirs.
    auto const own = test::master_key(1).keys().value();
    auto theirs = test::master_key(99, 1).keys().value();
    auto old = test::master_key(99).keys().value();
    old.node = test::master_key(1).keys().value().node;
    auto const record = successor::make(t.c.owner.user, 1, old, theirs, noon).value();
    lineage const stolen{{record}};
    REQUIRE(stolen.leads(t.c.owner.user, record.signer, theirs.node.public_key()));  // in itself it holds
    CHECK(d.follow(t.c.owner.user, stolen, theirs.node.public_key(), sink).error() == identity::errc::wrong_set);
    rotated const now{1};
    CHECK(d.follow(t.c.owner.user, now.line, now.keys->node.public_key(), sink));
    CHECK(own.node.public_key() != now.keys->node.public_key());
}

TEST_CASE("guardian attacks: what a person has said before it came survives a restart") {
    table t;
    t.issue(t.c.made, all);
    auto const r = asked_by(t, 5).request();
    effect_list<desk_type::effect> sink;
    REQUIRE_FALSE(t.desks[0]->approve(r.spoken(), t.now, sink).value());
    CHECK(of<desk::persist_expected>(sink.take()).size() == 1);
    desk_type again{t.c.guardians[0].keys, predictable{3}};
    again.set_wall(t.wall);
    REQUIRE(again.import_ward(t.desks[0]->export_ward(t.c.owner.user).value()));
    auto const kept = t.desks[0]->export_expected();
    REQUIRE(again.import_expected(kept));
    for (std::size_t n = 0; n < kept.size(); ++n) CHECK_FALSE(again.import_expected(byte_view{kept}.first(n)));
    again.handle(desk::received{stranger, r}, t.now, sink);
    auto const all_of = sink.take();
    CHECK(of<desk::request_approved>(all_of).size() == 1);
    // First what was approved is written down, then that it is expected no more.
    REQUIRE(all_of.size() >= 2);
    CHECK(std::holds_alternative<desk::persist>(all_of[0]));
}

TEST_CASE("guardian attacks: a clock that was years ahead for a minute keeps nothing back for years") {
    table t;
    t.issue(t.c.made, all);
    auto const r = asked_by(t, 5).request();
    (void)t.at(0, stranger, r);
    auto const right = t.wall;
    t.wall += 24h * 365 * 14;
    (void)t.at(0, stranger, r);  // the jump has closed what waited
    t.approve(0, r);
    t.wall = right + 1h;
    t.now += 1h;
    (void)t.at(0, stranger, r);
    for (int hour = 0; hour < 71; ++hour) {
        t.wait(1h);
        CHECK(of<desk::reply>(t.at(0, stranger, r)).empty());
    }
    t.wait(2h);
    CHECK(of<desk::reply>(t.at(0, stranger, r)).size() == 1);
}

TEST_CASE("guardian attacks: after a restart a share waits for some minutes, and a jump of the clock loses nothing") {
    table t;
    t.issue(t.c.made, all);
    auto const r = asked_by(t, 5).request();
    (void)t.at(0, stranger, r);
    t.approve(0, r);
    t.wait(73h);
    CHECK(of<desk::reply>(t.at(0, stranger, r)).size() == 1);
    desk_type again{t.c.guardians[0].keys, predictable{3}};
    again.set_wall(t.wall);
    REQUIRE(again.import_ward(t.desks[0]->export_ward(t.c.owner.user).value()));
    effect_list<desk_type::effect> sink;
    auto const asks = [&](duration after) {
        again.handle(desk::received{stranger, r}, t.now + after, sink);
        return of<desk::reply>(sink.take()).size();
    };
    CHECK(asks(0s) == 0);
    CHECK(asks(9min) == 0);
    CHECK(asks(10min) == 1);
    again.set_wall(t.wall + 24h * 365);
    CHECK(asks(11min) == 1);
}

TEST_CASE("guardian attacks: an epoch is not of tomorrow, and the key of now need not exceed those of before") {
    table t;
    t.issue(t.c.made, all);
    auto const old = t.c.owner.keys.node.id();
    auto const seconds = static_cast<std::uint32_t>(to_unix_millis(t.wall) / 1000);
    CHECK(of<desk::penalise>(t.at(0, old, offered(issued(t, t.c.owner.keys, 4'294'967'295u), 0, {}))).size() == 1);
    REQUIRE(of<desk::reply>(t.at(0, old, offered(issued(t, t.c.owner.keys, seconds + 3600), 0, {}))).size() == 1);
    rotated const now{1};
    auto const next = issued(t, *now.keys, seconds);
    REQUIRE(of<desk::reply>(t.at(0, now.keys->node.id(), offered(next, 0, now.line))).size() == 1);
    CHECK(t.desks[0]->wards().find(t.c.owner.user)->newest.manifest == next.manifest);
}

TEST_CASE("guardian attacks: where there is no room the person is told, and the owner is not to blame") {
    table t;
    desk_type::options o;
    o.wards_max = 1;
    desk_type full{t.c.guardians[0].keys, predictable{3}, o};
    full.set_wall(t.wall);
    effect_list<desk_type::effect> sink;
    auto const owner = t.c.owner.keys.node.id();
    full.handle(desk::received{owner, offered(t.c.made, 0, {})}, t.now, sink);
    CHECK(of<desk::ask_to_keep>(sink.take()).size() == 1);
    REQUIRE(full.keep(t.c.owner.user, t.now, sink));
    CHECK(of<desk::persist>(sink.take()).size() == 1);
    identity::user_id other{};
    other.octets[0] = 1;
    CHECK(full.keep(other, t.now, sink).error() == identity::errc::full);
    CHECK(sink.empty());
    circle stranger_of{{3, 5}, 99};
    predictable source{99};
    std::vector<guardian_name> const names(5, {t.c.guardians[0].user, t.c.guardians[0].keys.agreement.public_point()});
    auto const b =
        make_backup(stranger_of.key_file, stranger_of.owner.user, stranger_of.owner.keys, names, 3, 1, noon, source)
            .value();
    full.handle(desk::received{stranger_of.owner.keys.node.id(), offered(b, 0, {})}, t.now, sink);
    CHECK(sink.empty());  // nobody is asked what they cannot grant
}

TEST_CASE("guardian attacks: offers of strangers do not silence requests") {
    table t;
    t.issue(t.c.made, all);
    auto& d = *t.desks[0];
    for (std::uint64_t seed = 200; seed < 240; ++seed) {  // each of somebody else, who wants a guardian
        auto const who = test::master_key(seed).keys().value();
        predictable source{seed};
        std::vector<guardian_name> names;
        for (auto const& g : t.c.guardians) names.push_back({g.user, g.keys.agreement.public_point()});
        auto const b =
            make_backup(t.c.key_file, user_of(who.node.public_key()), who, names, 3, 1, noon, source).value();
        (void)t.at(0, who.node.id(), offered(b, 0, {}));
    }
    CHECK(d.stats().offers == 8);
    CHECK(of<desk::ask_person>(t.at(0, stranger, asked_by(t, 5).request())).size() == 1);
}

TEST_CASE("guardian attacks: nobody goes on in another's name") {
    table t;
    t.issue(t.c.made, all);
    rotated const now{1}, rival{1, 2};
    effect_list<desk_type::effect> sink;
    auto& d = *t.desks[0];
    auto const& who = t.c.owner.user;
    // Records of somebody else, renamed; and a signer key of their own.
    auto renamed = rival.line.records();
    renamed[0].user = who;
    CHECK(lineage{renamed}.leads(who, renamed[0].signer, renamed[0].new_node).error() ==
          identity::errc::unknown_author);
    auto stolen = now.line.records();
    stolen[0].new_node = rival.keys->node.public_key();
    CHECK(lineage{stolen}.leads(who, stolen[0].signer, stolen[0].new_node).error() == identity::errc::not_signed);
    CHECK(now.line.leads(who, rival.keys->signer.public_key(), now.keys->node.public_key()).error() ==
          identity::errc::wrong_set);
    CHECK(now.line.leads(who, now.keys->signer.public_key(), t.c.owner.keys.node.public_key()).error() ==
          identity::errc::out_of_sequence);
    // What was followed is not left again, and an earlier part of it changes nothing.
    REQUIRE(d.follow(who, now.line, now.keys->node.public_key(), sink));
    CHECK(d.follow(who, rival.line, rival.keys->node.public_key(), sink).error() == identity::errc::forked);
    REQUIRE(d.follow(who, {}, t.c.owner.keys.node.public_key(), sink));
    CHECK(d.wards().find(who)->key == now.keys->node.public_key());
    for (std::size_t n = 0; n < now.line.encoded().size(); n += 99) {
        if (n != 0) CHECK_FALSE(lineage::decode(byte_view{now.line.encoded()}.first(n)));
    }
    CHECK(lineage::decode(now.line.encoded()).value() == now.line);
    CHECK(lineage::decode(bytes(lineage::size_max + successor::size, 1)).error() == identity::errc::too_large);
}

TEST_CASE("guardian attacks: however many strangers ask, the request that a person expects is taken") {
    table t;
    t.issue(t.c.made, all);
    auto going_on = asked_by(t, 8);
    std::size_t told = 0;
    for (std::uint64_t i = 0; i < 500; ++i)
        told += of<desk::ask_person>(t.at(0, stranger, asked_by(t, 100 + i).request())).size();
    CHECK(told <= 8);  // nobody is worn down
    CHECK(t.desks[0]->stats().waiting == ward::waiting_max);
    effect_list<desk_type::effect> sink;
    // It is not in the list, and a person has compared its digits.
    CHECK_FALSE(t.desks[0]->approve(going_on.request().spoken(), t.now, sink).value());
    for (std::uint64_t i = 0; i < 500; ++i) (void)t.at(0, stranger, asked_by(t, 1000 + i).request());
    auto const taken = t.at(0, stranger, going_on.request());
    REQUIRE(of<desk::request_approved>(taken).size() == 1);
    CHECK(of<desk::warn_owner>(taken).size() == 1);
    CHECK(of<desk::persist>(taken).size() == 1);
    for (std::uint64_t i = 0; i < 500; ++i)
        CHECK(of<desk::request_closed>(t.at(0, stranger, asked_by(t, 2000 + i).request())).empty());
    t.wait(72h);
    CHECK(of<desk::reply>(t.at(0, stranger, going_on.request())).size() == 1);
    // What was expected is expected for a day, and once.
    auto const late = asked_by(t, 9);
    CHECK_FALSE(t.desks[0]->approve(late.request().spoken(), t.now, sink).value());
    t.wait(24h);
    CHECK(of<desk::request_approved>(t.at(0, stranger, late.request())).empty());
}

TEST_CASE("guardian attacks: what was vetoed keeps nobody else away") {
    table t;
    t.issue(t.c.made, all);
    auto const theft = asked_by(t, 5), honest = asked_by(t, 6);
    (void)t.at(0, stranger, theft.request());
    effect_list<desk_type::effect> sink;
    REQUIRE(t.desks[0]->decline(theft.request().id(), t.now, sink));
    CHECK(t.at(0, stranger, theft.request()).empty());
    CHECK(of<desk::ask_person>(t.at(0, stranger, honest.request())).empty());  // quiet
    t.approve(0, honest.request());
    CHECK(t.desks[0]->stats().approved == 1);
}

TEST_CASE("guardian attacks: a clock that is set forward releases nothing, nor does one that ran while nobody did") {
    table t;
    t.issue(t.c.made, all);
    auto going_on = asked_by(t, 8);
    (void)t.at(0, stranger, going_on.request());
    t.approve(0, going_on.request());
    auto const given = [&] { return of<desk::reply>(t.at(0, stranger, going_on.request())).size(); };
    t.wall += 24h * 10;
    CHECK(given() == 0);
    CHECK(t.desks[0]->left(*t.desks[0]->wards().find(t.c.owner.user)->approved) == 72h);
    t.wait(71h);
    CHECK(given() == 0);
    t.wait(1h);
    CHECK(given() == 1);

    // What has passed is written down each hour, and only that counts after a restart.
    table u;
    u.issue(u.c.made, all);
    (void)u.at(0, stranger, going_on.request());
    u.approve(0, going_on.request());
    bytes kept;
    for (int hour = 0; hour < 40; ++hour) {
        u.wait(1h);
        CHECK(u.desks[0]->next_deadline() == u.now);
        auto const noted = u.at(0, stranger, challenge{});
        REQUIRE(of<desk::persist>(noted).size() == 1);
        CHECK(of<desk::warn_owner>(noted).size() == 1);  // the owner is told again
        kept = u.desks[0]->export_ward(u.c.owner.user).value();
    }
    u.desks[0] = std::make_unique<desk_type>(u.c.guardians[0].keys, predictable{4});
    REQUIRE(u.desks[0]->import_ward(kept));
    u.wall += 24h * 7;
    auto const asks = [&] { return of<desk::reply>(u.at(0, stranger, going_on.request())).size(); };
    CHECK(asks() == 0);
    u.wait(31h);
    CHECK(asks() == 0);
    u.wait(1h);
    CHECK(asks() == 1);
    // And monotone time alone does not release either: the wall stands still.
    table v;
    v.issue(v.c.made, all);
    (void)v.at(0, stranger, going_on.request());
    v.approve(0, going_on.request());
    v.now += 24h * 10;
    CHECK(of<desk::reply>(v.at(0, stranger, going_on.request())).empty());
}

TEST_CASE("guardian attacks: a new epoch ends what was approved, and says so") {
    table t;
    t.issue(t.c.made, all);
    auto going_on = asked_by(t, 8);
    (void)t.at(0, stranger, going_on.request());
    t.approve(0, going_on.request());
    auto const owner = t.c.owner.keys.node.id();
    CHECK(of<desk::request_closed>(t.at(0, owner, offered(t.c.made, 0, {}))).empty());  // the same again is none
    auto const next = t.c.make(3, 2);
    auto const said = t.at(0, owner, offered(next, 0, {}));
    CHECK(said == std::vector<desk_type::effect>{desk::persist{t.c.owner.user},
                                                 desk::request_closed{going_on.request().id()},
                                                 of<desk::reply>(said)[0]});
    t.wait(72h);
    CHECK(of<desk::reply>(t.at(0, stranger, going_on.request())).empty());
    CHECK(t.desks[0]->stats().approved == 0);
}

TEST_CASE("guardian attacks: nobody makes a guardian keep shares") {
    table t;
    auto const owner = t.c.owner.keys.node.id();
    t.desks[0] = std::make_unique<desk_type>(t.c.guardians[0].keys, predictable{3});
    auto& d = *t.desks[0];
    auto const asked = t.at(0, owner, offered(t.c.made, 0, {}));
    CHECK(asked == std::vector<desk_type::effect>{desk::ask_to_keep{t.c.owner.user, owner}});
    CHECK(t.at(0, owner, offered(t.c.made, 0, {})).empty());  // once
    CHECK(d.stats() == desk_type::gauges{0, 1, 0, 0});
    // Strangers take the places of each other, and a person is told of a few.
    std::size_t told = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
        circle other{{3, 5}, 50 + i};
        predictable source{i};
        std::vector<guardian_name> const names(5,
                                               {t.c.guardians[0].user, t.c.guardians[0].keys.agreement.public_point()});
        auto const b =
            make_backup(other.key_file, other.owner.user, other.owner.keys, names, 3, 1, noon, source).value();
        told += of<desk::ask_to_keep>(t.at(0, other.owner.keys.node.id(), offered(b, 0, {}))).size();
    }
    CHECK(told <= 8);
    CHECK(d.stats() == desk_type::gauges{0, 8, 0, 0});
    // What a person has agreed to is taken when it comes again, though it was pushed out.
    effect_list<desk_type::effect> sink;
    REQUIRE(d.keep(t.c.owner.user, t.now, sink));
    CHECK(sink.take() == std::vector<desk_type::effect>{desk::persist_expected{}});
    CHECK(of<desk::reply>(t.at(0, owner, offered(t.c.made, 0, {}))).size() == 1);
    CHECK(d.stats().wards == 1);
    // What waits is taken at once.
    auto const waits = d.offers().back().what.manifest.owner;
    REQUIRE(d.keep(waits, t.now, sink));
    CHECK(sink.take().size() == 2);
    CHECK(d.stats() == desk_type::gauges{2, 7, 0, 0});
    d.drop(waits, t.now, sink);
    CHECK(sink.take() == std::vector<desk_type::effect>{desk::persist{waits}});
    CHECK_FALSE(d.export_ward(waits));
    CHECK(d.stats().wards == 1);
}

TEST_CASE("guardian attacks: a guardian who has exchanged keys opens what was sealed for the old ones") {
    table t;
    t.issue(t.c.made, all);
    auto const kept = t.desks[0]->export_ward(t.c.owner.user).value();
    auto const seed = 100u;  // of the circle's first guardian
    auto const next = test::master_key(seed, 1).keys().value();
    desk_type without{next, predictable{4}};
    CHECK_FALSE(without.import_ward(kept));
    std::vector<crypto::x25519_key> older;
    older.push_back(std::move(test::master_key(seed).keys().value().agreement));
    desk_type with{next, predictable{4}, {}, std::move(older)};
    REQUIRE(with.import_ward(kept));
    effect_list<desk_type::effect> sink;
    with.set_wall(noon);
    with.handle(desk::received{t.c.owner.keys.node.id(), challenge{t.c.made.manifest.set, {}}}, t.now, sink);
    CHECK(of<desk::reply>(sink.take()).size() == 1);
}

TEST_CASE("guardian attacks: twenty digits stand for a request, and change with its nonce") {
    table t;
    t.issue(t.c.made, all);
    auto const one = asked_by(t, 8).request();
    auto other = one;
    other.nonce.octets[0] ^= 1;
    CHECK(one.spoken() != other.spoken());
    CHECK(one.spoken().size() == 24);
    for (auto const c : one.spoken()) CHECK((c == '-' || (c >= '0' && c <= '9')));
}

}  // namespace guardian_attack_tests
