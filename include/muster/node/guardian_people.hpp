// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who has introduced themselves: where they are, and what is sealed for.
///
/// Idea: a user is known by the first key they had, and is followed from key to key. Whoever has one of the earlier
/// keys can still say the words of an earlier day; so of each user the longest line that was shown counts, under one
/// signer key, and a shorter one changes nothing. A peer is one user: the users that one peer could make up have no
/// room.

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include <muster/core/result.hpp>
#include <muster/identity/guardian_message.hpp>
#include <muster/identity/lineage.hpp>

namespace muster::node {

/// Somebody who has introduced themselves.
struct introduced_person {
    peer::peer_id peer;
    crypto::public_key key;
    crypto::public_key signer;
    crypto::x25519_public agreement;
    identity::lineage line;  ///< The longest that was shown.
};

/// People by their user ids. Bounded: a peer more has to wait. Not thread-safe.
class guardian_people {
public:
    explicit guardian_people(std::size_t size_max) noexcept : size_max_{size_max} {}

    /// Notes who @p p is. O(people).
    /// @return `forked` when another line was shown, or one that is shorter; `wrong_set` when the signer key is another
    ///         one; `full`.
    [[nodiscard]] result<void> add(identity::user_id const& user, introduced_person p) {
        auto const at = all_.find(user);
        if (at != all_.end()) {
            auto const& known = at->second;
            if (!p.line.continues(known.line)) {
                return error{identity::errc::forked, text(identity::shown(user), " was known under another line")};
            }
            if (p.signer != known.signer) {
                return error{identity::errc::wrong_set, text(identity::shown(user), " had another signer key")};
            }
        }
        std::erase_if(all_, [&](auto const& other) { return other.second.peer == p.peer && other.first != user; });
        if (all_.size() >= size_max_ && all_.count(user) == 0) {
            return error{identity::errc::full, text("more than ", size_max_, " people")};
        }
        all_.insert_or_assign(user, std::move(p));
        return ok();
    }
    /// Null for a stranger.
    [[nodiscard]] introduced_person const* find(identity::user_id const& user) const {
        auto const at = all_.find(user);
        return at == all_.end() ? nullptr : &at->second;
    }
    /// Who is at the other end of the connection to @p who. O(people).
    [[nodiscard]] std::pair<identity::user_id const, introduced_person> const* at(peer::peer_id const& who) const {
        auto const found = std::find_if(all_.begin(), all_.end(), [&](auto const& p) { return p.second.peer == who; });
        return found == all_.end() ? nullptr : &*found;
    }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

private:
    std::size_t size_max_;
    std::map<identity::user_id, introduced_person> all_;
};

}  // namespace muster::node
