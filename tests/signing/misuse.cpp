// SPDX-License-Identifier: MIT

// Ways to misuse a group of co-signers, where no other test already has them; tests/misuse.md lists them all.

#include <muster/signing/coordinator.hpp>

#include <algorithm>
#include <set>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace misuse_tests {

using namespace muster;
using namespace muster::signing;
using test::cluster;

TEMPLATE_TEST_CASE("a session that is given up at any point ends everywhere, and the next one is signed", "[misuse-13]",
                   mesh, aggregator) {
    bool was_completed = false;
    for (std::size_t after = 0; !was_completed; ++after) {
        REQUIRE(after < 200);
        for (std::size_t who = 0; who < 3; ++who) {
            cluster<TestType> group{3};
            auto const id = group.nodes[0].signer->propose(group.request()).value();
            group.wires.run(after);
            auto& node = group.nodes[who];
            if (node.signer->find(id) == nullptr) continue;  // it has not heard of it yet
            bool const was_finished = node.template count<completed>() == 1;
            auto const cancelled = node.signer->abort(id, "changed my mind");
            CHECK(static_cast<bool>(cancelled) == !was_finished);
            group.wires.run();
            group.advance(limits{}.round_timeout);
            for (auto& n : group.nodes) {
                CHECK_FALSE(n.signer->find(id)->is_open());
                CHECK(n.template count<completed>() + n.template count<aborted>() + n.template count<stalled>() >= 1);
                // One or the other, and what was promised to be over is.
                CHECK(n.template count<completed>() + n.template count<aborted>() <= 1);
                CHECK((n.template count<aborted>() == 0 || n.template count<stalled>() == 0));
                CHECK(n.template count<peer_misbehaved>() == 0);
            }
            if (cancelled && node.template count<aborted>() == 1) {
                CHECK(node.template last<aborted>().reason == abort_reason::cancelled);
            } else if (cancelled) {
                CHECK(node.template last<stalled>().reason == abort_reason::cancelled);
            }
            // What is left is of use: the next session is signed.
            REQUIRE(group.nodes[0].signer->propose(group.request(2)));
            group.wires.run();
            for (auto& n : group.nodes) CHECK(n.template last<completed>().signatures.size() == 2);
            was_completed = was_completed || was_finished;
        }
    }
}

TEST_CASE("tweaks in another order are another session, which nobody mixes up with the first", "[misuse-42]") {
    cluster<> group{2};
    auto request = group.request();
    request.tweaks = {musig2::unsafe::raw_tweak{{{1}}, true}, musig2::unsafe::raw_tweak{{{2}}, false}};
    auto const first = group.nodes[0].signer->propose(request).value();
    auto const& plan = group.nodes[0].signer->find(first)->plan();
    auto swapped = plan;
    std::swap(swapped.tweaks[0], swapped.tweaks[1]);
    CHECK(id_of(encode(swapped)) != first);
    CHECK(id_of(encode(plan)) == first);
    std::swap(request.tweaks[0], request.tweaks[1]);
    auto const second = group.nodes[0].signer->propose(request).value();
    group.wires.run();
    CHECK(second != first);
    CHECK(test::verifies(group.nodes[1].last<completed>(), request));
}

TEST_CASE("a group that changes signs with the keys and tweaks that it has now", "[misuse-50]") {
    cluster<> group{4};
    std::set<public_key> aggregates;
    auto const sign = [&](signing_request const& request) {
        REQUIRE(group.nodes[0].signer->propose(request));
        group.wires.run();
        auto const& done = group.nodes[0].last<completed>();
        CHECK(test::verifies(done, request));
        aggregates.insert(done.aggregate_key);
    };
    auto request = group.request();
    sign(request);
    request.signers.pop_back();  // one leaves
    sign(request);
    request.signers[2] = group.members[3].signer;  // one is replaced
    sign(request);
    request.tweaks = {musig2::bip32_path{{7}}};
    sign(request);
    request.tweaks = {musig2::bip32_path{{8}}};
    sign(request);
    CHECK(aggregates.size() == 5);
    sign(group.request());  // all are back
    CHECK(aggregates.size() == 5);
}

}  // namespace misuse_tests
