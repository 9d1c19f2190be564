// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What is proposed for signing, its one encoding, and the session id that follows from it.
///
/// A session id is the tagged hash of the whole proposal: who signs, which messages, under which tweaks, until
/// when, who broadcasts, and 32 random bytes of the initiator. Two different proposals cannot share an
/// id, and every later frame names the id, so nothing about a session can be varied after it was proposed.
///
/// The roster, which grows with the group, is hashed by itself, and the terms of the proposal name its hash. Groups
/// sign more than once: a roster that the other side has signed with before need not be sent again.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/time.hpp>
#include <muster/musig2/tweak.hpp>
#include <muster/peer/identity.hpp>
#include <muster/signing/errc.hpp>
#include <muster/signing/limits.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::signing {

using crypto::digest32;
using crypto::public_key;
using crypto::signature;
using peer::peer_id;

struct session_id_tag;
/// Names a session.
using session_id = fixed_bytes<session_id_tag, 32>;
struct roster_id_tag;
/// Names a roster.
using roster_id = fixed_bytes<roster_id_tag, 32>;
struct boot_epoch_tag;
/// Names one run of a coordinator; random, so that a restart is noticed.
using boot_epoch = fixed_bytes<boot_epoch_tag, 16>;
/// A signer's index in the roster, and in every list of a session. The only index space there is.
using slot = std::uint32_t;

/// One signer: its MuSig2 key, its machine, and its statement that they belong together.
struct member {
    public_key signer;
    peer_id peer;
    peer::binding binding;
    MUSTER_FIELDS(member, signer, peer, binding);
};

/// Bytes to be signed under a BIP-340 tag, shown to the approver as they are.
struct tagged_payload {
    std::string tag;
    bytes content;
    MUSTER_FIELDS(tagged_payload, tag, content);
};
/// What is to be signed: a digest made elsewhere, or tagged bytes.
using payload = std::variant<digest32, tagged_payload>;

/// The message that MuSig2 signs for @p p.
[[nodiscard]] inline musig2::message to_message(payload const& p) {
    return std::visit(overloaded{
                          [](digest32 const& d) { return musig2::message::digest(d); },
                          [](tagged_payload const& t) { return musig2::message::tagged(t.tag, t.content); },
                      },
                      p);
}

/// Who broadcasts first, and in which order the others take over. See election.hpp.
MUSTER_ENUMERATION(election_method, 1,
                   lexicographic,  ///< By public key, beginning at a place that the session id chooses.
                   hash_based,     ///< By the hash of session id and public key.
                   first_signer,   ///< Slot 0, then 1, ... of an order that the initiator chose.
                   last_signer     ///< The last slot of such an order, then the one before, ...
);

/// How contributions travel. See topology.hpp.
MUSTER_ENUMERATION(topology_id, 1,
                   mesh,       ///< Everyone to everyone.
                   aggregator  ///< Through the elected signer.
);

/// A request to sign.
struct proposal {
    std::vector<member> roster;         ///< In the order of key aggregation.
    std::vector<payload> messages;      ///< At least one.
    std::vector<musig2::tweak> tweaks;  ///< Applied in order to the aggregate key.
    timestamp expires_at;               ///< No approval after this.
    election_method election = election_method::lexicographic;
    topology_id topology = topology_id::mesh;
    slot initiator = 0;           ///< Who proposes.
    std::string purpose;          ///< For the people who approve; at most 256 bytes.
    std::array<byte, 32> salt{};  ///< Fresh random bytes.
    MUSTER_FIELDS(proposal, roster, messages, tweaks, expires_at, election, topology, initiator, purpose, salt);
};

/// Longest purpose, and longest tag of a payload, in bytes. Ours.
inline constexpr std::size_t purpose_size_max = 256;
/// Most tweaks, and most derivation steps in one. BIP-32 allows 255 steps. Ours.
inline constexpr std::size_t tweaks_max = 16;

