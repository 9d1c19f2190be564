// SPDX-License-Identifier: MIT

// A node that signs with two others over real libp2p on loopback: it connects to everyone before it proposes, and says
// who cannot be reached.

#include <deque>
#include <iostream>

#include <boost/asio/io_context.hpp>

#include <muster/net/asio_timers.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/node/node.hpp>

using namespace muster;

struct policies : node::defaults {
    using network = net::libp2p_transport;
    using timers = net::asio_timers;
    using clock = net::system_clock;
};
using co_signer = node::node<policies>;

/// A machine of its own, as far as the others know. It approves whatever it is asked to sign.
struct machine {
    machine(boost::asio::io_context& io, signing::static_registry const& registry, peer::key_set const& host,
            peer::key_set keys)
        : network{io.get_executor(), host.node},
          timers{io.get_executor()},
          it{{network, registry, timers, clock, std::move(keys), co_signer::coordinator_type::make_epoch().value()},
             [this, &io](signing::event const& e) {
                 if (auto const* const asked = std::get_if<signing::approval_requested>(&e))
                     (void)it.signer().approve(asked->session);
                 if (auto const* const done = std::get_if<signing::completed>(&e)) {
                     std::cout << to_hex(crypto::to_xonly(done->aggregate_key)) << ' ' << to_hex(done->signatures[0])
                               << '\n';
                     if (++signatures == 3) io.stop();
                 }
             }} {}

    static inline int signatures = 0;
    net::libp2p_transport network;
    net::asio_timers timers;
    net::system_clock clock;
    co_signer it;
};

int main() {
    boost::asio::io_context io{1};
    signing::static_registry registry;
    crypto::system_random random;
    std::deque<peer::key_set> hosts;
    std::deque<machine> machines;
    signing::signing_request request{{}, {signing::tagged_payload{"example/greeting", {'h', 'e', 'l', 'l', 'o'}}}};
    for (int i = 0; i < 3; ++i) {
        auto const seed = crypto::secret<32>::generate(random).value();
        hosts.push_back(peer::derive_keys(seed).value());
        machines.emplace_back(io, registry, hosts.back(), peer::derive_keys(seed).value());
        auto& m = machines.back();
        auto const address = m.network.listen(peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0").value());
        if (!address || !m.it.start()) return 1;
        if (!registry.add({m.it.signer().as_member().value(), {address.value()}})) return 1;
        request.signers.push_back(m.it.signer().signer_key());
    }
    machines[0].it.on_news(
        [&](connection::effect const&) { std::cout << machines[0].it.activity().items().back().text << '\n'; });
    machines[0].it.propose(request, [&](result<signing::session_id> const& made) {
        if (made) return;
        std::cout << made.error().message() << '\n';
        io.stop();
    });
    io.run();  // every machine prints the same key and the same signature
    return machine::signatures == 3 ? 0 : 1;
}
