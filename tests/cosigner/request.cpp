// SPDX-License-Identifier: MIT

#include <support/catch.hpp>

#include <request.hpp>

namespace request_tests {

using namespace cosigner;

namespace {

std::string const digest(64, 'a');

/// A proposal that is right, with @p more members.
value proposal(value const& more = value::object()) {
    value out{{"command", "propose"}, {"with", {"bob"}}, {"messages", value::array({value{{"digest", digest}}})}};
    out.update(more);
    return out;
}

/// What is wrong with @p what; empty when nothing is.
std::string refusal(value const& what) {
    auto const parsed = parse_request(what);
    if (parsed) return {};
    CHECK(parsed.error() == errc::bad_input);
    return parsed.error().message();
}

}  // namespace

TEST_CASE("a proposal is what was asked") {
    auto const parsed = parse_request(proposal({{"purpose", "rent"},
                                                {"path", {0, 7}},
                                                {"taproot", nullptr},
                                                {"keep_order", true},
                                                {"election", "last-signer"},
                                                {"valid_seconds", 60}}));
    REQUIRE(parsed);
    auto const& got = std::get<propose_request>(parsed.value());
    CHECK(got.with == std::vector<std::string>{"bob"});
    CHECK(got.what.purpose == "rent");
    CHECK(got.what.keep_order);
    CHECK(got.what.election == signing::election_method::last_signer);
    CHECK(got.what.valid_for == std::chrono::seconds{60});
    REQUIRE(got.what.tweaks.size() == 2);
    CHECK(std::get<muster::musig2::bip32_path>(got.what.tweaks[0]).steps == std::vector<std::uint32_t>{0, 7});
    CHECK_FALSE(std::get<muster::musig2::taproot>(got.what.tweaks[1]).merkle_root);
}

TEST_CASE("a member that is unknown, misplaced or not what it must be is refused by name") {
    auto const message = [](value const& m) { return proposal({{"messages", value::array({m})}}); };
    struct {
        value what;
        char const* named;
    } const wrong[] = {
        {proposal({{"path", "0/7"}}), "path"},
        {proposal({{"path", {0, "7"}}}), "path"},
        {proposal({{"path", {0, -1}}}), "path"},
        {proposal({{"path", {0, 2147483648u}}}), "path"},
        {proposal({{"path", {0, 1.5}}}), "path"},
        {proposal({{"path", value::array()}}), "path"},
        {proposal({{"path", nullptr}}), "path"},
        {proposal({{"taprot", nullptr}}), "did you mean \"taproot\""},
        {proposal({{"taproot", ""}}), "taproot"},
        {proposal({{"taproot", true}}), "taproot"},
        {proposal({{"taproot", digest + "aa"}}), "taproot"},
        {proposal({{"keep_order", "true"}}), "keep_order"},
        {proposal({{"keep_order", 1}}), "keep_order"},
        {proposal({{"keep_order", nullptr}}), "keep_order"},
        {proposal({{"valid_seconds", "600"}}), "valid_seconds"},
        {proposal({{"valid_seconds", 0}}), "valid_seconds"},
        {proposal({{"valid_seconds", -5}}), "valid_seconds"},
        {proposal({{"valid_seconds", 86'401}}), "valid_seconds"},
        {proposal({{"valid_seconds", 18446744073709551615u}}), "valid_seconds"},
        {proposal({{"purpose", 5}}), "purpose"},
        {proposal({{"election", "best"}}), "election"},
        {proposal({{"election", 1}}), "election"},
        {proposal({{"election", "first-signer"}}), "keep-order"},
        {proposal({{"with", "bob"}}), "with"},
        {proposal({{"with", {"bob", 1}}}), "with"},
        {proposal({{"with", {""}}}), "with"},
        {proposal({{"session", "aa"}}), "session"},
        {message({{"digest", digest}, {"path", {0, 7}}}), "path"},
        {message({{"digest", digest}, {"tag", "t"}}), "digest"},
        {message({{"digest", digest.substr(2)}}), "digest"},
        {message({{"tag", "t"}}), "content"},
        {message({{"tag", "t"}, {"content", "0"}}), "content"},
        {message({{"tag", 1}, {"content", "00"}}), "tag"},
        {message(value::object()), "digest"},
        {proposal({{"messages", value::array({"aa"})}}), "messages"},
        {{{"command", "propose"}, {"with", {"bob"}}}, "messages"},
        {{{"command", "propose"}, {"messages", value::array({value{{"digest", digest}}})}}, "wallet"},
        {proposal({{"wallet", "ours"}}), "with"},
        {{{"command", "connect"}}, "peer"},
        {{{"command", "watch"}, {"session", "xyz"}}, "session"},
        {{{"command", "wallet_add"}, {"name", "ours"}}, "with"},
        {{{"command", "wallet_add"}, {"name", "a b"}, {"with", {"bob"}}}, "a b"},
        {{{"command", "wallet_remove"}, {"name", "ours"}, {"with", {"bob"}}}, "with"},
        {{{"command", "approve"}}, "session"},
        {{{"command", "approve"}, {"session", "aa"}, {"why", "so"}}, "why"},
        {{{"command", "approve"}, {"session", 5}}, "session"},
        {{{"command", "decline"}, {"session", "aa"}, {"why", value::array()}}, "why"},
        {{{"command", "status"}, {"session", "aa"}}, "session"},
        {{{"command", "peer_add"}, {"peer", 1}}, "peer"},
        {{{"command", "aprove"}, {"session", "aa"}}, "did you mean \"approve\""},
        {{{"command", 1}}, "command"},
        {value::array(), "command"},
        {value("propose"), "command"},
    };
    for (auto const& w : wrong) {
        INFO(w.what.dump());
        auto const why = refusal(w.what);
        INFO(why);
        CHECK(why.find(w.named) != std::string::npos);
    }
}

TEST_CASE("each command takes its members") {
    for (auto const* const name : {"show", "broadcast", "failover"}) {
        CHECK(refusal({{"command", name}, {"session", "AA"}}).empty());
    }
    CHECK(refusal({{"command", "approve"}, {"session", "AAbb0123"}}).empty());
    for (auto const* const name : {"decline", "abort"}) {
        CHECK(refusal({{"command", name}, {"session", "aa"}, {"why", "so"}}).empty());
    }
    for (auto const* const name : {"sessions", "status", "peer_list", "wallets", "watch"})
        CHECK(refusal({{"command", name}}).empty());
    CHECK(refusal({{"command", "watch"}, {"session", "aa"}}).empty());
    CHECK(refusal({{"command", "wallet_add"}, {"name", "ours"}, {"with", {"bob"}}, {"taproot", nullptr}}).empty());
    CHECK(refusal({{"command", "wallet_remove"}, {"name", "ours"}}).empty());
    for (auto const* const name : {"peer_add", "peer_remove", "connect", "disconnect"}) {
        CHECK(refusal({{"command", name}, {"peer", "bob"}}).empty());
    }
}

}  // namespace request_tests
