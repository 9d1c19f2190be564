// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// n connected coordinators on a memory network that sign whenever they are told to.

#include <deque>
#include <utility>

#include <muster/signing/coordinator.hpp>
#include <muster/transport/memory_transport.hpp>

namespace muster::bench {

/// The coordinator's options with another topology.
template <class Topology>
struct with_topology : signing::default_options {
    using topology = Topology;
};

/// The slot that is elected, and under `aggregator` the aggregator.
inline constexpr signing::slot elected_slot = 0;
/// The slot that proposes; not the aggregator, so that every role occurs.
inline constexpr signing::slot proposing_slot = 1;

/// n co-signers in the order of their slots. Everyone approves at once; the clock stands still during a session, and
/// nobody is late, so nothing is repeated.
template <class Topology>
class co_signers {
public:
    using coordinator = signing::coordinator<transport::memory_transport, signing::static_registry, no_timers,
                                             manual_clock, musig2::portable, with_topology<Topology>>;

    explicit co_signers(std::size_t n) {
        crypto::system_random random;
        for (std::size_t i = 0; i < n; ++i) {
            auto keys = peer::derive_keys(crypto::secret<32>::generate(random).value()).value();
            auto const& added = nodes_.emplace_back(*this, std::move(keys));
            request_.signers.push_back(added.signer.signer_key());
            crypto::detail::must(static_cast<bool>(registry_.add({added.signer.as_member().value(), {}})));
        }
        request_.messages = {signing::tagged_payload{"muster/benchmark", bytes(32, 1)}};
        request_.election = signing::election_method::first_signer;
        request_.keep_order = true;
        for (auto& a : nodes_) {
            for (auto& b : nodes_) {
                if (&a < &b) (void)a.wire.connect(b.wire.local(), {});
            }
        }
        wires.run();
    }
    co_signers(co_signers const&) = delete;
    co_signers& operator=(co_signers const&) = delete;

    /// One session from proposal to signature; false when a signer did not get there.
    [[nodiscard]] bool sign() {
        clock_.advance(std::chrono::seconds{1});  // nobody exceeds its rate
        completed_ = 0;
        if (!nodes_[proposing_slot].signer.propose(request_)) return false;
        wires.run();
        return completed_ == nodes_.size();
    }

    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] peer::peer_id const& peer(std::size_t i) const { return nodes_[i].wire.local(); }

    transport::memory_network wires;

private:
    struct node {
        node(co_signers& all, peer::key_set keys)
            : wire{all.wires, keys.node.id()},
              signer{{wire, all.registry_, alarm, all.clock_, std::move(keys), coordinator::make_epoch().value()},
                     [&all, this](signing::event const& e) {
                         auto const* const asked = std::get_if<signing::approval_requested>(&e);
                         if (asked != nullptr) (void)signer.approve(asked->session);
                         all.completed_ += std::holds_alternative<signing::completed>(e) ? 1u : 0u;
                     }} {}

        transport::memory_transport wire;
        no_timers alarm;
        coordinator signer;
    };

    manual_clock clock_;
    signing::static_registry registry_;
    signing::signing_request request_;
    std::deque<node> nodes_;
    std::size_t completed_ = 0;
};

}  // namespace muster::bench
