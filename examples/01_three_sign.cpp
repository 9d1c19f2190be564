// SPDX-License-Identifier: MIT

// Three co-signers in one process sign as one. The network is in memory and the clock is moved by hand.

#include <deque>
#include <iostream>

#include <muster/signing/coordinator.hpp>
#include <muster/transport/memory_transport.hpp>

using namespace muster;
using signer = signing::coordinator<transport::memory_transport, signing::static_registry, manual_timers, manual_clock>;

/// A machine: its place on the network, its alarm, its coordinator. It approves whatever it is asked to sign.
struct machine {
    machine(transport::memory_network& wires, signing::static_registry const& registry, manual_clock const& clock,
            peer::key_set keys)
        : network{wires, keys.node.id()},
          coordinator{{network, registry, alarm, clock, std::move(keys), signer::make_epoch().value()},
                      [this](signing::event const& e) {
                          if (auto* asked = std::get_if<signing::approval_requested>(&e))
                              (void)coordinator.approve(asked->session);
                          if (auto* done = std::get_if<signing::completed>(&e))
                              std::cout << to_hex(crypto::to_xonly(done->aggregate_key)) << ' '
                                        << to_hex(done->signatures[0]) << '\n';
                      }} {}
    transport::memory_transport network;
    manual_timers alarm;
    signer coordinator;
};

int main() {
    transport::memory_network wires;
    signing::static_registry registry;
    manual_clock clock;
    crypto::system_random random;
    std::deque<machine> machines;
    signing::signing_request request{{}, {signing::tagged_payload{"example/greeting", {'h', 'e', 'l', 'l', 'o'}}}};
    for (int i = 0; i < 3; ++i) {
        auto keys = peer::derive_keys(crypto::secret<32>::generate(random).value()).value();
        machines.emplace_back(wires, registry, clock, std::move(keys));
        request.signers.push_back(machines.back().coordinator.signer_key());
        if (!registry.add({machines.back().coordinator.as_member().value(), {}})) return 1;
    }
    if (!machines[0].coordinator.propose(request)) return 1;
    wires.run();  // every machine prints the same key and the same signature
    return machines[0].coordinator.open_session_count() == 0 ? 0 : 1;
}
