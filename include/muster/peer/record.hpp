// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// muster's peer record: who a peer is, where it is reached and what it can do, signed, for at most two hours.
///
/// Idea: what discovery, gossip, rendezvous and peer exchange hand on is this one record, so whoever holds it can check
/// it without asking anybody. It travels in an envelope under a domain of its own. Every byte is covered: the payload
/// and its type by the signature, the key by the peer id in the payload, and the rest by the rule that one encoding is
/// accepted, down to that of the signature. So a record has one spelling, and may be known by its hash.
///
/// Payload: peer id (sized), sequence (u64), addresses (count, each sized), capabilities (count, each sized), issued
/// and expires (i64, Unix milliseconds), as `wire/writer.hpp` writes them.
/// @see libp2p specs, RFC 0002 and 0003, for the envelope and the model.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/peer/envelope.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/peer/record_parts.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::peer {

/// A peer, where it is reached, and what it can do.
struct record {
    static constexpr std::size_t size_max = 512;        ///< Bytes, sealed. Ours.
    static constexpr std::size_t addresses_max = 8;     ///< Ours.
    static constexpr std::size_t capabilities_max = 8;  ///< Ours.
    static constexpr std::size_t capability_size_max = peer::capability_size_max;

    peer_id peer;
    std::uint64_t sequence = 0;             ///< The greater one counts; never a time.
    std::vector<multiaddr> addresses;       ///< In the order in which to try them; none twice.
    std::vector<std::string> capabilities;  ///< Lower case letters, digits, `-._/`; ascending, none twice.
    timestamp issued{};
    timestamp expires{};  ///< Later than @ref issued.
    MUSTER_FIELDS(record, peer, sequence, addresses, capabilities, issued, expires);

    /// Signs the record. About 30 us.
    /// @return the bytes to send; `wrong_peer` when @p key is not the peer's; `malformed`, `too_large` or `expired` for
    ///         a record that nobody would take; or the key's error.
    [[nodiscard]] result<bytes> seal(node_key const& key, record_rules const& rules = {}) const;

    /// Reads what @ref seal has made, and checks all but the signature, cheap checks first. The result is a claim.
    /// @return `too_large`, `malformed`, `wrong_type`, the errors of a key, `wrong_peer`, `not_canonical`, `expired` or
    ///         `not_yet_issued`.
    [[nodiscard]] static result<record> read(byte_view sealed, timestamp now, record_rules const& rules = {});

    /// Reads it and verifies the signature. About 60 us.
    /// @return what @ref read returns, or `not_signed`.
    [[nodiscard]] static result<authenticated<record>> open(byte_view sealed, timestamp now,
                                                            record_rules const& rules = {});

private:
    [[nodiscard]] static envelope_purpose purpose() noexcept {
        return {"muster/record/v1", as_bytes("/muster/record/1")};
    }
    [[nodiscard]] static result<record> decode(byte_view payload);
    [[nodiscard]] bytes encode() const;
    [[nodiscard]] result<void> check_content() const;
};

inline bytes record::encode() const {
    wire::writer out;
    out.sized(peer.view()).u64(sequence);
    write_addresses(out, addresses);
    write_capabilities(out, capabilities);
    out.i64(to_unix_millis(issued)).i64(to_unix_millis(expires));
    return out.take();
}

inline result<record> record::decode(byte_view payload) {
    record out;
    wire::reader in{payload};
    auto const named = in.sized(peer_id::size_max);
    out.sequence = in.u64();
    MUSTER_TRY(out.addresses, read_addresses(in, addresses_max));
    out.capabilities = read_capabilities(in, capabilities_max);
    out.issued = from_unix_millis(in.i64());
    out.expires = from_unix_millis(in.i64());
    if (auto const done = in.finish(); !done) {
        return error{errc::malformed, text("a record: ", done.error().message())};
    }
    auto id = peer_id::from_multihash(named);
    if (!id) return error{errc::malformed, text("a record: ", id.error().message())};
    out.peer = id.value();
    MUSTER_TRY(out.check_content());
    return out;
}

inline result<void> record::check_content() const {
    MUSTER_TRY(check_addresses(addresses, addresses_max));
    return check_capabilities(capabilities, capabilities_max);
}

inline result<bytes> record::seal(node_key const& key, record_rules const& rules) const {
    if (peer != key.id()) {
        return error{errc::wrong_peer, text(key.id().to_text(), " does not sign a record of ", peer.to_text())};
    }
    MUSTER_TRY(check_content());
    MUSTER_TRY(rules.check_lifetime(issued, expires));
    return seal_record(encode(), purpose(), key, size_max);
}

inline result<record> record::read(byte_view sealed, timestamp now, record_rules const& rules) {
    MUSTER_TRY(auto const claim, read_canonical(sealed, purpose(), size_max));
    MUSTER_TRY(auto out, decode(claim.payload()));
    MUSTER_TRY(rules.check(out.issued, out.expires, now));
    if (out.peer == claim.key().id()) return out;
    return error{errc::wrong_peer,
                 text(claim.key().id().to_text(), " signs a record of ", out.peer.to_text(), ", not of itself")};
}

inline result<authenticated<record>> record::open(byte_view sealed, timestamp now, record_rules const& rules) {
    MUSTER_TRY(auto out, read(sealed, now, rules));
    MUSTER_TRY(auto const opened, envelope::open(sealed, purpose()));
    return authenticated<record>{opened.who(), std::move(out)};
}

}  // namespace muster::peer
