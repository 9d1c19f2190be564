// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A published message on the wire, and which of its bytes are signed.
///
/// The signature covers the message as its author encoded it, without the fields `signature` and `key`. A node that
/// decodes and encodes again may lay fields out differently, or lose those that it does not know, and the signature
/// would not verify any more; so what is verified and forwarded here are the bytes that were received.
/// @see libp2p specs, pubsub/README.md, "The Message" and "Message Signing". Of a repeated field the last value counts.

#include <cstdint>
#include <optional>
#include <string_view>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/wire/protobuf.hpp>

namespace muster::gossip::rpc {

/// Numbers of the fields of a Message.
enum class message_field : std::uint32_t { from = 1, data = 2, seqno = 3, topic = 4, signature = 5, key = 6 };

/// The fields of a message, borrowed from its encoding. All of them are claims of whoever sent it.
struct message_view {
    byte_view raw;                       ///< The whole encoding.
    byte_view from;                      ///< The author's peer id, as a multihash.
    byte_view data;                      ///< What is said.
    byte_view seqno;                     ///< 8 bytes, big-endian, where it is a number.
    std::string_view topic;              ///< Where it is said.
    std::optional<byte_view> signature;  ///< Over @ref signed_part; none where the field is absent.
    std::optional<byte_view> key;        ///< The author's key, where `from` does not contain it.
    bool has_from = false;               ///< Whether the field is there, if only empty.
    bool has_seqno = false;              ///< Likewise.
};

/// Reads a message. O(size).
/// @return `malformed`.
[[nodiscard]] inline result<message_view> decode_message(byte_view raw) {
    message_view out;
    out.raw = raw;
    MUSTER_TRY(muster::wire::for_each_field(raw, [&](std::uint32_t tag, std::uint64_t, byte_view content) {
        switch (static_cast<message_field>(tag)) {
            case message_field::from:
                out.from = content;
                out.has_from = true;
                break;
            case message_field::data: out.data = content; break;
            case message_field::seqno:
                out.seqno = content;
                out.has_seqno = true;
                break;
            case message_field::topic:
                out.topic = {reinterpret_cast<char const*>(content.data()), content.size()};
                break;
            case message_field::signature: out.signature = content; break;
            case message_field::key: out.key = content; break;
        }
    }));
    return out;
}

/// What is put before the message when it is signed.
inline constexpr std::string_view signing_prefix = "libp2p-pubsub:";

/// The bytes that the signature of the message @p raw covers: the prefix, then the encoding without the fields
/// `signature` and `key`. Empty when it is malformed. O(size).
[[nodiscard]] inline bytes signed_part(byte_view raw) {
    bytes out = to_bytes(as_bytes(signing_prefix));
    out.reserve(out.size() + raw.size());
    auto const walked =
        muster::wire::for_each_field(raw, [&](std::uint32_t tag, std::uint64_t, byte_view, byte_view whole) {
            auto const field = static_cast<message_field>(tag);
            if (field != message_field::signature && field != message_field::key) append(out, whole);
        });
    return walked ? out : bytes{};
}

/// A message to be published. Fields that are empty are left out.
struct message_fields {
    byte_view from;
    byte_view data;
    byte_view seqno;
    std::string_view topic;
};

/// The encoding without signature, field by field.
[[nodiscard]] inline bytes encode_message(message_fields const& m) {
    muster::wire::protobuf_writer out;
    if (!m.from.empty()) out.content(static_cast<std::uint32_t>(message_field::from), m.from);
    out.content(static_cast<std::uint32_t>(message_field::data), m.data);
    if (!m.seqno.empty()) out.content(static_cast<std::uint32_t>(message_field::seqno), m.seqno);
    out.content(static_cast<std::uint32_t>(message_field::topic), m.topic);
    return out.take();
}
/// Adds a signature to an encoding, and the key where the author's id does not contain it.
inline void append_signature(bytes& message, byte_view signature, byte_view key) {
    muster::wire::protobuf_writer out;
    out.content(static_cast<std::uint32_t>(message_field::signature), signature);
    if (!key.empty()) out.content(static_cast<std::uint32_t>(message_field::key), key);
    append(message, out.view());
}

}  // namespace muster::gossip::rpc
