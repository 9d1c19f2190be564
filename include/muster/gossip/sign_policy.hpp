// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who says a message: its author, under a signature, or nobody.
///
/// Two policies, as the specification names them. Under `strict_sign` every message names its author and carries that
/// author's signature; a message without is refused. Under `anonymous` (StrictNoSign) no message names anybody, and one
/// that does is refused. What a policy refuses is the relaying peer's fault, since an honest one had refused it too.
///
/// The signature is over the bytes that were received; see wire/message.hpp.
/// @see libp2p specs, pubsub/README.md, "Signature Policy Options".

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <muster/core/enumeration.hpp>
#include <muster/core/result.hpp>
#include <muster/gossip/errc.hpp>
#include <muster/gossip/wire/message.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::gossip {

/// Signs for this node and verifies for all.
///
/// Semantics: `id()` is the author that it signs for. `key()` is what goes into a message's `key` field: the encoded
/// public key when the id does not contain it, else empty. `sign(bytes)` signs by the rule of the key's kind.
/// `verify(author, key, bytes, signature)` says whether @p author signed; @p key is the message's `key` field, none
/// when it is absent, which it must find to be that author's. One signature's time.
template <class S>
concept message_signer = requires(S const& s, peer::peer_id const& author, std::optional<byte_view> key, byte_view b) {
    { s.id() } -> std::convertible_to<peer::peer_id>;
    { s.key() } -> std::convertible_to<byte_view>;
    { s.sign(b) } -> std::same_as<result<bytes>>;
    { s.verify(author, key, b, b) } -> std::same_as<bool>;
};

/// Whether and how messages name their authors.
///
/// Semantics: `seal(data, topic, seqno)` is the encoding of an own message, or why there is none. `author_of(m)` is who
/// is said to have written it, none under a policy without authors. `check_form(m)` refuses what breaks the policy
/// without any cryptography, `is_authentic(m)` does the rest; both are asked before anything is remembered. `self()` is
/// the author of own messages, the empty id where there are none.
template <class P>
concept sign_policy = requires(P const& p, rpc::message_view const& m, byte_view data, std::string_view topic,
                               std::uint64_t seqno) {
    { p.seal(data, topic, seqno) } -> std::same_as<result<bytes>>;
    { p.author_of(m) } -> std::same_as<std::optional<peer::peer_id>>;
    { p.check_form(m) } -> std::same_as<result<void>>;
    { p.is_authentic(m) } -> std::same_as<bool>;
    { p.self() } -> std::convertible_to<peer::peer_id>;
};

/// Messages name nobody.
struct anonymous {
    [[nodiscard]] result<bytes> seal(byte_view data, std::string_view topic, std::uint64_t) const {
        return rpc::encode_message({{}, data, {}, topic});
    }
    [[nodiscard]] std::optional<peer::peer_id> author_of(rpc::message_view const&) const noexcept { return {}; }
    [[nodiscard]] result<void> check_form(rpc::message_view const& m) const {
        if (m.has_from || m.has_seqno || m.signature || m.key) {
            return error{errc::not_authentic, "a message that names an author, on a network where none does"};
        }
        return ok();
    }
    [[nodiscard]] bool is_authentic(rpc::message_view const&) const noexcept { return true; }
    [[nodiscard]] peer::peer_id self() const noexcept { return {}; }
};
static_assert(sign_policy<anonymous>);

/// Every message is signed by its author.
template <message_signer Signer>
class strict_sign {
public:
    static constexpr std::size_t seqno_size = 8;  ///< pubsub/README.md: "a 64-bit big-endian uint".

    explicit strict_sign(Signer signer) noexcept : signer_{std::move(signer)} {}

    [[nodiscard]] result<bytes> seal(byte_view data, std::string_view topic, std::uint64_t seqno) const {
        std::array<byte, seqno_size> number{};
        for (std::size_t i = 0; i < seqno_size; ++i) number[i] = static_cast<byte>(seqno >> (8 * (seqno_size - 1 - i)));
        auto message = rpc::encode_message({signer_.id().view(), data, number, topic});
        MUSTER_TRY(auto const signature, signer_.sign(rpc::signed_part(message)));
        rpc::append_signature(message, signature, signer_.key());
        return message;
    }
    [[nodiscard]] std::optional<peer::peer_id> author_of(rpc::message_view const& m) const {
        auto id = peer::peer_id::from_multihash(m.from);
        return id ? std::optional{id.value()} : std::nullopt;
    }
    [[nodiscard]] result<void> check_form(rpc::message_view const& m) const {
        if (!m.signature || m.signature->empty()) return refuse("has no signature");
        if (m.seqno.size() != seqno_size) return refuse("has no sequence number of 8 bytes");
        if (!peer::peer_id::from_multihash(m.from)) return refuse("names no author");
        return ok();
    }
    [[nodiscard]] bool is_authentic(rpc::message_view const& m) const {
        auto const author = author_of(m);
        return author && m.signature && signer_.verify(*author, m.key, rpc::signed_part(m.raw), *m.signature);
    }
    [[nodiscard]] peer::peer_id self() const noexcept { return signer_.id(); }

private:
    [[nodiscard]] static error refuse(std::string_view what) {
        return error{errc::not_authentic, text("a message that ", what, ", on a network where all are signed")};
    }

    Signer signer_;
};

}  // namespace muster::gossip
