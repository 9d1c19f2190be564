// SPDX-License-Identifier: MIT

#include <muster/node/notebook.hpp>

#include <memory>

#include <support/catch.hpp>
#include <support/notebooks.hpp>

namespace notebook_tests {

using namespace muster;
using namespace muster::node;
using namespace std::chrono_literals;

using test::book;
using test::store_type;
using group = test::notebook_group;

TEST_CASE("notebook: what one writes the others read, also through one that passes it on") {
    group g;
    REQUIRE(g.put(0, "tx 00ff", "rent of May"));
    CHECK(g.shown(0, "tx 00ff") == "rent of May");
    g.link(0, 1, true);
    CHECK(g.shown(1, "tx 00ff") == "rent of May");
    g.link(0, 1, false);
    g.link(1, 2, true);
    CHECK(g.shown(2, "tx 00ff") == "rent of May");
    CHECK(g.all[2]->changed == std::vector<std::string>{"tx 00ff"});
    REQUIRE(g.put(2, "tx 00ff", std::nullopt));
    g.settle();
    CHECK(g.shown(1, "tx 00ff") == "(none)");
    CHECK(g.shown(0, "tx 00ff") == "rent of May");
    CHECK(g.all[2]->copy->pending_for(g.id(1)) == 0);
    CHECK(g.all[2]->copy->pending_for(g.id(0)) == 1);
    g.link(0, 2, true);
    CHECK(g.shown(0, "tx 00ff") == "(none)");
    for (auto const& m : g.all) CHECK(m->penalties == 0);
}

TEST_CASE("notebook: two who write alone conflict, and who decides decides for all") {
    group g;
    REQUIRE(g.put(0, "rent", "a"));
    REQUIRE(g.put(1, "rent", "b"));
    g.link(0, 1, true);
    CHECK(g.shown(0, "rent") == g.shown(1, "rent"));
    CHECK(g.all[0]->copy->copy().undecided() == std::vector<std::string>{"rent"});
    CHECK(g.all[0]->conflicts == 1);
    REQUIRE(g.put(1, "rent", "a and b"));
    g.settle();
    CHECK(g.shown(0, "rent") == "a and b");
    CHECK(g.all[0]->copy->copy().undecided().empty());
}

TEST_CASE("notebook: a restart knows what was written, and goes on in the same chain") {
    group g{2};
    g.link(0, 1, true);
    REQUIRE(g.put(0, "one", "1"));
    g.settle();
    g.link(0, 1, false);
    g.open(0, 500);
    CHECK(g.shown(0, "one") == "1");
    REQUIRE(g.put(0, "two", "2"));
    g.open(1, 501);
    g.link(0, 1, true);
    CHECK(g.shown(1, "two") == "2");
    CHECK(g.all[1]->forked == 0);
    CHECK(g.all[1]->copy->copy().size() == 2);
}

TEST_CASE("notebook: who restores an old copy goes on in another life, and contradicts nobody") {
    group g{2};
    REQUIRE(g.put(0, "one", "1"));
    g.all[0]->disk.crash(sim::disk::luck::all);
    auto const backup = g.all[0]->disk.copy();
    g.link(0, 1, true);
    REQUIRE(g.put(0, "two", "2"));
    g.settle();
    g.link(0, 1, false);
    g.all[0]->copy.reset();
    g.all[0]->disk.put_back(backup);
    g.open(0, 600);
    g.link(0, 1, true);
    REQUIRE(g.put(0, "three", "3"));
    g.settle();
    CHECK(g.shown(1, "three") == "3");
    CHECK(g.shown(1, "two") == "2");
    CHECK(g.all[1]->forked == 0);
    CHECK(g.all[1]->penalties == 0);
}

TEST_CASE("notebook: what a member did not sign is refused, and costs who brings it") {
    group g;
    auto forged = g.all[0]->who.act(as_bytes("x"));
    sync::update w;
    w.at = {{0, 1}, 1};
    w.key = "rent";
    w.value = bytes{'!'};
    forged.describe(w.encoded_content());
    forged.signature = {};
    auto content = forged.encoded();
    append(content, w.encoded_content());
    g.link(1, 2, true);
    auto const message = sync::encode(sync::batch{{sync::entry{w.at, content}}});
    g.with(2, [&](book& b, auto& sink) { b.handle(sync::heard{g.id(1), message}, g.now, g.wall, sink); });
    CHECK(g.all[2]->penalties == 1);
    CHECK(g.shown(2, "rent") == "(none)");
    // Nor is it taken in the place of another member.
    auto moved = w;
    moved.at.by.member = 1;
    auto const elsewhere = sync::encode(sync::batch{{sync::entry{moved.at, content}}});
    g.with(2, [&](book& b, auto& sink) { b.handle(sync::heard{g.id(1), elsewhere}, g.now, g.wall, sink); });
    CHECK(g.all[2]->penalties == 2);
}

TEST_CASE("notebook: what a member writes waits until their key is known") {
    group g{2};
    book::options o;
    o.network = test::test_network;
    o.members = {{}, {g.all[1]->who.user, g.all[1]->who.keys.node.public_key()}};
    o.self = 1;
    o.fresh_life = 9;
    g.all[1]->copy =
        std::make_unique<book>(o, g.all[1]->who.keys.node, store_type{"other", sim::disk_files{g.all[1]->disk}});
    REQUIRE(g.all[1]->copy->load(g.wall));
    REQUIRE(g.put(0, "rent", "a"));
    g.link(0, 1, true);
    CHECK(g.shown(1, "rent") == "(none)");
    CHECK(g.all[1]->penalties == 0);
    g.all[1]->copy->learn(0, g.all[0]->who.user, g.all[0]->who.keys.node.public_key());
    g.pass(1min);
    CHECK(g.shown(1, "rent") == "a");
}

TEST_CASE("notebook: what cannot be made durable was not written, and nothing goes on") {
    group g{2};
    REQUIRE(g.put(0, "one", "1"));
    g.all[0]->disk.fails_at = g.all[0]->disk.calls;
    g.all[0]->disk.for_good = true;
    CHECK_FALSE(g.put(0, "two", "2"));
    CHECK(g.all[0]->failed == 1);
    CHECK(g.wires.empty());
    CHECK_FALSE(g.put(0, "three", "3"));
    g.all[0]->disk.fails_at.reset();
    g.open(0, 700);
    CHECK(g.shown(0, "one") == "1");
    REQUIRE(g.put(0, "two", "2"));
    g.link(0, 1, true);
    CHECK(g.shown(1, "two") == "2");
    CHECK(g.all[1]->forked == 0);
}

TEST_CASE("notebook: keys and values have bounds") {
    group g{1};
    CHECK_FALSE(g.put(0, "", "x"));
    CHECK_FALSE(g.put(0, std::string(129, 'k'), "x"));
    CHECK_FALSE(g.put(0, "k", std::string(4097, 'x')));
    CHECK(g.put(0, std::string(128, 'k'), std::string(4096, 'x')));
}

}  // namespace notebook_tests
