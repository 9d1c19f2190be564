// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Co-signers in one process: coordinators over a memory network, a manual clock, predictable keys.

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include <muster/signing/coordinator.hpp>
#include <muster/transport/memory_transport.hpp>

#include <support/keys.hpp>
#include <support/node_keys.hpp>

namespace muster::test {

/// Options whose randomness is predictable, so that a test repeats itself.
template <class Topology>
struct predictable_options : signing::default_options {
    using topology = Topology;
    using entropy = predictable;
};

/// What a coordinator has told its application.
struct listener {
    std::vector<signing::event> events;

    /// The last event of type E; fails the test when there is none.
    template <class E>
    [[nodiscard]] E const& last() const {
        for (auto e = events.rbegin(); e != events.rend(); ++e) {
            if (auto const* const found = std::get_if<E>(&*e)) return *found;
        }
        throw std::runtime_error{"no such event"};
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        std::size_t n = 0;
        for (auto const& e : events) n += std::holds_alternative<E>(e) ? 1u : 0u;
        return n;
    }
};

/// n co-signers that know each other.
template <class Topology = signing::mesh, class Timers = manual_timers, class Backend = musig2::portable>
class cluster {
public:
    using coordinator = signing::coordinator<transport::memory_transport, signing::static_registry, Timers,
                                             manual_clock, Backend, predictable_options<Topology>>;

    struct node : listener {
        std::unique_ptr<transport::memory_transport> network;
        Timers timers;
        std::unique_ptr<coordinator> signer;
    };

    explicit cluster(std::size_t n, signing::limits bounds = {}, bool connect_all = true) : bounds_{bounds} {
        for (std::size_t i = 0; i < n; ++i) {
            auto const keys = node_keys(i);
            signing::member const who{keys.signer.public_key(), keys.node.id(),
                                      peer::bind(keys.signer, keys.node.id()).value()};
            members.push_back(who);
            (void)registry.add({who, {}});
            nodes.emplace_back();
            start(i, 100 + i);
        }
        if (connect_all) connect();
    }

    /// (Re)starts node @p i with a boot epoch and randomness of @p seed.
    void start(std::size_t i, std::uint64_t seed, bool auto_approve = true,
               std::optional<signing::limits> bounds = {}) {
        auto& n = nodes[i];
        n.signer.reset();
        n.network.reset();
        n.network = std::make_unique<transport::memory_transport>(wires, members[i].peer);
        signing::boot_epoch epoch;
        predictable source{seed};
        (void)source.fill_secret(epoch.octets);
        n.signer = std::make_unique<coordinator>(
            typename coordinator::parts{
                *n.network, registry, n.timers, clock, node_keys(i), epoch, bounds.value_or(bounds_), {}, source},
            [this, i, auto_approve](signing::event const& e) {
                nodes[i].events.push_back(e);
                auto const* const asked = std::get_if<signing::approval_requested>(&e);
                if (asked != nullptr && auto_approve && approves(i)) (void)nodes[i].signer->approve(asked->session);
            });
    }

    /// Connects everyone to everyone and delivers what that causes.
    void connect() {
        for (auto& a : nodes) {
            for (auto const& b : members) {
                if (a.network->local() != b.peer) (void)a.network->connect(b.peer, {});
            }
        }
        wires.run();
    }

    /// What everybody would sign if asked.
    [[nodiscard]] signing::signing_request request(std::size_t messages = 1) const {
        signing::signing_request r;
        for (auto const& m : members) r.signers.push_back(m.signer);
        for (std::size_t k = 0; k < messages; ++k) {
            r.messages.push_back(signing::tagged_payload{"muster/test", bytes{static_cast<byte>(k)}});
        }
        return r;
    }

    /// Moves time, and fires what is due everywhere.
    void advance(duration by) {
        clock.advance(by);
        if constexpr (std::same_as<Timers, manual_timers>) {
            for (auto& n : nodes) n.timers.fire_due(clock.now());
        }
        wires.run();
    }

    /// The node that holds @p s in session @p id.
    [[nodiscard]] node& at_slot(signing::session_id const& id, signing::slot s) {
        auto const& who = nodes[0].signer->find(id)->plan().roster[s].peer;
        for (auto& n : nodes) {
            if (n.network->local() == who) return n;
        }
        throw std::runtime_error{"no such slot"};
    }

    /// Overridable answer to an approval request.
    std::function<bool(std::size_t)> approves = [](std::size_t) { return true; };

    manual_clock clock;
    transport::memory_network wires;
    signing::static_registry registry;
    std::vector<signing::member> members;
    std::deque<node> nodes;

private:
    signing::limits bounds_;
};

/// Whether @p e is the signature of the request's @p k-th message under the key the event names.
[[nodiscard]] inline bool verifies(signing::completed const& e, signing::signing_request const& r, std::size_t k = 0) {
    return crypto::verify_bip340(crypto::to_xonly(e.aggregate_key), signing::to_message(r.messages[k]).view(),
                                 e.signatures.at(k));
}

}  // namespace muster::test

// A compiler needs half a minute for each of these. Where many files use them they are compiled once, in cluster.cpp.
#ifdef MUSTER_TEST_CLUSTERS_COMPILED
extern template class muster::signing::coordinator<
    muster::transport::memory_transport, muster::signing::static_registry, muster::manual_timers, muster::manual_clock,
    muster::musig2::portable, muster::test::predictable_options<muster::signing::mesh>>;
extern template class muster::signing::coordinator<
    muster::transport::memory_transport, muster::signing::static_registry, muster::manual_timers, muster::manual_clock,
    muster::musig2::portable, muster::test::predictable_options<muster::signing::aggregator>>;
extern template class muster::signing::coordinator<
    muster::transport::memory_transport, muster::signing::static_registry, muster::no_timers, muster::manual_clock,
    muster::musig2::portable, muster::test::predictable_options<muster::signing::mesh>>;
#endif
