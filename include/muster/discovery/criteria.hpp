// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Which signers are looked for.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/discovery/signer_listing.hpp>

namespace muster::discovery {

/// What a signer must offer; what is not named does not matter.
struct criteria {
    std::optional<transaction_type> type = {};
    std::optional<std::uint64_t> amount = {};     ///< Within the amounts that it signs for.
    std::optional<std::uint64_t> fee_max = {};    ///< Its fee is at most this.
    std::vector<std::string> capabilities = {};   ///< All of them.
    std::optional<std::int32_t> reputation = {};  ///< At least this, by our own account.
    MUSTER_FIELDS(criteria, type, amount, fee_max, capabilities, reputation);

    /// Whether @p l meets them. O(capabilities).
    [[nodiscard]] bool matches(signer_listing const& l) const {
        auto const& a = l.what;
        bool const has_type = !type || std::find(a.types.begin(), a.types.end(), *type) != a.types.end();
        bool const has_amount = !amount || (a.amount_from <= *amount && *amount <= a.amount_to);
        bool const has_all = std::all_of(capabilities.begin(), capabilities.end(), [&](auto const& c) {
            return std::find(a.capabilities.begin(), a.capabilities.end(), c) != a.capabilities.end();
        });
        return has_type && has_amount && has_all && (!fee_max || a.fee <= *fee_max) &&
               (!reputation || l.reputation >= *reputation);
    }
};

}  // namespace muster::discovery
