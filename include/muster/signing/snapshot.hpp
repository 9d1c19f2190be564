// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What is worth remembering of a session across a restart: public data, and nothing else.
///
/// A secret nonce is never written, so a session in round one dies with its process; what is remembered of it is only
/// that it must be given up aloud. Once the shares are made they may be sent as often as anyone asks, and a machine
/// that comes back must be able to: the same ones, since it has no others.

#include <optional>
#include <utility>
#include <vector>

#include <muster/musig2/rounds.hpp>
#include <muster/signing/broadcast.hpp>
#include <muster/signing/frame.hpp>

namespace muster::signing {

/// Our shares, and what they were made under.
struct given_shares {
    digest32 nonces{};         ///< The transcript of everyone's nonces.
    musig2::signed_part part;  ///< The shares, our own nonces, and the sums of all.
    bool operator==(given_shares const&) const = default;
};

/// What another signer has said about broadcasting, as it signed it. Whoever missed it can be shown it, also when the
/// one who said it is gone.
struct broadcast_word {
    slot from = 0;
    view_number wants =
        0;        ///< Its vote; with 0 it is the claim to have broadcast; with @ref disputed our word on that.
    bytes frame;  ///< Empty for a dispute.
    /// That @ref from has not broadcast, whatever it claims.
    static constexpr view_number disputed = ~view_number{0};
    bool operator==(broadcast_word const&) const = default;
};

/// A session as it is written down. Each one takes the place of the one before.
struct session_snapshot {
    slot self = 0;                             ///< Ours.
    encoded_proposal what;                     ///< All of it, with its roster.
    std::optional<given_shares> given;         ///< None before our shares are made.
    std::vector<signature> signatures;         ///< The group's, when the session has finished.
    std::optional<slot> broadcast_by;          ///< Who is believed to have broadcast them.
    view_number voted_for = 0;                 ///< Our vote on whose turn it is to; 0 when we have not.
    timestamp created{};                       ///< When we heard of it: its lifetime counts from then on.
    std::optional<abort_reason> stalled = {};  ///< Why no signature came though our share was given.
    bool is_unresolved = false;                ///< Its lifetime was over without one.
    std::vector<broadcast_word> heard = {};    ///< A vote, a claim and a dispute of each other signer, at most.
    bool operator==(session_snapshot const&) const = default;
};

/// Of what @ref encode writes. 1 knew no votes; 2 did not say when a session was created, nor that it stalled; 3 not
/// what others had said about broadcasting.
inline constexpr std::uint8_t snapshot_version = 4;

/// The bytes of @p s.
[[nodiscard]] inline bytes encode(session_snapshot const& s) {
    wire::writer out;
    out.u8(snapshot_version).u32(s.self).sized(s.what.terms).sized(s.what.roster);
    out.u8(s.given ? 1 : 0);
    if (s.given) {
        detail::encode_list(out.raw(s.given->nonces.view()), s.given->part.nonces);
        detail::encode_list(out, s.given->part.signed_under);
        detail::encode_list(out, s.given->part.shares);
    }
    detail::encode_list(out, s.signatures);
    out.u8(s.broadcast_by ? 1 : 0);
    if (s.broadcast_by) out.u32(*s.broadcast_by);
    out.u32(s.voted_for);
    out.i64(to_unix_millis(s.created));
    out.u8(s.stalled ? 1 : 0);
    if (s.stalled) out.u8(static_cast<std::uint8_t>(*s.stalled)).u8(s.is_unresolved ? 1 : 0);
    out.size(s.heard.size());
    for (auto const& word : s.heard) out.u32(word.from).u32(word.wants).sized(word.frame);
    return out.take();
}

namespace detail {
[[nodiscard]] inline std::vector<broadcast_word> decode_heard(wire::reader& in, limits const& l) {
    constexpr std::size_t size_min = 4 + 4 + 4;
    std::vector<broadcast_word> heard(in.count(3 * l.signers_max, size_min));
    for (auto& word : heard) {
        word.from = in.u32();
        word.wants = in.u32();
        word.frame = to_bytes(in.sized(l.frame_size_max));
    }
    return heard;
}
}  // namespace detail

/// The snapshot that @p content are, written by this version or an older one. @p now stands in for a time of creation
/// that was not written down, so that a session of an older version begins its lifetime anew. @return it, or what does
/// not fit.
[[nodiscard]] inline result<session_snapshot> decode_snapshot(byte_view content, limits const& l, timestamp now = {}) {
    wire::reader in{content};
    auto const version = in.u8();
    if (version == 0 || version > snapshot_version) {
        return error{errc::unsupported_version,
                     text("a session written by version ", version, "; this is version ", snapshot_version)};
    }
    session_snapshot s;
    s.self = in.u32();
    s.what.terms = to_bytes(in.sized(l.frame_size_max));
    s.what.roster = to_bytes(in.sized(l.frame_size_max));
    if (detail::decode_flag(in)) {
        auto& given = s.given.emplace();
        given.nonces = in.fixed<digest32>();
        given.part.nonces = detail::decode_list<musig2::pubnonce>(in, l);
        given.part.signed_under = detail::decode_list<musig2::aggnonce>(in, l);
        given.part.shares = detail::decode_list<musig2::psig>(in, l);
    }
    s.signatures = detail::decode_list<signature>(in, l);
    if (detail::decode_flag(in)) s.broadcast_by = in.u32();
    if (version >= 2) s.voted_for = in.u32();
    s.created = version >= 3 ? from_unix_millis(in.i64()) : now;
    if (version >= 3) {
        if (detail::decode_flag(in)) {
            s.stalled = in.enumerator(abort_reason::declined, abort_reason::not_recorded);
            s.is_unresolved = detail::decode_flag(in);
        }
    }
    if (version >= 4) s.heard = detail::decode_heard(in, l);
    MUSTER_TRY(in.finish());
    return s;
}

}  // namespace muster::signing
