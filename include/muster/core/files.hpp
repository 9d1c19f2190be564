// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The few things that are asked of a file system, and the two patterns made of them: replace a file so that either the
/// old or the new one survives whatever happens, and put a file aside that cannot be read.
///
/// A file is replaced by writing a draft beside it, making its bytes durable, renaming it over the first, and
/// making the directory durable: the order that POSIX file systems ask for. What a rename alone does after a
/// power failure is up to the file system. Every draft has a name of its own, so two who replace the same file at the
/// same time leave the whole file of one of them. Who must not lose the other's work locks the path: owned_file.hpp.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/result.hpp>

namespace muster {

/// Why files could not be kept.
MUSTER_ENUMERATION(file_errc, 1,
                   io_failed,          ///< The operating system refused; the message says what and why.
                   too_large,          ///< A file above the bound that was set for it.
                   cannot_keep_aside,  ///< A file that cannot be read would have to be overwritten.
                   in_use,      ///< Somebody else has locked the path: another process, or another object of this one.
                   cannot_lock  ///< The lock of a path cannot be taken or made here, whoever tries.
);
[[nodiscard]] constexpr std::string_view category_of(file_errc) noexcept { return "file"; }

/// How a file is opened.
enum class open_mode : std::uint8_t {
    read,    ///< It must exist.
    create,  ///< It must not exist; for writing.
    append,  ///< It must exist; it can be read, and what is written comes after its end.
};

/// Which file it is, whatever its name: two files that exist at the same time differ.
struct file_identity {
    std::uint64_t device = 0;
    std::uint64_t number = 0;  ///< On its device; POSIX says inode.
    friend bool operator==(file_identity const&, file_identity const&) = default;
};

/// What is known of an open file.
struct file_status {
    file_identity identity;
    std::uint64_t size = 0;  ///< Bytes.
};

/// A file that is written before it gets the name it is meant for.
template <class File>
struct draft_file {
    std::string path;
    File file;
};

/// A file system.
///
/// Semantics: `open` gives nothing when a file that must exist does not, or one that must not exist does. `write` and
/// `read` may do less than they were asked for, at least one byte; `read(file, offset, in)` gives 0 at the end only.
/// After `sync(file)` its bytes survive a power failure, after `sync_directory(path)` the name @p path does, or its
/// absence. `rename` replaces in one step; `remove` is content when there is nothing to remove. `create_draft(path)`
/// makes an empty file beside @p path, of a name that nothing had before; `drafts(path)` are the names of all such
/// files that still exist. A file closes when it is destroyed. Paths are those of the operating system.
///
/// `lock(path)` takes the lock of @p path, which one holder has at a time, among all processes and within one; it is
/// given back when it is destroyed or its process ends, however that ends. The file at @p path need not exist, and may
/// be replaced meanwhile. It does not wait: `in_use` when somebody has it; `cannot_lock` when nobody can have it here,
/// as on a file system that cannot be written to. `holds(lock)` says whether it still is the lock of its path: it is
/// not when somebody removed what it is made of, nor in a process that was forked from its holder.
template <class F>
concept file_system = requires(F& f, typename F::file& open, typename F::lock_type const& held, std::string const& path,
                               std::uint64_t offset, byte_span in, byte_view out) {
    { f.open(path, open_mode::read) } -> std::same_as<result<std::optional<typename F::file>>>;
    { f.read(open, offset, in) } -> std::same_as<result<std::size_t>>;
    { f.write(open, out) } -> std::same_as<result<std::size_t>>;
    { f.status(open) } -> std::same_as<result<file_status>>;
    { f.truncate(open, offset) } -> std::same_as<result<void>>;
    { f.sync(open) } -> std::same_as<result<void>>;
    { f.rename(path, path) } -> std::same_as<result<void>>;
    { f.remove(path) } -> std::same_as<result<void>>;
    { f.exists(path) } -> std::same_as<result<bool>>;
    { f.sync_directory(path) } -> std::same_as<result<void>>;
    { f.create_draft(path) } -> std::same_as<result<draft_file<typename F::file>>>;
    { f.drafts(path) } -> std::same_as<result<std::vector<std::string>>>;
    { f.lock(path) } -> std::same_as<result<typename F::lock_type>>;
    { f.holds(held) } -> std::same_as<bool>;
}
&&std::movable<typename F::lock_type>;

/// Writes all of @p octets.
template <file_system Files>
[[nodiscard]] result<void> write_all(Files& files, typename Files::file& file, byte_view octets) {
    while (!octets.empty()) {
        MUSTER_TRY(auto const count, files.write(file, octets));
        octets = octets.subspan(count);
    }
    return ok();
}

/// Fills @p in with what comes after the first @p offset bytes. @return how many there were.
template <file_system Files>
[[nodiscard]] result<std::size_t> read_all(Files& files, typename Files::file& file, std::uint64_t offset,
                                           byte_span in) {
    std::size_t at = 0;
    while (at < in.size()) {
        MUSTER_TRY(auto const count, files.read(file, offset + at, in.subspan(at)));
        if (count == 0) break;
        at += count;
    }
    return at;
}

/// The bytes of the file at @p path; nothing when there is none. `too_large` above @p size_max, before anything is
/// allocated for them.
template <file_system Files>
[[nodiscard]] result<std::optional<bytes>> read_file(Files& files, std::string const& path, std::uint64_t size_max) {
    MUSTER_TRY(auto file, files.open(path, open_mode::read));
    if (!file) return std::optional<bytes>{};
    MUSTER_TRY(auto const status, files.status(*file));
    if (status.size > size_max) {
        return error{file_errc::too_large,
                     text(path, " has ", status.size, " bytes, and at most ", size_max, " are read")};
    }
    bytes octets(static_cast<std::size_t>(status.size));
    MUSTER_TRY(auto const count, read_all(files, *file, 0, octets));
    octets.resize(count);  // fewer when somebody cut it meanwhile; the checksum will tell
    return std::optional{std::move(octets)};
}

/// Reads a file from front to back, once. Holds a buffer of 16 KiB, or of as many bytes as were asked for at once:
/// whoever asks bounds that. The file system is borrowed. Move-only.
template <file_system Files>
class file_reader {
public:
    static constexpr std::size_t buffer_size = std::size_t{16} << 10;  // four pages; ours

