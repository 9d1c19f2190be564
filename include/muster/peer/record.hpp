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
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::peer {

/// What is let pass.
struct record_rules {
    std::chrono::milliseconds lifetime_max = std::chrono::hours{2};  ///< As libp2p's rendezvous has it by default.
    std::chrono::milliseconds skew_max = std::chrono::minutes{2};    ///< How far ahead a signer's clock may be. Ours.
};

/// A peer, where it is reached, and what it can do.
struct record {
    static constexpr std::size_t size_max = 512;            ///< Bytes, sealed. Ours.
    static constexpr std::size_t addresses_max = 8;         ///< Ours.
    static constexpr std::size_t capabilities_max = 8;      ///< Ours.
    static constexpr std::size_t capability_size_max = 32;  ///< Bytes of one. Ours.

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
    [[nodiscard]] static bool is_capability(std::string_view token) noexcept;
    [[nodiscard]] static result<record> decode(byte_view payload);
    [[nodiscard]] bytes encode() const;
    [[nodiscard]] result<void> check_content() const;
    [[nodiscard]] result<void> check_lifetime(record_rules const& rules) const;
    [[nodiscard]] result<void> check_time(timestamp now, record_rules const& rules) const;
};

inline bool record::is_capability(std::string_view token) noexcept {
    auto const is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '/';
    };
    return !token.empty() && token.size() <= capability_size_max && std::all_of(token.begin(), token.end(), is_letter);
}

inline bytes record::encode() const {
    wire::writer out;
    out.sized(peer.view()).u64(sequence).size(addresses.size());
    for (auto const& a : addresses) out.sized(a.bytes());
    out.size(capabilities.size());
    for (auto const& c : capabilities) out.sized(c);
    out.i64(to_unix_millis(issued)).i64(to_unix_millis(expires));
    return out.take();
}

inline result<record> record::decode(byte_view payload) {
    record out;
    wire::reader in{payload};
    auto const named = in.sized(peer_id::size_max);
    out.sequence = in.u64();
    for (auto n = in.count(addresses_max, 2); n > 0 && in.ok(); --n) {
        auto address = multiaddr::from_bytes(in.sized(multiaddr::size_max));
        if (in.ok() && !address) return error{errc::malformed, text("a record: ", address.error().message())};
        if (address) out.addresses.push_back(std::move(address).value());
    }
    for (auto n = in.count(capabilities_max, 2); n > 0 && in.ok(); --n) {
        out.capabilities.push_back(in.sized_text(capability_size_max));
    }
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
    if (addresses.size() > addresses_max || capabilities.size() > capabilities_max) {
        return error{errc::too_large, text("a record of ", addresses.size(), " addresses and ", capabilities.size(),
                                           " capabilities; at most ", addresses_max, " and ", capabilities_max)};
    }
    auto sorted = addresses;
    std::sort(sorted.begin(), sorted.end());
    bool const is_twice = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
    if (is_twice || (!sorted.empty() && sorted.front().empty())) {
        return error{errc::malformed, "a record with an address twice, or an empty one"};
    }
    for (auto const& c : capabilities) {
        if (is_capability(c)) continue;
        return error{errc::malformed, text("a capability of ", c.size(), " bytes; it has 1 to ", capability_size_max,
                                           " lower case letters, digits and -._/")};
    }
    auto const not_ascending = [](std::string const& a, std::string const& b) { return a >= b; };
    if (std::adjacent_find(capabilities.begin(), capabilities.end(), not_ascending) != capabilities.end()) {
        return error{errc::malformed, "a record whose capabilities do not ascend; sort them, and name each once"};
    }
    return ok();
}

inline result<void> record::check_lifetime(record_rules const& rules) const {
    auto const lifetime = saturating_difference(expires, issued);
    if (lifetime > std::chrono::milliseconds{0} && lifetime <= rules.lifetime_max) return ok();
    return error{errc::expired, text("a record that lives for ", lifetime.count(), " ms; more than none, and at most ",
                                     rules.lifetime_max.count())};
}

inline result<void> record::check_time(timestamp now, record_rules const& rules) const {
    MUSTER_TRY(check_lifetime(rules));
    if (issued > saturating_add(now, rules.skew_max)) {
        return error{errc::not_yet_issued, text("a record that is issued in ",
                                                saturating_difference(issued, now).count(), " ms; look at the clocks")};
    }
    if (expires <= now) {
        return error{errc::expired,
                     text("a record that has expired ", saturating_difference(now, expires).count(), " ms ago")};
    }
    return ok();
}

inline result<bytes> record::seal(node_key const& key, record_rules const& rules) const {
    if (peer != key.id()) {
        return error{errc::wrong_peer, text(key.id().to_text(), " does not sign a record of ", peer.to_text())};
    }
    MUSTER_TRY(check_content());
    MUSTER_TRY(check_lifetime(rules));
    MUSTER_TRY(auto out, envelope::seal(purpose(), encode(), key));
    if (out.size() <= size_max) return out;
    return error{errc::too_large,
                 text("a record of ", out.size(), " bytes; at most ", size_max, ": name fewer addresses")};
}

inline result<record> record::read(byte_view sealed, timestamp now, record_rules const& rules) {
    if (sealed.size() > size_max) {
        return error{errc::too_large, text("a record of ", sealed.size(), " bytes; at most ", size_max)};
    }
    MUSTER_TRY(auto const claim, envelope::decode(sealed, purpose()));
    MUSTER_TRY(auto out, decode(claim.payload()));
    MUSTER_TRY(out.check_time(now, rules));
    if (out.peer != claim.key().id()) {
        return error{errc::wrong_peer,
                     text(claim.key().id().to_text(), " signs a record of ", out.peer.to_text(), ", not of itself")};
    }
    bool const is_ecdsa = claim.key().type() == key_type::secp256k1;
    if (!equal(claim.encoded(), sealed) || (is_ecdsa && !crypto::is_canonical_ecdsa_der(claim.signature()))) {
        return error{errc::not_canonical, "a record in another encoding than the one that its signer writes"};
    }
    return out;
}

inline result<authenticated<record>> record::open(byte_view sealed, timestamp now, record_rules const& rules) {
    MUSTER_TRY(auto out, read(sealed, now, rules));
    MUSTER_TRY(auto const opened, envelope::open(sealed, purpose()));
    return authenticated<record>{opened.who(), std::move(out)};
}

}  // namespace muster::peer
