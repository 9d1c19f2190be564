// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What can be asked at the control socket. A request is exactly what one of these says, or it is refused.

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <muster/discovery/criteria.hpp>
#include <muster/discovery/request_advertisement.hpp>
#include <muster/signing/request.hpp>

#include "parse.hpp"
#include "schema.hpp"
#include "wallet.hpp"

namespace cosigner {

namespace signing = muster::signing;

/// `propose`: the signers are those named in `with` or those of `wallet`, and the one who is asked.
struct propose_request {
    signing::signing_request what;  ///< Without signers.
    std::vector<std::string> with;  ///< By name or signer key.
    std::string wallet = {};        ///< Its name; empty when `with` says who signs.
};
/// `sessions`, `status`, `peer_list`, `wallets`, `initiators`, `settings`, `signers_stats`, `signers_clear`, `online`,
/// `offline`, `requests` or `presences`.
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
/// `connect` or `disconnect`.
struct connection_request {
    std::string command;
    std::string peer;  ///< Its name, its id, or an address that ends with it.
};
/// `watch`: everything that happens, or what happens to one session.
struct watch_request {
    std::string session = {};  ///< The first digits of its id; empty for everything.
};
/// `wallet_add` or `wallet_remove`.
struct wallet_request {
    std::string command;
    std::string name;
    std::vector<std::string> with;  ///< By name or signer key.
    shared_wallet what;             ///< Without signers.
};
/// `signers` or `signers_subscribe`: those that offer this.
struct signers_request {
    std::string command;
    muster::discovery::criteria what;
};
/// `initiator_add` or `initiator_remove`.
struct initiator_request {
    std::string command;
    std::string name;
    muster::crypto::public_key key{};  ///< With `initiator_add`.
};
/// `settings_set`.
struct setting_request {
    std::string name;
    std::string content;
};
/// `signers_follow` or `signers_unfollow`.
struct follow_request {
    bool is_on;
    muster::crypto::public_key signer{};
};
/// `request_ask`, `request_answer` or `request_end`.
struct notice_request {
    std::string command;
    std::string request = {};                            ///< The first digits of its id, but with `request_ask`.
    muster::discovery::request_advertisement what = {};  ///< With `request_ask`: digest, type, amount and purpose.
    std::vector<std::string> with = {};                  ///< With `request_ask`: by name or signer key; none: anybody.
    std::chrono::seconds valid_for{600};                 ///< With `request_ask`.
};
/// `notes_list`, `notes_conflicts`, `note_set`, `note_remove` or `note_resolve`.
struct note_request {
    std::string command;
    std::string wallet;
    std::string key = {};
    std::string content = {};  ///< With `note_set`.
    std::size_t choice = 0;    ///< With `note_resolve`: its number in the list of conflicts, from 1.
};
/// `guardians_offer`, `guardians_status`, `guardians_approve`, `guardians_decline`, `guardians_veto` or
/// `guardians_recover`.
struct guardian_request {
    std::string command;
    std::vector<std::string> with = {};  ///< With `guardians_offer`: names of peers.
    std::size_t threshold = 0;           ///< With `guardians_offer`; 0: three.
    std::string about = {};              ///< With the others: digits of a recovery, a user id, or the name of a peer.
};
using request = std::variant<propose_request, list_request, session_request, peer_request, connection_request,
                             watch_request, wallet_request, signers_request, initiator_request, setting_request,
                             notice_request, follow_request, note_request, guardian_request>;

/// The request that @p what spells: `{"command": NAME, ...}` with the members that docs/json.md lists for it.
/// @return it, or `bad_input` that names what is unknown, missing, or not what it must be.
[[nodiscard]] result<request> parse_request(value const& what);

/// An election method by the name that JSON has for it.
[[nodiscard]] result<signing::election_method> parse_election(std::string_view name);

/// Whether @p written has the form of the digits that people compare, like `0123-4567-8901-2345-6789`.
[[nodiscard]] bool is_recovery_digits(std::string_view written);

/// Longest time that a proposal can be valid for, in seconds: a day, as the library's limit has it.
inline constexpr std::int64_t valid_seconds_max = 86'400;
/// Longest time that a request for signatures stands, in seconds: two hours, as the library's limit has it.
inline constexpr std::int64_t request_seconds_max = 7'200;

}  // namespace cosigner
