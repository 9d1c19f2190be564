// SPDX-License-Identifier: MIT

#include <muster/node/notebook.hpp>

#include <support/catch.hpp>
#include <support/notebooks.hpp>

namespace notebook_fault_tests {

using namespace muster;
using namespace muster::node;
using namespace std::chrono_literals;
using group = test::notebook_group;
using test::book;
using test::person;

namespace {

bytes batch_of(std::vector<sync::entry> entries) { return sync::encode(sync::batch{std::move(entries)}); }
bytes fingerprint(group const& g, std::size_t i) { return g.all[i]->copy->copy().fingerprint(); }

/// Two stories of member 0: each shares the first @p same entries with the other, and each has its own behind them.
std::vector<std::vector<sync::entry>> stories(std::size_t same, std::size_t first, std::size_t second) {
    std::vector<std::vector<sync::entry>> out;
    for (std::size_t which = 0; which < 2; ++which) {
        person chain{1, 77};
        std::vector<sync::entry> one;
        for (std::size_t i = 0; i < same; ++i)
            one.push_back(group::make_entry(0, chain, text("same ", i), "s", test::noon));
        for (std::size_t i = 0; i < (which == 0 ? first : second); ++i)
            one.push_back(group::make_entry(0, chain, text("key ", i), which == 0 ? "x" : "y", test::noon));
        out.push_back(std::move(one));
    }
    return out;
}
void tell(group& g, std::size_t to, std::vector<sync::entry> const& story) {
    for (auto const& e : story) g.say(0, to, batch_of({e}));
}

}  // namespace

TEST_CASE("notebook: two stories are found out, held against their author alone, and all copies end equal") {
    struct shape {
        std::size_t same, first, second;
    };
    // Of one length and of different ones, with a common beginning and without, and longer than what is shown at once.
    for (auto const& s :
         {shape{0, 1, 1}, shape{2, 1, 1}, shape{2, 1, 3}, shape{0, 4, 1}, shape{3, 40, 40}, shape{1, 0, 50}}) {
        INFO(s.same << " " << s.first << " " << s.second);
        bool const is_fork = s.first != 0 && s.second != 0;
        group g{4};
        auto const told = stories(s.same, s.first, s.second);
        for (std::size_t i : {1u, 2u}) {
            g.with(i, [&](book& b, auto& sink) { b.handle(sync::peer_reached{g.id(0)}, g.now, g.wall, sink); });
            g.wires.clear();
            tell(g, i, told[i - 1]);
            g.with(i, [&](book& b, auto& sink) { b.handle(sync::peer_lost{g.id(0)}, g.now, g.wall, sink); });
        }
        g.wires.clear();
        // What an honest member writes on one of the stories.
        REQUIRE(g.put(1, "by one", "1"));
        if (s.first != 0) REQUIRE(g.put(1, "key 0", "read, and changed"));
        REQUIRE(g.put(2, "by two", "2"));
        g.link(1, 2, true);
        g.link(2, 3, true);
        g.pass(2min);
        for (std::size_t i : {1u, 2u, 3u}) {
            CHECK(g.all[i]->penalties == 0);
            CHECK((g.all[i]->forked > 0) == is_fork);
            CHECK(fingerprint(g, i) == fingerprint(g, 1));
            CHECK(g.shown(i, "by one") == "1");
            CHECK(g.shown(i, "by two") == "2");
            if (s.first != 0) CHECK(g.shown(i, "key 0") == "read, and changed");
            if (s.same != 0) CHECK(g.shown(i, "same 0") == "s");
            if (is_fork && s.second > 1) CHECK(g.shown(i, "key 1") == "(none)");
            for (auto const& proof : g.all[i]->proofs) {
                auto const read = identity::fault_proof::decode(proof);
                REQUIRE(read);
                CHECK(read.value().author() == g.all[0]->who.user);
            }
            if (!is_fork) continue;
            REQUIRE(g.all[i]->copy->faults().size() == 1);
            CHECK(g.all[i]->copy->faults().begin()->second.at.sequence == s.same + 1);
        }
        CHECK_FALSE(g.all[1]->copy->next_deadline());
        CHECK_FALSE(g.all[3]->copy->next_deadline());
        // It is kept as evidence, and known after a restart.
        auto const before = fingerprint(g, 3);
        g.link(2, 3, false);
        g.open(3, 900);
        CHECK(fingerprint(g, 3) == before);
        CHECK(g.all[3]->copy->faults().size() == (is_fork ? 1u : 0u));
        // Whoever comes later takes what counts, and nothing else.
        auto const late = stories(s.same, s.first, s.second);
        g.link(0, 3, true);
        tell(g, 3, late[1]);
        g.settle();
        if (is_fork) CHECK(fingerprint(g, 3) == before);
    }
}

TEST_CASE("notebook: a proof that proves nothing costs who brings it, and one that is known costs nothing") {
    group g;
    g.link(1, 2, true);
    auto const told = stories(1, 1, 1);
    auto const act = [&](sync::entry const& e) {
        return identity::action::decode(byte_view{e.content}.first(identity::action::size)).value();
    };
    auto proof = identity::fault_proof::of(act(told[0][1]), act(told[1][1])).value().encoded();
    auto forged = proof;
    forged[identity::action::size - 1] ^= 1;
    g.say(1, 2, sync::encode(sync::evidence{forged}));
    g.say(1, 2, sync::encode(sync::evidence{bytes(20, 1)}));
    CHECK(g.all[2]->penalties == 2);
    CHECK(g.all[2]->forked == 0);
    g.say(1, 2, sync::encode(sync::evidence{proof}));
    g.say(1, 2, sync::encode(sync::evidence{proof}));
    CHECK(g.all[2]->penalties == 2);
    CHECK(g.all[2]->forked == 1);
    // The other lives of that member are heard.
    person again{1, 78};
    g.say(1, 2, batch_of({group::make_entry(0, again, "new life", "z", test::noon)}));
    CHECK(g.shown(2, "new life") == "z");
}

TEST_CASE("notebook: an entry that its relay has changed in place of a known one costs the relay, and proves nothing") {
    group g;
    g.link(1, 2, true);
    auto const told = stories(2, 0, 0);
    tell(g, 2, {});
    g.say(1, 2, batch_of(told[0]));
    auto changed = told[0][1];
    changed.content.back() ^= 1;  // of the payload
    g.say(1, 2, batch_of({changed}));
    CHECK(g.all[2]->penalties == 1);
    auto unsigned_one = told[0][1];
    unsigned_one.content[identity::action::size - 1] ^= 1;  // of the signature: it names the same action
    g.say(1, 2, batch_of({unsigned_one}));
    CHECK(g.all[2]->forked == 0);
    CHECK(g.shown(2, "same 1") == "s");
}

TEST_CASE("notebook: an entry that expires does not end its chain") {
    group g;
    person chain{1, 77};
    g.link(0, 2, true);
    auto const brief = group::make_entry(0, chain, "brief", "b", g.wall, 1min);
    auto const next = group::make_entry(0, chain, "next", "n", g.wall + 1s);
    g.say(0, 2, batch_of({brief}));
    CHECK(g.shown(2, "brief") == "b");
    g.wall += 1h;  // for member 1 it has expired
    g.now += 1h;
    g.say(0, 2, batch_of({next}));
    g.link(1, 2, true);
    g.pass(1min);
    for (std::size_t i : {1u, 2u}) {
        CHECK(g.shown(i, "next") == "n");
        CHECK(g.shown(i, "brief") == "b");
        CHECK(g.all[i]->penalties == 0);
    }
}

TEST_CASE("notebook: who writes with a clock that is far ahead is read again when it is right") {
    group g;
    REQUIRE(g.put(1, "rent", "before"));
    g.link(0, 1, true);
    g.link(1, 2, true);
    REQUIRE(g.put(0, "early", "right"));
    g.settle();
    g.all[0]->skew = std::chrono::hours{24 * 365};
    g.pass(10s);
    REQUIRE(g.put(0, "rent", "from the future"));
    REQUIRE(g.put(0, "other", "from the future"));
    g.settle();
    // The others keep it, and do not show it: nobody could write on top of it.
    CHECK(g.shown(1, "rent") == "before");
    CHECK(g.all[1]->ahead == 1);
    CHECK(g.all[1]->penalties == 0);
    CHECK(g.all[0]->copy->pending_for(g.id(1)) == 0);
    CHECK(g.all[1]->copy->next_deadline());
    REQUIRE(g.put(2, "rent", "of now"));
    g.settle();
    CHECK(g.shown(1, "rent") == "of now");
    // The clock is right again, without a restart or with one.
    g.all[0]->skew = 0s;
    SECTION("at once") {}
    SECTION("after a restart") {
        g.link(0, 1, false);
        g.open(0, 600);
        g.link(0, 1, true);
    }
    g.pass(1min);
    CHECK(g.all[0]->set_back == std::vector<std::size_t>{2});
    REQUIRE(g.put(0, "late", "right"));
    g.pass(1min);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(g.shown(i, "early") == "right");
        CHECK(g.shown(i, "other") == "from the future");
        CHECK(g.shown(i, "late") == "right");
        CHECK(g.shown(i, "rent") == "from the future");  // written again, beside what was not seen when it was written
        CHECK(g.all[i]->copy->copy().siblings("rent").size() == 2);
        CHECK(g.all[i]->penalties == 0);
    }
    // Nothing comes back when its time has come, and all copies are equal then.
    g.wall += std::chrono::hours{24 * 366};
    REQUIRE(g.put(1, "rent", "a year later"));
    g.pass(1min);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(g.shown(i, "rent") == "a year later");
        CHECK(fingerprint(g, i) == fingerprint(g, 0));
    }
    CHECK(g.all[0]->set_back.size() == 1);
}

