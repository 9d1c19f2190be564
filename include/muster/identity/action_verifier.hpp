// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Takes actions from others, or says why not; cheap reasons first.
///
/// In this order, and what fails at one step causes no later one: size and form, network, author and key, times, place
/// in the author's chain, what the sender may ask for, signature, payload's hash. A signature costs a thousand times
/// what the steps before it do, and it alone is limited: whoever floods us with what fails before it costs a hash each,
/// and whoever floods us with forgeries that look right gets the limiter's rate of verifications. The limit is charged
/// to the peer on whose connection it came, never to the author that it names.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include <muster/core/bounded.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/core/result.hpp>
#include <muster/identity/action_chain.hpp>

namespace muster::identity {

/// Knows who may act.
///
/// Semantics: `key_of(user)` is the node key that the user has now; nothing when they may not act here. O(log n). One
/// that also knows the keys of before may have `has_signed_as(user, key, time)`: whether an action of that time may be
/// by that key.
template <class A>
concept author_directory = requires(A const& authors, user_id const& user) {
    { authors.key_of(user) } -> std::same_as<std::optional<crypto::public_key>>;
};

/// The steps of verifying an action, in their order.
MUSTER_ENUMERATION(verification_step, 0, form, network, author, time, chain, limit, signature, payload);

/// Whether an action arrives as it is made, or may have lain somewhere.
enum class freshness : std::uint8_t {
    live,    ///< Its time is about now, and it has not expired.
    stored,  ///< It may be old, and expired: what follows it could not be taken without it.
    chained  ///< And of a clock that is ahead: it has its place, and what its effect is its taker says.
};

/// What an action was found to be, when it was not refused.
struct accepted_action {
    peer::authenticated<action> what;
};
/// Two actions in one place.
struct contradiction {
    fault_proof proof;
};
using verdict = std::variant<accepted_action, contradiction>;

/// Verifies actions and keeps their chains. Not thread-safe.
template <class Authors>
class action_verifier {
    static_assert(author_directory<Authors>, "Authors says which node key a user has now: see author_directory");

public:
    struct options {
        network_id network;
        std::chrono::milliseconds live_window{120'000};  ///< How far from now a live action's time may be, both ways.
        std::size_t rate = 50;                           ///< Verifications a second that one sender may cause. Ours.
        std::size_t burst = 200;                         ///< How many of those may come at once. Ours.
        std::size_t total_rate = 1000;   ///< That all senders together may cause: a twentieth of a core.
        std::size_t senders_max = 1024;  ///< Whose rates are kept; beyond that the rest share one. Ours.
        action_chains::options chains;
    };
    /// How many actions have come to each step.
    struct counts {
        std::array<std::uint64_t, 8> reached{};
        [[nodiscard]] std::uint64_t operator[](verification_step s) const {
            return reached[static_cast<std::size_t>(s)];
        }
        bool operator==(counts const&) const = default;
    };

    action_verifier(Authors authors, options const& o)
        : authors_{std::move(authors)},
          options_{o},
          chains_{o.chains},
          senders_{o.senders_max},
          rest_{rate_limiter::per_second(o.rate, o.burst)},
          total_{rate_limiter::per_second(o.total_rate)} {}

    /// Verifies what @p from has sent, and takes it into its author's chain.
    /// @return an accepted action or a contradiction; or an error that says which step it failed: `malformed`,
    ///         `unsupported_version` and `too_large`; `wrong_network`; `unknown_author`; `expired` and
    ///         `from_the_future`; `duplicate`, `out_of_sequence` and `forked`; `rate_limited`; `not_signed`;
    ///         `wrong_payload`.
    [[nodiscard]] result<verdict> verify(byte_view packet, byte_view payload, peer::peer_id const& from, instant now,
                                         timestamp wall, freshness fresh) {
        count(verification_step::form);
        MUSTER_TRY(auto const a, action::decode(packet));
        if (payload.size() != a.payload_size) {
            return error{errc::wrong_payload,
                         text("a payload of ", payload.size(), " bytes, where ", a.payload_size, " were signed")};
        }
        MUSTER_TRY(check_network(a));
        MUSTER_TRY(check_author(a));
        MUSTER_TRY(check_time(a, wall, fresh));
        auto const id = a.id();
        MUSTER_TRY(auto const is_next, check_chain(a, id));
        MUSTER_TRY(check_limit(from, now));
        count(verification_step::signature);
        if (!a.is_signed()) {
            return error{errc::not_signed, text(shown(a.author), " did not sign this action of sequence ", a.sequence)};
        }
        if (!is_next) return convict(a);
        count(verification_step::payload);
        if (!a.is_about(payload)) return error{errc::wrong_payload, "the payload is another one than was signed"};
        chains_.extend(a, id);
        return verdict{accepted_action{a.authenticated()}};
    }

