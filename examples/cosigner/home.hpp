// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A co-signer's directory: its seed, its settings, what it has learned and published.
///
///     seed             64 hexadecimal digits; the only secret; mode 0600
///     settings.json    where to listen, whom to dial
///     signers.json     signer keys that peers have shown, so that an offline peer can be named
///     control.sock     the running co-signer's control socket; mode 0600
///     published/       signatures that this co-signer was elected to broadcast

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <muster/core/result.hpp>
#include <muster/json/signing.hpp>
#include <muster/peer/identity.hpp>
#include <muster/peer/multiaddr.hpp>

#include "failure.hpp"

namespace cosigner {

using muster::result;

/// A peer to stay connected with.
struct known_peer {
    muster::peer::multiaddr address;  ///< Ends with the peer id.
};

/// settings.json.
struct settings {
    muster::peer::multiaddr listen;
    std::map<std::string, known_peer> peers;  ///< By the name the user gave.
};

/// An opened directory. Holds a lock, so that one process runs a co-signer in it.
class home {
public:
    /// Makes the directory with a fresh seed. Refuses to touch one that has a seed.
    [[nodiscard]] static result<home> create(std::filesystem::path dir, settings const& s);
    /// Opens an existing directory; the seed must be readable by its owner alone.
    [[nodiscard]] static result<home> open(std::filesystem::path dir);

    [[nodiscard]] std::filesystem::path const& dir() const noexcept { return dir_; }
    [[nodiscard]] std::filesystem::path control_socket() const { return dir_ / "control.sock"; }
    /// Where sessions are written down.
    [[nodiscard]] std::string journal() const { return (dir_ / "journal").string(); }
    [[nodiscard]] settings const& config() const noexcept { return settings_; }

    /// Reads the seed and derives both keys from it.
    [[nodiscard]] result<muster::peer::key_set> keys() const;
    /// Makes this process the only one that runs here, until it ends.
    [[nodiscard]] result<void> lock();

    /// Replaces the settings.
    [[nodiscard]] result<void> save(settings const& s);
    /// Signers that were seen before: members by peer id text.
    [[nodiscard]] std::vector<muster::signing::member> learned_signers() const;
    /// Remembers them.
    [[nodiscard]] result<void> learn(std::vector<muster::signing::member> const& signers) const;
    /// Writes a signature where the application "broadcasts".
    [[nodiscard]] result<std::filesystem::path> publish(std::string const& session,
                                                        muster::json::value const& what) const;

private:
    std::filesystem::path dir_;
    settings settings_;
};

/// `NAME=MULTIADDR/p2p/PEER`, as `--peer` takes it.
[[nodiscard]] result<std::pair<std::string, known_peer>> parse_peer(std::string const& text);

/// The contents of a file, or `io_failed`.
[[nodiscard]] result<muster::bytes> read_file(std::filesystem::path const& path);

}  // namespace cosigner
