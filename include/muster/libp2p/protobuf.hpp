// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The protobuf messages of the security handshake and of identify.
///
/// Unknown fields are skipped and a repeated field takes its last value, as protobuf wants it.
/// @see libp2p specs, noise/README.md ("The libp2p Handshake Payload") and identify/README.md ("The Identify Message").

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/wire/protobuf.hpp>

namespace muster::libp2p {

/// What a Noise handshake message carries. Extensions (field 4) are not sent, and skipped when received.
struct handshake_payload {
    bytes identity_key;  ///< An encoded @ref peer::host_key.
    bytes identity_sig;  ///< The host key's signature over the Noise static key.
    bool operator==(handshake_payload const&) const = default;
};

namespace detail {

/// Visits the fields of @p message, or says `malformed` in this room's words.
template <class Visit>
[[nodiscard]] result<void> for_each_field(byte_view message, Visit visit) {
    auto const visited = wire::for_each_field(message, std::move(visit));
    if (!visited) return error{errc::malformed, visited.error().message()};
    return ok();
}

}  // namespace detail

/// What a node says of itself: claims only. The public key is not used, since the handshake has proved one already.
struct identify_message {
    static constexpr std::size_t protocols_max = 1000;  ///< Names taken; more are left out. Ours.
    static constexpr std::size_t addresses_max = 64;    ///< Addresses taken; more are left out. Ours.

    bytes public_key = {};                    ///< An encoded @ref peer::host_key.
    std::vector<bytes> listens = {};          ///< Binary multiaddrs.
    std::vector<std::string> protocols = {};  ///< What it accepts streams for.
    bytes observed = {};                      ///< Where it sees the other side, as a binary multiaddr.
    std::string protocol_version = {};
    std::string agent = {};
    bytes signed_record = {};  ///< A sealed @ref peer::routing_record; empty for none.
    bool operator==(identify_message const&) const = default;
};

/// @return the payload's fields, absent ones empty, or `malformed`.
[[nodiscard]] inline result<handshake_payload> decode_handshake_payload(byte_view message) {
    handshake_payload out;
    MUSTER_TRY(detail::for_each_field(message, [&](auto tag, std::uint64_t, byte_view content) {
        if (tag == 1) out.identity_key = to_bytes(content);
        if (tag == 2) out.identity_sig = to_bytes(content);
    }));
    return out;
}

/// @return the message's fields, absent ones empty, or `malformed`.
[[nodiscard]] inline result<identify_message> decode_identify(byte_view message) {
    identify_message out;
    MUSTER_TRY(detail::for_each_field(message, [&](auto tag, std::uint64_t, byte_view content) {
        auto const as_string = [&] { return std::string{content.begin(), content.end()}; };
        if (tag == 1) out.public_key = to_bytes(content);
        if (tag == 2 && out.listens.size() < identify_message::addresses_max) out.listens.push_back(to_bytes(content));
        if (tag == 3 && out.protocols.size() < identify_message::protocols_max) out.protocols.push_back(as_string());
        if (tag == 4) out.observed = to_bytes(content);
        if (tag == 5) out.protocol_version = as_string();
        if (tag == 6) out.agent = as_string();
        if (tag == 8) out.signed_record = to_bytes(content);
    }));
    return out;
}

/// The encoding, field by field.
[[nodiscard]] inline bytes encode(identify_message const& m) {
    wire::protobuf_writer out;
    out.content(1, m.public_key);
    for (auto const& a : m.listens) out.content(2, a);
    for (auto const& p : m.protocols) out.content(3, p);
    if (!m.observed.empty()) out.content(4, m.observed);
    out.content(5, m.protocol_version).content(6, m.agent);
    if (!m.signed_record.empty()) out.content(8, m.signed_record);
    return out.take();
}

/// The encoding, field by field.
[[nodiscard]] inline bytes encode(handshake_payload const& payload) {
    wire::protobuf_writer out;
    out.content(1, payload.identity_key).content(2, payload.identity_sig);
    return out.take();
}

}  // namespace muster::libp2p
