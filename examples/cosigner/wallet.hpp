// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A shared wallet: a group of signers under a name, so that nobody types its keys twice.
///
/// It holds keys and never names: a name that is given to another machine later must not change the group's key.

#include <string>
#include <string_view>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/signing/request.hpp>

#include "schema.hpp"

namespace cosigner {

namespace signing = muster::signing;

/// Most shared wallets, ours.
inline constexpr std::size_t wallets_max = 256;

/// Who signs together, and for which key.
struct shared_wallet {
    std::vector<signing::public_key> with;  ///< The others, in their order.
    bool keep_order = false;                ///< Aggregate in that order, the own key first, instead of sorted.
    std::vector<muster::musig2::tweak> tweaks = {};
};

/// The members `path` and `taproot` of @p what, where they are.
[[nodiscard]] result<std::vector<muster::musig2::tweak>> parse_tweaks(value const& what);
/// The same, backwards: adds these members to @p what.
void add_tweaks(value& what, std::vector<muster::musig2::tweak> const& tweaks);

/// A wallet as the settings have it. @return `bad_input` that says what is wrong.
[[nodiscard]] result<shared_wallet> parse_wallet(std::string_view name, value const& what);
/// @copydoc parse_wallet
[[nodiscard]] value json_of(shared_wallet const& w);

}  // namespace cosigner
