// SPDX-License-Identifier: MIT

// Gossiping networks, without attackers or under the attack that is named. Their faults are their own.

#include <cstdint>
#include <string>
#include <vector>

#include <muster/sim/gossip/run.hpp>

#include <simulation/settings.hpp>

namespace muster::simulation {

namespace {

[[nodiscard]] std::vector<sim::gossip::attack> known() {
    std::vector<sim::gossip::attack> out;
    for (std::uint8_t i = 0; to_string(static_cast<sim::gossip::attack>(i)) != "unknown"; ++i) {
        out.push_back(static_cast<sim::gossip::attack>(i));
    }
    return out;
}

}  // namespace

std::vector<std::string> attacks() {
    std::vector<std::string> out;
    for (auto const each : known()) out.emplace_back(to_string(each));
    return out;
}

sim::outcome run_gossip(std::uint64_t seed, settings const& s) {
    auto options = sim::gossip::group_options::from_seed(seed);
    options.nodes = s.nodes;
    for (auto const each : known()) {
        if (to_string(each) == s.attack) options = options.under(each);
    }
    return run_traced(sim::gossip::group_run<>{seed, options}, s);
}

}  // namespace muster::simulation
