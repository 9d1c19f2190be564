// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A world with a group of co-signers in it, for scripts: boot them, let one propose, crash another, look.
///
/// What group_run does to a group at random, a test does to one on purpose. The invariants are watched all the time.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/sim/signing/options.hpp>
#include <muster/sim/signing/outsider.hpp>

namespace muster::sim::signing {

/// n signers that know each other, on hosts 0 to n-1 of one world; nobody is up yet. Not thread-safe.
template <class Policies = co_signer_policies>
class group {
public:
    using signer = co_signer<Policies>;

    group(std::uint64_t seed, group_options o)
        : options{std::move(o)},
          where{seed},
          wires{where},
          key_seeds{draw_keys(seed, options)},
          parties{make_parties(key_seeds, options)},
          invariants{where, parties, options.faults.corrupt.of != 0},
          nonces{[this](std::string what) { invariants.report(std::move(what)); }} {
        for (auto const& p : parties) {
            members.push_back(p.who);
            (void)registry.add({p.who, {}});
        }
        auto const no_signer = options.with_outsider ? std::optional{outsider::name(where)} : std::nullopt;
        for (host_id h = 0; h < options.hosts; ++h) {
            where.add_host();
            auto const lies = h < options.lies.size() ? std::optional{options.lies[h]} : std::nullopt;
            signers.emplace_back(typename signer::surroundings{where, wires, registry, members, nonces, invariants,
                                                               options.faults, no_signer},
                                 h, key_seeds[h], lies, options.habits, options.bounds);
        }
    }
    group(group const&) = delete;
    group& operator=(group const&) = delete;

    void boot_all() {
        for (auto& s : signers) s.boot();
    }
    /// The first invariant that was broken, if one was.
    [[nodiscard]] std::optional<std::string> const& failure() const noexcept { return invariants.breach(); }
    /// Lets @p time pass, or less when an invariant is broken.
    void pass(duration time) {
        (void)pass_until(time, [] { return false; });
    }
    /// Lets time pass until @p done(), at most @p time; says whether it came to that, and no invariant was broken.
    template <class Done>
    [[nodiscard]] bool pass_until(duration time, Done done) {
        auto const stop = [&] { return failure() || done(); };
        return where.run_until(where.now() + time, stop) && !failure();
    }

    /// Where session @p id stands on host @p h; `over` where it is unknown or the host is down.
    [[nodiscard]] muster::signing::phase at(host_id h, muster::signing::session_id const& id) {
        auto const* const s = signers[h].signer() == nullptr ? nullptr : signers[h].signer()->find(id);
        return s == nullptr ? muster::signing::phase::over : s->at();
    }
    [[nodiscard]] bool has_signed(host_id h, muster::signing::session_id const& id) {
        return at(h, id) == muster::signing::phase::finished;
    }
    /// Whether host @p h believes that session @p id was broadcast.
    [[nodiscard]] bool is_confirmed(host_id h, muster::signing::session_id const& id) {
        auto const* const s = signers[h].signer() == nullptr ? nullptr : signers[h].signer()->find(id);
        return s != nullptr && s->is_confirmed();
    }
    /// Hosts that do not lie.
    [[nodiscard]] std::vector<host_id> honest() const {
        std::vector<host_id> out;
        for (host_id h = 0; h < options.hosts; ++h) {
            if (parties[h].is_honest) out.push_back(h);
        }
        return out;
    }

    group_options options;
    world where;
    network wires;
    std::vector<std::uint64_t> key_seeds;  ///< By host.
    std::vector<safety_invariants::party> parties;
    safety_invariants invariants;
    nonce_book nonces;
    muster::signing::static_registry registry;
    std::vector<muster::signing::member> members;  ///< By host.
    std::deque<signer> signers;                    ///< By host.

private:
    // Who grinds knows the keys of those who do not.
    [[nodiscard]] static std::vector<std::uint64_t> draw_keys(std::uint64_t seed, group_options const& o) {
        auto const grinds = [&](host_id h) { return h < o.lies.size() && o.lies[h] == lie::grinding; };
        std::vector<std::uint64_t> out;
        std::vector<muster::signing::public_key> others;
        for (host_id h = 0; h < o.hosts; ++h) {
            out.push_back(stream_seed(seed, "keys", h));
            if (!grinds(h)) others.push_back(keys_from(out[h]).signer.public_key());
        }
        for (host_id h = 0; h < o.hosts; ++h) {
            if (grinds(h)) out[h] = grind_key_seed(splitmix64{out[h]}, others);
        }
        return out;
    }
    [[nodiscard]] static std::vector<safety_invariants::party> make_parties(std::vector<std::uint64_t> const& key_seeds,
                                                                            group_options const& o) {
        std::vector<safety_invariants::party> out;
        for (host_id h = 0; h < o.hosts; ++h) {
            auto const keys = keys_from(key_seeds[h]);
            muster::signing::member const who{keys.signer.public_key(), keys.node.id(),
                                              peer::bind(keys.signer, keys.node.id()).value()};
            out.push_back({who, h >= o.lies.size()});
        }
        return out;
    }
};

}  // namespace muster::sim::signing
