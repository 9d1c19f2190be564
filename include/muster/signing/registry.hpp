// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// From a signer's public key to the machine that speaks for it.

#include <concepts>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <muster/peer/multiaddr.hpp>
#include <muster/signing/proposal.hpp>

namespace muster::signing {

/// What is known about a signer.
struct signer_record {
    member who;                              ///< Its key, its machine, and the binding of the two.
    std::vector<peer::multiaddr> addresses;  ///< Where its machine listens; may be empty.
};

/// Finds signers.
///
/// Semantics: `find(key)` gives the record of a signer whose binding has been verified, or nothing. A record may
/// change between calls. O(log n) or better; called for every member of a proposal. Whoever is found may propose,
/// unless the registry has `may_propose(key, peer)`, which says so then: one that finds signers which nobody here has
/// chosen needs it.
template <class R>
concept signer_registry = requires(R const& r, public_key const& key) {
    { r.find(key) } -> std::same_as<std::optional<signer_record>>;
};

/// A registry that holds what its owner put in. Not thread-safe.
class static_registry {
public:
    /// Adds or replaces a signer's record.
    /// @return `invalid_binding` when the signer never said that this peer speaks for it.
    [[nodiscard]] result<void> add(signer_record record) {
        auto const& who = record.who;
        if (!peer::verify_binding(who.signer, who.peer, who.binding)) {
            return error{errc::invalid_binding,
                         text("signer ", to_hex(who.signer), " did not name peer ", who.peer.to_text())};
        }
        auto const key = who.signer;
        records_.insert_or_assign(key, std::move(record));
        return ok();
    }

    [[nodiscard]] std::optional<signer_record> find(public_key const& key) const {
        auto const found = records_.find(key);
        if (found == records_.end()) return std::nullopt;
        return found->second;
    }

    [[nodiscard]] auto begin() const noexcept { return records_.begin(); }
    [[nodiscard]] auto end() const noexcept { return records_.end(); }
    [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }

private:
    std::map<public_key, signer_record> records_;
};
static_assert(signer_registry<static_registry>);

}  // namespace muster::signing
