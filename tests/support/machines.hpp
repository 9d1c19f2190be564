// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Co-signers that die and come back: coordinators with a journal, each on a disk that can fail.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <muster/signing/coordinator.hpp>
#include <muster/signing/file_journal.hpp>
#include <muster/sim/disk.hpp>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace muster::test {

/// As @ref predictable_options, with a journal.
template <class Topology>
struct journalled : predictable_options<Topology> {
    using journal = signing::file_journal<sim::disk_files>;
};

/// Signers that know each other, each with a disk. What they approve and when is up to the test.
template <class Topology = signing::mesh>
struct machines {
    using coordinator = signing::coordinator<transport::memory_transport, signing::static_registry, manual_timers,
                                             manual_clock, musig2::portable, journalled<Topology>>;
    struct machine : listener {
        sim::disk disk;
        std::unique_ptr<transport::memory_transport> network;
        manual_timers timers;
        std::unique_ptr<coordinator> signer;
        std::uint64_t lives = 0;
    };

    explicit machines(std::size_t n = 3) : all(n) {
        for (std::size_t i = 0; i < n; ++i) {
            auto const keys = node_keys(i);
            signing::member const who{keys.signer.public_key(), keys.node.id(),
                                      peer::bind(keys.signer, keys.node.id()).value()};
            members.push_back(who);
            (void)registry.add({who, {}});
        }
        for (std::size_t i = 0; i < n; ++i) REQUIRE(boot(i));
        connect();
    }

    result<typename coordinator::restored> boot(std::size_t i) {
        auto& m = all[i];
        m.events.clear();
        m.network = std::make_unique<transport::memory_transport>(wires, members[i].peer);
        predictable source{1000 * (i + 1) + ++m.lives};
        signing::boot_epoch epoch;
        (void)source.fill_secret(epoch.octets);
        m.signer = std::make_unique<coordinator>(
            typename coordinator::parts{
                *m.network,
                registry,
                m.timers,
                clock,
                node_keys(i),
                epoch,
                {},
                {},
                source,
                signing::file_journal<sim::disk_files>{{.path = "j", .files = sim::disk_files{m.disk}}}},
            [this, i](signing::event const& e) {
                all[i].events.push_back(e);
                auto const* const asked = std::get_if<signing::approval_requested>(&e);
                if (asked != nullptr && approves(i)) (void)all[i].signer->approve(asked->session);
            });
        return m.signer->restore();
    }
    void kill(std::size_t i, sim::disk::luck luck = sim::disk::luck::none) {
        all[i].signer->close();
        all[i].signer.reset();
        all[i].network.reset();
        all[i].disk.crash(luck);
        wires.run();
    }
    void connect() {
        for (auto& m : all) {
            for (auto const& other : members) {
                if (m.network && m.network->local() != other.peer) (void)m.network->connect(other.peer, {});
            }
        }
        wires.run();
    }
    void advance(duration by) {
        clock.advance(by);
        for (auto& m : all) m.timers.fire_due(clock.now());
        wires.run();
    }
    [[nodiscard]] signing::signing_request request() const {
        signing::signing_request r;
        for (auto const& m : members) r.signers.push_back(m.signer);
        r.messages.push_back(signing::tagged_payload{"muster/test", bytes{1}});
        return r;
    }
    [[nodiscard]] signing::slot slot_of(std::size_t i, signing::session_id const& id) {
        for (auto& m : all) {
            auto const* const s = m.signer ? m.signer->find(id) : nullptr;
            if (s == nullptr) continue;
            for (signing::slot k = 0; k < s->plan().roster.size(); ++k) {
                if (s->plan().roster[k].peer == members[i].peer) return k;
            }
        }
        throw std::runtime_error{"no such session"};
    }
    /// Drops frames of kind @p what, of those that @p from sends if it is given.
    void drop(signing::kind what, std::optional<std::size_t> from = {}) {
        wires.set_filter([this, what, from](auto const& p) {
            auto const f = signing::parse_frame(p.frame, signing::limits{});
            return !(f && f.value().header.what == what && (!from || p.from == members[*from].peer));
        });
    }

    std::function<bool(std::size_t)> approves = [](std::size_t) { return true; };
    manual_clock clock;
    transport::memory_network wires;
    signing::static_registry registry;
    std::vector<signing::member> members;
    std::deque<machine> all;
};

}  // namespace muster::test

// See cluster.hpp.
#ifdef MUSTER_TEST_CLUSTERS_COMPILED
extern template class muster::signing::coordinator<
    muster::transport::memory_transport, muster::signing::static_registry, muster::manual_timers, muster::manual_clock,
    muster::musig2::portable, muster::test::journalled<muster::signing::mesh>>;
extern template class muster::signing::coordinator<
    muster::transport::memory_transport, muster::signing::static_registry, muster::manual_timers, muster::manual_clock,
    muster::musig2::portable, muster::test::journalled<muster::signing::aggregator>>;
#endif
