// SPDX-License-Identifier: MIT

#include <muster/discovery/criteria.hpp>
#include <muster/discovery/notice_board.hpp>
#include <muster/discovery/presence_advertisement.hpp>
#include <muster/discovery/request_advertisement.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>

namespace notice_tests {

using namespace muster;
using namespace std::chrono_literals;
using discovery::presence_advertisement;
using discovery::request_advertisement;
using discovery::signer_advertisement;
using test::at;

namespace {

crypto::public_key key(std::size_t i) { return test::node_keys(i).signer.public_key(); }
peer::multiaddr address(std::string_view written) { return peer::multiaddr::from_text(written).value(); }

template <class N>
N example_of(std::size_t i);

template <>
signer_advertisement example_of(std::size_t i) {
    return test::advertisement_of(i);
}
template <>
request_advertisement example_of(std::size_t i) {
    auto const keys = test::node_keys(i);
    request_advertisement out{keys.signer.public_key(), keys.node.id(), peer::bind(keys.signer, keys.node.id()).value(),
                              1};
    out.digest = crypto::sha256(as_bytes("spend"));
    out.wanted = {key(i + 1), key(i + 2)};
    std::sort(out.wanted.begin(), out.wanted.end());
    out.amount = 21'000'000;
    out.purpose = "rent";
    out.addresses = {address("/ip4/192.0.2.1/tcp/4001")};
    out.issued = at(0);
    out.expires = at(0) + 10min;
    return out;
}
template <>
presence_advertisement example_of(std::size_t i) {
    presence_advertisement out{test::node_keys(i).node.id(), 1};
    out.addresses = {address("/ip4/192.0.2.1/tcp/4001")};
    out.relay_addresses = {
        address(text("/ip4/192.0.2.2/tcp/4001/p2p/", test::node_keys(9).node.id().to_text(), "/p2p-circuit"))};
    out.webrtc_address = address("/ip4/192.0.2.3/udp/9/webrtc-direct");
    out.wallet_address = "ecash:qq";
    out.nickname = "carol";
    out.avatar = "https://example.org/carol.png";
    out.issued = at(0);
    out.expires = at(0) + 1h;
    return out;
}

template <class N>
using board = discovery::notice_board<discovery::notice_listing<N>>;

}  // namespace

TEMPLATE_TEST_CASE("a notice is read as it was sealed, and every byte of it is signed", "", signer_advertisement,
                   request_advertisement, presence_advertisement) {
    static_assert(discovery::notice<TestType>);
    auto const n = example_of<TestType>(1);
    auto const sealed = n.seal(test::node_keys(1).node).value();
    CHECK(sealed.size() <= TestType::size_max);
    auto const opened = TestType::open(sealed, at(1));
    REQUIRE(opened);
    CHECK(*opened.value() == n);
    CHECK(opened.value().who() == n.machine);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto bad = sealed;
        bad[i] ^= 1;
        INFO(i);
        CHECK_FALSE(TestType::open(bad, at(1)));
        CHECK_FALSE(TestType::open(byte_view{sealed}.first(i), at(1)));
    }
    CHECK(TestType::read(sealed, n.expires).error() == peer::errc::expired);
    CHECK(TestType::read(sealed, at(0) - 3min).error() == peer::errc::not_yet_issued);
    CHECK(n.seal(test::node_keys(2).node).error() == peer::errc::wrong_peer);
}

TEMPLATE_TEST_CASE("a notice that is no other's: kinds do not meet, and each has its key", "", request_advertisement,
                   presence_advertisement) {
    auto const sealed = example_of<TestType>(1).seal(test::node_keys(1).node).value();
    CHECK(signer_advertisement::open(sealed, at(1)).error() == peer::errc::wrong_type);
    CHECK(example_of<TestType>(1).key() == example_of<TestType>(1).key());
    CHECK(example_of<TestType>(1).key() != example_of<TestType>(2).key());
}

TEMPLATE_TEST_CASE("a board keeps the newest of each, takes withdrawals, and ignores what is its own", "",
                   signer_advertisement, request_advertisement, presence_advertisement) {
    discovery::board_options<TestType> o;
    o.is_own = [](TestType const& n) { return n.machine == test::node_keys(5).node.id(); };
    board<TestType> b{o};
    effect_list<typename board<TestType>::event> told;
    auto const take = [&](TestType const& n, std::size_t i, timestamp now) {
        return b.take(n.seal(test::node_keys(i).node).value(), test::node_keys(9).node.id(), discovery::source::gossip,
                      now, told);
    };
    auto n = example_of<TestType>(1);
    CHECK(take(n, 1, at(1)).value() == discovery::filing::discovered);
    CHECK(take(n, 1, at(2)).value() == discovery::filing::repeated);
    ++n.sequence;
    CHECK(take(n, 1, at(3)).value() == discovery::filing::updated);
    CHECK(take(example_of<TestType>(1), 1, at(4)).value() == discovery::filing::older);
    CHECK(take(example_of<TestType>(5), 5, at(4)).error() == discovery::errc::own);
    CHECK(take(example_of<TestType>(2), 2, at(4)).value() == discovery::filing::discovered);
    CHECK(b.size(at(4)) == 2);
    ++n.sequence;
    n.expires = n.issued;
    CHECK(take(n, 1, at(5)).value() == discovery::filing::withdrawn);
    CHECK(take(example_of<TestType>(1), 1, at(6)).value() == discovery::filing::older);
    b.expire(at(0) + 2h, told);
    std::vector<discovery::change> seen;
    for (auto const& e : told.take()) seen.push_back(e.what);
    using enum discovery::change;
    CHECK(seen == std::vector{posted, renewed, posted, withdrawn, expired});
}

