// SPDX-License-Identifier: MIT

#include <muster/net/libp2p_transport.hpp>

#include <support/network_models.hpp>
#include <support/socket_world.hpp>

namespace model_tests {

MUSTER_TEST_NETWORK_MODEL("real sockets", muster::test::socket_world<muster::net::libp2p_transport>)

}  // namespace model_tests
