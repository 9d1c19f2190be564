// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Two nodes on real sockets, for the tests that all networks have in common.

#include <chrono>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <support/catch.hpp>
#include <support/node_keys.hpp>

namespace muster::test {

/// See network_models.hpp. @tparam Transport  of the nodes; one listens on loopback at an address that ends with
/// @ref suffix, and the other dials it.
template <class Transport>
struct socket_world {
    boost::asio::io_context io{1};
    peer::node_key zero_key = std::move(node_keys(0).node);
    peer::node_key one_key = std::move(node_keys(1).node);
    Transport zero{io.get_executor(), zero_key};
    Transport one{io.get_executor(), one_key};
    std::string suffix = "";

    Transport& at(std::size_t i) { return i == 0 ? zero : one; }
    void connect() {
        auto const where = one.listen(peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0" + suffix).value()).value();
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

}  // namespace muster::test
