// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// libp2p's peer record: where a peer says that it listens, signed, so that others can pass it on.
///
/// It is what identify and peer exchange of libp2p carry. It says nothing of time: which of two is newer is told by
/// their sequence numbers, and how long one holds is for the reader to say; muster's own @ref record has an end. The
/// payload type is `03 01`, the multicodec 0x0301, which go, rust and js write in this order and not as a varint.
/// @see libp2p specs, RFC/0003-routing-records.md.

#include <cstddef>
#include <cstdint>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/peer/envelope.hpp>
#include <muster/peer/multiaddr.hpp>

namespace muster::peer {

/// A peer, and where it listens.
struct routing_record {
    static constexpr std::size_t addresses_max = 64;  ///< Addresses taken; more are left out. Ours.

    peer_id peer;
    std::uint64_t sequence = 0;        ///< Of two records of a peer the one with the greater one counts. Many use the
                                       ///< time in Unix milliseconds, and nobody may take it for one.
    std::vector<multiaddr> addresses;  ///< Those that are understood here.
    MUSTER_FIELDS(routing_record, peer, sequence, addresses);

    /// Signs the record. About 30 us.
    /// @return the envelope to send; `wrong_peer` when @p key is not the peer's, `too_large`, or the key's error.
    [[nodiscard]] result<bytes> seal(node_key const& key) const;

    /// Opens what @ref seal, or another implementation, has made. Addresses that are not understood are left out.
    /// @return `wrong_peer` when another peer has signed it, or what @ref envelope::open returns.
    [[nodiscard]] static result<authenticated<routing_record>> open(byte_view sealed);

private:
    [[nodiscard]] static envelope_purpose purpose() noexcept {
        static constexpr byte type[]{0x03, 0x01};
        return {"libp2p-peer-record", type};
    }
    [[nodiscard]] static result<routing_record> decode(byte_view payload);
};

inline result<bytes> routing_record::seal(node_key const& key) const {
    if (peer != key.id()) {
        return error{errc::wrong_peer, text(key.id().to_text(), " does not sign a record of ", peer.to_text())};
    }
    wire::protobuf_writer out;
    out.content(1, peer.view()).number(2, sequence);
    for (auto const& a : addresses) {
        wire::protobuf_writer info;
        info.content(1, a.bytes());
        out.content(3, info.take());
    }
    return envelope::seal(purpose(), out.take(), key);
}

inline result<routing_record> routing_record::decode(byte_view payload) {
    routing_record out;
    byte_view named;
    auto const add = [&](byte_view info) {
        byte_view address;
        auto const visited = wire::for_each_field(info, [&](auto tag, std::uint64_t, byte_view content) {
            if (tag == 1) address = content;
        });
        auto known = multiaddr::from_bytes(address);
        if (visited && known && out.addresses.size() < addresses_max) out.addresses.push_back(std::move(known).value());
    };
    auto const visited = wire::for_each_field(payload, [&](auto tag, std::uint64_t number, byte_view content) {
        if (tag == 1) named = content;
        if (tag == 2) out.sequence = number;
        if (tag == 3) add(content);
    });
    if (!visited) return error{errc::malformed, text("a peer record is ", visited.error().message())};
    MUSTER_TRY(out.peer, peer_id::from_multihash(named));
    return out;
}

inline result<authenticated<routing_record>> routing_record::open(byte_view sealed) {
    MUSTER_TRY(auto const opened, envelope::open(sealed, purpose()));
    MUSTER_TRY(auto out, decode(opened->payload()));
    if (out.peer != opened.who()) {
        return error{errc::wrong_peer,
                     text(opened.who().to_text(), " has signed a record of ", out.peer.to_text(), ", not of itself")};
    }
    return authenticated<routing_record>{opened.who(), std::move(out)};
}

}  // namespace muster::peer
