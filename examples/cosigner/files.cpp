// SPDX-License-Identifier: MIT

#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include <muster/crypto/secret.hpp>

namespace cosigner {

namespace fs = std::filesystem;
using muster::error;
using muster::ok;
using muster::text;

namespace {

/// Hands the rest of @p file to @p take, piece by piece.
template <class Take>
result<void> read_pieces(int file, fs::path const& path, Take take) {
    muster::bytes piece(256u << 10);                       // ours; larger ones are not faster
    muster::crypto::wipe_on_exit const wipe_piece{piece};  // it may have been a key
    for (;;) {
        auto const size = ::read(file, piece.data(), piece.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return failed("cannot read", path);
        if (size == 0) return ok();
        MUSTER_TRY(take(muster::byte_view{piece}.first(static_cast<std::size_t>(size))));
    }
}

}  // namespace

error failed(std::string_view what, fs::path const& path) {
    return error{errc::io_failed, text(what, " ", path.string(), ": ", std::strerror(errno))};
}

result<void> create_private(fs::path const& path, std::string_view content) {
    descriptor const file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (file.get() < 0) return failed("cannot create", path);
    auto const given_up = [&](std::string_view what) {  // half a file is none, and must not be in the way of the next
        auto why = failed(what, path);
        ::unlink(path.c_str());
        return why;
    };
    while (!content.empty()) {
        auto const written = ::write(file.get(), content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return given_up("cannot write");
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(file.get()) != 0) return given_up("cannot flush");
    return ok();
}

result<void> replace_private(fs::path const& path, std::string_view content) {
    auto const draft = draft_of(path);
    ::unlink(draft.c_str());
    auto done = create_private(draft, content);
    if (done && ::rename(draft.c_str(), path.c_str()) != 0) done = failed("cannot replace", path);
    if (!done) {
        ::unlink(draft.c_str());
        return done;
    }
    return flush_directory(path.parent_path());
}

result<void> flush_directory(fs::path const& path) {
    descriptor const folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (folder.get() < 0 || ::fsync(folder.get()) != 0) return failed("cannot flush", path);
    return ok();
}

result<muster::bytes> read_file(fs::path const& path) {
    constexpr std::size_t size_max = 1u << 20;
    descriptor const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) return failed("cannot open", path);
    muster::bytes out;
    MUSTER_TRY(read_pieces(file.get(), path, [&](muster::byte_view piece) -> result<void> {
        muster::append(out, piece);
        if (out.size() <= size_max) return ok();
        return error{errc::io_failed, text(path.string(), " has more than ", size_max, " bytes; it is not ours")};
    }));
    return out;
}

result<muster::crypto::digest32> hash_file(fs::path const& path, progress const& tell) {
    bool const is_input = path == "-";
    descriptor const file{is_input ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) return failed("cannot open", is_input ? "standard input" : path);
    struct stat what {};
    bool const has_size = ::fstat(file.get(), &what) == 0 && S_ISREG(what.st_mode);
    auto const size = has_size ? static_cast<std::uint64_t>(what.st_size) : 0;
    muster::crypto::sha256_hasher hasher;
    std::uint64_t done = 0;
    MUSTER_TRY(
        read_pieces(file.get(), is_input ? "standard input" : path, [&](muster::byte_view piece) -> result<void> {
            hasher.update(piece);
            done += piece.size();
            if (tell) tell(done, size);
            return ok();
        }));
    return hasher.finish();
}

}  // namespace cosigner
