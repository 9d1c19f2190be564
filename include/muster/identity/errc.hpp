// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Why what belongs to a person was refused: a key file, an action, a share of a backup.

#include <cstdint>
#include <string_view>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>

namespace muster::identity {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   not_a_key_file,       ///< Something else than a key file, or a part of one.
                   unsupported_version,  ///< A version that this program does not know.
                   unsupported_kdf,      ///< A way to derive keys from passphrases that this program does not know.
                   kdf_too_cheap,        ///< A key derivation that somebody with the file could guess through.
                   kdf_too_dear,         ///< A key derivation that would take all memory, or hours.
                   bad_passphrase,       ///< A passphrase that nobody may choose: too short, or too long.
                   wrong_passphrase,     ///< Not the passphrase of this key file; or the file is damaged.
                   malformed,            ///< Not the one encoding of anything.
                   too_large,            ///< More bytes than there may be.
                   wrong_network,        ///< Made for another network.
                   expired,              ///< Its time is over.
                   from_the_future,      ///< Its time has not come.
                   duplicate,            ///< Known before.
                   rate_limited,         ///< More than its sender may ask to be verified.
                   out_of_sequence,      ///< Does not follow what is known of its author.
                   forked,               ///< Its author has signed something else in its place.
                   not_signed,           ///< Its author did not sign it.
                   wrong_payload,        ///< The payload is not the one that was signed.
                   unknown_author,       ///< Nobody who may act here.
                   full,                 ///< As many are known as may be.
                   bad_policy,           ///< A threshold that no number of guardians can have.
                   bad_share,            ///< Not the share that the manifest names.
                   too_few_shares,       ///< Fewer good shares than the threshold.
                   wrong_set,            ///< A share of another backup, or of an older one.
                   wrong_state           ///< Not at this time.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "identity"; }

}  // namespace muster::identity
