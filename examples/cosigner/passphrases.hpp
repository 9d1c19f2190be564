// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where passphrases come from: a file that the command line names, or a person at a terminal, who does not see them.

#include <optional>
#include <string>

#include "keyring.hpp"

namespace cosigner {

/// The passphrase that opens something, from the file at @p file or, when there is none, from the terminal.
/// @param what  what it opens, for the prompt.
[[nodiscard]] result<passphrase> ask_passphrase(std::optional<std::string> const& file, std::string const& what);
/// A new passphrase, from @p file or asked for twice at the terminal. Refused when it is too short.
[[nodiscard]] result<passphrase> choose_passphrase(std::optional<std::string> const& file, std::string const& what);

}  // namespace cosigner
