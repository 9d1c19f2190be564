// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Hashes and signatures of the protocol, and the names under which it is spoken.
///
/// The hash that links records covers the preconfirmation alone. What is signed is Keccak-256 of the domain and the
/// commitment, so that neither the slasher nor the network can be exchanged.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <muster/core/hex.hpp>
#include <muster/crypto/keccak.hpp>
#include <muster/crypto/recoverable.hpp>
#include <muster/feed/preconf/ssz.hpp>

namespace muster::feed::preconf {

struct domain_tag;
/// Keeps signatures of one network apart from those of others.
using signing_domain = fixed_bytes<domain_tag, 32>;
/// The one of the specification: 32 bytes of ASCII.
[[nodiscard]] inline signing_domain default_domain() noexcept {
    return signing_domain::from(as_bytes("TAIKO_PRECONF_DOMAIN_PLACEHOLDER"));
}

/// The hash by which a child names its parent.
[[nodiscard]] inline digest32 hash_of(preconfirmation const& p) { return crypto::keccak256(encode(p)); }
/// The hash of a compressed list of transactions.
[[nodiscard]] inline digest32 hash_of_list(byte_view compressed) { return crypto::keccak256(compressed); }
/// What is signed.
[[nodiscard]] inline digest32 signing_hash(commitment const& c, signing_domain const& domain = default_domain()) {
    bytes whole = to_bytes(domain.view());
    whole.reserve(domain.size() + commitment_size);
    preconf::detail::append_fields(whole, c);
    return crypto::keccak256(whole);
}
/// The address of a key.
[[nodiscard]] inline address address_of(crypto::uncompressed_key const& key) {
    return address::from(crypto::keccak256(key.view()).view().last(address::size()));
}
/// The address of a key pair. Expects a valid one.
[[nodiscard]] inline address address_of(crypto::key_pair const& key) {
    return address_of(crypto::to_uncompressed(key.public_key()).value());
}

/// Signs @p c. @return what crypto::sign_recoverable returns.
[[nodiscard]] inline result<signed_commitment> sign(commitment const& c, crypto::key_pair const& key,
                                                    signing_domain const& domain = default_domain()) {
    MUSTER_TRY(auto const signature, crypto::sign_recoverable(key, signing_hash(c, domain)));
    return signed_commitment{c, signature};
}
/// Who has signed @p s, by the address: of almost any bytes it is somebody. @return what crypto::recover returns.
[[nodiscard]] inline result<address> signer_of(signed_commitment const& s,
                                               signing_domain const& domain = default_domain()) {
    MUSTER_TRY(auto const key, crypto::recover(s.signature, signing_hash(s.commitment, domain)));
    return address_of(key);
}

/// The topics and protocols of a chain. @{
[[nodiscard]] inline std::string commitments_topic(std::uint64_t chain) {
    return text("/taiko/", chain, "/0/preconfirmationCommitments");
}
[[nodiscard]] inline std::string lists_topic(std::uint64_t chain) { return text("/taiko/", chain, "/0/rawTxLists"); }
[[nodiscard]] inline std::string head_protocol(std::uint64_t chain) {
    return text("/taiko/", chain, "/preconf/1/get_head");
}
[[nodiscard]] inline std::string page_protocol(std::uint64_t chain) {
    return text("/taiko/", chain, "/preconf/1/get_commitments_by_number");
}
[[nodiscard]] inline std::string list_protocol(std::uint64_t chain) {
    return text("/taiko/", chain, "/preconf/1/get_raw_txlist");
}
/// @}

}  // namespace muster::feed::preconf
