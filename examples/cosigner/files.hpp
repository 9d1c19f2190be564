// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Files of a co-signer's directory, and files that are signed. Errors say which path, and why in the system's words.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <utility>

#include <unistd.h>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/hash.hpp>

#include "failure.hpp"

namespace cosigner {

using muster::result;

/// A file descriptor that closes itself. Move-only.
class descriptor {
public:
    explicit descriptor(int fd) noexcept : fd_{fd} {}
    descriptor(descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    descriptor& operator=(descriptor&&) = delete;
    ~descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    /// Lets go of it, open.
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

/// `io_failed` with the system's reason, `errno`.
[[nodiscard]] muster::error failed(std::string_view what, std::filesystem::path const& path);

/// Where @ref replace_private writes before the content takes the place of @p path.
[[nodiscard]] inline std::filesystem::path draft_of(std::filesystem::path const& path) {
    return path.string() + ".new";
}

/// Writes a durable file of mode 0600 that must not exist yet.
[[nodiscard]] result<void> create_private(std::filesystem::path const& path, std::string_view content);
/// Replaces a file of mode 0600 in one step: the old one survives until the new one is on disk.
[[nodiscard]] result<void> replace_private(std::filesystem::path const& path, std::string_view content);
/// Makes names in the directory durable.
[[nodiscard]] result<void> flush_directory(std::filesystem::path const& path);

/// The contents of a file of the co-signer's own; at most 1 MiB.
[[nodiscard]] result<muster::bytes> read_file(std::filesystem::path const& path);

/// Told while a file is hashed: how many bytes are done, and of how many (0 when that is not known).
using progress = std::function<void(std::uint64_t done, std::uint64_t size)>;
/// SHA-256 of a file of any size, or of standard input for `-`, read piece by piece.
[[nodiscard]] result<muster::crypto::digest32> hash_file(std::filesystem::path const& path, progress const& tell);

}  // namespace cosigner
