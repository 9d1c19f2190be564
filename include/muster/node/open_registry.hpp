// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Finds signers that this machine was told of, and those that it has discovered; only the former may propose.
///
/// Being known never admits: whoever is discovered can be asked to sign, and cannot ask. @see signing::signer_registry.

#include <optional>
#include <utility>

#include <muster/core/time.hpp>
#include <muster/core/timers.hpp>
#include <muster/signing/registry.hpp>

namespace muster::node {

/// A model of signing::signer_registry. Directory and clock are borrowed. Not thread-safe.
///
/// @tparam Directory  a discovery::signer_directory.
template <class Directory, clock Clock>
class open_registry {
public:
    open_registry(Directory const& discovered, Clock const& time) : discovered_{discovered}, time_{time} {}

    /// What this machine was told of: co-signers and initiators.
    [[nodiscard]] signing::static_registry& told() noexcept { return told_; }
    [[nodiscard]] signing::static_registry const& told() const noexcept { return told_; }

    /// What this machine was told counts before what was discovered. O(log n).
    [[nodiscard]] std::optional<signing::signer_record> find(signing::public_key const& key) const {
        if (auto found = told_.find(key); found && !found->addresses.empty()) return found;
        auto const* const l = discovered_.find(key, time_.wall_now());
        auto found = told_.find(key);
        if (l == nullptr) return found;
        // Where a machine is that we were told of, it may say itself; another machine it may not bring in.
        if (found) {
            if (found->who.peer == l->what.machine) found->addresses = l->what.addresses;
            return found;
        }
        return signing::signer_record{{l->what.signer, l->what.machine, l->what.binding}, l->what.addresses};
    }
    /// Whether @p signer, by way of @p machine, may ask us to sign.
    [[nodiscard]] bool may_propose(signing::public_key const& signer, peer::peer_id const& machine) const {
        auto const found = told_.find(signer);
        return found && found->who.peer == machine;
    }

private:
    Directory const& discovered_;
    Clock const& time_;
    signing::static_registry told_;
};

}  // namespace muster::node
