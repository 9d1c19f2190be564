// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who somebody is, whatever keys they use now: the hash of their first node key.
///
/// All 32 bytes count. The first eight are shown to people, and nothing is ever looked up by them: among a million
/// users somebody with 10^13 key generations has a key whose first eight bytes are those of one of them.

#include <string>

#include <muster/core/hex.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/secp256k1.hpp>

namespace muster::identity {

struct user_id_tag;
/// SHA-256 of a user's first node key, compressed.
using user_id = fixed_bytes<user_id_tag, 32>;

/// The user whose first node key is @p first.
[[nodiscard]] inline user_id user_of(crypto::public_key const& first) {
    return user_id::from(crypto::sha256(first.view()).view());
}

/// 16 digits of @p who for people to look at. There is no way back.
[[nodiscard]] inline std::string shown(user_id const& who) { return to_hex(who.view().first(8)); }

}  // namespace muster::identity
