// SPDX-License-Identifier: MIT

// Two nodes that gossip over loopback sockets, signed with their secp256k1 node keys: what one publishes the other one
// verifies and delivers. Both live in one io_context on one thread. net/node/peers.mjs does the same with js-libp2p.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <benchmark/benchmark.h>
#include <boost/asio/io_context.hpp>

#include <gossip/parts.hpp>
#include <muster/gossip/node_key_signer.hpp>
#include <muster/net/asio_timers.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/node/pubsub.hpp>
#include <support/areas.hpp>
#include <support/js_peers.hpp>

namespace muster::bench {

namespace {

struct signed_by_hosts : gossip::defaults {
    using signing = gossip::strict_sign<gossip::node_key_signer>;
    using message_ids = gossip::id_of_author;
};

/// A node that counts what it hears.
struct gossiper {
    explicit gossiper(boost::asio::io_context& io) : wire{io.get_executor(), key}, timers{io.get_executor()} {
        (void)it.subscribe("topic", [this](gossip::message const&) { ++heard; });
    }

    crypto::system_random random{};
    peer::node_key key{crypto::key_pair::generate(random).value()};
    net::libp2p_transport wire;
    net::asio_timers timers;
    net::system_clock clock{};
    node::pubsub<net::libp2p_transport, net::asio_timers, net::system_clock, signed_by_hosts> it{
        wire, timers, clock, gossip::options{}, system_seed(), signed_by_hosts::signing{gossip::node_key_signer{key}}};
    std::size_t heard = 0;
};

/// Keeps 64 messages under way.
void signed_messages(benchmark::State& state) {
    constexpr std::size_t batch = 64;
    boost::asio::io_context io;
    gossiper a{io}, b{io};
    auto const where = b.wire.listen(peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0").value()).value();
    (void)a.wire.connect(b.wire.local(), std::array{where});
    auto const run_until = [&](auto done) {
        while (!done()) io.run_one();
    };
    run_until([&] { return !a.it.router().mesh_of("topic").empty() && !b.it.router().mesh_of("topic").empty(); });
    bytes data(256, 7);
    std::uint64_t count = 0;
    while (state.KeepRunningBatch(batch)) {
        for (std::size_t i = 0; i < batch; ++i) {
            ++count;
            std::memcpy(data.data(), &count, sizeof count);
            if (!a.it.publish("topic", data)) state.SkipWithError("not published");
        }
        run_until([&] { return b.heard == count; });
    }
    state.counters["messages_per_s"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

void register_gossip() {
    register_gossip_router();
    add_case("gossip/signed_256", 2, "muster", signed_messages)->UseRealTime()->MinTime(0.3)->Repetitions(3);
}

std::vector<row> conclude_gossip(std::vector<row> const& measured) {
    auto out = gossip_simulation();
    auto const js = beside_js("gossip", measured);
    out.insert(out.end(), js.begin(), js.end());
    return out;
}

}  // namespace muster::bench
