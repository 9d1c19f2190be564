// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Signatures that cost nothing, for runs of many nodes: a keyed checksum over author and content. Whoever knows the
/// construction can forge them, and the adversaries of the simulation do not.

#include <cstdint>
#include <optional>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/gossip/sign_policy.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/sim/trace.hpp>

namespace muster::sim::gossip {

/// The id of host @p n: an identity multihash that contains no key.
[[nodiscard]] inline peer::peer_id id_of(std::uint32_t n) {
    bytes const multihash{0x00,
                          0x04,
                          static_cast<byte>(n >> 24),
                          static_cast<byte>(n >> 16),
                          static_cast<byte>(n >> 8),
                          static_cast<byte>(n)};
    return peer::peer_id::from_multihash(multihash).value();
}

/// A muster::gossip::message_signer.
class stub_signer {
public:
    explicit stub_signer(peer::peer_id id) noexcept : id_{id} {}

    [[nodiscard]] peer::peer_id const& id() const noexcept { return id_; }
    [[nodiscard]] byte_view key() const noexcept { return {}; }
    [[nodiscard]] result<bytes> sign(byte_view content) const { return sum(id_, content); }
    [[nodiscard]] bool verify(peer::peer_id const& author, std::optional<byte_view>, byte_view content,
                              byte_view signature) const {
        return equal(sum(author, content), signature);
    }

private:
    [[nodiscard]] static bytes sum(peer::peer_id const& author, byte_view content) {
        trace words;
        words.note(author.view());
        words.note(content);
        bytes out;
        for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<byte>(words.hash() >> (8 * i)));
        return out;
    }

    peer::peer_id id_;
};
static_assert(muster::gossip::message_signer<stub_signer>);

}  // namespace muster::sim::gossip
