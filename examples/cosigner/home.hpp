// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A co-signer's directory: its seed, its settings, what it has learned and published.
///
///     seed             64 hexadecimal digits; the only secret; mode 0600. Or, under a passphrase:
///     key              a key file
///     settings.json    where to listen, whom to dial
///     signers.json     signer keys that peers have shown, so that an offline peer can be named
///     addresses        where peers are that connections can be chosen from
///     discovered       signers that were found, with what they say of themselves
///     journal          sessions that a restart takes up
///     successors       records of how the keys were exchanged
///     guardians        shares of others, which shares of ours were handed out, and a recovery that goes on
///     recovered.key    a key file that guardians have brought back
///     notes/           what the signers of shared wallets have written together
///     lock             held by the process that runs here
///     control.sock     the running co-signer's control socket; mode 0600
///     published/       signatures that this co-signer was elected to broadcast

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/json/signing.hpp>
#include <muster/peer/identity.hpp>

#include "failure.hpp"
#include "keyring.hpp"
#include "settings.hpp"

namespace cosigner {

/// The control socket of the co-signer in @p dir.
[[nodiscard]] inline std::filesystem::path control_socket_in(std::filesystem::path const& dir) {
    return dir / "control.sock";
}

/// Signers that peers have shown, as they were remembered.
struct learned_signers {
    std::vector<muster::signing::member> known;
    std::optional<std::string> damage;  ///< What is wrong with the file and where it went, when it is damaged.
};

/// Settings that could not be read.
struct settings_damage {
    std::string put_aside;  ///< Where they are now.
    std::string why;
};

/// An opened directory. Holds a lock, so that one process runs a co-signer in it.
class home {
public:
    /// What writes a seed into a directory that has none.
    using seed_writer = std::function<result<void>(keyring const&)>;

    /// Makes the directory, all of it or nothing, with the seed that @p write_seed writes and settings as `run` takes
    /// them. A directory that is there already is taken when it is empty, and left as it is otherwise.
    [[nodiscard]] static result<home> create(std::filesystem::path dir, settings const& s,
                                             seed_writer const& write_seed);
    /// The same with a fresh seed, in the clear.
    [[nodiscard]] static result<home> create(std::filesystem::path dir, settings const& s);
    /// Opens an existing directory; the seed must be readable by its owner alone.
    [[nodiscard]] static result<home> open(std::filesystem::path dir);
    /// The same for whoever runs a co-signer, and holds the @ref lock then: settings that are not JSON any more are put
    /// aside and those of a new directory stand in for them, see @ref damage. A member that is wrong was written by a
    /// person, and is refused.
    [[nodiscard]] static result<home> open_to_run(std::filesystem::path dir);
    /// What was wrong with the settings, and where they are now, when they were damaged.
    [[nodiscard]] std::optional<settings_damage> const& damage() const noexcept { return damage_; }

    [[nodiscard]] std::filesystem::path const& dir() const noexcept { return dir_; }
    [[nodiscard]] std::filesystem::path control_socket() const { return control_socket_in(dir_); }
    /// Where sessions are written down.
    [[nodiscard]] std::string journal() const { return (dir_ / "journal").string(); }
    /// Where the address book is kept.
    [[nodiscard]] std::string addresses() const { return (dir_ / "addresses").string(); }
    /// Where discovered signers are kept.
    [[nodiscard]] std::string discovered() const { return (dir_ / "discovered").string(); }
    /// Where guardians write down what they keep.
    [[nodiscard]] std::string guardians() const { return (dir_ / "guardians").string(); }
    [[nodiscard]] settings const& config() const noexcept { return settings_; }

    /// How the seed is kept.
    [[nodiscard]] keyring keys() const { return keyring{dir_}; }
    /// Makes this process the only one that runs here, until it ends.
    [[nodiscard]] result<void> lock();

    /// Replaces the settings, on disk first.
    [[nodiscard]] result<void> save(settings const& s);
    /// Signers that were seen before. A damaged file is put aside, and what can be read of it goes on.
    [[nodiscard]] learned_signers recall() const;
    /// Remembers them.
    [[nodiscard]] result<void> learn(std::vector<muster::signing::member> const& signers) const;
    /// Writes a signature where the application "broadcasts".
    [[nodiscard]] result<std::filesystem::path> publish(std::string const& session,
                                                        muster::json::value const& what) const;

private:
    std::filesystem::path dir_;
    settings settings_;
    std::optional<settings_damage> damage_;
};

/// A seed that nobody has had, of epoch 0.
[[nodiscard]] result<master_key> fresh_seed();

/// @p dir as it is opened: absolute, without a slash at its end.
[[nodiscard]] std::filesystem::path plain_directory(std::filesystem::path const& dir);

}  // namespace cosigner
