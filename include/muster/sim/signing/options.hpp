// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A group of co-signers as a seed draws it.

#include <string>
#include <vector>

#include <muster/sim/signing/co_signer.hpp>

namespace muster::sim::signing {

/// Who signs, who lies, what goes wrong. Defaults: three honest signers in a good world.
struct group_options {
    host_id hosts = 3;           ///< Signers, at least 2.
    std::vector<lie> lies = {};  ///< Those of the first so many hosts.
    bool with_outsider = false;  ///< Whether somebody who is no signer interferes.
    std::size_t proposals = 10;  ///< While things go wrong.
    fault_options faults = {};
    application_habits habits = {};
    duration chaos = std::chrono::seconds{60};  ///< How long things go wrong.
    muster::signing::limits bounds = quick_limits();

    /// Timeouts that fit into a short run. All ours.
    [[nodiscard]] static muster::signing::limits quick_limits() {
        muster::signing::limits l;
        l.round_timeout = std::chrono::seconds{20};
        l.retry_interval = std::chrono::seconds{2};
        l.broadcast_timeout = std::chrono::seconds{4};
        l.failover_attempts_max = 6;
        l.session_lifetime_max = std::chrono::minutes{5};
        l.frames_burst_max = 256;
        l.frames_per_second = 20;
        return l;
    }

    /// The group and the world of a run.
    [[nodiscard]] static group_options from_seed(std::uint64_t seed) {
        group_options o;
        auto draw = stream(seed, "options/group");
        o.hosts = static_cast<host_id>(between(draw, 2, 7));
        auto adversaries = stream(seed, "options/liars");
        if (chance(adversaries, {2, 3})) {
            for (auto n = between(adversaries, 1, (o.hosts - 1 + 1) / 2); n != 0; --n) {
                o.lies.push_back(all_lies[uniform(adversaries, all_lies.size())]);
            }
        }
        o.with_outsider = chance(draw, {1, 3});
        o.proposals = static_cast<std::size_t>(between(draw, 1, 12));
        o.faults = fault_options::from_seed(seed);
        auto habits = stream(seed, "options/habits");
        o.habits.declines = {static_cast<std::uint32_t>(between(habits, 0, 10)), 100};
        o.habits.forgets = {static_cast<std::uint32_t>(between(habits, 0, 10)), 100};
        o.habits.withdraws = {static_cast<std::uint32_t>(between(habits, 0, 40)), 100};
        o.habits.falls_asleep = {static_cast<std::uint32_t>(between(habits, 0, 40)), 100};
        return o;
    }

    /// In one line, as a failure prints it.
    [[nodiscard]] std::string to_text() const {
        auto out = text("hosts=", hosts, " proposals=", proposals, with_outsider ? " outsider" : "");
        for (auto const l : lies) out += text(" adversary=", to_string(l));
        return text(out, " declines=", habits.declines.of, " forgets=", habits.forgets.of,
                    " withdraws=", habits.withdraws.of, " sleeps=", habits.falls_asleep.of, " ", faults.to_text());
    }
};

}  // namespace muster::sim::signing
