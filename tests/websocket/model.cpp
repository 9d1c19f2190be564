// SPDX-License-Identifier: MIT

#include <muster/websocket/libp2p_transport.hpp>

#include <support/network_models.hpp>
#include <support/socket_world.hpp>

namespace websocket_model_tests {

namespace {

using bare = muster::test::socket_world<muster::websocket::libp2p_transport>;
struct upgraded : bare {
    upgraded() { suffix = "/ws"; }
};

}  // namespace

MUSTER_TEST_NETWORK_MODEL("WebSockets", upgraded)
MUSTER_TEST_NETWORK_MODEL("bare TCP beside WebSockets", bare)

}  // namespace websocket_model_tests
