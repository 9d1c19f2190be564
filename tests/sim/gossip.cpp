// SPDX-License-Identifier: MIT

// Gossiping networks as a room: runs repeat themselves, its invariants bite, and real signatures change nothing.

#include <muster/gossip/node_key_signer.hpp>
#include <muster/sim/gossip/run.hpp>

#include <support/catch.hpp>

namespace gossip_tests {

using namespace muster;
using namespace muster::sim;
using namespace std::chrono_literals;
using sim::gossip::attack;
using sim::gossip::group_options;
using sim::gossip::group_run;

namespace {

group_options small(std::uint64_t seed) {
    auto o = group_options::from_seed(seed);
    o.nodes = 20;
    o.dials = 5;
    o.chaos = 20s;
    return o;
}
outcome once(std::uint64_t seed, attack a = attack::none) { return group_run<>{seed, small(seed).under(a)}.run(); }

/// Node keys of secp256k1, one a host.
struct real_signers {
    using signer = muster::gossip::node_key_signer;
    std::vector<std::shared_ptr<peer::node_key>> keys;
    explicit real_signers(host_id hosts) {
        for (host_id h = 0; h < hosts; ++h) {
            bytes scalar(32, 1);
            scalar[31] = static_cast<byte>(h + 1);
            keys.push_back(std::make_shared<peer::node_key>(
                crypto::key_pair::from_secret(crypto::secret<32>::copy_of(scalar).value()).value()));
        }
    }
    [[nodiscard]] peer::peer_id id(host_id h) const { return keys[h]->id(); }
    [[nodiscard]] signer make(host_id h) const { return signer{*keys[h]}; }
};

}  // namespace

TEST_CASE("simulated gossip: a seed is a run, whenever it is run, and another seed is another one") {
    auto const a = once(3), b = once(3), c = once(4);
    CHECK(a.failure == std::nullopt);
    CHECK(a.trace == b.trace);
    CHECK(a.summary == b.summary);
    CHECK(a.trace != c.trace);
}

TEST_CASE("simulated gossip: real signatures") {
    auto o = small(2);
    group_run<real_signers> r{2, o, real_signers{o.nodes}};
    auto const end = r.run();
    INFO(end.summary);
    CHECK(end.failure == std::nullopt);
    CHECK(r.judged().deliveries() > 1000);
}

TEST_CASE("simulated gossip: each attack on a small network") {
    for (auto const a : {attack::ihave_flood, attack::broken_promises, attack::invalid_messages, attack::spam_grafts,
                         attack::censors, attack::cold_boot}) {
        auto const end = once(2, a);
        INFO(to_string(a));
        INFO(end.summary);
        CHECK(end.failure == std::nullopt);
    }
}

TEST_CASE("the invariants of gossip: each breach is found, and what is missing is counted") {
    auto const breach = [](auto what) {
        world w{1};
        sim::gossip::invariants l{w, 3};
        for (host_id h = 0; h < 3; ++h) l.boots(h);
        w.run_until(w.now() + 10s);
        what(w, l);
        w.run_until(w.now() + 20s);
        return l.breach().has_value();
    };
    CHECK_FALSE(breach([](auto&, auto& l) { l.delivers(1, l.publishes(0)); }));
    CHECK(breach([](auto&, auto& l) { l.delivers(0, l.publishes(0)); }));
    CHECK(breach([](auto&, auto& l) { l.delivers(1, 7); }));
    CHECK(breach([](auto&, auto& l) {
        auto const n = l.publishes(0);
        l.delivers(1, n);
        l.delivers(1, n);
    }));
    muster::gossip::rpc::rpc_view graft, prune;
    graft.grafts.push_back("t");
    prune.prunes.push_back({"t", 30, {}});
    auto const who = sim::gossip::id_of(9);
    for (bool const is_heard : {false, true}) {
        auto const graft_after = [&](duration by) {
            return breach([&](world& w, auto& l) {
                is_heard ? l.hears(1, who, prune) : l.says(1, who, prune);
                w.run_until(w.now() + by);
                l.says(2, who, graft);
                l.says(1, who, graft);
            });
        };
        CHECK(graft_after(29s));
        CHECK_FALSE(graft_after(30s));
    }

    world w{1};
    sim::gossip::invariants l{w, 4};
    for (host_id h = 0; h < 3; ++h) l.boots(h);
    w.run_until(w.now() + 10s);
    l.boots(3);  // not up for long enough to count
    auto const n = l.publishes(0);
    l.delivers(1, n);
    w.run_until(w.now() + 6s);
    CHECK((l.pairs() == 2 && l.missed() == 1 && l.lost() == 0));
    l.dies(2);  // not up throughout: not counted as lost
    w.run_until(w.now() + 10s);
    CHECK(l.lost() == 0);
}

}  // namespace gossip_tests