TEST_CASE("notebook: what waits for its time shows when it has come, without anybody's help") {
    group g;
    g.link(0, 1, true);
    g.all[0]->skew = 10min;
    REQUIRE(g.put(0, "rent", "a"));
    g.settle();
    CHECK(g.shown(1, "rent") == "(none)");
    g.link(0, 1, false);
    g.open(1, 700);
    CHECK(g.shown(1, "rent") == "(none)");
    auto const due = g.all[1]->copy->next_deadline();
    REQUIRE(due);
    g.pass(8min + 10s);
    CHECK(g.shown(1, "rent") == "a");
}

TEST_CASE(
    "notebook: what was written on a restored copy is written again in another life, and nobody sees two stories") {
    for (std::size_t const newer : {1u, 2u, 5u}) {             // entries that the others have and the backup has not
        for (std::size_t const offline : {0u, 1u, 2u, 40u}) {  // entries written on the restored copy
            INFO(newer << " " << offline);
            group g;
            REQUIRE(g.put(0, "one", "1"));
            g.all[0]->disk.crash(sim::disk::luck::all);
            auto const backup = g.all[0]->disk.copy();
            g.link(0, 1, true);
            for (std::size_t i = 0; i < newer; ++i) REQUIRE(g.put(0, text("newer ", i), "n"));
            g.settle();
            g.link(0, 1, false);
            g.all[0]->copy.reset();
            g.all[0]->disk.put_back(backup);
            g.open(0, 600);
            g.wall += 1h;
            for (std::size_t i = 0; i < offline; ++i) REQUIRE(g.put(0, text("offline ", i), "o"));
            if (offline == 2) g.open(0, 700);
            g.link(0, 1, true);
            g.pass(1min);
            REQUIRE(g.put(0, "three", "3"));
            g.link(1, 2, true);
            g.pass(1min);
            CHECK_FALSE(g.all[0]->restored.empty());
            std::size_t again = 0;
            for (auto const n : g.all[0]->restored) again += n;
            CHECK(again == offline);
            for (std::size_t i = 0; i < 3; ++i) {
                CHECK(g.all[i]->forked == 0);
                CHECK(g.all[i]->penalties == 0);
                CHECK(g.shown(i, "one") == "1");
                CHECK(g.shown(i, "three") == "3");
                for (std::size_t k = 0; k < newer; ++k) CHECK(g.shown(i, text("newer ", k)) == "n");
                for (std::size_t k = 0; k < offline; ++k) CHECK(g.shown(i, text("offline ", k)) == "o");
                CHECK(fingerprint(g, i) == fingerprint(g, 0));
            }
            auto const before = fingerprint(g, 0);
            g.link(0, 1, false);
            g.open(0, 800);
            CHECK(fingerprint(g, 0) == before);
        }
    }
}

