// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The file system of POSIX. Files are created readable by their owner alone, and symbolic links are not followed.

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
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

    [[nodiscard]] result<std::optional<file>> open(std::string const& path, open_mode mode) {
        int const flags = mode == open_mode::read     ? O_RDONLY
                          : mode == open_mode::create ? O_WRONLY | O_CREAT | O_TRUNC
                                                      : O_WRONLY | O_APPEND;
        // Without O_NONBLOCK a pipe of that name would be waited for.
        int const descriptor =
            again([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600); });
        if (descriptor >= 0) {
            file opened{descriptor};
            struct ::stat status;
            if (::fstat(descriptor, &status) != 0) return failure("stat", path);
            if (!S_ISREG(status.st_mode)) return error{file_errc::io_failed, text(path, " is not a regular file")};
            return std::optional{std::move(opened)};
        }
        if (errno == ENOENT && mode != open_mode::create) return std::optional<file>{};
        return failure("open", path);
    }
    [[nodiscard]] result<std::size_t> read(file& f, byte_span in) {
        auto const count = again([&] { return ::read(f.descriptor(), in.data(), in.size()); });
        if (count < 0) return failure("read", "a file");
        return static_cast<std::size_t>(count);
    }
    [[nodiscard]] result<std::size_t> write(file& f, byte_view out) {
        auto const count = again([&] { return ::write(f.descriptor(), out.data(), out.size()); });
        if (count < 0) return failure("write", "a file");
        return static_cast<std::size_t>(count);
    }
    [[nodiscard]] result<std::uint64_t> size(file& f) {
        struct ::stat status;
        if (::fstat(f.descriptor(), &status) != 0) return failure("stat", "a file");
        return static_cast<std::uint64_t>(status.st_size);
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
    [[nodiscard]] result<bool> exists(std::string const& path) {
        struct ::stat status;
        if (::lstat(path.c_str(), &status) == 0) return true;
        if (errno == ENOENT) return false;
        return failure("stat", path);
    }
    [[nodiscard]] result<void> sync_directory(std::string const& path) {
        auto const slash = path.rfind('/');
        auto const folder = slash == path.npos ? std::string{"."} : path.substr(0, slash + 1);
        int const descriptor = again([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
        file const opened{descriptor};
        if (opened.descriptor() < 0) return failure("open", folder);
        return checked(again([&] { return ::fsync(opened.descriptor()); }), "sync", folder);
    }

private:
    // A signal is no reason to give up.
    template <class Call>
    [[nodiscard]] static auto again(Call call) -> decltype(call()) {
        auto outcome = call();
        while (outcome < 0 && errno == EINTR) outcome = call();
        return outcome;
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
