// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A group of nodes as a seed draws it.

#include <string>

#include <muster/libp2p/host/options.hpp>
#include <muster/sim/faults.hpp>
#include <muster/sim/random.hpp>

namespace muster::sim::stack {

/// How many there are, what they do, and what goes wrong. Defaults: three nodes in a good world.
struct group_options {
    host_id hosts = 3;                                  ///< At least 2, at most 200.
    fault_options faults = {};                          ///< Frames are packets here, and streams hide their loss.
    ratio wrong_address{};                              ///< Dials that try another node's address, or nobody's, first.
    duration traffic = std::chrono::milliseconds{500};  ///< Between two things that a node does.
    std::size_t frame_size_max = 20'000;                ///< Bytes.
    duration chaos = std::chrono::seconds{60};          ///< How long things go wrong.
    libp2p::host_options bounds = {};

    [[nodiscard]] static group_options from_seed(std::uint64_t seed) {
        group_options o;
        auto draw = stream(seed, "options/stack");
        o.hosts = static_cast<host_id>(between(draw, 2, 5));
        o.wrong_address = {static_cast<std::uint32_t>(between(draw, 0, 50)), 100};
        o.frame_size_max = static_cast<std::size_t>(between(draw, 100, 60'000));
        o.faults = fault_options::from_seed(seed);
        o.faults.crash = {o.faults.crash.of / 2, o.faults.crash.in};
        if (o.faults.octets_per_second != 0) o.faults.octets_per_second += 100'000;
        return o;
    }

    /// In one line, as a failure prints it.
    [[nodiscard]] std::string to_text() const {
        return text("hosts=", hosts, " wrong_address=", wrong_address.of, " frames<=", frame_size_max, " ",
                    faults.to_text());
    }
};

}  // namespace muster::sim::stack
