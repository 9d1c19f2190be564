// SPDX-License-Identifier: MIT

#include <support/catch.hpp>

#include <peer_command.hpp>
#include <settings.hpp>

namespace settings_tests {

using namespace cosigner;

namespace {

std::string const bob_id = "16Uiu2HAmLhLvBoYaoZfaMUKuibM6ac163GwKY74c5kiSLg5KvLpY";
std::string const bob = "/ip4/127.0.0.1/tcp/4001/p2p/" + bob_id;

std::string refusal(std::string const& content) {
    auto const parsed = parse_settings("settings.json", content);
    if (parsed) return {};
    CHECK(parsed.error() == errc::bad_settings);
    return parsed.error().message();
}

}  // namespace

TEST_CASE("settings are read as they are written") {
    auto const s =
        parse_settings("x", R"({"listen": "/ip4/0.0.0.0/tcp/4001", "peers": {"bob": ")" + bob + "\"}}").value();
    CHECK(s.peers.at("bob").to_text() == bob);
    auto const again = parse_settings("x", to_file(s)).value();
    CHECK(again.listen == s.listen);
    CHECK(again.peers == s.peers);
}

TEST_CASE("settings that are not what they must be are refused by name") {
    auto const with_peers = [](std::string const& peers) {
        return R"({"listen": "/ip4/0.0.0.0/tcp/4001", "peers": )" + peers + "}";
    };
    struct {
        std::string content;
        char const* named;
    } const wrong[] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"[]", "object"},
        {R"({"peers": {}})", "listen"},
        {R"({"listen": 5})", "listen"},
        {R"({"listen": "/ip4/0.0.0.0/udp/4001"})", "listen"},
        {R"({"listen": "/dns4/a/tcp/4001"})", "listen"},
        {R"({"listen": "/ip4/0.0.0.0/tcp/1", "listen": "/ip4/0.0.0.0/tcp/2"})", "twice"},
        {R"({"listen": "/ip4/0.0.0.0/tcp/1", "peer": {}})", "did you mean \"peers\""},
        {with_peers("[]"), "peers"},
        {with_peers(R"({"bob": 5})"), "bob"},
        {with_peers(R"({"bob": "/ip4/127.0.0.1/tcp/4001"})"), "bob"},
        {with_peers(R"({"bob": "/ip4/127.0.0.1/tcp/0/p2p/)" + bob_id + "\"}"), "bob"},
        {with_peers(R"({"bob": "/ip4/127.0.0.1/udp/1/p2p/)" + bob_id + "\"}"), "bob"},
        {with_peers(R"({"b b": ")" + bob + "\"}"), "b b"},
        {with_peers(R"({"bob": ")" + bob + R"(", "rob": ")" + bob + "\"}"), "same peer"},
    };
    for (auto const& w : wrong) {
        INFO(w.content);
        auto const why = refusal(w.content);
        INFO(why);
        CHECK(why.find(w.named) != std::string::npos);
    }
}

TEST_CASE("peers are added, moved and removed") {
    auto s = parse_settings("x", R"({"listen": "/ip4/0.0.0.0/tcp/4001"})").value();
    auto const self = muster::peer::peer_id::from_text("16Uiu2HAmLhLvBoYaoZfaMUKuibM6ac163GwKY74c5kiSLg5KvLpY").value();
    muster::peer::peer_id const other;
    CHECK(change_settings(s, {"peer_add", "bob=" + bob}, other).value()["event"] == "peer_added");
    CHECK(s.peers.size() == 1);
    CHECK(change_settings(s, {"peer_add", "bob=/dns4/bob.example/tcp/1/p2p/" + bob_id}, other));
    CHECK(s.peers.at("bob").to_text() == "/dns4/bob.example/tcp/1/p2p/" + bob_id);
    CHECK_FALSE(change_settings(s, {"peer_add", "rob=" + bob}, other));  // the same peer under two names
    CHECK_FALSE(change_settings(s, {"peer_add", "bob=" + bob}, self));   // that is us
    CHECK_FALSE(change_settings(s, {"peer_add", "bob"}, other));
    auto const unknown = change_settings(s, {"peer_remove", "bib"}, other);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().message().find("did you mean \"bob\"") != std::string::npos);
    CHECK(change_settings(s, {"peer_remove", "bob"}, other));
    CHECK(s.peers.empty());
    CHECK(json_of_peers(s)["peers"].empty());
}

TEST_CASE("wallets are kept by key, added once, found by name and removed") {
    auto const key = [](char const* hex) { return muster::from_hex_as<signing::public_key>(hex).value(); };
    auto const g = key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    auto const h = key("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5");
    auto const find = [&](std::string const& who) -> result<signing::public_key> {
        if (who == "bob") return h;
        if (who == "me") return g;
        return muster::error{errc::bad_input, who};
    };
    auto s = parse_settings("x", R"({"listen": "/ip4/0.0.0.0/tcp/4001"})").value();
    wallet_request ask{"wallet_add", "ours", {"bob"}, {}};
    ask.what.keep_order = true;
    ask.what.tweaks = {muster::musig2::bip32_path{{0, 7}}, muster::musig2::taproot{}};
    auto const made = change_settings(s, ask, g, find).value();
    CHECK(made["aggregate_key"].get<std::string>().size() == 64);
    CHECK_FALSE(change_settings(s, ask, g, find));  // a wallet does not change under its name
    auto const again = parse_settings("x", to_file(s)).value();
    REQUIRE(again.wallets.count("ours") == 1);
    CHECK(json_of(again.wallets.at("ours")) == json_of(s.wallets.at("ours")));
    CHECK(json_of_wallets(again, g)["wallets"][0]["aggregate_key"] == made["aggregate_key"]);
    CHECK(find_wallet(s, "ours").value().with == std::vector{h});
    CHECK(find_wallet(s, "ors").error().message().find("shared wallet not found: \"ors\"; did you mean \"ours\"") == 0);
    CHECK_FALSE(change_settings(s, {"wallet_add", "mine", {"me"}, {}}, g, find));
    CHECK_FALSE(change_settings(s, {"wallet_add", "twice", {"bob", "bob"}, {}}, g, find));
    CHECK_FALSE(change_settings(s, {"wallet_add", "none", {"dave"}, {}}, g, find));
    CHECK(change_settings(s, {"wallet_remove", "ours", {}, {}}, g, find));
    CHECK(s.wallets.empty());
    CHECK_FALSE(change_settings(s, {"wallet_remove", "ours", {}, {}}, g, find));
}

}  // namespace settings_tests
