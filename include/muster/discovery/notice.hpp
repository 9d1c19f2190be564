// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What all notices have in common: signed by the machine they are of, in one encoding, numbered, with an end.
///
/// Idea: a notice is a payload in an envelope of peer/envelope.hpp. Of two with one key the greater sequence counts;
/// one that expires when it is issued withdraws what was said before. A number may not run ahead of its time, so that
/// nobody is muted for ever by a forged clock. Where a notice speaks for a signer, it holds the signer's word that the
/// machine does so, and this is verified too. All checks but the signatures come first, since they are cheap.

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/discovery/errc.hpp>
#include <muster/peer/identity.hpp>
#include <muster/peer/record_parts.hpp>
#include <muster/wire/reader.hpp>

namespace muster::discovery {

/// Names a notice: text, or a value of a fixed size; see `entry_codec`.
template <class K>
concept notice_key = std::regular<std::remove_cvref_t<K>> && std::totally_ordered<std::remove_cvref_t<K>>;

/// Something that a machine makes known.
///
/// `N::purpose_of_envelope()` separates its signatures from those of others; `N::size_max` bounds it, sealed. `encode`
/// and `decode` are the payload, one byte string for each value; what is decoded is a claim. `check_content` says what
/// is wrong with the members. `bare()` is the notice with nothing but what makes its key: what a withdrawal says.
/// `key()` is the same for all versions of one notice, and differs else.
template <class N>
concept notice = requires(N const& n, byte_view payload) {
    { N::purpose_of_envelope() } -> std::same_as<peer::envelope_purpose>;
    { N::size_max } -> std::convertible_to<std::size_t>;
    { N::decode(payload) } -> std::same_as<result<N>>;
    { n.encode() } -> std::same_as<bytes>;
    { n.check_content() } -> std::same_as<result<void>>;
    { n.key() } -> notice_key;
    { n.bare() } -> std::same_as<N>;
    { n.machine } -> std::convertible_to<peer::peer_id>;
    { n.sequence } -> std::convertible_to<std::uint64_t>;
    { n.issued } -> std::convertible_to<timestamp>;
    { n.expires } -> std::convertible_to<timestamp>;
};

/// Whether a machine says it in a signer's name.
template <class N>
concept speaks_for_signer = notice<N> && requires(N const& n) {
    { n.signer } -> std::convertible_to<crypto::public_key>;
    { n.binding } -> std::convertible_to<peer::binding>;
};

/// Whether @p n takes back what was said before.
template <class N>
[[nodiscard]] bool is_withdrawal(N const& n) noexcept {
    return n.expires == n.issued;
}

namespace detail {

template <notice N>
[[nodiscard]] result<void> check_lifetime(N const& n, peer::record_rules const& rules) {
    auto const latest = to_unix_millis(saturating_add(n.issued, rules.skew_max));
    if (latest < 0 || n.sequence > static_cast<std::uint64_t>(latest)) {
        return error{peer::errc::not_yet_issued, text("sequence ", n.sequence, " is ahead of its time, ", latest,
                                                      "; number by milliseconds at most")};
    }
    return is_withdrawal(n) ? ok() : rules.check_lifetime(n.issued, n.expires);
}

template <speaks_for_signer N>
[[nodiscard]] result<void> check_binding(N const& n) {
    if (peer::verify_binding(n.signer, n.machine, n.binding)) return ok();
    return error{errc::invalid_binding,
                 text("signer ", to_hex(n.signer), " has not said that ", n.machine.to_text(), " speaks for it")};
}

}  // namespace detail

/// Ends the reading of a payload by @p in, whose machine is @p named. @return the machine; `malformed` for what was
/// wrong.
[[nodiscard]] inline result<peer::peer_id> finish_notice(wire::reader& in, byte_view named) {
    if (auto const done = in.finish(); !done) {
        return error{peer::errc::malformed, text("a notice: ", done.error().message())};
    }
    auto id = peer::peer_id::from_multihash(named);
    if (!id) return error{peer::errc::malformed, text("a notice: ", id.error().message())};
    return id;
}

/// Signs @p n. About 30 us.
/// @return the bytes to send; `wrong_peer` when @p key is not the machine's; `invalid_binding`, `malformed`,
///         `too_large`, `not_yet_issued` or `expired` for one that nobody would take; or the key's error.
template <notice N>
[[nodiscard]] result<bytes> seal_notice(N const& n, peer::node_key const& key, peer::record_rules const& rules = {}) {
    if (n.machine != key.id()) {
        return error{peer::errc::wrong_peer,
                     text(key.id().to_text(), " does not sign what is said by ", n.machine.to_text())};
    }
    if constexpr (speaks_for_signer<N>) {
        MUSTER_TRY(detail::check_binding(n));
    }
    MUSTER_TRY(n.check_content());
    MUSTER_TRY(detail::check_lifetime(n, rules));
    return peer::seal_record(n.encode(), N::purpose_of_envelope(), key, N::size_max);
}

/// Reads what @ref seal_notice has made, and checks all but the signatures. The result is a claim.
/// @return `too_large`, `malformed`, `wrong_type`, the errors of a key, `wrong_peer`, `not_canonical`, `expired` or
///         `not_yet_issued`.
template <notice N>
[[nodiscard]] result<N> read_notice(byte_view sealed, timestamp now, peer::record_rules const& rules = {}) {
    MUSTER_TRY(auto const claim, peer::read_canonical(sealed, N::purpose_of_envelope(), N::size_max));
    MUSTER_TRY(auto out, N::decode(claim.payload()));
    MUSTER_TRY(out.check_content());
    if (out.machine != claim.key().id()) {
        return error{peer::errc::wrong_peer, text(claim.key().id().to_text(), " signs what is said by ",
                                                  out.machine.to_text(), ", not by itself")};
    }
    MUSTER_TRY(detail::check_lifetime(out, rules));
    MUSTER_TRY(rules.check_issued(out.issued, now));
    // A withdrawal holds for as long as what it withdraws could.
    auto const end = is_withdrawal(out) ? saturating_add(out.issued, rules.lifetime_max) : out.expires;
    if (end > now) return out;
    return error{peer::errc::expired,
                 text("a notice that has expired ", saturating_difference(now, end).count(), " ms ago")};
}

/// Reads it, and verifies the machine's signature, about 60 us, and the signer's, about 45 us; the latter not where
/// @p known, a notice that was verified, has the same binding. N's own `open` makes an authenticated value of it.
/// @return who has signed it, and it; or what @ref read_notice returns, `invalid_binding` or `not_signed`.
template <notice N>
[[nodiscard]] result<std::pair<peer::peer_id, N>> verify_notice(byte_view sealed, timestamp now,
                                                                peer::record_rules const& rules,
                                                                N const* known = nullptr) {
    MUSTER_TRY(auto out, read_notice<N>(sealed, now, rules));
    if constexpr (speaks_for_signer<N>) {
        bool const is_bound = known != nullptr && known->signer == out.signer && known->machine == out.machine &&
                              known->binding == out.binding;
        if (!is_bound) {
            MUSTER_TRY(detail::check_binding(out));
        }
    }
    MUSTER_TRY(auto const opened, peer::envelope::open(sealed, N::purpose_of_envelope()));
    return std::pair{opened.who(), std::move(out)};
}

/// Whether @p why is for what no honest peer passes on. Else clocks differ, somebody was faster, or it is of a later
/// version than this, which is no reason to part with who speaks it.
[[nodiscard]] inline bool is_forgery(error const& why) {
    return why == errc::invalid_binding || why == peer::errc::not_signed || why == peer::errc::wrong_peer ||
           why == peer::errc::not_canonical;
}

}  // namespace muster::discovery
