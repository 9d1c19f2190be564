// SPDX-License-Identifier: MIT

#include <muster/transport/memory_transport.hpp>

#include <support/network_models.hpp>
#include <support/node_keys.hpp>

namespace model_tests {

namespace {

struct memory_world {
    muster::transport::memory_network wires;
    muster::transport::memory_transport zero{wires, muster::test::node_keys(0).node.id()};
    muster::transport::memory_transport one{wires, muster::test::node_keys(1).node.id()};

    muster::transport::memory_transport& at(std::size_t i) { return i == 0 ? zero : one; }
    void connect() { REQUIRE(zero.connect(one.local(), {})); }
    template <class Done>
    bool until(Done done) {
        while (!done()) {
            if (!wires.step()) return false;
        }
        return true;
    }
};

}  // namespace

MUSTER_TEST_NETWORK_MODEL("memory", memory_world)

TEST_CASE("a question is printed on one line, and what it holds is cut") {
    using namespace muster;
    transport::asked const q{{7}, test::node_keys(0).node.id(), "/echo/1", bytes(1000, 0xab)};
    auto const line = to_text(q);
    CHECK(line.find("asked{id: request_id{value: 7}, peer: " + q.peer.to_text()) == 0);
    CHECK(line.size() < 700);
}

}  // namespace model_tests