namespace detail {

inline void encode_payload(wire::writer& out, payload const& p) {
    std::visit(overloaded{
                   [&](digest32 const& d) { out.u8(1).raw(d.view()); },
                   [&](tagged_payload const& t) { out.u8(2).sized(t.tag).sized(t.content); },
               },
               p);
}

[[nodiscard]] inline payload decode_payload(wire::reader& in, limits const& l) {
    switch (in.u8()) {
        case 1: return in.fixed<digest32>();
        case 2: {
            auto tag = in.sized_text(purpose_size_max);
            return tagged_payload{std::move(tag), to_bytes(in.sized(l.message_size_max))};
        }
        default: in.fail(wire::errc::bad_value, "unknown kind of message"); return digest32{};
    }
}

inline void encode_tweak(wire::writer& out, musig2::tweak const& t) {
    std::visit(
        overloaded{
            [&](musig2::bip32_path const& path) {
                out.u8(1).size(path.steps.size());
                for (auto const step : path.steps) out.u32(step);
            },
            [&](musig2::taproot const& tap) {
                out.u8(2).u8(tap.merkle_root ? 1 : 0);
                if (tap.merkle_root) out.raw(tap.merkle_root->view());
            },
            [&](musig2::unsafe::raw_tweak const& raw) { out.u8(3).u8(raw.is_xonly ? 1 : 0).raw(raw.value.view()); },
        },
        t);
}

/// A boolean with one spelling for each value.
[[nodiscard]] inline bool decode_flag(wire::reader& in) {
    auto const value = in.u8();
    if (value > 1) in.fail(wire::errc::bad_value, "a flag is 0 or 1");
    return value == 1;
}

[[nodiscard]] inline musig2::tweak decode_tweak(wire::reader& in) {
    switch (in.u8()) {
        case 1: {
            musig2::bip32_path path;
            path.steps.resize(in.count(tweaks_max, 4));
            for (auto& step : path.steps) step = in.u32();
            return path;
        }
        case 2: return decode_flag(in) ? musig2::taproot{in.fixed<digest32>()} : musig2::taproot{};
        case 3: {
            bool const xonly = decode_flag(in);
            return musig2::unsafe::raw_tweak{in.fixed<musig2::tweak_value>(), xonly};
        }
        default: in.fail(wire::errc::bad_value, "unknown kind of tweak"); return musig2::taproot{};
    }
}

[[nodiscard]] inline member decode_member(wire::reader& in) {
    member m;
    m.signer = in.fixed<public_key>();
    auto const id = peer_id::from_multihash(in.sized(peer_id::size_max));
    if (id) {
        m.peer = id.value();
    } else {
        in.fail(wire::errc::bad_value, id.error().message());
    }
    m.binding = in.fixed<peer::binding>();
    return m;
}

}  // namespace detail

/// A proposal in its one encoding. The roster's bytes are empty when the other side is known to have them.
struct encoded_proposal {
    bytes terms;  ///< Everything else, beginning with the roster's id.
    bytes roster;
    MUSTER_FIELDS(encoded_proposal, terms, roster);
    [[nodiscard]] std::size_t size() const noexcept { return terms.size() + roster.size(); }
};

/// Rosters by id: what @ref decode_proposal looks up. This one knows none. See roster_book.hpp.
struct no_rosters {
    [[nodiscard]] static std::vector<member> const* find(roster_id const&) noexcept { return nullptr; }
};

/// The id of an encoded roster.
[[nodiscard]] inline roster_id roster_id_of(byte_view encoded_roster) {
    static crypto::hash_tag const tag{"muster/roster/v1"};
    return roster_id{crypto::tagged_hash(tag, encoded_roster).octets};
}

/// The canonical encoding of @p p, with its roster.
[[nodiscard]] inline encoded_proposal encode(proposal const& p) {
    wire::writer roster;
    roster.size(p.roster.size());
    for (auto const& m : p.roster) roster.raw(m.signer.view()).sized(m.peer.view()).raw(m.binding.view());
    wire::writer out;
    out.raw(roster_id_of(roster.view()).view());
    out.size(p.messages.size());
    for (auto const& m : p.messages) detail::encode_payload(out, m);
    out.size(p.tweaks.size());
    for (auto const& t : p.tweaks) detail::encode_tweak(out, t);
    out.i64(to_unix_millis(p.expires_at));
    out.u8(static_cast<std::uint8_t>(p.election)).u8(static_cast<std::uint8_t>(p.topology));
    out.u32(p.initiator).sized(p.purpose).raw(p.salt);
    return {out.take(), roster.take()};
}

/// The id of the roster that @p encoded names; zero when it is too short to name one.
[[nodiscard]] inline roster_id named_roster(encoded_proposal const& encoded) {
    return wire::reader{encoded.terms}.fixed<roster_id>();
}

namespace detail {

[[nodiscard]] inline result<std::vector<member>> decode_roster(byte_view encoded, roster_id const& id,
                                                               limits const& l) {
    if (roster_id_of(encoded) != id) {
        return error{errc::invalid_proposal, text("the roster is not the one the terms name, ", to_hex(id))};
    }
    wire::reader in{encoded};
    std::vector<member> roster(in.count(l.signers_max, 33 + 1 + 3 + 64));
    for (auto& m : roster) m = decode_member(in);
    MUSTER_TRY(in.finish());
    return roster;
}

}  // namespace detail