TEST_CASE("notebook: that others have more of us has to be shown, not said") {
    group g{2};
    REQUIRE(g.put(0, "one", "1"));
    g.open(0, 500);
    g.link(0, 1, true);
    sync::summary lie;
    lie.ends.add({{0, 100}, 1000});
    g.say(1, 0, sync::encode(lie));
    REQUIRE(g.put(0, "two", "2"));
    CHECK(g.all[0]->restored.empty());  // each life that is made up would be one less
}

TEST_CASE("notebook: a member who writes as much as one may keeps nobody else from writing, and is told") {
    group g{3};
    for (std::size_t i = 0; i < 3; ++i) {
        auto& m = *g.all[i];
        g.options.entries_max = 60;  // twenty each
        g.options.bytes_max = 1 << 20;
        g.open(i, i + 100);
        CHECK(m.failed == 0);
    }
    g.link(0, 1, true);
    g.link(1, 2, true);
    for (int i = 0; i < 20; ++i) REQUIRE(g.put(0, text("k", i), "x"));
    auto const refused = g.put(0, "one more", "x");
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == sync::errc::full);
    g.settle();
    // One who does not keep to it.
    person chain{1, 77};
    g.say(0, 1, batch_of({group::make_entry(0, chain, "too much", "x", g.wall)}));
    CHECK(g.all[1]->penalties == 0);
    CHECK(g.shown(1, "too much") == "(none)");
    bool is_told = false;
    for (auto const& p : g.wires) {
        auto const read = p.from == 1 && p.to == 0 ? sync::decode(p.content) : result<sync::message>{sync::batch{}};
        auto const* const s = std::get_if<sync::summary>(&read.value());
        is_told = is_told || (s != nullptr && s->full == std::vector{sync::actor{0, 77}});
    }
    CHECK(is_told);
    g.settle();
    for (int i = 0; i < 20; ++i) REQUIRE(g.put(1, text("b", i), "y"));
    REQUIRE(g.put(2, "c", "z"));
    g.pass(1min);
    CHECK(g.shown(0, "b19") == "y");
    CHECK(g.shown(0, "c") == "z");
    // The author, when it is they who have fewer bounds than the others.
    sync::summary s;
    s.full = {sync::actor{0, 100}};
    s.ends.add({{0, 100}, 20});
    g.say(1, 0, sync::encode(s));
    CHECK(g.all[0]->full == 1);
    g.say(1, 0, sync::encode(s));
    CHECK(g.all[0]->full == 1);
}

