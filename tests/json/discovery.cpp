// SPDX-License-Identifier: MIT

#include <muster/json/discovery.hpp>

#include <support/catch.hpp>

namespace discovery_settings_tests {

using namespace muster;
using json::value;

namespace {

constexpr auto alice = "/ip4/10.0.0.1/tcp/4001/p2p/16Uiu2HAkwHBSKFrtW9Xfi3sB4bWLwKGw9DgDrMH5CvyREQ4YnMhp";

discovery::settings merged(value const& from, discovery::settings s = {}) {
    REQUIRE(json::merge(s, from));
    return s;
}

}  // namespace

TEST_CASE("document 000: the defaults, which are merged under what is missing") {
    discovery::settings const s;
    CHECK_FALSE(s.auto_connect);
    CHECK(s.bootstrap_peers.empty());
    CHECK(s.enable_dht);
    CHECK(s.enable_gossip);
    CHECK_FALSE(s.advertise_as_signer);
    CHECK(merged(value::object()) == s);
    auto const some = merged({{"auto_connect", true}});
    CHECK(some.auto_connect);
    CHECK(some.enable_gossip);
}

TEST_CASE("document 000: settings persist, and an update changes what it names") {
    discovery::settings s;
    s.bootstrap_peers = {peer::multiaddr::from_text(alice).value()};
    s.enable_gossip = false;
    s.presence.nickname = "Alice";
    s.presence.wallet_address = "bc1q";
    auto const file = json::to_file(s);
    CHECK(merged(value::parse(file.dump())) == s);
    CHECK(file["schema"] == 1);
    CHECK_FALSE(file["presence"].contains("avatar"));  // what is not set is not there
    auto const next = merged({{"advertise_as_signer", true}, {"presence", {{"avatar", "a"}}}}, s);
    CHECK(next.advertise_as_signer);
    CHECK(next.presence.nickname == "Alice");
    CHECK(next.presence.avatar == "a");
    CHECK_FALSE(merged({{"presence", {{"nickname", nullptr}}}}, next).presence.nickname);
}

TEST_CASE("members that are not known are kept") {
    auto const before = value::parse(R"({"theme": "dark", "presence": {"mood": "good"}, "schema": 0})");
    discovery::settings s;
    REQUIRE(json::merge(s, before));
    s.presence.nickname = "Alice";
    auto const after = json::to_file(s, before);
    CHECK(after["theme"] == "dark");
    CHECK(after["presence"]["mood"] == "good");
    CHECK(after["presence"]["nickname"] == "Alice");
    CHECK(json::to_file({}, after)["presence"] == value::parse(R"({"mood": "good"})"));
    CHECK(json::to_file({}, 7)["schema"] == 1);
    CHECK(json::to_file(s, {{"presence", 5}})["presence"] == value{{"nickname", "Alice"}});
}

TEST_CASE("what is wrong is named, and nothing has changed") {
    for (auto const* const bad :
         {R"([])", R"({"auto_connect": 1})", R"({"enable_dht": "yes"})", R"({"bootstrap_peers": "x"})",
          R"({"bootstrap_peers": [1]})", R"({"bootstrap_peers": ["/ip4/10.0.0.1/tcp/4001"]})",
          R"({"bootstrap_peers": ["nonsense"]})", R"({"presence": []})", R"({"presence": {"nickname": 5}})",
          R"({"schema": "1"})", R"({"schema": 2})", R"({"schema": 18446744073709551615})",
          R"({"auto_connect": true, "enable_gossip": 0})"}) {
        INFO(bad);
        discovery::settings s;
        auto const outcome = json::merge(s, value::parse(bad));
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().message().starts_with("settings"));
        CHECK(s == discovery::settings{});
    }
}

TEST_CASE("what is shown of a wallet has bounds") {
    for (auto const& [name, size] :
         {std::pair{"nickname", 64u}, std::pair{"avatar", 256u}, std::pair{"wallet_address", 128u}}) {
        discovery::settings s;
        CHECK(json::merge(s, {{"presence", {{name, std::string(size, 'x')}}}}));
        CHECK_FALSE(json::merge(s, {{"presence", {{name, std::string(size + 1, 'x')}}}}));
    }
}

}  // namespace discovery_settings_tests
