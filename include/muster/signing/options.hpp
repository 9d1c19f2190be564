// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The coordinator's rarer policies, and the sentence that a user reads when one is of the wrong kind.

#include <concepts>

#include <muster/core/policy_check.hpp>
#include <muster/core/random.hpp>
#include <muster/crypto/hedged_random.hpp>
#include <muster/signing/journal.hpp>
#include <muster/signing/topology.hpp>

namespace muster::signing {

/// The coordinator's rarer policies; derive and override what you need.
struct default_options {
    using topology = mesh;                    ///< Or `aggregator`; all signers must agree.
    using entropy = crypto::hedged_random<>;  ///< Where nonces and salts come from; see @ref secret_source.
    using journal = no_journal;               ///< What survives a restart; see @ref signing::journal.
};

namespace detail {

/// Whether @p O derives from the defaults and changes none of them. A node's policies are more than these, and may.
template <class O>
inline constexpr bool changes_no_option = std::derived_from<O, default_options> && !std::same_as<O, default_options> &&
                                          !muster::detail::is_made_by_template<O> && !requires {
    typename O::registry;
}
&&std::same_as<typename O::topology, default_options::topology>&& std::same_as<
    typename O::entropy, default_options::entropy>&& std::same_as<typename O::journal, default_options::journal>;

/// Does not compile unless @p Options are what they should be.
template <class Options>
[[nodiscard]] consteval bool check_options() {
    constexpr bool has_all = requires {
        typename Options::topology;
        typename Options::entropy;
        typename Options::journal;
    };
    static_assert(has_all,
                  "the options of a coordinator name a topology, an entropy and a journal: derive from "
                  "signing::default_options, and override what you need");
    if constexpr (has_all) {
        static_assert(topology<typename Options::topology>,
                      "the policy `topology` is no topology: name signing::mesh or signing::aggregator");
        static_assert(
            secret_source<typename Options::entropy>,
            "the policy `entropy` is no source of secrets: name crypto::hedged_random<Source>, or a type whose "
            "fill_secret(byte_span) returns result<void>");
        static_assert(
            journal<typename Options::journal>,
            "the policy `journal` is no journal: name signing::no_journal, signing::file_journal<Files>, or a "
            "movable type whose load(function), put(id, bytes) and erase(id) return result<void>");
        static_assert(
            !changes_no_option<Options>,
            "these options change nothing of signing::default_options: is the name of a policy misspelt? They "
            "are topology, entropy and journal; who wants none changed names default_options itself");
    }
    return true;
}

}  // namespace detail

}  // namespace muster::signing
