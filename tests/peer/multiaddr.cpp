// SPDX-License-Identifier: MIT

#include <muster/peer/multiaddr.hpp>

#include <algorithm>
#include <set>

#include <muster/core/hex.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>
#include <support/vectors.hpp>

namespace multiaddr_tests {

using namespace muster;
using namespace muster::peer;

namespace {

multiaddr read(std::string_view written) { return multiaddr::from_text(written).value(); }
error refused(std::string_view written) { return multiaddr::from_text(written).error(); }

peer_id some_peer() { return peer_id::of(test::make_keys(1)[0].public_key()); }

}  // namespace

TEST_CASE("multiaddr: exact bytes") {
    CHECK(to_hex(read("/ip4/127.0.0.1/tcp/4001").bytes()) ==
          "04"
          "7f000001"
          "06"
          "0fa1");
    CHECK(to_hex(read("/ip4/127.0.0.1/udp/1234").bytes()) ==
          "04"
          "7f000001"
          "9102"
          "04d2");
    CHECK(to_hex(read("/ip6/2001:db8::1/tcp/443/wss").bytes()) ==
          "29"
          "20010db8000000000000000000000001"
          "06"
          "01bb"
          "de03");
    CHECK(to_hex(read("/dns4/a.io/tcp/80/ws").bytes()) ==
          "36"
          "04"
          "612e696f"
          "06"
          "0050"
          "dd03");
    CHECK(to_hex(read("/dns/a/p2p-circuit").bytes()) ==
          "35"
          "01"
          "61"
          "a202");
    CHECK(to_hex(read("/dns6/a").bytes()) ==
          "37"
          "01"
          "61");
    auto const id = some_peer();
    CHECK(to_hex(read("/p2p/" + id.to_text()).bytes()) ==
          "a503"
          "27" +
              to_hex(id.view()));
}

TEST_CASE("multiaddr: text and bytes are two forms of one value") {
    auto const id = some_peer().to_text();
    for (auto const& written : std::vector<std::string>{
             "/ip4/0.0.0.0/tcp/0", "/ip4/255.255.255.255/udp/65535", "/ip6/::/tcp/1", "/ip6/::1/tcp/1/ws",
             "/dns/example.com/tcp/443/wss/p2p/" + id, "/dns4/_x.example-1.com", "/p2p/" + id, "/p2p-circuit",
             "/ip4/192.0.2.1/tcp/4001/p2p/" + id + "/p2p-circuit/p2p/" + id}) {
        INFO(written);
        auto const address = read(written);
        CHECK(address.to_text() == written);
        CHECK(multiaddr::from_bytes(address.bytes()).value() == address);
        CHECK(multiaddr::from_bytes(address.bytes()).value().to_text() == written);
    }
    CHECK(read("/ipfs/" + id) == read("/p2p/" + id));
    CHECK(read("/ipfs/" + id).to_text() == "/p2p/" + id);
}

TEST_CASE("multiaddr: what js-libp2p has written is read, and written in the same way") {
    auto const cases = test::load_vectors("libp2p.txt", "multiaddr");
    REQUIRE(cases.size() == 23);
    for (auto const& c : cases) {
        INFO("libp2p.txt:" << c.line << " " << c.word("text"));
        auto const address = read(c.word("text"));
        CHECK(to_hex(address.bytes()) == c.word("bytes"));
        CHECK(multiaddr::from_bytes(from_hex(c.word("bytes")).value()).value().to_text() == c.word("text"));
    }
}

TEST_CASE("multiaddr: every protocol of the table is carried, whatever its value") {
    splitmix64 random{5};
    auto const digest = [&](std::size_t size) {
        bytes out(size);
        for (auto& b : out) b = static_cast<byte>(random());
        return out;
    };
    std::set<std::uint32_t> seen;
    for (auto const& entry : peer::detail::address_protocols) {
        INFO(entry.name);
        CHECK(seen.insert(static_cast<std::uint32_t>(entry.protocol)).second);
        CHECK(peer::detail::find_protocol(entry.name) == &entry);
        bytes value;
        if (auto const size = peer::detail::fixed_size(entry.kind)) value = digest(*size);
        if (entry.kind == peer::detail::value_kind::name) value = to_bytes(as_bytes("a.example"));
        if (entry.kind == peer::detail::value_kind::peer) value = to_bytes(some_peer().view());
        if (entry.kind == peer::detail::value_kind::digest) value = from_hex("1e04deadbeef").value();
        if (entry.kind == peer::detail::value_kind::garlic64) value = digest(391);
        if (entry.kind == peer::detail::value_kind::garlic32) value = digest(35);
        if (entry.kind == peer::detail::value_kind::escaped) value = digest(60);
        bytes binary;
        wire::append_varint(binary, static_cast<std::uint64_t>(entry.protocol));
        if (!peer::detail::fixed_size(entry.kind)) wire::append_varint(binary, value.size());
        append(binary, value);
        auto const address = multiaddr::from_bytes(binary).value();
        CHECK(equal(address.bytes(), binary));
        CHECK(read(address.to_text()) == address);
        CHECK(address.components().front().protocol == entry.protocol);
        CHECK(equal(address.components().front().value, value));
        bool const is_host = entry.name == "ip4" || entry.name == "ip6" || entry.name == "dns" ||
                             entry.name == "dns4" || entry.name == "dns6";
        CHECK(address.host().has_value() == is_host);  // a `dnsaddr` stands for addresses, not for a machine
    }
    CHECK(seen.size() == 41);
}

TEST_CASE("multiaddr: a code that is not in the table ends the reading with a sentence; a list survives") {
    std::vector<bytes> const list{to_bytes(read("/ip4/192.0.2.1/tcp/1").bytes()),
                                  from_hex("04c0000201"
                                           "fe0f"
                                           "0102")
                                      .value(),
                                  to_bytes(read("/ip4/192.0.2.1/udp/1/quic-v1").bytes())};
    CHECK(multiaddr::from_bytes(list[1]).error().message() ==
          "component 1: protocol 2046 is not known here, so where its value ends cannot be told; skip this address");
    CHECK(multiaddr::from_bytes(list[1]).error().index() == 1u);
    CHECK(std::count_if(list.begin(), list.end(), [](auto const& a) { return bool{multiaddr::from_bytes(a)}; }) == 2);
}

TEST_CASE("multiaddr: paths are read as anybody escapes them, and written in one way") {
    CHECK(read("/unix/%2ftmp%2Fa(1)~").to_text() == "/unix/%2Ftmp%2Fa%281%29~");
    CHECK(read("/unix/%2Ftmp/ws").components().size() == 2);
    CHECK(read("/ip6zone/eth0/ip6/fe80::1").to_text() == "/ip6zone/eth0/ip6/fe80::1");
    CHECK(read("/http-path/%00").components().front().value.size() == 1);
    CHECK(read("/garlic64/" + std::string(518, 'a') + "A=").to_text() == "/garlic64/" + std::string(518, 'a') + "A=");
    CHECK(refused("/garlic64/" + std::string(518, 'a') + "a=").index() == 0u);  // bits that stand for nothing
    CHECK(refused("/garlic64/" + std::string(519, 'a')).index() == 0u);         // padding is not left out
}

TEST_CASE("multiaddr: direct, through a relay, or by WebRTC: the innermost decides") {
    auto const id = "/p2p/" + some_peer().to_text();
    CHECK(read("/ip4/1.2.3.4/tcp/1").kind() == address_kind::direct);
    CHECK(read("/dns4/a.io/tcp/1/wss").kind() == address_kind::direct);
    CHECK(read("/ip4/1.2.3.4/udp/1/quic-v1/webtransport").kind() == address_kind::direct);
    CHECK(read("/ip4/1.2.3.4/tcp/1" + id + "/p2p-circuit").kind() == address_kind::relay);
    CHECK(read("/ip4/1.2.3.4/tcp/1" + id + "/p2p-circuit/webrtc" + id).kind() == address_kind::webrtc);
    CHECK(read("/ip4/1.2.3.4/udp/1/webrtc-direct").kind() == address_kind::webrtc);
    CHECK(read("/dns4/a.io/tcp/443/wss/p2p-webrtc-star" + id).kind() == address_kind::webrtc);
    CHECK(read("/ip4/1.2.3.4/udp/1/webrtc-direct" + id + "/p2p-circuit").kind() == address_kind::relay);
    CHECK(multiaddr{}.kind() == address_kind::direct);
}

TEST_CASE("multiaddr: IPv6 is written as RFC 5952 wants it") {
    for (auto const& [in, out] : std::vector<std::pair<std::string, std::string>>{
             {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
             {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one group is not shortened
             {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run
             {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of equals
             {"0:0:0:0:0:0:0:0", "::"},
             {"1:0:0:0:0:0:0:0", "1::"},
             {"0001:0a00:00b0:000c::", "1:a00:b0:c::"},
             {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
             {"::ffff:c000:201", "::ffff:192.0.2.1"},
             {"::1.2.3.4", "::102:304"},
             {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"}}) {
        CHECK(read("/ip6/" + in).to_text() == "/ip6/" + out);
    }
}

TEST_CASE("multiaddr: what is not an address is refused, and the component at fault is named") {
    auto const id = some_peer().to_text();
    for (auto const& [written, at] :
         std::vector<std::pair<std::string, std::uint32_t>>{{"", 0},
                                                            {"/", 0},
                                                            {"ip4/1.2.3.4", 0},
                                                            {"/ip4", 0},
                                                            {"/ip4/", 0},
                                                            {"/ip4/1.2.3", 0},
                                                            {"/ip4/1.2.3.4.5", 0},
                                                            {"/ip4/1.2.3.256", 0},
                                                            {"/ip4/01.2.3.4", 0},
                                                            {"/ip4/1.2.3.4/", 1},
                                                            {"/ip4/1.2.3.4//tcp/1", 1},
                                                            {"/ip4/1.2.3.4/tcp", 1},
                                                            {"/ip4/1.2.3.4/tcp/", 1},
                                                            {"/ip4/1.2.3.4/tcp/65536", 1},
                                                            {"/ip4/1.2.3.4/tcp/00", 1},
                                                            {"/ip4/1.2.3.4/tcp/080", 1},
                                                            {"/ip4/1.2.3.4/tcp/+1", 1},
                                                            {"/ip4/1.2.3.4/tcp/1 ", 1},
                                                            {"/ip4/1.2.3.4/tcp/-1", 1},
                                                            {"/ip4/1.2.3.4/tcp/99999999999999999999", 1},
                                                            {"/ip4/1.2.3.4/quic-v9", 1},
                                                            {"/ip4/1.2.3.4/udp/1/quic-v1/x", 3},
                                                            {"/ip4/1.2.3.4/ipcidr/256", 1},
                                                            {"/ip4/1.2.3.4/ipcidr/08", 1},
                                                            {"/certhash/uEiA", 0},
                                                            {"/certhash/zQm", 0},
                                                            {"/certhash/u", 0},
                                                            {"/certhash/uAAF", 0},  // bits that stand for nothing
                                                            {"/onion/timaq4ygg2iegci7", 0},
                                                            {"/onion/timaq4ygg2iegci7:080", 0},
                                                            {"/onion/TIMAQ4YGG2IEGCI7:80", 0},
                                                            {"/onion/timaq4ygg2iegci:80", 0},
                                                            {"/onion3/timaq4ygg2iegci7:80", 0},
                                                            {"/garlic32/aaaa", 0},
                                                            {"/garlic64/aaaa", 0},
                                                            {"/sni/a b", 0},
                                                            {"/dnsaddr/", 0},
                                                            {"/unix/", 0},
                                                            {"/unix/tmp/a", 1},
                                                            {"/unix/%2", 0},
                                                            {"/unix/%2g", 0},
                                                            {"/ip6zone/a b", 0},
                                                            {"/IP4/1.2.3.4", 0},
                                                            {"/ip6/::1%eth0", 0},
                                                            {"/ip6/:::", 0},
                                                            {"/ip6/1.2.3.4", 0},
                                                            {"/dns/", 0},
                                                            {"/dns/a..b", 0},
                                                            {"/dns/a.", 0},
                                                            {"/dns/a b", 0},
                                                            {"/dns/" + std::string(64, 'a'), 0},
                                                            {"/p2p/", 0},
                                                            {"/p2p/hello", 0},
                                                            {"/p2p/0" + id, 0},
                                                            {"/ip4/1.2.3.4/tcp/1/ws/x", 3},
                                                            {std::string{"/ip4/1.2.3.4\0x", 14}, 0},
                                                            {std::string(3000, '/'), 0}}) {
        INFO(written);
        auto const e = refused(written);
        CHECK(e == errc::invalid_multiaddr);
        CHECK(e.index() == at);
    }
    CHECK(refused("/ip4/1.2.3.4/tcp/65536").message() == "component 1: '65536' is not a value of 'tcp'");
}

TEST_CASE("multiaddr: bytes that are not an address are refused") {
    for (auto const* digits : {"",
                               "04",
                               "047f0000",
                               "047f000001"
                               "06",
                               "047f000001"
                               "0600",
                               "ff",
                               "00",
                               "8400"
                               "7f000001",
                               "3500",
                               "3505"
                               "6162",
                               "3503"
                               "612f62",
                               "a503"
                               "00",
                               "a503"
                               "03"
                               "000101ff",
                               "3580",
                               "d203"
                               "03"
                               "120500",
                               "bc03"
                               "00",
                               "be03"
                               "0100",
                               "9003"
                               "00",
                               "2a"
                               "00",
                               "e603",
                               "8002"}) {
        INFO(digits);
        CHECK(multiaddr::from_bytes(from_hex(digits).value()).error() == errc::invalid_multiaddr);
    }
}

TEST_CASE("multiaddr: at most 16 components and 512 bytes") {
    std::string path;
    for (int i = 0; i < 16; ++i) path += "/ws";
    CHECK(read(path).components().size() == 16);
    CHECK(refused(path + "/ws").index() == 16u);

    std::string const name = std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c');  // 182
    std::string const two = "/dns/" + name + "/dns/" + name;
    CHECK(read(two).bytes().size() == 2 * 185);
    CHECK(refused(two + "/dns/" + name).index() == 2u);
    CHECK(multiaddr::from_bytes(bytes(513)).error() == errc::invalid_multiaddr);
}

TEST_CASE("multiaddr: host, port and peer") {
    auto const id = some_peer();
    auto const full = read("/dns4/example.com/tcp/4001/p2p/" + id.to_text());
    CHECK(full.host() == "example.com");
    CHECK(full.tcp_port() == 4001);
    CHECK(full.peer() == id);
    CHECK_FALSE(full.is_relayed());
    CHECK(read("/ip6/::1/tcp/1").host() == "::1");
    CHECK_FALSE(read("/ip4/1.2.3.4/udp/1").tcp_port());
    CHECK_FALSE(read("/ip4/1.2.3.4/tcp/1").peer());
    CHECK_FALSE(read("/p2p/" + id.to_text()).host());
    CHECK(read("/p2p/" + id.to_text() + "/p2p-circuit").is_relayed());
    CHECK_FALSE(read("/p2p/" + id.to_text() + "/p2p-circuit").peer());
    CHECK_FALSE(multiaddr{}.host());
    CHECK_FALSE(multiaddr{}.tcp_port());
    CHECK_FALSE(multiaddr{}.peer());
    CHECK(multiaddr{}.to_text().empty());

    CHECK(read("/dns4/example.com/tcp/4001").with_peer(id).value() == full);
    CHECK(full.with_peer(id).value() == full);
    auto const other = peer_id::of(test::make_keys(1, 2)[0].public_key());
    CHECK(full.with_peer(other).error() == errc::invalid_multiaddr);
}

TEST_CASE("multiaddr: values, ordered by their bytes") {
    auto const a = read("/ip4/1.2.3.4/tcp/1");
    auto const b = read("/ip4/1.2.3.4/tcp/2");
    CHECK(a < b);
    CHECK(a != b);
    auto c = a;
    CHECK(c == a);
    c = b;
    CHECK(c == b);
    CHECK(multiaddr{}.empty());
    CHECK(multiaddr{} < a);
}

TEST_CASE("multiaddr: any bytes are survived, and what is accepted is canonical") {
    splitmix64 random{31};
    auto const seed = to_bytes(read("/ip4/1.2.3.4/tcp/80/p2p/" + some_peer().to_text() +
                                    "/p2p-circuit/dns/a.b/ws/certhash/uEgQBAgME/unix/%2Fa/onion/timaq4ygg2iegci7:1")
                                   .bytes());
    int accepted = 0;
    for (int round = 0; round < 50'000; ++round) {
        auto input = seed;
        for (auto n = uniform(random, 4); n > 0; --n)
            input[uniform(random, input.size())] = static_cast<byte>(random());
        input.resize(uniform(random, 2) == 0 ? input.size() : uniform(random, input.size()));
        auto const address = multiaddr::from_bytes(input);
        if (!address) continue;
        ++accepted;
        REQUIRE(equal(address.value().bytes(), input));
        REQUIRE(multiaddr::from_text(address.value().to_text()).value() == address.value());
    }
    CHECK(accepted > 100);
}

}  // namespace multiaddr_tests
