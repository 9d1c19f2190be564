// SPDX-License-Identifier: MIT

#include <muster/connection/events.hpp>

#include <support/catch.hpp>

namespace events_tests {

using namespace muster;
using connection::kind;

TEST_CASE("connection: how a peer is reached is told from its address") {
    auto const of = [](std::string_view written) {
        return connection::kind_of(peer::multiaddr::from_text(written).value());
    };
    CHECK(of("/ip4/192.0.2.1/tcp/1") == kind::direct);
    CHECK(of("/ip4/192.0.2.1/tcp/1/p2p-circuit") == kind::relay);
    CHECK(of("/ip4/192.0.2.1/tcp/1/p2p-circuit/webrtc") == kind::webrtc);
    CHECK(of("/ip4/192.0.2.1/udp/1/webrtc-direct") == kind::webrtc);
}

}  // namespace events_tests
