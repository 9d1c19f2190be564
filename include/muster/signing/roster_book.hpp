// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Groups that have signed together, so that the next proposal can name one instead of spelling it out.
///
/// A proposal goes to n-1 signers, and its roster takes about 140 bytes a signer: sent in full every time, it makes
/// even a star quadratic in bytes. A completed session shows that every signer holds the roster for as long as
/// it runs; so a signer is believed to know a roster in the boot epoch in which it completed a session of it. When that
/// is wrong, because it has forgotten since, the repetition of the proposal spells the roster out.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <muster/signing/proposal.hpp>

namespace muster::signing {

/// The last rosters that were used, of which the least recently used makes room. Their bindings were verified before
/// they came in. O(size) each call; the size is small. Not thread-safe.
class roster_book {
public:
    /// @param size_max  rosters remembered; 0 remembers none, and every proposal spells its roster out.
    explicit roster_book(std::size_t size_max) : size_max_{size_max} {}

    /// Remembers @p roster, most recent from now on.
    void remember(roster_id const& id, std::vector<member> const& roster) {
        auto found = find_page(id);
        if (found == pages_.end()) {
            if (size_max_ == 0) return;
            if (pages_.size() >= size_max_) pages_.pop_back();
            pages_.push_back({id, roster, std::vector<std::optional<boot_epoch>>(roster.size())});
            found = std::prev(pages_.end());
        }
        std::rotate(pages_.begin(), found, std::next(found));
    }

    /// The roster of that id, or nullptr. Valid until the next @ref remember.
    [[nodiscard]] std::vector<member> const* find(roster_id const& id) const {
        auto const found = std::find_if(pages_.begin(), pages_.end(), [&](page const& p) { return p.id == id; });
        return found == pages_.end() ? nullptr : &found->roster;
    }

    /// Rosters that are remembered.
    [[nodiscard]] std::size_t size() const noexcept { return pages_.size(); }
    /// The signer at @p who completed a session of that roster in @p epoch.
    void completed_by(roster_id const& id, slot who, std::optional<boot_epoch> const& epoch) {
        auto const found = find_page(id);
        if (found != pages_.end()) found->known_in[who] = epoch;
    }

    /// Whether the signer at @p who, running in @p epoch, is believed to know that roster.
    [[nodiscard]] bool is_known_to(roster_id const& id, slot who, std::optional<boot_epoch> const& epoch) const {
        auto const found = std::find_if(pages_.begin(), pages_.end(), [&](page const& p) { return p.id == id; });
        return epoch && found != pages_.end() && found->known_in[who] == epoch;
    }

private:
    struct page {
        roster_id id;
        std::vector<member> roster;
        std::vector<std::optional<boot_epoch>> known_in;  // per slot
    };

    [[nodiscard]] std::vector<page>::iterator find_page(roster_id const& id) {
        return std::find_if(pages_.begin(), pages_.end(), [&](page const& p) { return p.id == id; });
    }

    std::size_t size_max_;
    std::vector<page> pages_;  // most recent first
};

}  // namespace muster::signing
