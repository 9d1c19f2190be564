// SPDX-License-Identifier: MIT

#include <muster/connection/reach.hpp>

#include <support/catch.hpp>

namespace reach_tests {

using namespace muster;
using namespace muster::connection;

namespace {

[[nodiscard]] peer::multiaddr address(std::string_view path) { return peer::multiaddr::from_text(path).value(); }

}  // namespace

TEST_CASE("addresses of a machine, of its network, of many and of documentation are not global") {
    for (auto const* const ip : {"0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.9.9", "127.0.0.1", "169.254.1.1",
                                 "172.16.0.1", "172.31.0.1", "192.0.0.9", "192.0.2.1", "192.168.0.1", "198.18.0.1",
                                 "198.51.100.1", "203.0.113.1", "224.0.0.1", "255.255.255.255"}) {
        CHECK_FALSE(is_global(address(text("/ip4/", ip, "/tcp/1"))));
        CHECK_FALSE(is_global(address(text("/ip6/::ffff:", ip, "/tcp/1"))));
    }
    for (auto const* const ip : {"1.1.1.1", "11.0.0.1", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1",
                                 "192.0.1.1", "198.20.0.1", "223.255.255.1"}) {
        CHECK(is_global(address(text("/ip4/", ip, "/tcp/1"))));
    }
    for (auto const* const ip : {"::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"})
        CHECK_FALSE(is_global(address(text("/ip6/", ip, "/tcp/1"))));
    CHECK(is_global(address("/ip6/2606:4700::1/tcp/1")));
    CHECK_FALSE(is_global(address("/dns4/a.example/tcp/1")));
}

TEST_CASE("a machine is one whatever the port, the spelling of IPv4, and the end of an IPv6 address") {
    auto const is_one = [](char const* a, char const* b) { return machine_of(address(a)) == machine_of(address(b)); };
    CHECK(is_one("/ip4/5.5.5.5/tcp/1", "/ip4/5.5.5.5/tcp/2"));
    CHECK(is_one("/ip4/5.5.5.5/tcp/1", "/ip6/::ffff:5.5.5.5/tcp/1"));
    CHECK_FALSE(is_one("/ip4/5.5.5.5/tcp/1", "/ip4/5.5.5.6/tcp/1"));
    CHECK(is_one("/ip6/2606:4700::1/tcp/1", "/ip6/2606:4700::2/tcp/1"));
    CHECK_FALSE(is_one("/ip6/2606:4700::1/tcp/1", "/ip6/2606:4700:0:1::1/tcp/1"));
    CHECK(is_one("/dns4/a.example/tcp/1", "/dns4/a.example/tcp/2"));
}

}  // namespace reach_tests
