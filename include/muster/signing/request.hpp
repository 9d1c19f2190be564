// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What an application asks to have signed, and the proposal that follows from it.

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/random.hpp>
#include <muster/signing/registry.hpp>

namespace muster::signing {

/// What an application asks to have signed.
struct signing_request {
    std::vector<public_key> signers;  ///< All of them, our own included; the registry knows the others.
    std::vector<payload> messages;    ///< Signed in one session, each with a signature of its own.
    std::vector<musig2::tweak> tweaks = {};
    duration valid_for = std::chrono::minutes{10};  ///< How long others may take to approve.
    /// Positions need an order that you chose: without `keep_order` they are the places of a list sorted by key, which
    /// keys can be ground for, and `lexicographic` is proposed in their stead.
    election_method election = election_method::lexicographic;
    std::string purpose = {};  ///< Shown to those who approve.
    bool keep_order = false;   ///< Aggregate in the order given instead of BIP-327's KeySort.
};

namespace detail {

/// The method that is proposed for @p r.
[[nodiscard]] inline election_method salted_unless_ordered(signing_request const& r) noexcept {
    bool const by_position = r.election == election_method::first_signer || r.election == election_method::last_signer;
    return by_position && !r.keep_order ? election_method::lexicographic : r.election;
}

}  // namespace detail

/// The proposal of @p request by @p self, at wall time @p now, with a fresh salt.
/// @return it, or `unknown_signer`, `not_in_roster`, `invalid_proposal`, or what the source of randomness refuses.
template <signer_registry Registry, secret_source Entropy>
[[nodiscard]] result<proposal> make_proposal(signing_request request, member const& self, topology_id topology,
                                             Registry const& registry, Entropy& entropy, timestamp now,
                                             limits const& l) {
    if (request.valid_for <= duration::zero()) {
        return error{errc::invalid_proposal, "a proposal must be valid for some time; valid_for is not positive"};
    }
    proposal plan;
    bool found_self = false;
    if (!request.keep_order) request.signers = musig2::key_sort(std::move(request.signers));
    for (auto const& key : request.signers) {
        if (key == self.signer) {
            plan.initiator = static_cast<slot>(plan.roster.size());
            plan.roster.push_back(self);
            found_self = true;
            continue;
        }
        auto known = registry.find(key);
        if (!known) {
            return error{errc::unknown_signer,
                         text("no machine is known for signer ", to_hex(key), "; add it to the registry first")};
        }
        plan.roster.push_back(std::move(known->who));
    }
    if (!found_self) return error{errc::not_in_roster, text("our key ", to_hex(self.signer), " is not a signer")};
    plan.messages = std::move(request.messages);
    plan.tweaks = std::move(request.tweaks);
    plan.expires_at = saturating_add(now, std::chrono::duration_cast<std::chrono::milliseconds>(
                                              std::min(request.valid_for, l.session_lifetime_max)));
    plan.election = detail::salted_unless_ordered(request);
    plan.topology = topology;
    plan.purpose = std::move(request.purpose);
    MUSTER_TRY(entropy.fill_secret(plan.salt));
    return plan;
}

}  // namespace muster::signing
