// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The protobuf messages of the security handshake and of identify, read and written with protozero.
///
/// This is the only header that names protozero. It reports malformed input by throwing; what it throws
/// ends here. Unknown fields are skipped and a repeated field takes its last value, as protobuf wants it.
/// @see libp2p specs, peer-ids/peer-ids.md ("Keys"), noise/README.md ("The libp2p Handshake Payload") and
/// identify/README.md ("The Identify Message").

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/libp2p/errc.hpp>

namespace muster::libp2p {

/// Kinds of host keys, numbered as on the wire.
enum class key_type : std::uint8_t { rsa = 0, ed25519 = 1, secp256k1 = 2, ecdsa = 3 };

/// A host key as sent: its kind, and the key in the kind's own encoding.
struct public_key_message {
    std::uint64_t type = 0;  ///< A @ref key_type, unless the sender knows more kinds than we do.
    bytes data;
    bool operator==(public_key_message const&) const = default;
};

/// What a Noise handshake message carries. Extensions (field 4) are not sent, and skipped when received.
struct handshake_payload {
    bytes identity_key;  ///< An encoded @ref public_key_message.
    bytes identity_sig;  ///< The host key's signature over the Noise static key.
    bool operator==(handshake_payload const&) const = default;
};

namespace detail {

/// Calls `visit(tag, number, octets)` for each varint or length-delimited field of @p message, where one of
/// number and octets is empty; skips fields of other types.
/// @return `malformed` when the octets are no protobuf message.
template <class Visit>
[[nodiscard]] result<void> for_each_field(byte_view message, Visit visit) {
    try {
        protozero::pbf_reader reader{reinterpret_cast<char const*>(message.data()), message.size()};
        while (reader.next()) {
            switch (reader.wire_type()) {
                case protozero::pbf_wire_type::varint: visit(reader.tag(), reader.get_uint64(), byte_view{}); break;
                case protozero::pbf_wire_type::length_delimited: {
                    auto const tag = reader.tag();
                    auto const view = reader.get_view();
                    visit(tag, std::uint64_t{0}, as_bytes({view.data(), view.size()}));
                    break;
                }
                default: reader.skip();
            }
        }
    } catch (protozero::exception const& e) {
        return error{errc::malformed, text("not a protobuf message of ", message.size(), " octets: ", e.what())};
    }
    return ok();
}

inline void add_octets(protozero::pbf_writer& writer, protozero::pbf_tag_type tag, byte_view octets) {
    writer.add_bytes(tag, reinterpret_cast<char const*>(octets.data()), octets.size());
}

}  // namespace detail

/// What a node says of itself: claims only. The public key is not used, since the handshake has proved one already. The
/// signed peer record (field 8) is not sent, and skipped when received.
struct identify_message {
    static constexpr std::size_t protocols_max = 1000;  ///< Names taken; more are left out. Ours.
    static constexpr std::size_t addresses_max = 64;    ///< Addresses taken; more are left out. Ours.

    bytes public_key;                    ///< An encoded @ref public_key_message.
    std::vector<bytes> listens;          ///< Binary multiaddrs.
    std::vector<std::string> protocols;  ///< What it accepts streams for.
    bytes observed;                      ///< Where it sees the other side, as a binary multiaddr.
    std::string protocol_version;
    std::string agent;
    bool operator==(identify_message const&) const = default;
};

/// @return the message's fields, absent ones empty, or `malformed`.
[[nodiscard]] inline result<public_key_message> decode_public_key(byte_view message) {
    public_key_message out;
    MUSTER_TRY(detail::for_each_field(message, [&](auto tag, std::uint64_t number, byte_view octets) {
        if (tag == 1) out.type = number;
        if (tag == 2) out.data = to_bytes(octets);
    }));
    return out;
}

/// The canonical encoding: type, then data. Peer ids are made of it.
[[nodiscard]] inline bytes encode(public_key_message const& key) {
    std::string out;
    protozero::pbf_writer writer{out};
    writer.add_uint64(1, key.type);
    detail::add_octets(writer, 2, key.data);
    return to_bytes(as_bytes(out));
}

/// @return the payload's fields, absent ones empty, or `malformed`.
[[nodiscard]] inline result<handshake_payload> decode_handshake_payload(byte_view message) {
    handshake_payload out;
    MUSTER_TRY(detail::for_each_field(message, [&](auto tag, std::uint64_t, byte_view octets) {
        if (tag == 1) out.identity_key = to_bytes(octets);
        if (tag == 2) out.identity_sig = to_bytes(octets);
    }));
    return out;
}

/// @return the message's fields, absent ones empty, or `malformed`.
[[nodiscard]] inline result<identify_message> decode_identify(byte_view message) {
    identify_message out;
    MUSTER_TRY(detail::for_each_field(message, [&](auto tag, std::uint64_t, byte_view octets) {
        auto const as_string = [&] { return std::string{octets.begin(), octets.end()}; };
        if (tag == 1) out.public_key = to_bytes(octets);
        if (tag == 2 && out.listens.size() < identify_message::addresses_max) out.listens.push_back(to_bytes(octets));
        if (tag == 3 && out.protocols.size() < identify_message::protocols_max) out.protocols.push_back(as_string());
        if (tag == 4) out.observed = to_bytes(octets);
        if (tag == 5) out.protocol_version = as_string();
        if (tag == 6) out.agent = as_string();
    }));
    return out;
}

/// The encoding, field by field.
[[nodiscard]] inline bytes encode(identify_message const& m) {
    std::string out;
    protozero::pbf_writer writer{out};
    detail::add_octets(writer, 1, m.public_key);
    for (auto const& a : m.listens) detail::add_octets(writer, 2, a);
    for (auto const& p : m.protocols) writer.add_string(3, p);
    if (!m.observed.empty()) detail::add_octets(writer, 4, m.observed);
    writer.add_string(5, m.protocol_version);
    writer.add_string(6, m.agent);
    return to_bytes(as_bytes(out));
}

/// The encoding, field by field.
[[nodiscard]] inline bytes encode(handshake_payload const& payload) {
    std::string out;
    protozero::pbf_writer writer{out};
    detail::add_octets(writer, 1, payload.identity_key);
    detail::add_octets(writer, 2, payload.identity_sig);
    return to_bytes(as_bytes(out));
}

}  // namespace muster::libp2p
