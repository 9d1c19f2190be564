// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The file system of POSIX. Files are created readable by their owner alone, and symbolic links are not followed.
///
/// The lock of a path is an flock on the file of that name with `.lock` behind it, in which the number of the process
/// is that has it. The kernel gives it back when that process ends. The file stays: to remove it would let two have the
/// lock, one on the file that is gone and one on the next.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <muster/core/files.hpp>

namespace muster {

/// Calls the operating system. Stateless; one file is used by one thread at a time.
class posix_files {
public:
    /// An open descriptor. Move-only.
    class file {
    public:
        explicit file(int descriptor) noexcept : descriptor_{descriptor} {}
        file(file&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}
        file& operator=(file&& other) noexcept {
            std::swap(descriptor_, other.descriptor_);
            return *this;
        }
        ~file() {
            if (descriptor_ >= 0) ::close(descriptor_);
        }
        [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

    private:
        int descriptor_;
    };

    /// A lock that is held. Move-only.
    class lock_type {
    public:
        lock_type(lock_type&&) noexcept = default;
        lock_type& operator=(lock_type&&) noexcept = default;
        // To close it is not enough while a process that was forked has it open as well, as it has until it calls exec.
        ~lock_type() {
            if (opened_.descriptor() >= 0 && holder_ == ::getpid()) ::flock(opened_.descriptor(), LOCK_UN);
        }

    private:
        friend posix_files;
        lock_type(file&& opened, std::string name) : opened_{std::move(opened)}, name_{std::move(name)} {}

        file opened_;
        std::string name_;
        ::pid_t holder_ = ::getpid();
    };

