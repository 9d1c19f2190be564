// SPDX-License-Identifier: MIT

#include <muster/websocket/libp2p_transport.hpp>

#include <boost/asio/io_context.hpp>

#include <support/network_models.hpp>
#include <support/node_keys.hpp>

namespace websocket_model_tests {

namespace {

/// Two nodes, of which one dials the other at that kind of address.
template <int>
struct socket_world {
    boost::asio::io_context io{1};
    muster::peer::node_key zero_key = std::move(muster::test::node_keys(0).node);
    muster::peer::node_key one_key = std::move(muster::test::node_keys(1).node);
    muster::websocket::libp2p_transport zero{io.get_executor(), zero_key};
    muster::websocket::libp2p_transport one{io.get_executor(), one_key};
    static char const* suffix;

    muster::websocket::libp2p_transport& at(std::size_t i) { return i == 0 ? zero : one; }
    void connect() {
        auto const where =
            one.listen(muster::peer::multiaddr::from_text(muster::text("/ip4/127.0.0.1/tcp/0", suffix)).value())
                .value();
        REQUIRE(zero.connect(one.local(), std::array{where}));
    }
    template <class Done>
    bool until(Done done) {
        auto const patience = std::chrono::steady_clock::now() + std::chrono::seconds{60};
        while (!done()) {
            if (io.stopped()) io.restart();
            if (io.run_one_until(patience) == 0) return done();
        }
        return true;
    }
};
template <>
char const* socket_world<0>::suffix = "/ws";
template <>
char const* socket_world<1>::suffix = "";

}  // namespace

MUSTER_TEST_NETWORK_MODEL("WebSockets", socket_world<0>)
MUSTER_TEST_NETWORK_MODEL("bare TCP beside WebSockets", socket_world<1>)

}  // namespace websocket_model_tests
