// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A file of one owner: nobody else writes it, as long as all who could ask for its lock; and whoever does not ask is
/// noticed.
///
/// Two processes that replace the same file lose each other's work, and two that write at its end leave a file that
/// nobody can read. So whoever owns a path has its lock, from the first use on and for life. People and other programs
/// do not ask for locks: they move files away, put older ones back, or empty them. So what is at the path is compared
/// with what was written there before anything is added to it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/files.hpp>
#include <muster/core/posix_files.hpp>
#include <muster/core/result.hpp>

namespace muster {

/// What a file was when its owner wrote or read it last.
struct file_mark {
    file_identity identity;
    std::uint64_t size = 0;  ///< Bytes.
    bytes end;               ///< Its last bytes: a file that was emptied and written anew has others.
};

/// The file at one path, which need not exist. Move-only; not thread-safe. Holds a lock once it has one.
template <file_system Files = posix_files>
class owned_file {
public:
    static constexpr std::size_t end_size = 8;  ///< Bytes of the end that are compared: a checksum and more. Ours.

    explicit owned_file(std::string path, Files files = {}) : path_{std::move(path)}, files_{std::move(files)} {}

    [[nodiscard]] std::string const& path() const noexcept { return path_; }
    [[nodiscard]] Files& files() noexcept { return files_; }

    /// Takes the lock, unless it is held, and removes the drafts of owners that are gone. Everything that writes does
    /// this first.
    /// @return `in_use` when another owner has it; `cannot_lock`, also after @ref claim_to_read; `io_failed`.
    [[nodiscard]] result<void> claim() {
        if (read_only_) return *read_only_;
        if (lock_ && files_.holds(*lock_)) return ok();
        lock_.reset();  // what it was made of is gone, so whoever comes first has it now
        MUSTER_TRY(auto lock, files_.lock(path_));
        lock_.emplace(std::move(lock));
        remove_drafts();
        return ok();
    }
    /// As @ref claim, but where nobody can have a lock the file may be read. It is not written then, for life: somebody
    /// may have changed it since.
    [[nodiscard]] result<void> claim_to_read() {
        read_only_.reset();
        auto const claimed = claim();
        if (claimed || !(claimed.error() == file_errc::cannot_lock)) return claimed;
        read_only_ = claimed.error();
        return ok();
    }
    /// Why nothing can be written, after @ref claim_to_read; nothing when it can.
    [[nodiscard]] std::optional<error> const& read_only() const noexcept { return read_only_; }

    /// Makes @p octets the content. When it fails, the old content is still there.
    [[nodiscard]] result<void> replace(byte_view octets) {
        known_.reset();
        MUSTER_TRY(claim());
        MUSTER_TRY(auto const identity, replace_file(files_, path_, octets));
        known_ = file_mark{identity, octets.size(), to_bytes(octets.last(std::min(octets.size(), end_size)))};
        return ok();
    }
    /// Says what the file was when it was read, so that it can be added to.
    void remember(file_mark mark) { known_ = std::move(mark); }
    /// Bytes of what was written or remembered last; 0 after a failure.
    [[nodiscard]] std::uint64_t size() const noexcept { return known_ ? known_->size : 0; }

    /// Adds @p octets at the end and makes them durable.
    /// @return false, and nothing was done, when the file is not as it was left: it was moved away, exchanged, emptied
    /// or
    ///         written to, or a write has failed. It is to be replaced then.
    [[nodiscard]] result<bool> append(byte_view octets) {
        MUSTER_TRY(auto file, open_known());
        auto mark = std::exchange(known_, {});  // until all of it is known to be there
        if (!file) return false;
        MUSTER_TRY(auto const is_known, is_as_left(*file, *mark));
        if (!is_known) return false;
        MUSTER_TRY(write_all(files_, *file, octets));
        MUSTER_TRY(files_.sync(*file));
        mark->size += octets.size();
        muster::append(mark->end, octets.last(std::min(octets.size(), end_size)));
        if (mark->end.size() > end_size) mark->end.erase(mark->end.begin(), mark->end.end() - end_size);
        known_ = std::move(mark);
        return true;
    }
    /// Cuts off what comes after the bytes that were remembered, and makes that durable. @return as of @ref append.
    [[nodiscard]] result<bool> cut() {
        MUSTER_TRY(auto file, open_known());
        if (!file) return false;
        MUSTER_TRY(files_.truncate(*file, known_->size));
        MUSTER_TRY(files_.sync(*file));
        return true;
    }

private:
    // What an owner left behind that was killed. It is only in the way, so a failure is nobody's concern.
    void remove_drafts() {
        auto const found = files_.drafts(path_);
        if (!found) return;
        for (auto const& draft : found.value()) (void)files_.remove(draft);
    }
    [[nodiscard]] result<std::optional<typename Files::file>> open_known() {
        using opened = std::optional<typename Files::file>;
        if (!known_) return opened{};
        MUSTER_TRY(claim());
        MUSTER_TRY(auto file, files_.open(path_, open_mode::append));
        if (!file) return opened{};
        MUSTER_TRY(auto const status, files_.status(*file));
        if (status.identity != known_->identity) return opened{};
        return opened{std::move(file)};
    }
    [[nodiscard]] result<bool> is_as_left(typename Files::file& file, file_mark const& mark) {
        MUSTER_TRY(auto const status, files_.status(file));
        if (status.size != mark.size) return false;
        bytes end(mark.end.size());
        MUSTER_TRY(auto const count, read_all(files_, file, mark.size - end.size(), end));
        return count == end.size() && equal(end, mark.end);
    }

    std::string path_;
    Files files_;
    std::optional<typename Files::lock_type> lock_;
    std::optional<error> read_only_;
    std::optional<file_mark> known_;
};

}  // namespace muster
