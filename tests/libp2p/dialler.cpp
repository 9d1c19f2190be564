// SPDX-License-Identifier: MIT

#include <muster/libp2p/host/dialler.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>

namespace dialler_tests {

using namespace muster;
using namespace muster::libp2p;
using namespace std::chrono_literals;

namespace {

[[nodiscard]] peer::multiaddr at(std::string const& text) { return peer::multiaddr::from_text(text).value(); }

struct dialling {
    host_options options;
    dialler machine{options};
    effect_list<host_effect> out;
    instant now{1h};
    peer::peer_id who = test::node_keys(1).node.id();

    void begin(std::vector<peer::multiaddr> const& addresses) { machine.begin(who, addresses, now, out); }
    /// What is tried now, in order; sockets are numbered from 1.
    std::vector<std::string> tried() {
        std::vector<std::string> all;
        while (auto const a = machine.next(now)) {
            all.push_back(a->to.to_text());
            machine.started(a->peer, ++last);
        }
        return all;
    }
    socket_id last = 0;
};

}  // namespace

TEST_CASE("the families take turns, IPv6 first, a stagger apart") {
    dialling d;
    d.begin({at("/ip4/10.0.0.1/tcp/1"), at("/ip4/10.0.0.2/tcp/1"), at("/ip6/2001:db8::1/tcp/1")});
    CHECK(d.tried() == std::vector<std::string>{"/ip6/2001:db8::1/tcp/1"});
    CHECK(d.machine.next_deadline() == d.now + 250ms);
    CHECK(d.tried().empty());
    d.now += 250ms;
    CHECK(d.tried() == std::vector<std::string>{"/ip4/10.0.0.1/tcp/1"});
    d.machine.failed(d.who, 1, "refused", d.now);  // the next one at once
    CHECK(d.tried() == std::vector<std::string>{"/ip4/10.0.0.2/tcp/1"});
    CHECK_FALSE(d.machine.next_deadline());
    CHECK_FALSE(d.machine.take_unreachable());
    d.machine.failed(d.who, 2, "refused", d.now);
    d.machine.failed(d.who, 3, "no route", d.now);
    auto const end = d.machine.take_unreachable();
    REQUIRE(end);
    CHECK(end->first == d.who);
    CHECK(end->second.message() == "no route");
    CHECK_FALSE(d.machine.is_dialling(d.who));
}

TEST_CASE("names are looked up by family, and given up when nobody answers") {
    dialling d;
    d.begin({at("/dns4/a.example/tcp/1"), at("/dns6/b.example/tcp/2"), at("/dns/c.example/tcp/3")});
    auto const asked = d.out.take();
    REQUIRE(asked.size() == 3);
    CHECK(std::get<resolve>(asked[0]).family == family::ip4);
    CHECK(std::get<resolve>(asked[1]).family == family::ip6);
    CHECK(std::get<resolve>(asked[2]).family == family::any);
    d.machine.resolved({std::get<resolve>(asked[2]).query, {at("/ip4/10.0.0.3/tcp/3")}, {}});
    CHECK(d.tried() == std::vector<std::string>{"/ip4/10.0.0.3/tcp/3"});
    d.machine.resolved({std::get<resolve>(asked[2]).query, {at("/ip4/10.0.0.4/tcp/3")}, {}});  // late news
    d.machine.failed(d.who, 1, "refused", d.now);
    CHECK_FALSE(d.machine.take_unreachable());
    d.now += d.options.resolve_timeout;
    d.machine.wake(d.now);
    auto const end = d.machine.take_unreachable();
    REQUIRE(end);
    CHECK(end->second.message().find("no name server answers") != std::string::npos);
}

TEST_CASE("an address that cannot be dialled is refused with a sentence, and nothing else is tried in its stead") {
    for (auto const* const wrong :
         {"/ip4/10.0.0.1/tcp/1/ws", "/ip4/10.0.0.1/udp/1", "/dns4/a.example/tcp/1/wss", "/ip4/10.0.0.1/tcp/0",
          "/dns4/a.example/tcp/0", "/ip4/10.0.0.1/udp/1/quic-v1", "/ip4/10.0.0.1/tcp/1/tls",
          "/ip4/10.0.0.1/tcp/1/noise", "/dnsaddr/a.example/tcp/1", "/dns4/a.example/tcp/1/http", "/sni/a.example/tcp/1",
          "/ip6zone/eth0/ip6/fe80::1/tcp/1", "/ip4/10.0.0.1/ipcidr/8/tcp/1", "/ip4/10.0.0.1/udp/1/webrtc-direct",
          "/ip4/10.0.0.1/tcp/1/plaintextv2", "/unix/%2Ftmp%2Fa", "/onion/timaq4ygg2iegci7:80"}) {
        INFO(wrong);
        dialling d;
        d.begin({at(wrong)});
        CHECK(d.out.empty());
        CHECK(d.tried().empty());
        auto const end = d.machine.take_unreachable();
        REQUIRE(end);
        bool const is_said = end->second.message().find("cannot be dialled here: give an IP") != std::string::npos;
        CHECK((is_said || std::string_view{wrong}.ends_with("/tcp/0")));
    }
}

TEST_CASE("of very many addresses, or names that stand for many, so many are tried") {
    dialling d;
    std::vector<peer::multiaddr> many;
    for (int i = 0; i < 100; ++i) many.push_back(at(text("/ip4/10.0.0.", i, "/tcp/1")));
    for (int i = 0; i < 100; ++i) many.push_back(at(text("/dns4/n", i, ".example/tcp/1")));
    d.begin(many);
    CHECK(d.out.size() <= d.options.dial_addresses_max);
    std::size_t tries = 0;
    for (int i = 0; i < 200; ++i, d.now += 250ms) tries += d.tried().size();
    CHECK(tries == d.options.dial_addresses_max);
}

TEST_CASE("the end of a dial names the sockets that are not needed any more") {
    dialling d;
    d.begin({at("/ip4/10.0.0.1/tcp/1"), at("/ip4/10.0.0.2/tcp/1"), at("/dns/c.example/tcp/3")});
    (void)d.tried();
    d.now += 250ms;
    (void)d.tried();
    CHECK(d.machine.end(d.who) == std::set<socket_id>{1, 2});
    CHECK(d.machine.end(d.who).empty());
    d.machine.failed(d.who, 1, "late", d.now);
    d.machine.wake(d.now + 1h);
    CHECK_FALSE(d.machine.take_unreachable());
    CHECK_FALSE(d.machine.next_deadline());
}

}  // namespace dialler_tests
