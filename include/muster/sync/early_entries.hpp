// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Entries that came before those before them.
///
/// Each sender has a part of the room. Where there is none left, whoever holds most of it gives up its last entry to
/// whoever holds less; so junk of one keeps nothing of the others out.

#include <algorithm>
#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include <muster/peer/peer_id.hpp>
#include <muster/sync/entry_log.hpp>

namespace muster::sync {

/// Not thread-safe.
class early_entries {
public:
    /// @param size_max    entries.
    /// @param of_peer_max entries that one peer has sent; what would be one more is refused.
    early_entries(std::size_t size_max, std::size_t of_peer_max) noexcept
        : size_max_{size_max}, of_peer_max_{of_peer_max} {}

    /// Keeps @p e; false when it is there, or there is no room. O(log entries + peers).
    bool add(entry const& e, peer::peer_id const& from) {
        if (kept_.contains(e.at) || count_of(from) >= of_peer_max_) return false;
        if (kept_.size() >= size_max_ && !make_room(from)) return false;
        kept_.emplace(e.at, one{e.content, from});
        ++counts_[from];
        return true;
    }
    /// Whether @p from could keep one more.
    [[nodiscard]] bool has_room_for(peer::peer_id const& from) const noexcept {
        if (count_of(from) >= of_peer_max_) return false;
        return kept_.size() < size_max_ || greediest()->second > count_of(from) + 1;
    }
    [[nodiscard]] bool contains(dot const& at) const noexcept { return kept_.contains(at); }
    /// Takes the entry at @p at out, and who has sent it.
    [[nodiscard]] std::optional<std::pair<entry, peer::peer_id>> take(dot const& at) {
        auto const found = kept_.find(at);
        if (found == kept_.end()) return std::nullopt;
        std::pair<entry, peer::peer_id> out{{at, std::move(found->second.content)}, found->second.from};
        remove(found);
        return out;
    }
    /// Forgets entries of @p by up to @p last, and all of them where @p last is the greatest.
    void forget(actor const& by, std::uint64_t last) {
        for (auto at = kept_.lower_bound({by, 0});
             at != kept_.end() && at->first.by == by && at->first.sequence <= last;)
            at = remove(at);
    }

    [[nodiscard]] std::size_t size() const noexcept { return kept_.size(); }
    [[nodiscard]] auto begin() const noexcept { return kept_.begin(); }
    [[nodiscard]] auto end() const noexcept { return kept_.end(); }

private:
    struct one {
        bytes content;
        peer::peer_id from;
    };
    using places = std::map<dot, one>;
    using counts = std::map<peer::peer_id, std::size_t>;

    [[nodiscard]] std::size_t count_of(peer::peer_id const& who) const noexcept {
        auto const found = counts_.find(who);
        return found == counts_.end() ? 0 : found->second;
    }
    [[nodiscard]] counts::const_iterator greediest() const noexcept {
        return std::max_element(counts_.begin(), counts_.end(),
                                [](auto const& a, auto const& b) { return a.second < b.second; });
    }
    bool make_room(peer::peer_id const& from) {
        if (!has_room_for(from)) return false;
        auto const who = greediest()->first;
        for (auto at = kept_.end(); at != kept_.begin();) {
            if ((--at)->second.from != who) continue;
            remove(at);
            return true;
        }
        return false;
    }
    places::iterator remove(places::iterator at) {
        auto const count = counts_.find(at->second.from);
        if (--count->second == 0) counts_.erase(count);
        return kept_.erase(at);
    }

    std::size_t size_max_;
    std::size_t of_peer_max_;
    places kept_;
    counts counts_;  // none is 0, so there are no more of them than entries
};

}  // namespace muster::sync
