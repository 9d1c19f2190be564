// SPDX-License-Identifier: MIT

#include <muster/node/open_registry.hpp>

#include <muster/discovery/signer_directory.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>

namespace open_registry_tests {

using namespace muster;
using registry = node::open_registry<discovery::signer_directory<>, manual_clock>;
static_assert(signing::signer_registry<registry>);

namespace {

struct rig {
    void discover(std::size_t i) {
        effect_list<discovery::directory_event> out;
        auto const sealed = test::advertisement_of(i).seal(test::node_keys(i).node).value();
        REQUIRE(
            discovered.take(sealed, test::node_keys(9).node.id(), discovery::source::gossip, clock.wall_now(), out));
    }
    manual_clock clock{instant{}, test::at(0)};
    discovery::signer_directory<> discovered{{}};
    registry it{discovered, clock};
};
crypto::public_key key(std::size_t i) { return test::node_keys(i).signer.public_key(); }
peer::peer_id id(std::size_t i) { return test::node_keys(i).node.id(); }
signing::member member(std::size_t i) {
    auto const keys = test::node_keys(i);
    return {keys.signer.public_key(), keys.node.id(), peer::bind(keys.signer, keys.node.id()).value()};
}

}  // namespace

TEST_CASE("who is discovered is found, and may not propose") {
    rig r;
    CHECK_FALSE(r.it.find(key(1)));
    r.discover(1);
    auto const found = r.it.find(key(1));
    REQUIRE(found);
    CHECK(found->who == member(1));
    CHECK(found->addresses == test::advertisement_of(1).addresses);
    CHECK_FALSE(r.it.may_propose(key(1), id(1)));
    r.clock.advance(std::chrono::hours{1});
    CHECK_FALSE(r.it.find(key(1)));  // it has expired
}

TEST_CASE("what this machine was told counts before what was discovered") {
    rig r;
    auto const here = peer::multiaddr::from_text("/ip4/10.0.0.1/tcp/1").value();
    REQUIRE(r.it.told().add({member(1), {here}}));
    REQUIRE(r.it.told().add({member(2), {}}));
    r.discover(1);
    r.discover(2);
    CHECK(r.it.find(key(1))->addresses == std::vector{here});
    CHECK(r.it.find(key(2))->addresses == test::advertisement_of(2).addresses);  // which it says itself
    CHECK(r.it.may_propose(key(2), id(2)));
    CHECK_FALSE(r.it.may_propose(key(2), id(3)));
    CHECK_FALSE(r.it.may_propose(key(3), id(3)));
}

TEST_CASE("another machine is not brought in for a signer that this machine was told of") {
    rig r;
    auto const elsewhere = test::node_keys(8);  // where its signer key was before, as it has signed
    auto const keys = test::node_keys(1);
    REQUIRE(r.it.told().add(
        {{keys.signer.public_key(), elsewhere.node.id(), peer::bind(keys.signer, elsewhere.node.id()).value()}, {}}));
    r.discover(1);
    CHECK(r.it.find(key(1))->who.peer == elsewhere.node.id());
    CHECK(r.it.find(key(1))->addresses.empty());
}

}  // namespace open_registry_tests