TEMPLATE_TEST_CASE("S17: whoever brings a notice, by whatever way, it is verified", "", signer_advertisement,
                   request_advertisement, presence_advertisement) {
    board<TestType> b{{}};
    effect_list<typename board<TestType>::event> told;
    auto forged = example_of<TestType>(1).seal(test::node_keys(1).node).value();
    forged.back() ^= 1;
    for (auto const how : {discovery::source::gossip, discovery::source::dht, discovery::source::direct}) {
        CHECK_FALSE(b.take(forged, test::node_keys(1).node.id(), how, at(1), told));
    }
    CHECK(b.size(at(1)) == 0);
}

TEST_CASE("S11: what a signer says of itself is no reputation") {
    auto a = test::advertisement_of(1);
    a.capabilities = {"reputation", "verified"};
    discovery::signer_listing const l{a, {}, test::node_keys(1).node.id()};
    CHECK_FALSE(discovery::criteria{.reputation = 1}.matches(l));
    CHECK(discovery::criteria{.capabilities = {"verified"}}.matches(l));
}

TEST_CASE("document 000: a signing request names whom it wants; nobody asks in another's name") {
    auto const n = example_of<request_advertisement>(1);
    CHECK(n.wants(key(2)));
    CHECK_FALSE(n.wants(key(4)));
    CHECK_FALSE(n.wants(key(1)));
    auto open_to_all = n;
    open_to_all.wanted.clear();
    CHECK(open_to_all.wants(key(4)));
    CHECK_FALSE(open_to_all.wants(key(1)));
    auto forged = n;
    forged.machine = test::node_keys(3).node.id();
    CHECK(forged.seal(test::node_keys(3).node).error() == discovery::errc::invalid_binding);
    for (auto const& wanted :
         {std::vector{key(2), key(2)}, std::vector{n.wanted[1], n.wanted[0]}, std::vector{key(1)}}) {
        auto bad = n;
        bad.wanted = wanted;
        CHECK(bad.seal(test::node_keys(1).node).error() == peer::errc::malformed);
    }
    auto crowded = n;
    crowded.wanted.clear();
    for (std::size_t i = 2; i < 2 + request_advertisement::wanted_max; ++i) crowded.wanted.push_back(key(i));
    std::sort(crowded.wanted.begin(), crowded.wanted.end());
    CHECK(crowded.seal(test::node_keys(1).node));  // as many as are let in fit
    crowded.wanted.push_back(key(40));
    std::sort(crowded.wanted.begin(), crowded.wanted.end());
    CHECK(crowded.seal(test::node_keys(1).node).error() == peer::errc::too_large);
    // printf 'musig2:request:02aa...:00...' | sha256sum
    auto const k = crypto::public_key::from(from_hex("02" + std::string(64, 'a')).value());
    CHECK(discovery::request_id_of(k, crypto::digest32{}, "request-") == "request-28e4b412a04d993323be089e12c75898");
}

TEST_CASE("document 000: a presence says what is set, each address in its place") {
    auto n = example_of<presence_advertisement>(1);
    auto const shown = n.shown();
    CHECK(shown.peer == n.machine);
    CHECK(shown.nickname == "carol");
    CHECK(shown.webrtc_address == n.webrtc_address);
    CHECK(shown.expires == n.expires);
    presence_advertisement const bare{test::node_keys(1).node.id(), 1, {}, {}, {}, {}, {}, {}, at(0), at(1000)};
    auto const sealed = bare.seal(test::node_keys(1).node).value();
    CHECK(*presence_advertisement::open(sealed, at(1)).value() == bare);
    std::swap(n.addresses, n.relay_addresses);
    CHECK(n.seal(test::node_keys(1).node).error() == peer::errc::malformed);
    n = example_of<presence_advertisement>(1);
    n.nickname = std::string(65, 'x');
    CHECK(n.seal(test::node_keys(1).node).error() == peer::errc::too_large);
}

}  // namespace notice_tests
