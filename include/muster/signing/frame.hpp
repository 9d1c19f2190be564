// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What co-signers say to each other, and how a frame of it is signed.
///
/// A frame is version, session id, boot epoch, slot, sequence, kind, body, and the sender's signature over all of
/// it under a domain tag. Since the signature covers every byte, a frame proves who said it wherever it turns
/// up: an aggregator may pass it on, and two frames that contradict each other convict their signer.

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/signing/broadcast.hpp>

namespace muster::signing {

/// The version of everything on the wire. Others are refused, not guessed at.
inline constexpr std::uint8_t protocol_version = 1;

/// What a frame says.
enum class kind : std::uint8_t {
    hello = 1,         ///< I am running, in this boot epoch. Outside any session.
    propose,           ///< Let us sign this.
    decline,           ///< I will not sign this.
    nonces,            ///< My public nonces.
    aggregate_nonces,  ///< The sums of everyone's nonces (aggregator only).
    shares,            ///< My partial signatures.
    signatures,        ///< The group's signatures.
    abort,             ///< This session is over for me.
    request,           ///< Please send me your part again.
    broadcast_done,    ///< The signature has been broadcast.
    view_change,       ///< Somebody later in the list should broadcast.
};

/// Why a session ended without a signature.
MUSTER_ENUMERATION(abort_reason, 1,
                   declined,           ///< A signer's application said no.
                   timeout,            ///< Contributions were still missing at the deadline.
                   expired,            ///< Nobody approved in time.
                   invalid_nonce,      ///< A signer's public nonce is not two points.
                   invalid_share,      ///< A signer's partial signature fails its equation.
                   invalid_aggregate,  ///< The aggregator's nonce is not the sum of the signed ones.
                   equivocation,       ///< A signer signed two different contributions.
                   restarted,          ///< A signer restarted and lost its secret nonces.
                   cancelled,          ///< The application gave up.
                   stuck,              ///< No progress for too long; cleaned up.
                   self_check_failed,  ///< Our own result did not verify: a computation error here.
                   not_recorded        ///< The journal could not be written, so nothing was promised.
);

/// Most sessions that a hello names. Ours.
inline constexpr std::size_t resumed_max = 256;

/// Bodies, one per kind. @{
struct hello_body {
    public_key signer;                     ///< The sender's MuSig2 key ...
    peer::binding binding;                 ///< ... and its statement that the sender speaks for it.
    std::vector<session_id> resumed = {};  ///< Sessions that it can still serve though it restarted.
    MUSTER_FIELDS(hello_body, signer, binding, resumed);
};
struct propose_body {
    encoded_proposal encoded;
    MUSTER_FIELDS(propose_body, encoded);
};
struct decline_body {
    std::string reason;
    MUSTER_FIELDS(decline_body, reason);
};
struct nonces_body {
    std::vector<musig2::pubnonce> nonces;  ///< One per message.
    MUSTER_FIELDS(nonces_body, nonces);
};
struct aggregate_nonces_body {
    digest32 transcript;                   ///< The hash of everyone's nonces.
    std::vector<musig2::aggnonce> nonces;  ///< One per message.
    MUSTER_FIELDS(aggregate_nonces_body, transcript, nonces);
};
struct shares_body {
    digest32 transcript;               ///< The hash of the nonces, and of their sums, that were signed under.
    std::vector<musig2::psig> shares;  ///< One per message.
    MUSTER_FIELDS(shares_body, transcript, shares);
};
struct signatures_body {
    std::vector<signature> signatures;  ///< One per message.
    MUSTER_FIELDS(signatures_body, signatures);
};
struct abort_body {
    abort_reason reason = abort_reason::cancelled;
    std::optional<slot> culprit;  ///< Whom the sender blames: a claim.
    std::string text;
    std::vector<slot> missing = {};  ///< For whose contributions the sender was waiting: a claim.
    MUSTER_FIELDS(abort_body, reason, culprit, text, missing);
};
struct request_body {
    MUSTER_FIELDS(request_body);
};
struct broadcast_done_body {
    MUSTER_FIELDS(broadcast_done_body);
};
struct view_change_body {
    view_number in = 0;     ///< Where the sender is: a claim, by which others see whether to help it along.
    view_number wants = 0;  ///< Its vote: at least this view; see @ref broadcast_turns.
    MUSTER_FIELDS(view_change_body, in, wants);
};
/// @}

/// The body of a frame; the alternative says the kind.
using body = std::variant<hello_body, propose_body, decline_body, nonces_body, aggregate_nonces_body, shares_body,
                          signatures_body, abort_body, request_body, broadcast_done_body, view_change_body>;

/// The kind of @p b: alternatives stand in the order of the enumerators.
[[nodiscard]] inline kind kind_of(body const& b) noexcept { return static_cast<kind>(b.index() + 1); }

/// Stands for a slot in a request of one that was sent a proposal whose roster it does not know.
inline constexpr slot unknown_slot = ~slot{0};

/// What every frame begins with.
struct frame_header {
    session_id session;          ///< Zero for a hello.
    boot_epoch epoch;            ///< The sender's.
    slot sender = 0;             ///< A claim until the signature is verified against the roster.
    std::uint64_t sequence = 0;  ///< Rises with every frame of a sender's epoch.
    kind what = kind::hello;
    bool operator==(frame_header const&) const = default;
};

/// A frame whose layout was checked and nothing else. Borrows the bytes it was parsed from.
struct parsed_frame {
    frame_header header;
    byte_view body;       ///< Still encoded.
    byte_view raw;        ///< The whole frame.
    signature signed_by;  ///< Not verified yet.
};

/// Bytes of a frame around its body.
inline constexpr std::size_t frame_header_size = 1 + 32 + 16 + 4 + 8 + 1;
/// @copydoc frame_header_size
inline constexpr std::size_t frame_overhead = frame_header_size + 64;

/// Bytes of the largest frame that signing @p messages takes, besides the proposal: that with sums of nonces.
[[nodiscard]] constexpr std::size_t largest_frame(std::size_t messages) noexcept {
    return frame_overhead + digest32::size() + wire::varint_size_max + messages * musig2::aggnonce::size();
}

namespace detail {

[[nodiscard]] inline digest32 frame_digest(byte_view unsigned_frame) {
    static crypto::hash_tag const tag{"muster/frame/v1"};
    return crypto::tagged_hash(tag, unsigned_frame);
}

template <class Fixed>
void encode_list(wire::writer& out, std::vector<Fixed> const& values) {
    out.size(values.size());
    for (auto const& v : values) out.raw(v.view());
}
template <class Fixed>
[[nodiscard]] std::vector<Fixed> decode_list(wire::reader& in, limits const& l) {
    std::vector<Fixed> values(in.count(l.messages_max, Fixed::size()));
    for (auto& v : values) v = in.template fixed<Fixed>();
    return values;
}

inline void encode_body(wire::writer& out, body const& b) {
    std::visit(overloaded{
                   [&](hello_body const& v) {
                       out.raw(v.signer.view()).raw(v.binding.view()).size(v.resumed.size());
                       for (auto const& id : v.resumed) out.raw(id.view());
                   },
                   [&](propose_body const& v) { out.sized(v.encoded.terms).sized(v.encoded.roster); },
                   [&](decline_body const& v) { out.sized(v.reason); },
                   [&](nonces_body const& v) { encode_list(out, v.nonces); },
                   [&](aggregate_nonces_body const& v) { encode_list(out.raw(v.transcript.view()), v.nonces); },
                   [&](shares_body const& v) { encode_list(out.raw(v.transcript.view()), v.shares); },
                   [&](signatures_body const& v) { encode_list(out, v.signatures); },
                   [&](abort_body const& v) {
                       out.u8(static_cast<std::uint8_t>(v.reason)).u8(v.culprit ? 1 : 0);
                       if (v.culprit) out.u32(*v.culprit);
                       out.sized(v.text).size(v.missing.size());
                       for (slot const s : v.missing) out.u32(s);
                   },
                   [&](request_body const&) {},
                   [&](broadcast_done_body const&) {},
                   [&](view_change_body const& v) { out.u32(v.in).u32(v.wants); },
               },
               b);
}

[[nodiscard]] inline abort_body decode_abort(wire::reader& in, limits const& l) {
    abort_body v;
    v.reason = in.enumerator(abort_reason::declined, abort_reason::not_recorded);
    if (decode_flag(in)) v.culprit = in.u32();
    v.text = in.sized_text(purpose_size_max);
    v.missing.resize(in.count(l.signers_max, sizeof(slot)));
    for (auto& s : v.missing) s = in.u32();
    return v;
}

}  // namespace detail

/// A signed frame. @return its bytes, or what signing refuses.
[[nodiscard]] inline result<bytes> encode_frame(frame_header const& header, body const& b, peer::node_key const& key) {
    wire::writer out;
    out.u8(protocol_version).raw(header.session.view()).raw(header.epoch.view());
    out.u32(header.sender).u64(header.sequence).u8(static_cast<std::uint8_t>(kind_of(b)));
    detail::encode_body(out, b);
    MUSTER_TRY(auto const sig, key.sign(detail::frame_digest(out.view())));
    out.raw(sig.view());
    return out.take();
}

/// Checks size, version and layout of @p raw. Cheap: nothing is verified, nothing allocated.
[[nodiscard]] inline result<parsed_frame> parse_frame(byte_view raw, limits const& l) {
    if (raw.size() > l.frame_size_max) {
        return error{errc::frame_too_large, text("frame of ", raw.size(), " bytes, at most ", l.frame_size_max)};
    }
    if (raw.size() < frame_overhead) {
        return error{errc::invalid_frame, text("frame of ", raw.size(), " bytes, at least ", frame_overhead)};
    }
    wire::reader in{raw};
    if (auto const version = in.u8(); version != protocol_version) {
        return error{errc::unsupported_version,
                     text("frame of version ", version, "; this is version ", protocol_version)};
    }
    parsed_frame f;
    f.header.session = in.fixed<session_id>();
    f.header.epoch = in.fixed<boot_epoch>();
    f.header.sender = in.u32();
    f.header.sequence = in.u64();
    f.header.what = in.enumerator(kind::hello, kind::view_change);
    f.body = in.raw(in.remaining() - 64);
    f.signed_by = in.fixed<signature>();
    f.raw = raw;
    MUSTER_TRY(in.finish());
    return f;
}

/// Whether @p who signed @p f. About 45 us.
[[nodiscard]] inline bool is_authentic(parsed_frame const& f, peer_id const& who) {
    return peer::verify(who, detail::frame_digest(f.raw.first(f.raw.size() - 64)), f.signed_by);
}

/// The signer whose machine the sender of the hello @p f claims to be; zero when it is too short to claim one.
[[nodiscard]] inline public_key claimed_signer(parsed_frame const& f) {
    return wire::reader{f.body}.fixed<public_key>();
}

/// The body of @p f.
[[nodiscard]] inline result<body> decode_body(parsed_frame const& f, limits const& l) {
    wire::reader in{f.body};
    body out;
    switch (f.header.what) {
        case kind::hello: {
            hello_body v;
            v.signer = in.fixed<public_key>();
            v.binding = in.fixed<peer::binding>();
            v.resumed.resize(in.count(resumed_max, session_id::size()));
            for (auto& id : v.resumed) id = in.fixed<session_id>();
            out = std::move(v);
            break;
        }
        case kind::propose: {
            propose_body v;
            v.encoded.terms = to_bytes(in.sized(l.frame_size_max));
            v.encoded.roster = to_bytes(in.sized(l.frame_size_max));
            out = std::move(v);
            break;
        }
        case kind::decline: out = decline_body{in.sized_text(purpose_size_max)}; break;
        case kind::nonces: out = nonces_body{detail::decode_list<musig2::pubnonce>(in, l)}; break;
        case kind::aggregate_nonces: {
            aggregate_nonces_body v{in.fixed<digest32>(), {}};
            v.nonces = detail::decode_list<musig2::aggnonce>(in, l);
            out = std::move(v);
            break;
        }
        case kind::shares: {
            shares_body v{in.fixed<digest32>(), {}};
            v.shares = detail::decode_list<musig2::psig>(in, l);
            out = std::move(v);
            break;
        }
        case kind::signatures: out = signatures_body{detail::decode_list<signature>(in, l)}; break;
        case kind::abort: out = detail::decode_abort(in, l); break;
        case kind::request: out = request_body{}; break;
        case kind::broadcast_done: out = broadcast_done_body{}; break;
        case kind::view_change: {
            view_change_body v;
            v.in = in.u32();
            v.wants = in.u32();
            out = v;
            break;
        }
    }
    MUSTER_TRY(in.finish());
    return out;
}

}  // namespace muster::signing
