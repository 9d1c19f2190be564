// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the command line asks for, as it was typed, and the commands that carry it out. Each gives its exit code.

#include <optional>
#include <string>
#include <vector>

#include "output.hpp"

namespace cosigner {

/// The command line. What was not given has no value.
struct arguments {
    using given = std::optional<std::string>;

    std::string dir;
    // init
    given listen, name, address;
    std::vector<std::string> peers;
    // run
    given approve, level, round_timeout, broadcast_timeout, metrics, drill;
    bool hold_broadcast = false;
    // propose, verify
    given file, digest, purpose, election, path, taproot, valid, key, signature;
    std::vector<std::string> with;
    bool key_path = false, keep_order = false;
    // run, signers, settings, initiators
    std::vector<std::string> bootstrap, capabilities;
    bool auto_connect = false, advertise = false, subscribe = false, stats = false;
    given type, amount, fee_max, setting, content, initiator, initiator_key;
    // what a directory's seed is kept under
    bool passphrase = false;
    given passphrase_file, new_passphrase_file, key_file;
    // notes
    given note, note_text, choice;
    // guardians
    given threshold, about;
    // about a session or a peer
    given session, why, peer, wallet, request;
};

int init(arguments const& a, printer& out);
/// A new directory with the seed of a key file.
int import_key(arguments const& a, printer& out);
/// Puts the seed under a passphrase, or under another one.
int change_passphrase(arguments const& a, printer& out);
/// Exchanges the keys that can be, and tells the record of it.
int rotate_keys(arguments const& a, printer& out);
/// Writes a key file to keep elsewhere.
int export_key(arguments const& a, printer& out);
int run(arguments const& a, printer& out);
int propose(arguments const& a, printer& out);
int verify(arguments const& a, printer& out);
/// `sessions`, `status`, or a command about a session.
int ask_about(arguments const& a, std::string const& command, printer& out);
/// `peer_add`, `peer_list` or `peer_remove`: of the running co-signer, or in its settings when none runs.
int manage_peers(arguments const& a, std::string const& command, printer& out);
/// `wallet_add`, `wallet_remove` or `wallets`: alike.
int manage_wallets(arguments const& a, std::string const& command, printer& out);
/// `connect`, `disconnect` or `watch`.
int ask_about_connections(arguments const& a, std::string const& command, printer& out);

/// `signers`, `signers_clear`, `signers_follow`, `signers_unfollow`, `online` or `offline`.
int ask_about_signers(arguments const& a, std::string const& command, printer& out);
/// `request_ask`, `request_answer`, `request_end`, `requests` or `presences`.
int ask_about_notices(arguments const& a, std::string const& command, printer& out);
/// `initiator_add`, `initiator_remove` or `initiators`: of the running co-signer, or in its settings when none runs.
int manage_initiators(arguments const& a, std::string const& command, printer& out);
/// `notes_list`, `notes_conflicts`, `note_set`, `note_remove` or `note_resolve`: of the running co-signer.
int ask_about_notes(arguments const& a, std::string const& command, printer& out);
/// `guardians_offer`, `guardians_status`, `guardians_approve`, `guardians_decline`, `guardians_veto` or
/// `guardians_recover`: of the running co-signer.
int ask_about_guardians(arguments const& a, std::string const& command, printer& out);
/// `settings` or `settings_set`: alike.
int manage_settings(arguments const& a, std::string const& command, printer& out);

}  // namespace cosigner
