// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What can be asked at the control socket. A request is exactly what one of these says, or it is refused.

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <muster/signing/request.hpp>

#include "parse.hpp"
#include "schema.hpp"

namespace cosigner {

namespace signing = muster::signing;

/// `propose`: the signers are those named in `with`, and the one who is asked.
struct propose_request {
    signing::signing_request what;  ///< Without signers.
    std::vector<std::string> with;  ///< By name or signer key.
};
/// `sessions`, `status` or `peer_list`.
struct list_request {
    std::string command;
};
/// `show`, `approve`, `decline`, `abort`, `broadcast` or `failover`.
struct session_request {
    std::string command;
    std::string session;  ///< The first digits of its id.
    std::string why;      ///< With `decline` and `abort`; may be empty.
};
/// `peer_add` or `peer_remove`.
struct peer_request {
    std::string command;
    std::string peer;  ///< `NAME=ADDRESS`, or the name.
};
using request = std::variant<propose_request, list_request, session_request, peer_request>;

/// The request that @p what spells: `{"command": NAME, ...}` with the members that docs/json.md lists for it.
/// @return it, or `bad_input` that names what is unknown, missing, or not what it must be.
[[nodiscard]] result<request> parse_request(value const& what);

/// An election method by the name that JSON has for it.
[[nodiscard]] result<signing::election_method> parse_election(std::string_view name);

/// Longest time that a proposal can be valid for, in seconds: a day, as the library's limit has it.
inline constexpr std::int64_t valid_seconds_max = 86'400;

}  // namespace cosigner
