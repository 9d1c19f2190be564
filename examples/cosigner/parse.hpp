// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The one reader of each thing that people and scripts write: numbers, derivation paths, digests, keys, names, rules.
/// None guesses: what is not exactly the thing that was asked for is refused with `bad_input`, which says what it was.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <muster/core/hex.hpp>
#include <muster/discovery/signer_advertisement.hpp>
#include <muster/musig2/tweak.hpp>

#include "escape.hpp"
#include "failure.hpp"

namespace cosigner {

using muster::result;

/// A whole number from @p min to @p max in decimal digits: no sign, blanks or leading zeros.
/// @param what  what it is for, as the error names it.
[[nodiscard]] result<std::int64_t> parse_number(std::string_view what, std::string_view written, std::int64_t min,
                                                std::int64_t max);

/// `m/0/7` or `0/7`: at least one step, at most as many as a proposal takes, each below 2^31, none hardened.
[[nodiscard]] result<muster::musig2::bip32_path> parse_path(std::string_view written);
/// That path as `m/0/7`.
[[nodiscard]] std::string to_text(muster::musig2::bip32_path const& path);

/// A value of fixed size in hexadecimal, in either case.
template <class Fixed>
[[nodiscard]] result<Fixed> parse_hex(std::string_view what, std::string_view written) {
    auto parsed = muster::from_hex_as<Fixed>(written);
    if (parsed) return parsed;
    return muster::error{errc::bad_input, muster::text(what, ": ", in_quotes(written), ": ", parsed.error().message())};
}

/// A name for a peer: letters, digits, `.`, `_` and `-`, 1 to 64 of them, at least one letter, not `me` and no signer
/// key: it cannot be taken for something else where it is shown or typed.
[[nodiscard]] result<std::string> parse_name(std::string_view written);
/// `bob,carol`: none of them empty.
[[nodiscard]] result<std::vector<std::string>> parse_list(std::string_view what, std::string_view written);
/// The first digits of a session id, in lower case.
[[nodiscard]] result<std::string> parse_session(std::string_view written);
/// The first digits of a request's id, in lower case.
[[nodiscard]] result<std::string> parse_request_id(std::string_view written);
/// As parse_session, at least as many digits as a question shows: whoever approves names what was shown.
[[nodiscard]] result<std::string> parse_approved_session(std::string_view written);

/// `spend`, `swap`, `coinjoin`, `custody`, `escrow` or `channel`.
[[nodiscard]] result<muster::discovery::transaction_type> parse_transaction_type(std::string_view written);

/// Who approves.
struct approval_rule {
    enum class kind : std::uint8_t { ask, all, none, digest };
    kind what = kind::ask;
    muster::crypto::digest32 digest{};  ///< With `kind::digest`: what is approved, and nothing else.
    /// The rule as it is written.
    [[nodiscard]] std::string to_text() const;
};
/// `ask`, `all`, `none` or `digest:HEX`.
[[nodiscard]] result<approval_rule> parse_rule(std::string_view written);

/// The one of @p known that was probably meant by @p written, for `; did you mean ...?`; empty when none is near.
[[nodiscard]] std::string did_you_mean(std::string_view written, std::vector<std::string_view> const& known);

}  // namespace cosigner
