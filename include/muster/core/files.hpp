// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The few things that are asked of a file system, and the two patterns made of them: replace a file so that either the
/// old or the new one survives whatever happens, and put a file aside that cannot be read.
///
/// A file is replaced by writing another one beside it, making its octets durable, renaming it over the first, and
/// making the directory durable: the order that POSIX file systems ask for. What a rename alone does after a
/// power failure is up to the file system.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>

namespace muster {

/// Why files could not be kept.
enum class file_errc : std::uint8_t {
    io_failed = 1,      ///< The operating system refused; the message says what and why.
    too_large,          ///< A file above the bound that was set for it.
    cannot_keep_aside,  ///< A file that cannot be read would have to be overwritten.
};
[[nodiscard]] constexpr std::string_view category_of(file_errc) noexcept { return "file"; }
[[nodiscard]] constexpr std::string_view to_string(file_errc e) noexcept {
    switch (e) {
        case file_errc::io_failed: return "io_failed";
        case file_errc::too_large: return "too_large";
        case file_errc::cannot_keep_aside: return "cannot_keep_aside";
    }
    return "unknown";
}

/// How a file is opened.
enum class open_mode : std::uint8_t {
    read,    ///< It must exist.
    create,  ///< Empty, for writing, whether it existed or not.
    append,  ///< It must exist; what is written comes after its end.
};

/// A file system.
///
/// Semantics: `open` gives nothing when a file that must exist does not. `write` and `read` may do less than they were
/// asked for, at least one octet; `read` gives 0 at the end only. After `sync(file)` its octets survive a power
/// failure, after `sync_directory(path)` the name @p path does, or its absence. `rename` replaces in one step. A file
/// closes when it is destroyed. Paths are those of the operating system.
template <class F>
concept file_system = requires(F& f, typename F::file& open, std::string const& path, byte_span in, byte_view out) {
    { f.open(path, open_mode::read) } -> std::same_as<result<std::optional<typename F::file>>>;
    { f.read(open, in) } -> std::same_as<result<std::size_t>>;
    { f.write(open, out) } -> std::same_as<result<std::size_t>>;
    { f.size(open) } -> std::same_as<result<std::uint64_t>>;
    { f.truncate(open, std::uint64_t{}) } -> std::same_as<result<void>>;
    { f.sync(open) } -> std::same_as<result<void>>;
    { f.rename(path, path) } -> std::same_as<result<void>>;
    { f.exists(path) } -> std::same_as<result<bool>>;
    { f.sync_directory(path) } -> std::same_as<result<void>>;
};

/// Writes all of @p octets.
template <file_system Files>
[[nodiscard]] result<void> write_all(Files& files, typename Files::file& file, byte_view octets) {
    while (!octets.empty()) {
        MUSTER_TRY(auto const count, files.write(file, octets));
        octets = octets.subspan(count);
    }
    return ok();
}

/// The octets of the file at @p path; nothing when there is none. `too_large` above @p size_max, before anything is
/// allocated for them.
template <file_system Files>
[[nodiscard]] result<std::optional<bytes>> read_file(Files& files, std::string const& path, std::uint64_t size_max) {
    MUSTER_TRY(auto file, files.open(path, open_mode::read));
    if (!file) return std::optional<bytes>{};
    MUSTER_TRY(auto const size, files.size(*file));
    if (size > size_max) {
        return error{file_errc::too_large, text(path, " has ", size, " octets, and at most ", size_max, " are read")};
    }
    bytes octets(static_cast<std::size_t>(size));
    std::size_t at = 0;
    while (at < octets.size()) {
        MUSTER_TRY(auto const count, files.read(*file, byte_span{octets}.subspan(at)));
        if (count == 0) break;  // somebody cut it meanwhile; the checksum will tell
        at += count;
    }
    octets.resize(at);
    return std::optional{std::move(octets)};
}

/// Makes @p octets the content of the file at @p path. When it fails, the old content is still there.
template <file_system Files>
[[nodiscard]] result<void> replace_file(Files& files, std::string const& path, byte_view octets) {
    auto const draft = path + ".new";
    {
        MUSTER_TRY(auto file, files.open(draft, open_mode::create));
        if (!file) return error{file_errc::io_failed, text("cannot create ", draft)};
        MUSTER_TRY(write_all(files, *file, octets));
        MUSTER_TRY(files.sync(*file));
    }
    MUSTER_TRY(files.rename(draft, path));
    return files.sync_directory(path);
}

/// Renames the file at @p path to the first free name of `path.aside.1` to `.16`, and says which. So many, because a
/// program that starts again and again must not fill the disk; the owner is asked to look instead.
template <file_system Files>
[[nodiscard]] result<std::string> keep_aside(Files& files, std::string const& path) {
    for (int i = 1; i <= 16; ++i) {
        auto aside = text(path, ".aside.", i);
        MUSTER_TRY(auto const taken, files.exists(aside));
        if (taken) continue;
        MUSTER_TRY(files.rename(path, aside));
        MUSTER_TRY(files.sync_directory(path));
        return aside;
    }
    return error{file_errc::cannot_keep_aside,
                 text(path, " cannot be read, and 16 files were put aside before: remove ", path, ".aside.*")};
}

}  // namespace muster
