// SPDX-License-Identifier: MIT

// The libp2p transport over loopback sockets. Both ends live in one io_context on one thread, so a figure holds the
// work of both; rates are by wall time, and `cpu_us` is the thread's CPU time per handshake, request or frame.

#include <array>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <boost/asio/io_context.hpp>

#include <muster/net/libp2p_transport.hpp>
#include <muster/peer/identity.hpp>
#include <support/areas.hpp>
#include <support/js_peers.hpp>

namespace muster::bench {

namespace {

using benchmark::Counter;

constexpr std::string_view protocol = "/muster/benchmark/1";

[[nodiscard]] peer::node_key make_node_key() {
    crypto::system_random random;
    return peer::node_key{crypto::key_pair::generate(random).value()};
}

/// All peers here have one address: nobody is to be refused for that.
[[nodiscard]] net::transport_options unhindered() {
    net::transport_options out;
    out.inbound_rate = 1'000'000;
    out.connections_per_prefix_max = out.connections_max;
    return out;
}

/// A peer that counts what happens to it.
struct node {
    node(boost::asio::io_context& io, peer::node_key const& key) : wire{io.get_executor(), key, unhindered()} {
        wire.attach(protocol, [this](transport::event const& e) {
            connected += std::holds_alternative<transport::connected>(e) ? 1u : 0u;
            disconnected += std::holds_alternative<transport::disconnected>(e) ? 1u : 0u;
            received += std::holds_alternative<transport::received>(e) ? 1u : 0u;
        });
    }

    net::libp2p_transport wire;
    std::size_t connected = 0;
    std::size_t disconnected = 0;
    std::size_t received = 0;
};

/// Runs handlers until @p done holds.
template <class Done>
void run_until(boost::asio::io_context& io, Done done) {
    while (!done()) {
        if (io.stopped()) io.restart();
        io.run_one();
    }
}

/// Two peers, the second of which listens.
struct pair {
    pair() : address{b.wire.listen(peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0").value()).value()} {}

    /// Connects both, and waits until both know.
    void connect() {
        (void)a.wire.connect(b.wire.local(), std::array{address});
        run_until(io, [&] { return a.connected == 1 && b.connected == 1; });
    }
    /// Sends @p frame from @p from to @p to as soon as there is room for it.
    void send(node& from, node const& to, bytes const& frame) {
        run_until(io, [&] { return static_cast<bool>(from.wire.send(to.wire.local(), protocol, frame)); });
    }

    boost::asio::io_context io;
    peer::node_key a_key = make_node_key();
    peer::node_key b_key = make_node_key();
    node a{io, a_key};
    node b{io, b_key};
    peer::multiaddr address;
};

/// From `connect` to `connected` at both ends; the dialler is new each time.
void handshake(benchmark::State& state) {
    std::vector<peer::node_key> keys;
    for (std::size_t i = 0; i < 64; ++i) keys.push_back(make_node_key());
    pair p;
    auto& b = p.b;
    std::size_t count = 0;
    for (auto _ : state) {
        node dialler{p.io, keys[count % keys.size()]};
        ++count;
        (void)dialler.wire.connect(b.wire.local(), std::array{p.address});
        run_until(p.io, [&] { return dialler.connected == 1 && b.connected == count; });
        state.PauseTiming();
        dialler.wire.close();
        run_until(p.io, [&] { return b.disconnected == count; });
        state.ResumeTiming();
    }
    state.counters["handshakes_per_s"] = Counter(1, Counter::kIsIterationInvariantRate);
}

/// A frame there and a frame back, one at a time, on streams that are open already.
void request(benchmark::State& state) {
    pair p;
    p.connect();
    bytes const frame(64, 7);
    std::size_t count = 0;
    for (auto _ : state) {
        ++count;
        p.send(p.a, p.b, frame);
        run_until(p.io, [&] { return p.b.received == count; });
        p.send(p.b, p.a, frame);
        run_until(p.io, [&] { return p.a.received == count; });
    }
    state.counters["requests_per_s"] = Counter(1, Counter::kIsIterationInvariantRate);
}

/// A question of 64 bytes and the same as an answer, each on a stream of its own; @p ways are under way at a time.
void requests(benchmark::State& state, std::size_t ways) {
    pair p;
    p.b.wire.serve(protocol, {}, [&](transport::asked const& q) { (void)p.b.wire.answer(q.id, q.request); });
    p.connect();
    std::size_t under_way = 0;
    bool is_wrong = false;
    bytes const question(64, 7);
    auto const answered = [&](auto, result<bytes> const& r) {
        --under_way;
        is_wrong |= !r || r.value() != question;
    };
    for (auto _ : state) {
        run_until(p.io, [&] { return under_way < ways; });
        ++under_way;
        if (!p.a.wire.request(p.b.wire.local(), protocol, question, {}, answered)) state.SkipWithError("not asked");
        if (ways == 1) run_until(p.io, [&] { return under_way == 0; });
    }
    run_until(p.io, [&] { return under_way == 0; });
    if (is_wrong) state.SkipWithError("a wrong answer");
    state.counters["requests_per_s"] = Counter(1, Counter::kIsIterationInvariantRate);
}

/// Frames one way on one stream, as fast as back-pressure allows.
void one_way(benchmark::State& state) {
    constexpr std::size_t batch = 64;
    pair p;
    p.connect();
    bytes const frame(60u << 10, 7);
    std::size_t sent = 0;
    while (state.KeepRunningBatch(batch)) {
        for (std::size_t i = 0; i < batch; ++i) p.send(p.a, p.b, frame);
        sent += batch;
        run_until(p.io, [&] { return p.b.received == sent; });
    }
    state.counters["mb_per_s"] = Counter(static_cast<double>(frame.size()) / 1e6, Counter::kIsIterationInvariantRate);
}

}  // namespace

void register_net() {
    add_case("net/handshake", 2, "muster", handshake)->UseRealTime()->MinTime(0.3);
    add_case("net/request_64", 2, "muster", request)->UseRealTime()->MinTime(0.3);
    for (std::size_t const ways : {1u, 32u}) {
        add_case("net/request", ways, "muster", [ways](benchmark::State& s) { requests(s, ways); })
            ->UseRealTime()
            ->MinTime(0.3);
    }
    add_case("net/one_way_60k", 2, "muster", one_way)->UseRealTime()->MinTime(0.3);
    register_net_memory();
}

std::vector<row> conclude_net(std::vector<row> const& measured) { return beside_js("net", measured); }

}  // namespace muster::bench
