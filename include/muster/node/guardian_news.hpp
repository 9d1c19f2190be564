// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What guardians at work tell, and their bounds.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/error.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/core/time.hpp>
#include <muster/identity/guardian_effects.hpp>
#include <muster/identity/lineage.hpp>

namespace muster::node {

/// Bounds of @ref guardians.
struct guardians_options {
    std::chrono::milliseconds delay = std::chrono::hours{72};  ///< As identity::guardian_desk::options::delay.
    duration poll_each = std::chrono::seconds{30};             ///< Guardians are asked for shares. Ours.
    std::size_t questions_burst = 32;                          ///< Of one peer at once. Ours.
    duration question_each = std::chrono::seconds{1};          ///< Of one peer at the steady rate. Ours.
    std::size_t counted_peers_max = 256;                       ///< Strangers of whom that is counted. Ours.
    std::size_t strangers_burst = 64;                          ///< Questions of all strangers at once. Ours.
    duration strangers_each = std::chrono::milliseconds{125};  ///< Of all strangers at the steady rate. Ours.
    duration warning_each = std::chrono::hours{1};             ///< Of one guardian, after four at once. Ours.
    std::int32_t forgery_points = 10;  ///< What a peer loses that sends what no honest one does. Ours.
};

/// How much each peer may ask. Strangers cost nothing to make, so all of them together have an account as well, and
/// none of theirs keeps out those that are known. Bounded; not thread-safe.
class question_accounts {
public:
    explicit question_accounts(guardians_options const& o) noexcept
        : options_{o}, all_strangers_{o.strangers_each, o.strangers_burst} {}
    /// Whether @p who may ask once more; counts it. O(log peers).
    [[nodiscard]] bool allow(peer::peer_id const& who, bool is_known, instant now) {
        auto& accounts = is_known ? known_ : strangers_;
        if (accounts.size() >= options_.counted_peers_max && accounts.count(who) == 0) {
            std::erase_if(accounts, [&](auto const& a) { return a.second.is_idle(now); });
            // A new stranger is still served; the common account bounds what the forgotten ones can ask.
            if (accounts.size() >= options_.counted_peers_max && !is_known) accounts.clear();
        }
        rate_limiter const fresh{options_.question_each, options_.questions_burst};
        if (!accounts.try_emplace(who, fresh).first->second.allow(now)) return false;
        return is_known || all_strangers_.allow(now);
    }

private:
    guardians_options options_;
    rate_limiter all_strangers_;
    std::map<peer::peer_id, rate_limiter> strangers_;
    std::map<peer::peer_id, rate_limiter> known_;  // as many as are known, of whom there are not many
};

/// Requests for our own shares of which guardians have warned. A guardian that makes requests up pushes out its own
/// warnings only, and not those of the others. Bounded; not thread-safe.
class guardian_warnings {
public:
    explicit guardian_warnings(guardians_options const& o) noexcept : each_{o.warning_each} {}
    /// Notes what the guardian in @p place warns of; says whether nobody has before. O(what is noted).
    [[nodiscard]] bool add(std::uint8_t place, identity::recovery_request const& r, instant now) {
        auto const of_it = [&](auto const& w) { return w.first == place; };
        if (std::find(noted_.begin(), noted_.end(), std::pair{place, r}) != noted_.end()) return false;
        if (!accounts_.try_emplace(place, rate_limiter{each_, of_one_max}).first->second.allow(now)) return false;
        if (static_cast<std::size_t>(std::count_if(noted_.begin(), noted_.end(), of_it)) >= of_one_max) {
            noted_.erase(std::find_if(noted_.begin(), noted_.end(), of_it));
        }
        bool const is_new = std::none_of(noted_.begin(), noted_.end(), [&](auto const& w) { return w.second == r; });
        noted_.emplace_back(place, r);
        return is_new;
    }
    void forget(identity::request_id const& which) {
        std::erase_if(noted_, [&](auto const& w) { return w.second.id() == which; });
    }
    /// Each once, in the order in which they were warned of.
    [[nodiscard]] std::vector<identity::recovery_request> all() const {
        std::vector<identity::recovery_request> out;
        for (auto const& [place, r] : noted_) {
            if (std::find(out.begin(), out.end(), r) == out.end()) out.push_back(r);
        }
        return out;
    }

private:
    static constexpr std::size_t of_one_max = 4;  ///< Its oldest makes room. Ours.

    duration each_;
    std::vector<std::pair<std::uint8_t, identity::recovery_request>> noted_;  // by which place
    std::map<std::uint8_t, rate_limiter> accounts_;
};

/// A peer has shown who it is.
struct introduced {
    peer::peer_id peer;
    identity::user_id user;
    crypto::public_key signer;
    identity::lineage line;  ///< Which leads to the key of @ref peer; checked.
    bool operator==(introduced const&) const = default;
};
/// All guardians together have given enough.
struct recovered {
    identity::restored what;
    bool operator==(recovered const& o) const { return what.key_file == o.what.key_file && what.bad == o.what.bad; }
};
/// What is kept of guardians cannot be written down.
struct guardians_not_kept {
    error why;
    bool operator==(guardians_not_kept const&) const = default;
};
/// What there is to tell.
using guardian_news =
    std::variant<introduced, recovered, guardians_not_kept, identity::desk::ask_to_keep, identity::desk::ask_person,
                 identity::desk::request_approved, identity::desk::request_closed, identity::desk::penalise,
                 identity::watch::recovery_begun, identity::watch::standing_changed, identity::watch::reissue_needed>;

}  // namespace muster::node