TEST_CASE("notebook: early junk is not kept, and one who sends much keeps nobody out") {
    group g;
    g.link(0, 1, true);
    g.link(1, 2, true);
    person junk{3, 78};
    std::vector<sync::entry> forged;
    for (int i = 0; i < 40; ++i) {
        auto e = group::make_entry(2, junk, "junk", "j", g.wall);
        e.content[identity::action::size - 1] ^= 1;
        if (i > 0) forged.push_back(std::move(e));
    }
    g.say(2, 1, batch_of(forged));
    CHECK(g.all[1]->copy->stats().early == 0);
    CHECK(g.all[1]->penalties == forged.size());
}

TEST_CASE("notebook: who has exchanged their keys keeps their notes, and everybody follows them") {
    group g;
    REQUIRE(g.put(0, "one", "1"));
    g.link(0, 1, true);
    g.link(1, 2, true);
    g.link(0, 1, false);
    auto& m = *g.all[0];
    auto const old_id = g.id(0);
    g.rotate(0);
    REQUIRE(g.id(0) != old_id);
    g.open(0, 600);
    CHECK(g.shown(0, "one") == "1");
    REQUIRE(g.put(0, "two", "2"));
    CHECK(m.failed == 0);
    // The others know the new key from elsewhere, and who it is by the record that comes along.
    for (std::size_t i : {1u, 2u}) {
        g.all[i]->copy->learn(0, identity::user_of(m.who.keys.node.public_key()), m.who.keys.node.public_key());
    }
    g.link(0, 1, true);
    g.pass(1min);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(g.shown(i, "one") == "1");
        CHECK(g.shown(i, "two") == "2");
        CHECK(g.all[i]->penalties == 0);
    }
    g.open(2, 800);  // it is kept
    CHECK(g.shown(2, "two") == "2");
    // A copy that begins empty reads all of it, what the old key has signed as well.
    g.link(0, 1, false);
    g.all[1]->disk = sim::disk{};
    g.all[1]->copy.reset();
    g.open(1, 900);
    g.link(1, 2, true);
    g.pass(1min);
    CHECK(g.shown(1, "one") == "1");
    CHECK(g.shown(1, "two") == "2");
    // Whoever has the old key cannot go on with it.
    person thief{1, 901};
    thief.author = identity::action_author{test::test_network, m.who.user, 901};
    g.say(2, 1, batch_of({group::make_entry(0, thief, "stolen", "t", g.wall + 1h)}));
    CHECK(g.shown(1, "stolen") == "(none)");
}

TEST_CASE("notebook: successors that were not signed cost who brings them, and those that are known cost nothing") {
    group g;
    g.link(1, 2, true);
    g.rotate(0);
    introduction const real{0, g.all[0]->successors};
    auto forged = real;
    forged.successors[0].by_signer.octets[5] ^= 1;
    g.say(1, 2, forged.encoded());
    CHECK(g.all[2]->penalties == 1);
    // Whose signer key is known as another one here: who passes it on may know better.
    introduction const elsewhere{1, real.successors};
    g.say(1, 2, elsewhere.encoded());
    CHECK(g.all[2]->penalties == 1);
    CHECK(g.all[2]->copy->members()[1].successors.empty());
    g.say(1, 2, bytes{introduction::kind});
    CHECK(g.all[2]->penalties == 2);
    CHECK(g.all[2]->copy->members()[0].successors.empty());
    g.say(1, 2, real.encoded());
    g.say(1, 2, real.encoded());
    CHECK(g.all[2]->penalties == 2);
    CHECK(g.all[2]->copy->members()[0].successors == real.successors);
    CHECK(g.all[2]->copy->members()[0].user == g.all[0]->who.user);
}

}  // namespace notebook_fault_tests