    [[nodiscard]] result<std::optional<file>> open(std::string const& path, open_mode mode) {
        int const flags = mode == open_mode::read     ? O_RDONLY
                          : mode == open_mode::create ? O_WRONLY | O_CREAT | O_EXCL
                                                      : O_RDWR | O_APPEND;
        file opened{descriptor_of(path, flags)};
        if (opened.descriptor() >= 0) {
            struct ::stat status;
            if (::fstat(opened.descriptor(), &status) != 0) return failure("stat", path);
            if (!S_ISREG(status.st_mode)) return error{file_errc::io_failed, text(path, " is not a regular file")};
            return std::optional{std::move(opened)};
        }
        if (errno == (mode == open_mode::create ? EEXIST : ENOENT)) return std::optional<file>{};
        return failure("open", path);
    }
    [[nodiscard]] result<std::size_t> read(file& f, std::uint64_t offset, byte_span in) {
        auto const at = static_cast<::off_t>(offset);
        auto const count = again([&] { return ::pread(f.descriptor(), in.data(), in.size(), at); });
        if (count < 0) return failure("read", "a file");
        return static_cast<std::size_t>(count);
    }
    [[nodiscard]] result<std::size_t> write(file& f, byte_view out) {
        auto const count = again([&] { return ::write(f.descriptor(), out.data(), out.size()); });
        if (count < 0) return failure("write", "a file");
        return static_cast<std::size_t>(count);
    }
    [[nodiscard]] result<file_status> status(file& f) {
        struct ::stat status;
        if (::fstat(f.descriptor(), &status) != 0) return failure("stat", "a file");
        return file_status{identity_of(status), static_cast<std::uint64_t>(status.st_size)};
    }
    [[nodiscard]] result<void> truncate(file& f, std::uint64_t size) {
        return checked(again([&] { return ::ftruncate(f.descriptor(), static_cast<::off_t>(size)); }), "truncate",
                       "a file");
    }
    [[nodiscard]] result<void> sync(file& f) {
        return checked(again([&] { return ::fsync(f.descriptor()); }), "sync", "a file");
    }
    [[nodiscard]] result<void> rename(std::string const& from, std::string const& to) {
        return checked(::rename(from.c_str(), to.c_str()), "rename", from);
    }
    [[nodiscard]] result<void> remove(std::string const& path) {
        if (::unlink(path.c_str()) == 0 || errno == ENOENT) return ok();
        return failure("remove", path);
    }
    [[nodiscard]] result<bool> exists(std::string const& path) {
        struct ::stat status;
        if (::lstat(path.c_str(), &status) == 0) return true;
        if (errno == ENOENT) return false;
        return failure("stat", path);
    }
    [[nodiscard]] result<void> sync_directory(std::string const& path) {
        auto const folder = folder_of(path);
        int const descriptor = again([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
        file const opened{descriptor};
        if (opened.descriptor() < 0) return failure("open", folder);
        return checked(again([&] { return ::fsync(opened.descriptor()); }), "sync", folder);
    }

    [[nodiscard]] result<draft_file<file>> create_draft(std::string const& path) {
        auto name = path + std::string{draft_mark} + std::string(draft_digits, 'X');
        file opened{again([&] { return ::mkostemp(name.data(), O_CLOEXEC); })};
        if (opened.descriptor() < 0) return failure("create", name);
        return draft_file<file>{std::move(name), std::move(opened)};
    }
    [[nodiscard]] result<std::vector<std::string>> drafts(std::string const& path) {
        auto const folder = folder_of(path);
        listing const opened{::opendir(folder.c_str())};
        if (opened.entries == nullptr) return failure("open", folder);
        auto const slash = path.rfind('/');
        auto const before = slash == path.npos ? std::string{} : path.substr(0, slash + 1);
        auto const prefix = path.substr(before.size()) + std::string{draft_mark};
        std::vector<std::string> found;
        while (auto const* const entry = ::readdir(opened.entries)) {
            std::string_view const name{entry->d_name};
            if (name.size() == prefix.size() + draft_digits && name.starts_with(prefix)) {
                found.push_back(before + std::string{name});
            }
        }
        return found;
    }
    [[nodiscard]] result<lock_type> lock(std::string const& path) {
        auto const name = path + ".lock";
        for (int i = 0; i < 16; ++i) {
            file opened{descriptor_of(name, O_RDWR | O_CREAT)};
            if (opened.descriptor() < 0) return cannot_lock(path, "open", name);
            if (again([&] { return ::flock(opened.descriptor(), LOCK_EX | LOCK_NB); }) != 0) {
                if (errno == EWOULDBLOCK) return in_use(path, opened);
                return cannot_lock(path, "lock", name);
            }
            lock_type locked{std::move(opened), name};
            if (!holds(locked)) continue;  // somebody removed it between the two calls
            tell_holder(locked.opened_);
            return locked;
        }
        return error{file_errc::io_failed, text(name, " is another file whenever it is looked at: who removes it?")};
    }
    [[nodiscard]] bool holds(lock_type const& l) {
        struct ::stat ours;
        struct ::stat named;
        // A process that was forked has the same lock, and must not take itself for the one that took it.
        return l.holder_ == ::getpid() && ::fstat(l.opened_.descriptor(), &ours) == 0 &&
               ::lstat(l.name_.c_str(), &named) == 0 && identity_of(ours) == identity_of(named);
    }

private:
    /// A folder that is read. Not a unique_ptr, which would make this header a third larger.
    struct listing {
        explicit listing(::DIR* d) noexcept : entries{d} {}
        listing(listing const&) = delete;
        listing& operator=(listing const&) = delete;
        ~listing() {
            if (entries != nullptr) ::closedir(entries);
        }
        ::DIR* const entries;
    };
    static constexpr std::string_view draft_mark = ".draft-";
    static constexpr std::size_t draft_digits = 6;  // as many as mkstemp(3) replaces

    // A signal is no reason to give up.
    template <class Call>
    [[nodiscard]] static auto again(Call call) -> decltype(call()) {
        auto outcome = call();
        while (outcome < 0 && errno == EINTR) outcome = call();
        return outcome;
    }
    [[nodiscard]] static int descriptor_of(std::string const& path, int flags) {
        // Without O_NONBLOCK a pipe of that name would be waited for.
        return again([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600); });
    }
    [[nodiscard]] static file_identity identity_of(struct ::stat const& status) {
        return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
    }
    [[nodiscard]] static std::string folder_of(std::string const& path) {
        auto const slash = path.rfind('/');
        return slash == path.npos ? std::string{"."} : path.substr(0, slash + 1);
    }

    // For whoever is refused. That it could not be written is no reason not to have the lock.
    static void tell_holder(file const& lock) {
        auto const number = text(::getpid(), '\n');
        (void)(::ftruncate(lock.descriptor(), 0) == 0 &&
               ::pwrite(lock.descriptor(), number.data(), number.size(), 0) >= 0);
    }
    [[nodiscard]] static error in_use(std::string const& path, file const& lock) {
        std::array<char, 20> digits;
        auto const count = ::pread(lock.descriptor(), digits.data(), digits.size(), 0);
        auto const end = std::find(digits.data(), digits.data() + std::max<::ssize_t>(count, 0), '\n');
        std::string_view const holder{digits.data(), static_cast<std::size_t>(end - digits.data())};
        if (holder == text(::getpid())) {
            return {file_errc::in_use, text(path, " is in use by process ", holder,
                                            ", which is this one's number: destroy what has it open here, or use "
                                            "another path")};
        }
        bool const is_number = !holder.empty() && holder.find_first_not_of("0123456789") == holder.npos;
        return {file_errc::in_use, text(path, " is in use by another process", is_number ? ", " : "",
                                        is_number ? holder : "", ": end that one, or use another path")};
    }
    // What the file system or our rights do not allow is not going to be otherwise the next time.
    [[nodiscard]] static error cannot_lock(std::string const& path, std::string_view what, std::string const& name) {
        constexpr std::array reasons{EROFS, EACCES, EPERM, ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL};
        if (std::find(reasons.begin(), reasons.end(), errno) == reasons.end()) return failure(what, name);
        return {file_errc::cannot_lock,
                text(path, " can be read only, since its lock cannot be had (cannot ", what, " ", name, ": ",
                     std::string_view{std::strerror(errno)},
                     "): put it where files can be written and locked, or see to it that they can be there")};
    }

    [[nodiscard]] static error failure(std::string_view what, std::string_view path) {
        return {file_errc::io_failed, text("cannot ", what, " ", path, ": ", std::string_view{std::strerror(errno)})};
    }
    [[nodiscard]] static result<void> checked(int outcome, std::string_view what, std::string_view path) {
        if (outcome != 0) return failure(what, path);
        return ok();
    }
};
static_assert(file_system<posix_files>);

}  // namespace muster