/// The proposal that @p encoded spells; no allocation exceeds a small multiple of its size. Without a roster in it,
/// @p known is asked. @return `unknown_roster` when that does not know it, or what is wrong with the bytes.
template <class Rosters = no_rosters>
[[nodiscard]] result<proposal> decode_proposal(encoded_proposal const& encoded, limits const& l,
                                               Rosters const& known = {}) {
    wire::reader in{encoded.terms};
    auto const id = in.fixed<roster_id>();
    proposal p;
    p.messages.resize(in.count(l.messages_max, 3));
    for (auto& m : p.messages) m = detail::decode_payload(in, l);
    p.tweaks.resize(in.count(tweaks_max, 2));
    for (auto& t : p.tweaks) t = detail::decode_tweak(in);
    p.expires_at = from_unix_millis(in.i64());
    p.election = in.enumerator(election_method::lexicographic, election_method::last_signer);
    p.topology = in.enumerator(topology_id::mesh, topology_id::aggregator);
    p.initiator = in.u32();
    p.purpose = in.sized_text(purpose_size_max);
    auto const salt = in.raw(p.salt.size());
    std::copy(salt.begin(), salt.end(), p.salt.begin());
    MUSTER_TRY(in.finish());
    if (!encoded.roster.empty()) {
        MUSTER_TRY(p.roster, detail::decode_roster(encoded.roster, id, l));
    } else if (auto const* const roster = known.find(id)) {
        p.roster = *roster;
    } else {
        return error{errc::unknown_roster, text("no roster ", to_hex(id), " is known here")};
    }
    return p;
}

/// The session that follows from an encoded proposal: its terms name the roster.
[[nodiscard]] inline session_id id_of(encoded_proposal const& encoded) {
    static crypto::hash_tag const tag{"muster/session/v1"};
    return session_id{crypto::tagged_hash(tag, encoded.terms).octets};
}

/// Whether @p p makes sense on its own, whatever our limits are: no honest machine proposes what this refuses. Bindings
/// and time are not looked at.
[[nodiscard]] inline result<void> check_form(proposal const& p) {
    auto const n = p.roster.size();
    std::vector<peer_id> peers;
    peers.reserve(n);
    for (auto const& m : p.roster) {
        if (!m.peer.secp256k1_key()) {
            return error{errc::invalid_roster, text("peer ", m.peer.to_text(), " of signer ", to_hex(m.signer),
                                                    " has no secp256k1 host key; its frames could not be verified")};
        }
        peers.push_back(m.peer);
    }
    std::sort(peers.begin(), peers.end());
    if (auto const twice = std::adjacent_find(peers.begin(), peers.end()); twice != peers.end()) {
        return error{errc::invalid_roster, text("peer ", twice->to_text(), " holds two slots")};
    }
    if (p.initiator >= n) {
        return error{errc::invalid_proposal, text("initiator ", p.initiator, " is not one of the ", n, " signers")};
    }
    if (p.messages.empty()) return error{errc::invalid_proposal, "there is no message to sign"};
    for (auto const& m : p.messages) {
        auto const* const tagged = std::get_if<tagged_payload>(&m);
        if (tagged == nullptr) continue;
        if (tagged->tag.size() > purpose_size_max || tagged->tag.empty()) {
            return error{errc::invalid_proposal, text("a message under a tag of ", tagged->tag.size(),
                                                      " bytes; allowed are 1 to ", purpose_size_max)};
        }
    }
    if (p.tweaks.size() > tweaks_max || p.purpose.size() > purpose_size_max) {
        return error{errc::invalid_proposal, text(p.tweaks.size(), " tweaks and a purpose of ", p.purpose.size(),
                                                  " bytes; at most ", tweaks_max, " and ", purpose_size_max)};
    }
    for (auto const& t : p.tweaks) {
        auto const* const path = std::get_if<musig2::bip32_path>(&t);
        if (path == nullptr) continue;
        bool const hardened =
            std::any_of(path->steps.begin(), path->steps.end(), [](auto s) { return s >= 0x8000'0000u; });
        if (path->steps.size() > tweaks_max || hardened || &t != &p.tweaks.front()) {
            return error{errc::invalid_proposal, text("a path of ", path->steps.size(), " steps; at most ", tweaks_max,
                                                      ", none hardened, and before every other tweak")};
        }
    }
    return ok();
}

/// Whether @p p is within @p l, our limits: another machine's may be wider, so what is beyond them is declined and told
/// its sender, and is no misbehaviour. Each limit has an error of its own name.
[[nodiscard]] inline result<void> check_limits(proposal const& p, limits const& l) {
    auto const n = p.roster.size();
    if (n < l.signers_min) return error{errc::too_few_signers, text(n, " signers; at least ", l.signers_min, " here")};
    if (n > l.signers_max) return error{errc::too_many_signers, text(n, " signers; at most ", l.signers_max, " here")};
    if (p.messages.size() > l.messages_max) {
        return error{errc::too_many_messages, text(p.messages.size(), " messages; at most ", l.messages_max, " here")};
    }
    for (auto const& m : p.messages) {
        auto const* const tagged = std::get_if<tagged_payload>(&m);
        if (tagged == nullptr || tagged->content.size() <= l.message_size_max) continue;
        return error{errc::message_too_large,
                     text("a message of ", tagged->content.size(), " bytes; at most ", l.message_size_max, " here")};
    }
    return ok();
}

/// @ref check_limits and @ref check_form.
[[nodiscard]] inline result<void> check(proposal const& p, limits const& l) {
    MUSTER_TRY(check_limits(p, l));
    return check_form(p);
}

}  // namespace muster::signing