    /// A proof that somebody else has found. Its author is refused from here on.
    /// @return what @ref fault_proof::decode returns; `unknown_author`, `wrong_network`, `rate_limited`.
    [[nodiscard]] result<fault_proof> learn(byte_view proof, peer::peer_id const& from, instant now) {
        if (proof.size() != fault_proof::size) return error{errc::malformed, "a fault proof of another size"};
        MUSTER_TRY(auto const a, action::decode(proof.first(action::size)));
        MUSTER_TRY(check_network(a));
        MUSTER_TRY(check_author(a));
        MUSTER_TRY(check_limit(from, now));
        MUSTER_TRY(auto found, fault_proof::decode(proof));
        MUSTER_TRY(check_author(found.second()));
        chains_.refuse({a.author, a.life}, a.sequence);
        return found;
    }
    /// Whether @p packet is its author's, wherever its chain is: nothing is remembered of it.
    /// @return what @ref verify returns, but of time and chain.
    [[nodiscard]] result<action> vouch(byte_view packet, byte_view payload, peer::peer_id const& from, instant now) {
        count(verification_step::form);
        MUSTER_TRY(auto const a, action::decode(packet));
        MUSTER_TRY(check_network(a));
        MUSTER_TRY(check_author(a));
        MUSTER_TRY(check_limit(from, now));
        count(verification_step::signature);
        if (!a.is_signed()) {
            return error{errc::not_signed, text(shown(a.author), " did not sign this action of sequence ", a.sequence)};
        }
        count(verification_step::payload);
        if (!a.is_about(payload)) return error{errc::wrong_payload, "the payload is another one than was signed"};
        return a;
    }
    /// Whether @p other, which @p from has sent, and @p known, which was verified, are two stories. Nothing is
    /// remembered.
    /// @return the proof; `unknown_author`, `wrong_network`, `rate_limited`, and what @ref fault_proof::of returns.
    [[nodiscard]] result<fault_proof> contrast(action const& known, action const& other, peer::peer_id const& from,
                                               instant now) {
        MUSTER_TRY(check_network(other));
        MUSTER_TRY(check_author(other));
        MUSTER_TRY(check_limit(from, now));
        count(verification_step::signature);
        return fault_proof::of(known, other);
    }

    [[nodiscard]] action_chains& chains() noexcept { return chains_; }
    [[nodiscard]] action_chains const& chains() const noexcept { return chains_; }
    [[nodiscard]] Authors& authors() noexcept { return authors_; }
    [[nodiscard]] counts const& stats() const noexcept { return counts_; }

private:
    void count(verification_step s) noexcept { ++counts_.reached[static_cast<std::size_t>(s)]; }

    [[nodiscard]] result<void> check_network(action const& a) {
        count(verification_step::network);
        if (a.network == options_.network) return ok();
        return error{errc::wrong_network,
                     text("an action for the network ", to_hex(a.network), "; this one is ", to_hex(options_.network))};
    }
    [[nodiscard]] result<void> check_author(action const& a) {
        count(verification_step::author);
        bool may_act = false;
        if constexpr (requires { authors_.has_signed_as(a.author, a.key, a.time); }) {
            may_act = authors_.has_signed_as(a.author, a.key, a.time);
        } else {
            may_act = authors_.key_of(a.author) == a.key;
        }
        if (may_act) return ok();
        return error{errc::unknown_author, text(shown(a.author), " may not act here with the key ", to_hex(a.key))};
    }
    [[nodiscard]] result<void> check_time(action const& a, timestamp wall, freshness fresh) {
        count(verification_step::time);
        if (fresh == freshness::chained) return ok();
        if (fresh == freshness::live && a.expires <= wall)
            return error{errc::expired, text("an action that was valid until ", to_unix_millis(a.expires))};
        auto const ahead = saturating_difference(a.time.wall(), wall);
        if (ahead > options_.live_window) {
            return error{errc::from_the_future, text("an action of ", ahead.count(), " ms from now")};
        }
        if (fresh == freshness::live && ahead < -options_.live_window) {
            return error{errc::expired, text("an action of ", -ahead.count(), " ms ago is not live")};
        }
        return ok();
    }
    /// Whether it comes next; false when it contradicts one that is there.
    [[nodiscard]] result<bool> check_chain(action const& a, action_id const& id) {
        count(verification_step::chain);
        using place = action_chains::place;
        switch (chains_.place_of(a, id)) {
            case place::next: return true;
            case place::contrary: return false;
            case place::known: return error{errc::duplicate, text("action ", a.sequence, " is known")};
            case place::refused:
                return error{errc::forked, text(shown(a.author), " has signed two stories and is not heard")};
            case place::early:
            case place::late:
            case place::unrelated: break;
        }
        auto const end = chains_.end_of({a.author, a.life}).value_or(chain_end{});
        return error{errc::out_of_sequence, text("action ", a.sequence, " of ", shown(a.author),
                                                 " does not follow action ", end.sequence, ", the last that is known")};
    }
    [[nodiscard]] result<void> check_limit(peer::peer_id const& from, instant now) {
        count(verification_step::limit);
        if (limiter_of(from, now).allow(now) && total_.allow(now)) return ok();
        return error{errc::rate_limited,
                     text(from.to_text(), " asks for more verifications than ", options_.rate, " a second")};
    }
    [[nodiscard]] rate_limiter& limiter_of(peer::peer_id const& from, instant now) {
        auto const fresh = rate_limiter::per_second(options_.rate, options_.burst);
        if (auto* const known = senders_.try_emplace(from, fresh)) return *known;
        for (auto at = senders_.begin(); at != senders_.end(); ++at) {
            if (!at->second.is_idle(now)) continue;
            senders_.erase(at->first);
            return *senders_.try_emplace(from, fresh);
        }
        return rest_;
    }
    [[nodiscard]] result<verdict> convict(action const& a) {
        auto const* const there = chains_.in_place_of(a);
        MUSTER_TRY(auto proof, fault_proof::of(*there, a));
        chains_.refuse({a.author, a.life}, a.sequence);
        return verdict{contradiction{std::move(proof)}};
    }

    Authors authors_;
    options options_;
    action_chains chains_;
    bounded_map<peer::peer_id, rate_limiter> senders_;
    rate_limiter rest_;
    rate_limiter total_;
    counts counts_;
};

}  // namespace muster::identity
