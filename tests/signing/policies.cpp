// SPDX-License-Identifier: MIT

// For every concept of the coordinator: the least type that must be accepted, and a near miss that must not.

#include <muster/signing/coordinator.hpp>

#include <map>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace policies_tests {

using namespace muster;
using namespace muster::signing;

namespace {

struct least_timers {
    void attach(wake_function) {}
    void arm(instant) {}
    void disarm() {}
};
struct cannot_disarm {
    void attach(wake_function) {}
    void arm(instant) {}
};
static_assert(timers<least_timers>);
static_assert(!timers<cannot_disarm>);

struct least_registry {
    [[nodiscard]] std::optional<signer_record> find(public_key const&) const { return std::nullopt; }
};
struct finds_only_members {
    [[nodiscard]] std::optional<member> find(public_key const&) const { return std::nullopt; }
};
static_assert(signer_registry<least_registry>);
static_assert(!signer_registry<finds_only_members>);

struct least_topology {
    static constexpr topology_id id = topology_id::mesh;
    static bool talk(slot, slot, slot) { return true; }
    static bool signs_under_aggregator(slot, slot) { return false; }
};
struct nameless_topology {
    static bool talk(slot, slot, slot) { return true; }
    static bool signs_under_aggregator(slot, slot) { return false; }
};
static_assert(topology<least_topology>);
static_assert(!topology<nameless_topology>);

struct copies_its_nonces : musig2::portable {
    struct secnonce {
        bytes k;
    };
};
struct verifies_nothing : musig2::portable {
    void adds_up(session_values_type const&, std::span<parsed_contribution const>) const {}
};
static_assert(musig2::backend<musig2::portable>);
static_assert(!musig2::backend<copies_its_nonces>);
static_assert(!musig2::backend<verifies_nothing>);

struct never_fails {
    void fill_secret(byte_span) {}
};
static_assert(secret_source<crypto::system_random>);
static_assert(!secret_source<never_fails>);
static_assert(!secret_source<splitmix64>);

/// A user's registry over a container of its own.
class own_registry {
public:
    void put(member const& who) { records_.emplace(who.signer, signer_record{who, {}}); }
    [[nodiscard]] std::optional<signer_record> find(public_key const& key) const {
        auto const found = records_.find(key);
        return found == records_.end() ? std::nullopt : std::optional{found->second};
    }

private:
    std::map<public_key, signer_record> records_;
};

/// A user's backend that counts what it is asked.
struct counting : musig2::portable {
    std::size_t* signings = nullptr;

    [[nodiscard]] result<musig2::psig> sign(secnonce&& nonce, musig2::key_pair const& key,
                                            session_values_type const& values) const {
        ++*signings;
        return portable::sign(std::move(nonce), key, values);
    }
};

}  // namespace

TEST_CASE("a coordinator works with policies of the user's own, and a backend's value is the one that signs") {
    transport::memory_network wires;
    own_registry registry;
    manual_clock clock;
    least_timers alarm;
    using signer = coordinator<transport::memory_transport, own_registry, least_timers, manual_clock, counting>;
    std::size_t signings = 0;
    counting backend;
    backend.signings = &signings;
    struct machine {
        std::unique_ptr<transport::memory_transport> network;
        std::unique_ptr<signer> coordinator;
        std::size_t completions = 0;
    };
    std::deque<machine> machines(2);
    signing_request request{{}, {digest32{{1}}}};
    for (std::size_t i = 0; i < 2; ++i) {
        auto& m = machines[i];
        m.network = std::make_unique<transport::memory_transport>(wires, test::node_keys(i).node.id());
        m.coordinator = std::make_unique<signer>(
            signer::parts{
                *m.network, registry, alarm, clock, test::node_keys(i), signer::make_epoch().value(), {}, backend},
            [&m](event const& e) {
                if (auto const* const asked = std::get_if<approval_requested>(&e))
                    (void)m.coordinator->approve(asked->session);
                m.completions += std::holds_alternative<completed>(e) ? 1u : 0u;
            });
        registry.put(m.coordinator->as_member().value());
        request.signers.push_back(m.coordinator->signer_key());
    }
    REQUIRE(machines[0].coordinator->propose(request));
    wires.run();
    CHECK(machines[0].completions == 1);
    CHECK(machines[1].completions == 1);
    CHECK(signings == 2);
}

}  // namespace policies_tests
