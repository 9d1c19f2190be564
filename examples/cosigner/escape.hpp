// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Text from outside as a terminal may show it: what a peer, a file or an argument says cannot move the cursor, hide
/// what follows, reverse it, or look like a line of ours.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cosigner {

/// Lines of text, without their line ends.
using lines = std::vector<std::string>;

/// Longest line that is printed, in bytes. Ours: a session with 128 signers named on one line still fits.
inline constexpr std::size_t line_size_max = 16u << 10;
/// Longest single value in a line, in bytes. Ours: the longest purpose that a proposal may have.
inline constexpr std::size_t value_size_max = 256;

/// @p raw with everything that is not plainly visible as a visible escape: control characters (C0, DEL, C1) and bytes
/// that are not UTF-8 as `\xNN`, characters that are invisible or reorder others (Unicode's format characters, line and
/// paragraph separators, blanks other than the space, noncharacters, private use) as `\uNNNN` or `\UNNNNNNNN`.
/// At most @p size_max bytes; what is longer is cut, never inside a character or an escape, and ends with an ellipsis
/// which the bound does not include. Idempotent below the bound. O(size).
[[nodiscard]] std::string escape(std::string_view raw, std::size_t size_max = line_size_max);

/// @p raw as @ref escape, between quotes, with quotes and backslashes in it escaped: where it ends cannot be forged.
[[nodiscard]] std::string in_quotes(std::string_view raw, std::size_t size_max = value_size_max);

/// @p raw as one argument of a command that a person may copy into a shell: in single quotes where it needs some.
[[nodiscard]] std::string as_argument(std::string_view raw);

/// Lines as one text, each escaped, with line ends between them: the only line ends in it are ours.
[[nodiscard]] std::string joined(lines const& all);

/// Whether @p raw is UTF-8.
[[nodiscard]] bool is_utf8(std::string_view raw);

}  // namespace cosigner
