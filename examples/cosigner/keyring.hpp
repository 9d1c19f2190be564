// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How a directory keeps its seed: in the clear, as `seed`, or under a passphrase, as `key`. What others may know of
/// it, the keys' public halves, is known without the passphrase.

#include <filesystem>
#include <functional>

#include <muster/identity/key_file.hpp>

#include "failure.hpp"

namespace cosigner {

using muster::result;
using muster::identity::key_file;
using muster::identity::master_key;
using muster::identity::passphrase;

/// Gives the passphrase when it is needed, or says why there is none.
using passphrase_source = std::function<result<passphrase>()>;

/// The seed of one directory. Reads its files anew with each call.
class keyring {
public:
    explicit keyring(std::filesystem::path dir) : dir_{std::move(dir)} {}

    /// Whether a seed is there, and nobody but its owner can read it.
    [[nodiscard]] result<void> check() const;
    /// Whether it is under a passphrase.
    [[nodiscard]] bool is_wrapped() const;
    /// Whether it lies there in the clear as well: a wrapping that was interrupted.
    [[nodiscard]] bool has_leftover() const;

    /// Whose it is.
    [[nodiscard]] result<muster::identity::key_file_owner> owner() const;
    /// The seed. Asks for the passphrase only when there is one; takes a good part of a second then.
    [[nodiscard]] result<master_key> unlock(passphrase_source const& ask) const;
    /// The key file as it lies there. Expects @ref is_wrapped.
    [[nodiscard]] result<muster::bytes> file() const;

    /// Keeps @p key in the clear, in a directory that has none.
    [[nodiscard]] result<void> keep(master_key const& key) const;
    /// Keeps @p file, which is one of a key that was just had, and removes what lies there in the clear.
    [[nodiscard]] result<void> keep(muster::bytes const& file) const;
    /// Removes the seed that lies there in the clear, beside one under a passphrase. @return `bad_directory` when it is
    /// another one's, and nothing is changed.
    [[nodiscard]] result<void> remove_plain() const;

    /// @p key under @p phrase, at the usual cost.
    [[nodiscard]] static result<muster::bytes> wrap(master_key const& key, passphrase const& phrase);

private:
    [[nodiscard]] std::filesystem::path plain() const { return dir_ / "seed"; }
    [[nodiscard]] std::filesystem::path wrapped() const { return dir_ / "key"; }
    [[nodiscard]] result<master_key> read_plain() const;
    [[nodiscard]] result<void> check_leftover() const;

    std::filesystem::path dir_;
};

}  // namespace cosigner