    /// Opens the file at @p path; nothing when there is none.
    [[nodiscard]] static result<std::optional<file_reader>> open(Files& files, std::string const& path) {
        MUSTER_TRY(auto file, files.open(path, open_mode::read));
        if (!file) return std::optional<file_reader>{};
        MUSTER_TRY(auto const status, files.status(*file));
        return std::optional{file_reader{files, std::move(*file), status}};
    }

    /// Which file it is.
    [[nodiscard]] file_identity const& identity() const noexcept { return identity_; }
    /// Bytes of the file when it was opened, or those that it was limited to.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// Bytes that were taken.
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    /// Bytes that can be taken still.
    [[nodiscard]] std::uint64_t left() const noexcept { return size_ - offset_; }
    /// Leaves out what comes after the first @p size bytes. Expects `offset() <= size <= size()`.
    void limit(std::uint64_t size) noexcept { size_ = size; }

    /// The next @p count bytes, which the next call invalidates. Expects `count <= left()`.
    /// @return `io_failed` also when somebody has cut the file meanwhile.
    [[nodiscard]] result<byte_view> peek(std::size_t count) {
        if (end_ - begin_ < count) {
            MUSTER_TRY(fill(count));
        }
        return byte_view{buffer_}.subspan(begin_, count);
    }
    /// As @ref peek, and goes on behind them.
    [[nodiscard]] result<byte_view> take(std::size_t count) {
        MUSTER_TRY(auto const octets, peek(count));
        begin_ += count;
        offset_ += count;
        return octets;
    }

private:
    file_reader(Files& files, typename Files::file&& file, file_status const& status)
        : files_{&files},
          file_{std::move(file)},
          identity_{status.identity},
          size_{status.size},
          buffer_(buffer_size) {}

