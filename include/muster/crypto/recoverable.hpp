// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// ECDSA signatures from which the signer's key is recovered, as Ethereum signs: r, s, and a recovery id.
///
/// Of every such signature there is a twin, with n - s and the other parity, which recovers the same key: whoever sees
/// one can make the other. One of the two is canonical, the one with the low s; and a recovery id above 1, which says
/// that r was reduced by the order, occurs once in 2^127 and is refused. So a message has one signature by one nonce,
/// and nobody but its signer can make a second.
/// @see SEC 1 version 2, section 4.1.6, for the recovery; BIP-62 rule 5 for the low s; RFC 6979 for the nonce.

#include <array>
#include <optional>

#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include <muster/crypto/secp256k1.hpp>

namespace muster::crypto {

struct recoverable_signature_tag;
/// r and s, 32 bytes each, then the recovery id: 0 or 1 where it is canonical. (27 and 28 are another encoding.)
using recoverable_signature = fixed_bytes<recoverable_signature_tag, 65>;
struct uncompressed_key_tag;
/// The coordinates of a point, x and then y, without the leading 04.
using uncompressed_key = fixed_bytes<uncompressed_key_tag, 64>;

namespace detail {
[[nodiscard]] inline uncompressed_key coordinates_of(secp256k1_pubkey const& point) {
    std::array<byte, 65> out{};
    std::size_t size = out.size();
    must(secp256k1_ec_pubkey_serialize(secp256k1::context(), out.data(), &size, &point, SECP256K1_EC_UNCOMPRESSED) ==
         1);
    return uncompressed_key::from(byte_view{out}.subspan(1));
}
}  // namespace detail

/// The coordinates of @p key. @return `invalid_key` when it is no point.
[[nodiscard]] inline result<uncompressed_key> to_uncompressed(public_key const& key) {
    MUSTER_TRY(auto const point, parse(key));
    return detail::coordinates_of(point);
}

/// The canonical signature of @p digest by @p key, with the nonce of RFC 6979. About 35 us.
/// @return `secret_gone` when the pair is not usable.
[[nodiscard]] inline result<recoverable_signature> sign_recoverable(key_pair const& key, digest32 const& digest) {
    wipe_stack_on_exit const wipe_frames;
    MUSTER_TRY(key.require());
    secp256k1_ecdsa_recoverable_signature raw;
    if (secp256k1_ecdsa_sign_recoverable(secp256k1::context(), &raw, digest.data(), key.secret_scalar().data(), nullptr,
                                         nullptr) != 1) {
        return error{errc::secret_gone, "the key pair does not hold a usable secret"};
    }
    recoverable_signature out;
    int id = 0;
    detail::must(secp256k1_ecdsa_recoverable_signature_serialize_compact(secp256k1::context(), out.data(), &id, &raw) ==
                 1);
    out.octets[64] = static_cast<byte>(id);
    return out;
}

/// Whether @p s is the one spelling of its kind that @ref recover takes: a low s, and a recovery id of 0 or 1. It may
/// still recover nothing. Under 1 us.
[[nodiscard]] inline bool is_canonical(recoverable_signature const& s) {
    secp256k1_ecdsa_signature raw;
    return s.octets[64] <= 1 && secp256k1_ecdsa_signature_parse_compact(secp256k1::context(), &raw, s.data()) == 1 &&
           secp256k1_ecdsa_signature_normalize(secp256k1::context(), nullptr, &raw) == 0;
}

/// Whose signature of @p digest @p s is. Of almost any bytes it is somebody's: that it is the right one's is for the
/// caller to see. About 45 us.
/// @return `invalid_signature` when it is not canonical, or recovers nothing.
[[nodiscard]] inline result<uncompressed_key> recover(recoverable_signature const& s, digest32 const& digest) {
    if (!is_canonical(s)) {
        return error{errc::invalid_signature, "the signature has a high s or a recovery id above 1; normalise it"};
    }
    secp256k1_ecdsa_recoverable_signature raw;
    secp256k1_pubkey point;
    if (secp256k1_ecdsa_recoverable_signature_parse_compact(secp256k1::context(), &raw, s.data(), s.octets[64]) != 1 ||
        secp256k1_ecdsa_recover(secp256k1::context(), &point, &raw, digest.data()) != 1) {
        return error{errc::invalid_signature, "the signature recovers no key"};
    }
    return detail::coordinates_of(point);
}

}  // namespace muster::crypto
