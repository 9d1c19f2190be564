// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// SQLite's own VFS, of which any call can be made to fail. Nothing is made durable, which would take time.
///
/// Source: the shape of a VFS that stands before another, https://www.sqlite.org/vfs.html, section 2.3 ("shims").

#include <cstddef>
#include <new>
#include <optional>

#include <sqlite3.h>

#include <support/catch.hpp>

namespace muster::test {

/// Registered under @ref name as long as it lives; one at a time.
class faulty_vfs {
public:
    static constexpr char const* name = "muster-faulty";

    std::size_t calls = 0;
    std::optional<std::size_t> fails_at;  // the call of that number, and with `for_good` all later ones
    bool for_good = false;

    faulty_vfs() : below_{::sqlite3_vfs_find(nullptr)}, vfs_{*below_} {
        vfs_.iVersion = 1;
        vfs_.szOsFile = static_cast<int>(sizeof(file)) + below_->szOsFile;
        vfs_.pNext = nullptr;
        vfs_.zName = name;
        vfs_.pAppData = this;
        vfs_.xOpen = [](::sqlite3_vfs* v, char const* path, ::sqlite3_file* f, int flags, int* out) {
            return of(v).open(path, f, flags, out);
        };
        vfs_.xDelete = [](::sqlite3_vfs* v, char const* path, int sync) {
            if (of(v).fails()) return SQLITE_IOERR_DELETE;
            return of(v).below_->xDelete(of(v).below_, path, sync & 0);
        };
        vfs_.xAccess = [](::sqlite3_vfs* v, char const* path, int flags, int* out) {
            if (of(v).fails()) return SQLITE_IOERR_ACCESS;
            return of(v).below_->xAccess(of(v).below_, path, flags, out);
        };
        vfs_.xFullPathname = [](::sqlite3_vfs* v, char const* path, int size, char* out) {
            return of(v).below_->xFullPathname(of(v).below_, path, size, out);
        };
        REQUIRE(::sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK);
    }
    faulty_vfs(faulty_vfs const&) = delete;
    faulty_vfs& operator=(faulty_vfs const&) = delete;
    ~faulty_vfs() { ::sqlite3_vfs_unregister(&vfs_); }

private:
    // The file of the VFS below follows it in memory.
    struct file {
        ::sqlite3_io_methods const* methods;
        faulty_vfs* owner;
        [[nodiscard]] ::sqlite3_file* below() { return reinterpret_cast<::sqlite3_file*>(this + 1); }
    };
    [[nodiscard]] static faulty_vfs& of(::sqlite3_vfs* v) { return *static_cast<faulty_vfs*>(v->pAppData); }
    [[nodiscard]] static file& of(::sqlite3_file* f) { return *reinterpret_cast<file*>(f); }

    [[nodiscard]] bool fails() {
        auto const n = calls++;
        return fails_at && (n == *fails_at || (for_good && n > *fails_at));
    }
    [[nodiscard]] int open(char const* path, ::sqlite3_file* f, int flags, int* out) {
        auto* const made = ::new (static_cast<void*>(f)) file{nullptr, this};
        if (fails()) return SQLITE_CANTOPEN;
        auto const code = below_->xOpen(below_, path, made->below(), flags, out);
        if (made->below()->pMethods != nullptr) made->methods = &methods();
        return code;
    }
    // The call of the file below by @p member, unless it is to fail, with @p code.
    template <auto Member, int Code, class... Arguments>
    static int forward(::sqlite3_file* f, Arguments... arguments) {
        if (of(f).owner->fails()) return Code;
        return (of(f).below()->pMethods->*Member)(of(f).below(), arguments...);
    }
    static int write(::sqlite3_file* f, void const* octets, int count, ::sqlite3_int64 at) {
        auto* const below = of(f).below();
        if (!of(f).owner->fails()) return below->pMethods->xWrite(below, octets, count, at);
        (void)below->pMethods->xWrite(below, octets, count / 2, at);  // a failure may come late
        return SQLITE_IOERR_WRITE;
    }
    static int sync(::sqlite3_file* f, int) { return of(f).owner->fails() ? SQLITE_IOERR_FSYNC : SQLITE_OK; }

    [[nodiscard]] static ::sqlite3_io_methods const& methods() {
        using io = ::sqlite3_io_methods;
        static io const all = [] {
            io m{};
            m.iVersion = 1;
            m.xClose = [](::sqlite3_file* f) { return of(f).below()->pMethods->xClose(of(f).below()); };
            m.xRead = [](::sqlite3_file* f, void* to, int count, ::sqlite3_int64 at) {
                return forward<&io::xRead, SQLITE_IOERR_READ>(f, to, count, at);
            };
            m.xWrite = [](::sqlite3_file* f, void const* from, int count, ::sqlite3_int64 at) {
                return write(f, from, count, at);
            };
            m.xTruncate = [](::sqlite3_file* f, ::sqlite3_int64 size) {
                return forward<&io::xTruncate, SQLITE_IOERR_TRUNCATE>(f, size);
            };
            m.xSync = [](::sqlite3_file* f, int flags) { return sync(f, flags); };
            m.xFileSize = [](::sqlite3_file* f, ::sqlite3_int64* out) {
                return forward<&io::xFileSize, SQLITE_IOERR_FSTAT>(f, out);
            };
            m.xLock = [](::sqlite3_file* f, int how) { return forward<&io::xLock, SQLITE_IOERR_LOCK>(f, how); };
            m.xUnlock = [](::sqlite3_file* f, int how) { return of(f).below()->pMethods->xUnlock(of(f).below(), how); };
            m.xCheckReservedLock = [](::sqlite3_file* f, int* out) {
                return forward<&io::xCheckReservedLock, SQLITE_IOERR_CHECKRESERVEDLOCK>(f, out);
            };
            m.xFileControl = [](::sqlite3_file* f, int what, void* argument) {
                return of(f).below()->pMethods->xFileControl(of(f).below(), what, argument);
            };
            m.xSectorSize = [](::sqlite3_file* f) { return of(f).below()->pMethods->xSectorSize(of(f).below()); };
            m.xDeviceCharacteristics = [](::sqlite3_file* f) {
                return of(f).below()->pMethods->xDeviceCharacteristics(of(f).below());
            };
            return m;
        }();
        return all;
    }

    ::sqlite3_vfs* below_;
    ::sqlite3_vfs vfs_;
};

}  // namespace muster::test