    [[nodiscard]] result<void> fill(std::size_t count) {
        std::copy(buffer_.data() + begin_, buffer_.data() + end_, buffer_.data());
        end_ -= std::exchange(begin_, 0);
        if (buffer_.size() < count) buffer_.resize(count);
        while (end_ < count) {
            MUSTER_TRY(auto const more, files_->read(file_, offset_ + end_, byte_span{buffer_}.subspan(end_)));
            if (more == 0) {
                return error{file_errc::io_failed, text("a file of ", size_, " bytes was cut to ", offset_ + end_,
                                                        " while it was read: does another process use it?")};
            }
            end_ += more;
        }
        return ok();
    }

    Files* files_;
    typename Files::file file_;
    file_identity identity_;
    std::uint64_t size_;
    std::uint64_t offset_ = 0;
    bytes buffer_;
    std::size_t begin_ = 0;  // of what was read and not taken, in the buffer
    std::size_t end_ = 0;
};

/// Has @p fill write a draft beside @p path, makes that durable, and names it @p to, which it replaces. @p fill is
/// called with the open file. @return which file it is. What fails leaves no draft behind, as far as the disk allows.
template <file_system Files, class Fill>
[[nodiscard]] result<file_identity> write_beside(Files& files, std::string const& path, std::string const& to,
                                                 Fill fill) {
    MUSTER_TRY(auto draft, files.create_draft(path));
    auto const named = [&]() -> result<file_identity> {
        MUSTER_TRY(fill(draft.file));
        MUSTER_TRY(files.sync(draft.file));
        MUSTER_TRY(auto const status, files.status(draft.file));
        MUSTER_TRY(files.rename(draft.path, to));
        return status.identity;
    }();
    if (!named) {
        (void)files.remove(draft.path);
        return named.error();
    }
    MUSTER_TRY(files.sync_directory(to));
    return named.value();
}

/// Makes @p octets the content of the file at @p path, and says which file that is now. When it fails, the old content
/// is still there, or the new one is and may be lost in a power failure.
template <file_system Files>
[[nodiscard]] result<file_identity> replace_file(Files& files, std::string const& path, byte_view octets) {
    return write_beside(files, path, path, [&](auto& file) { return write_all(files, file, octets); });
}

/// The first free name of `path.aside.1` to `.16`. So many, because a program that starts again and again must not fill
/// the disk; the owner is asked to look instead.
template <file_system Files>
[[nodiscard]] result<std::string> name_aside(Files& files, std::string const& path) {
    for (int i = 1; i <= 16; ++i) {
        auto aside = text(path, ".aside.", i);
        MUSTER_TRY(auto const taken, files.exists(aside));
        if (!taken) return aside;
    }
    return error{file_errc::cannot_keep_aside,
                 text(path, " cannot be read, and 16 files were put aside before: remove ", path, ".aside.*")};
}

/// Renames the file at @p path to the first free name of @ref name_aside, and says which.
template <file_system Files>
[[nodiscard]] result<std::string> keep_aside(Files& files, std::string const& path) {
    MUSTER_TRY(auto aside, name_aside(files, path));
    MUSTER_TRY(files.rename(path, aside));
    MUSTER_TRY(files.sync_directory(path));
    return aside;
}

/// As @ref keep_aside, but copies: the file stays where it is, and what is aside is durable and whole. Holds a buffer.
template <file_system Files>
[[nodiscard]] result<std::string> copy_aside(Files& files, std::string const& path) {
    MUSTER_TRY(auto aside, name_aside(files, path));
    MUSTER_TRY(auto from, file_reader<Files>::open(files, path));
    if (!from) return error{file_errc::io_failed, text(path, " is gone")};
    MUSTER_TRY(write_beside(files, path, aside, [&](auto& to) -> result<void> {
        while (from->left() != 0) {
            auto const count = std::min<std::uint64_t>(from->left(), file_reader<Files>::buffer_size);
            MUSTER_TRY(auto const octets, from->take(static_cast<std::size_t>(count)));
            MUSTER_TRY(write_all(files, to, octets));
        }
        return ok();
    }));
    return aside;
}

}  // namespace muster
