// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// As much of SQLite as a store needs: a connection, and statements that are compiled once.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sqlite3.h>

#include <muster/cache/persistence/errc.hpp>
#include <muster/core/bytes.hpp>
#include <muster/core/posix_files.hpp>
#include <muster/core/result.hpp>

namespace muster::sqlite {

/// A compiled statement. Borrowed from its database; reset when this is destroyed.
class statement {
public:
    explicit statement(::sqlite3_stmt* s) noexcept : statement_{s} {}
    statement(statement&& other) noexcept : statement_{std::exchange(other.statement_, nullptr)} {}
    statement& operator=(statement&&) = delete;
    ~statement() {
        if (statement_ == nullptr) return;
        ::sqlite3_reset(statement_);
        ::sqlite3_clear_bindings(statement_);
    }

    /// The next row; false when there is none.
    /// @return `damaged` when the file is, `too_large` when what was bound is, `io_failed` otherwise.
    [[nodiscard]] result<bool> step();

    /// Column @p i of the row, until the next step. @{
    [[nodiscard]] std::int64_t number(int i) { return ::sqlite3_column_int64(statement_, i); }
    [[nodiscard]] byte_view octets(int i) {
        auto const* const data = static_cast<byte const*>(::sqlite3_column_blob(statement_, i));
        return {data, static_cast<std::size_t>(::sqlite3_column_bytes(statement_, i))};
    }
    /// @}

    /// Binds parameter @p i, from 1 on. Bytes must stay until the statement has run. What cannot be bound fails the
    /// next step. @{
    void bind(int i, std::int64_t v) { note(::sqlite3_bind_int64(statement_, i, v)); }
    void bind(int i, byte_view v) {
        static constexpr byte none = 0;  // a null pointer would be NULL
        note(::sqlite3_bind_blob64(statement_, i, v.empty() ? &none : v.data(), v.size(), SQLITE_STATIC));
    }
    /// @}

private:
    void note(int code) {
        if (not_bound_ == SQLITE_OK) not_bound_ = code;
    }

    ::sqlite3_stmt* statement_;
    int not_bound_ = SQLITE_OK;  // why a parameter was not
};

namespace detail {
[[nodiscard]] inline error failure(::sqlite3* db, int code) {
    // The statements are always the same, so SQLITE_ERROR, one that makes no sense, says that the tables are others.
    auto const kind = code & 0xff;
    if (kind == SQLITE_TOOBIG) return {file_errc::too_large, "SQLite takes no entry that is so large"};
    bool const is_damage = kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB || kind == SQLITE_ERROR;
    auto why = text("SQLite: ", std::string_view{db == nullptr ? ::sqlite3_errstr(code) : ::sqlite3_errmsg(db)});
    if (is_damage) return {cache::errc::damaged, std::move(why)};
    return {file_errc::io_failed, std::move(why)};
}
}  // namespace detail

inline result<bool> statement::step() {
    auto const code = not_bound_ == SQLITE_OK ? ::sqlite3_step(statement_) : not_bound_;
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return detail::failure(::sqlite3_db_handle(statement_), code);
}

/// A connection to one file. Move-only, not thread-safe.
class database {
public:
    /// Opens the file at @p path, or creates it, for its owner alone. @p vfs is the name of a registered VFS, SQLite's
    /// layer below files; empty for its default.
    [[nodiscard]] static result<database> open(std::string const& path, std::string const& vfs = {}) {
        posix_files files;
        MUSTER_TRY(auto const exists, files.exists(path));
        if (!exists) {
            MUSTER_TRY(files.open(path, open_mode::create));  // SQLite would let others read it
        }
        ::sqlite3* db = nullptr;
        auto const code =
            ::sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, vfs.empty() ? nullptr : vfs.c_str());
        database opened{db};
        if (code != SQLITE_OK) return detail::failure(db, code);
        ::sqlite3_extended_result_codes(db, 1);
        return opened;
    }

    /// The statement @p sql, compiled when it is first asked for. @p sql is a literal: it is known by its address.
    [[nodiscard]] result<statement> prepare(char const* sql) {
        for (auto const& known : statements_) {
            if (known.sql == sql) return statement{known.compiled.get()};
        }
        ::sqlite3_stmt* compiled = nullptr;
        auto const code = ::sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &compiled, nullptr);
        if (code != SQLITE_OK) return detail::failure(db_.get(), code);
        statements_.push_back({sql, std::unique_ptr<::sqlite3_stmt, finalizer>{compiled}});
        return statement{compiled};
    }
    /// Runs @p sql with @p parameters to its end.
    template <class... Parameters>
    [[nodiscard]] result<void> run(char const* sql, Parameters const&... parameters) {
        MUSTER_TRY(auto s, prepare(sql));
        int i = 0;
        (s.bind(++i, parameters), ...);
        for (;;) {
            MUSTER_TRY(auto const more, s.step());
            if (!more) return ok();
        }
    }
    /// The first column of the first row. `damaged` when there is none. @{
    [[nodiscard]] result<std::int64_t> number(char const* sql) {
        MUSTER_TRY(auto s, prepare(sql));
        MUSTER_TRY(auto const found, s.step());
        if (!found) return error{cache::errc::damaged, text("nothing where a number must be: ", std::string_view{sql})};
        return s.number(0);
    }
    [[nodiscard]] result<std::string> text_of(char const* sql) {
        MUSTER_TRY(auto s, prepare(sql));
        MUSTER_TRY(auto const found, s.step());
        if (!found) return error{cache::errc::damaged, text("nothing where a text must be: ", std::string_view{sql})};
        auto const octets = s.octets(0);
        return std::string{octets.begin(), octets.end()};
    }
    /// @}

    /// From now on nothing can make the file larger than @p size bytes: what would fails.
    [[nodiscard]] result<void> limit(std::uint64_t size) {
        constexpr std::uint64_t pages_max = 1'073'741'823;  // SQLite's own, https://www.sqlite.org/limits.html 13
        MUSTER_TRY(auto const page_size, number("PRAGMA page_size"));
        auto const pages = std::clamp<std::uint64_t>(size / static_cast<std::uint64_t>(page_size), 1, pages_max);
        auto const sql = text("PRAGMA max_page_count = ", pages);
        auto const code = ::sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);
        if (code != SQLITE_OK) return detail::failure(db_.get(), code);
        return ok();
    }
    /// Whether the file was moved away, removed or exchanged since it was opened: what is written goes nowhere then.
    [[nodiscard]] bool has_moved() {
        int moved = 0;
        // A VFS that does not know leaves it as it is.
        (void)::sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
        return moved != 0;
    }
    /// Whether nothing can be written. Known once something was read.
    [[nodiscard]] bool is_read_only() const { return ::sqlite3_db_readonly(db_.get(), "main") == 1; }

private:
    struct closer {
        void operator()(::sqlite3* db) const noexcept { ::sqlite3_close_v2(db); }
    };
    struct finalizer {
        void operator()(::sqlite3_stmt* s) const noexcept { ::sqlite3_finalize(s); }
    };
    struct known_statement {
        char const* sql;
        std::unique_ptr<::sqlite3_stmt, finalizer> compiled;
    };

    explicit database(::sqlite3* db) noexcept : db_{db} {}

    std::unique_ptr<::sqlite3, closer> db_;
    std::vector<known_statement> statements_;  // destroyed before the connection
};

}  // namespace muster::sqlite
