// SPDX-License-Identifier: MIT

#include <muster/json/signing.hpp>

#include <set>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace events_tests {

using namespace muster;
using namespace muster::signing;

TEST_CASE("every event of a session becomes an object that says which and about what") {
    test::cluster<> group{3};
    auto request = group.request();
    request.purpose = "rent";
    request.tweaks = {musig2::bip32_path{{1, 2}}, musig2::taproot{}};
    auto const id = group.nodes[0].signer->propose(request).value();
    group.wires.run();
    REQUIRE(group.nodes[0].signer->trigger_coordinator_failover(id));
    std::set<std::string> seen;
    for (auto const& e : group.nodes[0].events) {
        auto const v = json::to_json(e);
        REQUIRE(v.contains("event"));
        seen.insert(v["event"].get<std::string>());
        if (v.contains("session")) CHECK(v["session"] == to_hex(id));
        CHECK(json::to_line(v).find('\n') == std::string::npos);
    }
    for (auto const* name : {"session_created", "nonces_received", "nonces_complete", "shares_received", "completed",
                             "coordinator_failed", "peer_identified"}) {
        INFO(name);
        CHECK(seen.count(name) == 1);
    }
    auto const done = json::to_json(event{group.nodes[0].last<completed>()});
    CHECK(done["signatures"][0] == to_hex(group.nodes[0].last<completed>().signatures[0]));
    CHECK(done["aggregate_key"].get<std::string>().size() == 64);
    auto const plan = json::to_json(group.nodes[0].signer->find(id)->plan());
    CHECK(plan["purpose"] == "rent");
    CHECK(plan["signers"].size() == 3);
    CHECK(plan["tweaks"][0]["bip32_path"] == std::vector<int>{1, 2});
    CHECK(plan["tweaks"][1]["taproot"].is_null());
}

TEST_CASE("text of a peer that is not UTF-8 is shown, not thrown") {
    auto const line = json::to_line(
        json::to_json(event{aborted{{}, abort_reason::declined, 1, std::nullopt, {}, std::string{"\xff\xfe", 2}}}));
    CHECK(line.find("\"text\"") != std::string::npos);
}

}  // namespace events_tests
