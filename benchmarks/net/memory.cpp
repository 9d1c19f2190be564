// SPDX-License-Identifier: MIT

// What an idle connection holds at one of its ends: the heap of a thousand pairs of peers over loopback sockets, by the
// difference that connecting them makes, with identify done and nothing under way. What malloc adds to each block
// counts; what the kernel keeps for a socket does not.

#include <malloc.h>

#include <array>
#include <chrono>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>
#include <boost/asio/io_context.hpp>

#include <muster/crypto/system_random.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/peer/identity.hpp>
#include <support/areas.hpp>

namespace muster::bench {

namespace {

constexpr std::size_t pairs = 1000;

[[nodiscard]] double heap_in_use() {
    ::malloc_trim(0);
    auto const all = ::mallinfo2();
    return static_cast<double>(all.uordblks + all.hblkhd);
}

struct peer_here {
    explicit peer_here(boost::asio::io_context& io) : wire{io.get_executor(), key} {}

    crypto::system_random random{};
    peer::node_key key{crypto::key_pair::generate(random).value()};
    net::libp2p_transport wire;
};

void idle_connection(benchmark::State& state) {
    double held = 0;
    for (auto _ : state) {
        boost::asio::io_context io;
        std::vector<std::unique_ptr<peer_here>> all;
        std::vector<peer::multiaddr> where;
        for (std::size_t i = 0; i < 2 * pairs; ++i) all.push_back(std::make_unique<peer_here>(io));
        auto const here = peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0").value();
        for (std::size_t i = 0; i < pairs; ++i) where.push_back(all[2 * i + 1]->wire.listen(here).value());
        io.run_for(std::chrono::milliseconds{100});
        auto const before = heap_in_use();
        for (std::size_t i = 0; i < pairs; ++i) {
            auto const& to = *all[2 * i + 1];
            (void)all[2 * i]->wire.connect(to.wire.local(), std::array{where[i]});
            while (!to.wire.is_connected(all[2 * i]->wire.local())) io.run_one();
        }
        io.run_for(std::chrono::seconds{1});
        held = (heap_in_use() - before) / (2 * pairs);
    }
    state.counters["bytes"] = held;
}

}  // namespace

void register_net_memory() {
    add_case("net/idle_connection", 2, "muster", idle_connection)->Repetitions(3);
}

}  // namespace muster::bench
