// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a signer says of itself, to be found: its key, its machine, and what it signs for whom.
///
/// Idea: a notice, see notice.hpp, of a signer's machine, and the signer's key has signed that this machine speaks for
/// it; so whoever holds the bytes can check both without asking anybody. The id, which lotus-sdk has too, is made of
/// the key alone: it is a name, so that an update meets what it updates, and proves nothing.
///
/// Payload: signer key (33 bytes), machine (sized), binding (64), sequence (u64), addresses, capabilities (each a count
/// and sized elements), transaction types (count, a byte each, ascending), amounts from and to (u64), fee (u64),
/// nickname (sized), issued and expires (i64, Unix milliseconds), in an envelope of peer/envelope.hpp.
/// @see libp2p specs, RFC 0002, for the envelope.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/hex.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/secp256k1.hpp>
#include <muster/discovery/notice.hpp>

namespace muster::discovery {

/// What a signer signs for.
MUSTER_ENUMERATION(transaction_type, 1,
                   spend,     ///< Payments.
                   swap,      ///< Exchanges of one coin for another.
                   coinjoin,  ///< Payments of several owners in one transaction.
                   custody,   ///< Safekeeping.
                   escrow,    ///< Payments that a third party may settle.
                   channel    ///< Payment channels.
);

/// A signer, and the terms on which it signs.
struct signer_advertisement {
    static constexpr std::size_t size_max = 1024;         ///< Bytes, sealed. Ours.
    static constexpr std::size_t addresses_max = 8;       ///< Ours.
    static constexpr std::size_t capabilities_max = 8;    ///< Ours.
    static constexpr std::size_t types_max = 6;           ///< All there are.
    static constexpr std::size_t nickname_size_max = 64;  ///< Bytes. Ours.

    crypto::public_key signer;
    peer::peer_id machine;
    peer::binding binding{};     ///< @ref signer 's word that @ref machine speaks for it.
    std::uint64_t sequence = 0;  ///< Of two the greater one counts. At most @ref issued in Unix milliseconds, and what
                                 ///< clocks may differ by: so nobody is muted for ever by a number.
    std::vector<peer::multiaddr> addresses = {};
    std::vector<std::string> capabilities = {};  ///< As in peer::record: ascending, none twice.
    std::vector<transaction_type> types = {};    ///< Ascending, none twice.
    std::uint64_t amount_from = 0;               ///< In the smallest unit of the application's money.
    std::uint64_t amount_to = std::numeric_limits<std::uint64_t>::max();  ///< At least @ref amount_from.
    std::uint64_t fee = 0;                                                ///< In the same unit.
    std::string nickname = {};  ///< As it calls itself, in any bytes; escape it before it is shown.
    timestamp issued{};
    timestamp expires{};  ///< Later than @ref issued, but for a withdrawal.
    MUSTER_FIELDS(signer_advertisement, signer, machine, binding, sequence, addresses, capabilities, types, amount_from,
                  amount_to, fee, nickname, issued, expires);

    /// Whether it says that the signer is not to be found any more.
    [[nodiscard]] bool is_withdrawal() const noexcept { return discovery::is_withdrawal(*this); }

    /// Signs it. See @ref seal_notice.
    [[nodiscard]] result<bytes> seal(peer::node_key const& key, peer::record_rules const& rules = {}) const {
        return seal_notice(*this, key, rules);
    }
    /// Reads what @ref seal has made; a claim. See @ref read_notice.
    [[nodiscard]] static result<signer_advertisement> read(byte_view sealed, timestamp now,
                                                           peer::record_rules const& rules = {}) {
        return read_notice<signer_advertisement>(sealed, now, rules);
    }
    /// Reads it, and verifies both signatures. See @ref verify_notice.
    [[nodiscard]] static result<peer::authenticated<signer_advertisement>> open(
        byte_view sealed, timestamp now, peer::record_rules const& rules = {},
        signer_advertisement const* known = nullptr) {
        MUSTER_TRY(auto found, verify_notice<signer_advertisement>(sealed, now, rules, known));
        return peer::authenticated<signer_advertisement>{found.first, std::move(found.second)};
    }

    // ---- as a notice ------------------------------------------------------------------------------------

    /// @see notice @{
    [[nodiscard]] static peer::envelope_purpose purpose_of_envelope() noexcept {
        return {"muster/signer/v1", as_bytes("/muster/signer/1")};
    }
    [[nodiscard]] static result<signer_advertisement> decode(byte_view payload);
    [[nodiscard]] bytes encode() const;
    [[nodiscard]] result<void> check_content() const;
    [[nodiscard]] signer_advertisement bare() const { return {signer, machine, binding}; }
    /// @}
    /// One for each signer.
    [[nodiscard]] crypto::public_key const& key() const noexcept { return signer; }
};

/// The name under which advertisements of @p signer are known: @p prefix, and the first 32 hexadecimal digits of
/// SHA-256("musig2:signer:" and the key in hexadecimal digits).
[[nodiscard]] inline std::string advertisement_id(crypto::public_key const& signer, std::string_view prefix = {}) {
    auto const digest = crypto::sha256(as_bytes("musig2:signer:" + to_hex(signer)));
    return std::string{prefix} + to_hex(digest.view().first(16));
}

inline bytes signer_advertisement::encode() const {
    wire::writer out;
    out.raw(signer.view()).sized(machine.view()).raw(binding.view()).u64(sequence);
    peer::write_addresses(out, addresses);
    peer::write_capabilities(out, capabilities);
    out.size(types.size());
    for (auto const t : types) out.u8(static_cast<std::uint8_t>(t));
    out.u64(amount_from).u64(amount_to).u64(fee).sized(nickname);
    out.i64(to_unix_millis(issued)).i64(to_unix_millis(expires));
    return out.take();
}

inline result<signer_advertisement> signer_advertisement::decode(byte_view payload) {
    signer_advertisement out;
    wire::reader in{payload};
    out.signer = in.fixed<crypto::public_key>();
    auto const named = in.sized(peer::peer_id::size_max);
    out.binding = in.fixed<peer::binding>();
    out.sequence = in.u64();
    MUSTER_TRY(out.addresses, peer::read_addresses(in, addresses_max));
    out.capabilities = peer::read_capabilities(in, capabilities_max);
    for (auto n = in.count(types_max, 1); n > 0 && in.ok(); --n) {
        out.types.push_back(in.enumerator(transaction_type::spend, transaction_type::channel));
    }
    out.amount_from = in.u64();
    out.amount_to = in.u64();
    out.fee = in.u64();
    out.nickname = in.sized_text(nickname_size_max);
    out.issued = from_unix_millis(in.i64());
    out.expires = from_unix_millis(in.i64());
    MUSTER_TRY(out.machine, finish_notice(in, named));
    return out;
}

inline result<void> signer_advertisement::check_content() const {
    MUSTER_TRY(peer::check_addresses(addresses, addresses_max));
    MUSTER_TRY(peer::check_capabilities(capabilities, capabilities_max));
    auto const not_ascending = [](auto a, auto b) { return a >= b; };
    if (std::adjacent_find(types.begin(), types.end(), not_ascending) != types.end()) {
        return error{peer::errc::malformed, "an advertisement whose transaction types do not ascend"};
    }
    if (amount_from > amount_to) {
        return error{peer::errc::malformed,
                     text("amount_from ", amount_from, " is above amount_to ", amount_to, "; swap them")};
    }
    if (nickname.size() > nickname_size_max) {
        return error{peer::errc::too_large,
                     text("a nickname of ", nickname.size(), " bytes; at most ", nickname_size_max)};
    }
    return ok();
}

}  // namespace muster::discovery
