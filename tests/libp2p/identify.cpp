// SPDX-License-Identifier: MIT

#include <muster/libp2p/service/identify.hpp>

#include <support/catch.hpp>
#include <support/rsa_host.hpp>
#include <support/vectors.hpp>

#include "identify_side.hpp"

namespace identify_tests {

using namespace muster;
using namespace muster::libp2p;
using test::host;

namespace {

using side = test::identify_side;

peer::multiaddr at(std::string_view written) { return peer::multiaddr::from_text(written).value(); }
bytes record_of(peer::node_key const& who, std::uint64_t sequence = 1) {
    return peer::routing_record{who.id(), sequence, {at("/ip4/192.0.2.1/tcp/1")}}.seal(who).value();
}

}  // namespace

TEST_CASE("identify: our answer carries our signed record, which changes when our addresses do") {
    side me;
    CHECK(me.answer(host(2).id()).signed_record.empty());  // who does not listen has nothing to say
    me.on.limits.record_sequence = 1'000;
    me.on.open[1] = {{at("/ip4/192.0.2.1/tcp/1"), at("/ip6/2001:db8::1/tcp/1")}};
    auto const first = me.answer(host(2).id());
    auto const opened = peer::routing_record::open(first.signed_record).value();
    CHECK(opened.who() == me.on.local());
    CHECK(opened->sequence == 1'000);
    CHECK(opened->addresses == me.on.open[1].where);
    CHECK(me.answer(host(3).id()).signed_record == first.signed_record);  // signed once
    me.on.open[2] = {{at("/ip4/192.0.2.2/tcp/1")}};
    auto const second = peer::routing_record::open(me.answer(host(2).id()).signed_record).value();
    CHECK(second->sequence == 1'001);
    CHECK(second->addresses.size() == 3);
    CHECK(encode(me.answer(host(2).id())).size() < identify_service::message_size_max);
}

TEST_CASE("identify: a signed record is told as it came, and verified for who asks") {
    side me;
    auto const them = host(2);
    auto const claim = me.hears(them.id(), {.signed_record = record_of(them, 7)}).value();
    CHECK(claim.signed_record == record_of(them, 7));
    CHECK(claim.record().value().who() == them.id());
    CHECK(claim.record().value()->sequence == 7);
    auto const none = me.hears(them.id(), {}).value();
    CHECK(none.signed_record.empty());
    CHECK_FALSE(none.record());

    for (auto const& c : test::load_vectors("libp2p.txt", "peer-record")) {
        INFO(c.word("key"));
        auto const who = peer::peer_id::from_text(c.word("peer")).value();
        auto const theirs = me.hears(who, {.signed_record = c.octets("sealed")}).value();
        CHECK(theirs.record().value()->addresses.size() == 2);
    }
}

TEST_CASE("identify: a forged record, or another peer's, is refused to who asks; the rest is told") {
    side me;
    auto const them = host(2);
    auto forged = record_of(them);
    forged.back() ^= 1;
    auto const claim = me.hears(them.id(), {.agent = "them", .signed_record = forged}).value();
    CHECK(claim.record().error() == peer::errc::not_signed);
    CHECK(claim.agent == "them");
    auto const refusal = [&](bytes sealed) {
        return me.hears(them.id(), {.signed_record = std::move(sealed)}).value().record().error();
    };
    CHECK(refusal(record_of(host(3))) == errc::bad_identity);
    CHECK(refusal({1, 2, 3}) == peer::errc::malformed);
    CHECK(refusal(bytes(peer::envelope::size_max + 1)) == peer::errc::too_large);
}

TEST_CASE("identify: who pushes all the time is heard once a second") {
    using namespace std::chrono_literals;
    side me;
    auto const them = host(2);
    identify_message const m{.signed_record = record_of(them)};
    std::size_t heard = 0;
    for (int i = 0; i < 100; ++i) heard += me.hears(them.id(), m).has_value() ? 1u : 0u;
    CHECK(heard == identify_service::push_burst);
    CHECK(me.on.resets.size() == 100 - heard);
    CHECK(me.hears(host(3).id(), {}));  // others are not concerned
    CHECK_FALSE(me.hears(them.id(), m, instant{900ms}));
    CHECK(me.hears(them.id(), m, instant{1s}));
    me.service.wake(me.on, instant{1h}, me.effects);
    CHECK(me.service.pushers() == 0);  // nothing is remembered for ever
}

TEST_CASE("identify: addresses that cannot be dialled here are kept, those of unknown protocols skipped") {
    side me;
    identify_message m;
    for (auto const* const a : {"/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/udp/1/quic-v1/webtransport",
                                "/dns4/a.io/tcp/443/tls/ws", "/ip4/192.0.2.1/udp/9/webrtc-direct"}) {
        m.listens.push_back(to_bytes(at(a).bytes()));
    }
    m.listens.insert(m.listens.begin() + 1, bytes{0xfe, 0x0f, 0x01});
    m.observed = to_bytes(at("/ip4/192.0.2.7/udp/1/quic-v1").bytes());
    auto const claim = me.hears(host(2).id(), m).value();
    REQUIRE(claim.listens.size() == 4);
    CHECK(claim.listens[1].to_text() == "/ip4/192.0.2.1/udp/1/quic-v1/webtransport");
    CHECK(claim.observed->to_text() == "/ip4/192.0.2.7/udp/1/quic-v1");
}

}  // namespace identify_tests
