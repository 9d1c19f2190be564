// SPDX-License-Identifier: MIT

#include <muster/sim/network.hpp>

#include <support/network_models.hpp>
#include <support/node_keys.hpp>

namespace model_tests {

namespace {

struct sim_world {
    muster::sim::world where{1};
    muster::sim::network wires{where};
    muster::sim::host_id zero_host = boot(), one_host = boot();
    muster::sim::transport zero{wires, zero_host, muster::test::node_keys(0).node.id()};
    muster::sim::transport one{wires, one_host, muster::test::node_keys(1).node.id()};

    muster::sim::host_id boot() {
        auto const h = where.add_host();
        where.boot(h);
        return h;
    }
    muster::sim::transport& at(std::size_t i) { return i == 0 ? zero : one; }
    void connect() { REQUIRE(zero.connect(one.local(), {})); }
    template <class Done>
    bool until(Done done) {
        while (!done()) {
            if (!where.step()) return false;
        }
        return true;
    }
};

}  // namespace

MUSTER_TEST_NETWORK_MODEL("simulated frames", sim_world)

TEST_CASE("a request that is not answered in time ends so") {
    sim_world w;
    muster::test::outcomes got;
    w.one.serve("/silent/1", {}, [](muster::transport::asked const&) {});
    w.connect();
    REQUIRE(w.until([&] { return w.zero.is_connected(w.one.local()); }));
    auto const id = w.zero.request(w.one.local(), "/silent/1", {}, {}, got.handler()).value();
    auto const asked_at = w.where.now();
    REQUIRE(w.until([&] { return got.count(id) == 1; }));
    CHECK(got.last(id).error() == muster::transport::errc::timed_out);
    CHECK(w.where.now() - asked_at == muster::transport::request_options{}.time_limit);
}

}  // namespace model_tests
