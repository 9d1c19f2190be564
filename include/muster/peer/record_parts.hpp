// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What signed records have in common: an envelope with one spelling, lists of addresses and of capabilities, times.
///
/// A record has one encoding, so that it may be known by its hash: the envelope's fields in their order, the signature
/// in its canonical form, lists without repetition. Whoever defines a record checks its own fields besides.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/peer/envelope.hpp>
#include <muster/peer/errc.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::peer {

inline constexpr std::size_t capability_size_max = 32;  ///< Bytes of one. Ours.

/// What is let pass.
struct record_rules {
    std::chrono::milliseconds lifetime_max = std::chrono::hours{2};  ///< As libp2p's rendezvous has it by default.
    std::chrono::milliseconds skew_max = std::chrono::minutes{2};    ///< How far ahead a signer's clock may be. Ours.

    /// Whether something may live that long. @return `expired` where it may not.
    [[nodiscard]] result<void> check_lifetime(timestamp issued, timestamp expires) const {
        auto const lifetime = saturating_difference(expires, issued);
        if (lifetime > std::chrono::milliseconds{0} && lifetime <= lifetime_max) return ok();
        return error{errc::expired, text("a record that lives for ", lifetime.count(),
                                         " ms; more than none, and at most ", lifetime_max.count())};
    }
    /// Whether something can have been issued then. @return `not_yet_issued` where it can not.
    [[nodiscard]] result<void> check_issued(timestamp issued, timestamp now) const {
        if (issued <= saturating_add(now, skew_max)) return ok();
        return error{errc::not_yet_issued, text("a record that is issued in ",
                                                saturating_difference(issued, now).count(), " ms; look at the clocks")};
    }
    /// Both, and whether it holds at @p now. @return `expired` or `not_yet_issued`.
    [[nodiscard]] result<void> check(timestamp issued, timestamp expires, timestamp now) const {
        MUSTER_TRY(check_lifetime(issued, expires));
        MUSTER_TRY(check_issued(issued, now));
        if (expires > now) return ok();
        return error{errc::expired,
                     text("a record that has expired ", saturating_difference(now, expires).count(), " ms ago")};
    }
};

/// Reads an envelope in its one spelling; the signature is not verified.
/// @return `too_large`, `not_canonical`, or what envelope::decode returns.
[[nodiscard]] inline result<envelope> read_canonical(byte_view sealed, envelope_purpose const& purpose,
                                                     std::size_t size_max) {
    if (sealed.size() > size_max) {
        return error{errc::too_large, text("a record of ", sealed.size(), " bytes; at most ", size_max)};
    }
    MUSTER_TRY(auto claim, envelope::decode(sealed, purpose));
    bool const is_ecdsa = claim.key().type() == key_type::secp256k1;
    if (equal(claim.encoded(), sealed) && (!is_ecdsa || crypto::is_canonical_ecdsa_der(claim.signature()))) {
        return claim;
    }
    return error{errc::not_canonical, "a record in another encoding than the one that its signer writes"};
}
/// Seals a record. @return `too_large`, or what envelope::seal returns.
[[nodiscard]] inline result<bytes> seal_record(byte_view payload, envelope_purpose const& purpose, node_key const& key,
                                               std::size_t size_max) {
    MUSTER_TRY(auto out, envelope::seal(purpose, payload, key));
    if (out.size() <= size_max) return out;
    return error{errc::too_large,
                 text("a record of ", out.size(), " bytes; at most ", size_max, ": name fewer addresses")};
}

/// Addresses, each behind its length.
inline void write_addresses(wire::writer& out, std::vector<multiaddr> const& all) {
    out.size(all.size());
    for (auto const& a : all) out.sized(a.bytes());
}
/// @return them, or `malformed` for one that is no address. What @p in itself refuses is left to its `finish`.
[[nodiscard]] inline result<std::vector<multiaddr>> read_addresses(wire::reader& in, std::size_t most) {
    std::vector<multiaddr> out;
    for (auto n = in.count(most, 2); n > 0 && in.ok(); --n) {
        auto address = multiaddr::from_bytes(in.sized(multiaddr::size_max));
        if (in.ok() && !address) return error{errc::malformed, text("a record: ", address.error().message())};
        if (address) out.push_back(std::move(address).value());
    }
    return out;
}
/// @return `too_large`, or `malformed` for one that is empty or there twice. O(n log n).
[[nodiscard]] inline result<void> check_addresses(std::vector<multiaddr> all, std::size_t most) {
    if (all.size() > most) {
        return error{errc::too_large, text("a record of ", all.size(), " addresses; at most ", most)};
    }
    std::sort(all.begin(), all.end());
    bool const is_twice = std::adjacent_find(all.begin(), all.end()) != all.end();
    if (!is_twice && (all.empty() || !all.front().empty())) return ok();
    return error{errc::malformed, "a record with an address twice, or an empty one"};
}

/// Capabilities, each behind its length.
inline void write_capabilities(wire::writer& out, std::vector<std::string> const& all) {
    out.size(all.size());
    for (auto const& c : all) out.sized(c);
}
/// Reads them; what is wrong is left to the reader's `finish`.
[[nodiscard]] inline std::vector<std::string> read_capabilities(wire::reader& in, std::size_t most) {
    std::vector<std::string> out;
    for (auto n = in.count(most, 2); n > 0 && in.ok(); --n) out.push_back(in.sized_text(capability_size_max));
    return out;
}
/// Whether @p token has 1 to @ref capability_size_max lower case letters, digits, `-._/`.
[[nodiscard]] inline bool is_capability(std::string_view token) noexcept {
    auto const fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '/';
    };
    return !token.empty() && token.size() <= capability_size_max && std::all_of(token.begin(), token.end(), fits);
}
/// @return `too_large`, or `malformed` for what is none, or not in ascending order.
[[nodiscard]] inline result<void> check_capabilities(std::vector<std::string> const& all, std::size_t most) {
    if (all.size() > most) {
        return error{errc::too_large, text("a record of ", all.size(), " capabilities; at most ", most)};
    }
    for (auto const& c : all) {
        if (is_capability(c)) continue;
        return error{errc::malformed, text("a capability of ", c.size(), " bytes; it has 1 to ", capability_size_max,
                                           " lower case letters, digits and -._/")};
    }
    auto const not_ascending = [](std::string const& a, std::string const& b) { return a >= b; };
    if (std::adjacent_find(all.begin(), all.end(), not_ascending) == all.end()) return ok();
    return error{errc::malformed, "a record whose capabilities do not ascend; sort them, and name each once"};
}

}  // namespace muster::peer
