// SPDX-License-Identifier: MIT

#include <support/catch.hpp>
#include <support/keys.hpp>

#include <screen.hpp>

namespace screen_tests {

using namespace cosigner;
using muster::text;
using namespace muster::signing;
using muster::signing::member;

namespace {

auto const now = muster::from_unix_millis(1'767'225'600'000);  // 2026-01-01

member member_of(std::size_t i) {
    muster::test::predictable source{i + 1};
    auto const keys = muster::peer::derive_keys(muster::crypto::secret<32>::generate(source).value()).value();
    return {keys.signer.public_key(), keys.node.id(), muster::peer::bind(keys.signer, keys.node.id()).value()};
}

proposal plan_of(std::size_t signers) {
    proposal p;
    for (std::size_t i = 0; i < signers; ++i) p.roster.push_back(member_of(i));
    p.messages.push_back(digest32{});
    p.expires_at = now + std::chrono::seconds{90};
    p.purpose = "contract.pdf";
    return p;
}

session_view view_of(proposal const& p) {
    std::vector<slot> order;
    for (slot i = 0; i < p.roster.size(); ++i) order.push_back(i);
    return {std::string(64, 'a'), p, p.roster[0].signer, order, [&p](member const& who) {
                if (who == p.roster[0]) return std::string{"alice"};
                if (who == p.roster[1]) return std::string{"me"};
                return "unknown " + muster::to_hex(who.signer);
            }};
}

std::string page(lines const& all) { return joined(all); }
bool has(std::string const& where, std::string const& what) { return where.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("the approver sees who signs what, under which key, until when") {
    auto p = plan_of(3);
    p.tweaks = {muster::musig2::bip32_path{{0, 7}}, muster::musig2::taproot{}};
    auto const seen = page(summary_of(view_of(p), now, "cosigner show DIR aaaaaaaa"));
    INFO(seen);
    CHECK(has(seen, "alice asks for your signature"));
    CHECK(has(seen, "\"contract.pdf\""));
    CHECK(has(seen, "SHA-256 digest " + std::string(64, '0')));
    CHECK(has(seen, "alice, me, unknown " + muster::to_hex(p.roster[2].signer)));
    CHECK(has(seen, muster::to_hex(muster::crypto::to_xonly(p.roster[0].signer))));
    CHECK(has(seen, "path m/0/7"));
    CHECK(has(seen, "Taproot, key path only"));
    CHECK(has(seen, "Taproot output key of the one derived from the group's at m/0/7"));
    CHECK(has(seen, "mesh"));
    CHECK(has(seen, "election lexicographic"));
    CHECK(has(seen, "2026-01-01 00:01:30 UTC (in 1 min 30 s)"));
    CHECK(has(seen, "cosigner show DIR aaaaaaaa"));
}

TEST_CASE("text is shown as text, bytes as hexadecimal, and neither as it came") {
    auto p = plan_of(2);
    p.messages = {tagged_payload{"wallet/memo", muster::to_bytes(muster::as_bytes("pay\x1b[8m\nbob"))},
                  tagged_payload{"wallet/\xe2\x80\xaetx", muster::bytes{0xff, 0x00, 0x1b}}};
    auto const seen = page(summary_of(view_of(p), now, ""));
    INFO(seen);
    CHECK(has(seen, "11 bytes under the tag \"wallet/memo\""));
    CHECK(has(seen, "text \"pay\\x1b[8m\\x0abob\""));
    CHECK(has(seen, "\"wallet/\\u202etx\""));
    CHECK(has(seen, "hex ff001b"));
}

TEST_CASE("however large a proposal is, what is shown first fits one screen") {
    auto p = plan_of(128);
    p.purpose = std::string(256, '\n');
    p.messages.assign(64, tagged_payload{std::string(256, 'w'), muster::bytes(32u << 10, muster::byte{'x'})});
    p.tweaks.assign(16, muster::musig2::unsafe::raw_tweak{});
    auto const summary = summary_of(view_of(p), now, "more");
    CHECK(summary.size() <= 23);  // and the prompt
    auto const seen = page(summary);
    CHECK(has(seen, "and 61 more messages, which are signed as well"));
    CHECK(has(seen, "and 120 more"));
    CHECK(has(seen, "RAW SCALAR"));
    CHECK(has(seen, "and 13 more tweaks"));
    auto const rest = page(all_of(view_of(p), now));
    CHECK(has(rest, "message 64"));
    CHECK(has(rest, muster::to_hex(p.roster[127].signer)));
    CHECK(has(rest, std::string(1000, 'x')));
}

TEST_CASE("no time that a peer may name is too far to be shown") {
    for (auto const millis : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
                              std::int64_t{-1}, std::int64_t{0}}) {
        auto p = plan_of(2);
        p.expires_at = muster::from_unix_millis(millis);
        CHECK(has(page(summary_of(view_of(p), now, "")), "expires"));
    }
    CHECK(time_left(std::chrono::seconds{-5}) == "over");
    CHECK(time_left(std::chrono::seconds{3720}) == "in 1 h 2 min");
    CHECK(time_left(std::chrono::seconds{59}) == "in 59 s");
}

}  // namespace screen_tests
