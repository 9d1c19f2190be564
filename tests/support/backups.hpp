// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// An owner, guardians, and a backup among them.

#include <muster/identity/backup.hpp>

#include <support/actions.hpp>

namespace muster::test {

struct circle {
    explicit circle(identity::sharing how = {3, 5}, std::uint64_t seed = 1) : owner{seed} {
        predictable source{seed + 50};
        for (std::uint8_t i = 0; i < how.shares; ++i) guardians.emplace_back(seed * 100 + i);
        key_file = cheap_key_file::wrap(master_key(seed), phrase("correct horse"), source).value();
        made = make(how.threshold, 1);
    }
    [[nodiscard]] identity::backup make(std::uint8_t threshold, std::uint32_t epoch) const {
        predictable source{epoch + 1000};
        std::vector<identity::guardian_name> names;
        for (auto const& g : guardians) names.push_back({g.user, g.keys.agreement.public_point()});
        return identity::make_backup(key_file, owner.user, owner.keys, names, threshold, epoch, noon, source).value();
    }
    [[nodiscard]] identity::share share_of(std::uint8_t i, identity::backup const& from) const {
        return identity::open_share(from.manifest, i, guardians[i].keys.agreement, from.sealed[i]).value();
    }
    [[nodiscard]] std::vector<identity::share> shares(std::initializer_list<std::uint8_t> which) const {
        std::vector<identity::share> out;
        for (auto const i : which) out.push_back(share_of(i, made));
        return out;
    }

    person owner;
    std::vector<person> guardians;
    bytes key_file;
    identity::backup made;
};

}  // namespace muster::test
