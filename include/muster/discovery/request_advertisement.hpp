// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A signer looks for others to sign with: what is to be signed, whose signatures are wanted, and until when.
///
/// Idea: a notice, see notice.hpp, in the name of the signer who asks. It invites, and obliges nobody: whoever would
/// sign says so to the machine that asks, which then proposes a session to those it chooses. What is to be signed is
/// named by its digest; a proposal that names another one is another matter.
///
/// Payload: signer key (33 bytes), machine (sized), binding (64), sequence (u64), digest (32), wanted keys (count, 33
/// each, ascending), type (u8), amount (u64), purpose (sized), addresses (count, sized each), issued and expires (i64,
/// Unix milliseconds).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/core/hex.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/secp256k1.hpp>
#include <muster/discovery/signer_advertisement.hpp>

namespace muster::discovery {

/// A request for signatures. A value.
struct request_advertisement {
    static constexpr std::size_t size_max = 1024;        ///< Bytes, sealed. Ours.
    static constexpr std::size_t wanted_max = 16;        ///< Ours: what fits.
    static constexpr std::size_t purpose_size_max = 64;  ///< Bytes. Ours.
    static constexpr std::size_t addresses_max = 4;      ///< Ours.

    crypto::public_key signer;  ///< Who asks.
    peer::peer_id machine;      ///< Where to answer.
    peer::binding binding{};    ///< @ref signer 's word that @ref machine speaks for it.
    std::uint64_t sequence = 0;
    crypto::digest32 digest{};                    ///< Of what is to be signed.
    std::vector<crypto::public_key> wanted = {};  ///< Whose signatures, beside that of @ref signer; ascending, none
                                                  ///< twice. Empty: of anybody.
    transaction_type type = transaction_type::spend;
    std::uint64_t amount = 0;                     ///< In the smallest unit of the application's money.
    std::string purpose = {};                     ///< In any bytes; escape it before it is shown.
    std::vector<peer::multiaddr> addresses = {};  ///< Of @ref machine.
    timestamp issued{};
    timestamp expires{};  ///< Later than @ref issued, but for a withdrawal.
    MUSTER_FIELDS(request_advertisement, signer, machine, binding, sequence, digest, wanted, type, amount, purpose,
                  addresses, issued, expires);

    /// Whether @p who is asked for. O(wanted).
    [[nodiscard]] bool wants(crypto::public_key const& who) const {
        return who != signer && (wanted.empty() || std::find(wanted.begin(), wanted.end(), who) != wanted.end());
    }

    /// Signs it. See @ref seal_notice.
    [[nodiscard]] result<bytes> seal(peer::node_key const& key, peer::record_rules const& rules = {}) const {
        return seal_notice(*this, key, rules);
    }
    /// Reads what @ref seal has made; a claim. See @ref read_notice.
    [[nodiscard]] static result<request_advertisement> read(byte_view sealed, timestamp now,
                                                            peer::record_rules const& rules = {}) {
        return read_notice<request_advertisement>(sealed, now, rules);
    }
    /// Reads it, and verifies both signatures. See @ref verify_notice.
    [[nodiscard]] static result<peer::authenticated<request_advertisement>> open(
        byte_view sealed, timestamp now, peer::record_rules const& rules = {},
        request_advertisement const* known = nullptr) {
        MUSTER_TRY(auto found, verify_notice<request_advertisement>(sealed, now, rules, known));
        return peer::authenticated<request_advertisement>{found.first, std::move(found.second)};
    }

    // ---- as a notice ------------------------------------------------------------------------------------

    /// @see notice @{
    [[nodiscard]] static peer::envelope_purpose purpose_of_envelope() noexcept {
        return {"muster/request/v1", as_bytes("/muster/request/1")};
    }
    [[nodiscard]] static result<request_advertisement> decode(byte_view payload);
    [[nodiscard]] bytes encode() const;
    [[nodiscard]] result<void> check_content() const;
    [[nodiscard]] request_advertisement bare() const { return {signer, machine, binding, 0, digest}; }
    /// @}
    /// One for each signer and digest.
    [[nodiscard]] std::string key() const { return key_of(signer, digest); }
    /// The key of what @p who asks about @p what.
    [[nodiscard]] static std::string key_of(crypto::public_key const& who, crypto::digest32 const& what) {
        std::string out{who.view().begin(), who.view().end()};
        out.append(what.view().begin(), what.view().end());
        return out;
    }
};

/// The name of a request of @p signer to sign @p what: @p prefix, and the first 32 hexadecimal digits of
/// SHA-256("musig2:request:", the key, ":" and the digest, each in hexadecimal digits).
[[nodiscard]] inline std::string request_id_of(crypto::public_key const& signer, crypto::digest32 const& what,
                                               std::string_view prefix = {}) {
    auto const digest = crypto::sha256(as_bytes("musig2:request:" + to_hex(signer) + ":" + to_hex(what)));
    return std::string{prefix} + to_hex(digest.view().first(16));
}

inline bytes request_advertisement::encode() const {
    wire::writer out;
    out.raw(signer.view()).sized(machine.view()).raw(binding.view()).u64(sequence).raw(digest.view());
    out.size(wanted.size());
    for (auto const& k : wanted) out.raw(k.view());
    out.u8(static_cast<std::uint8_t>(type)).u64(amount).sized(purpose);
    peer::write_addresses(out, addresses);
    out.i64(to_unix_millis(issued)).i64(to_unix_millis(expires));
    return out.take();
}

inline result<request_advertisement> request_advertisement::decode(byte_view payload) {
    request_advertisement out;
    wire::reader in{payload};
    out.signer = in.fixed<crypto::public_key>();
    auto const named = in.sized(peer::peer_id::size_max);
    out.binding = in.fixed<peer::binding>();
    out.sequence = in.u64();
    out.digest = in.fixed<crypto::digest32>();
    for (auto n = in.count(wanted_max, crypto::public_key::size()); n > 0 && in.ok(); --n) {
        out.wanted.push_back(in.fixed<crypto::public_key>());
    }
    out.type = in.enumerator(transaction_type::spend, transaction_type::channel);
    out.amount = in.u64();
    out.purpose = in.sized_text(purpose_size_max);
    MUSTER_TRY(out.addresses, peer::read_addresses(in, addresses_max));
    out.issued = from_unix_millis(in.i64());
    out.expires = from_unix_millis(in.i64());
    MUSTER_TRY(out.machine, finish_notice(in, named));
    return out;
}

inline result<void> request_advertisement::check_content() const {
    MUSTER_TRY(peer::check_addresses(addresses, addresses_max));
    if (wanted.size() > wanted_max) {
        return error{peer::errc::too_large, text("a request for ", wanted.size(), " signers; at most ", wanted_max)};
    }
    auto const not_ascending = [](auto const& a, auto const& b) { return a >= b; };
    bool const is_sorted = std::adjacent_find(wanted.begin(), wanted.end(), not_ascending) == wanted.end();
    if (!is_sorted || std::find(wanted.begin(), wanted.end(), signer) != wanted.end()) {
        return error{peer::errc::malformed,
                     "a request whose signers do not ascend, or with its own; sort them, and name each other once"};
    }
    if (purpose.size() > purpose_size_max) {
        return error{peer::errc::too_large,
                     text("a purpose of ", purpose.size(), " bytes; at most ", purpose_size_max)};
    }
    return ok();
}

}  // namespace muster::discovery
