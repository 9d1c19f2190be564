// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Entries of replicas in a database: a model of sync::entry_store.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <muster/sqlite/database.hpp>
#include <muster/sync/entry_store.hpp>

namespace muster::sqlite {

/// One file, with a write-ahead log beside it. Move-only; not thread-safe.
///
/// A life is kept as the signed number of the same bits, so it is told apart, and not ordered; chains are.
class entries {
public:
    explicit entries(std::string path) : path_{std::move(path)} {}

    /// @see sync::entry_store. Errors: `io_failed`; `damaged`, also when it is a database of something else.
    [[nodiscard]] result<void> load(std::function<void(sync::entry)> const& f) {
        MUSTER_TRY(auto opened, database::open(path_));
        database_.emplace(std::move(opened));
        MUSTER_TRY(database_->run("PRAGMA journal_mode = WAL"));
        MUSTER_TRY(database_->run("PRAGMA synchronous = FULL"));  // durable when it returns, also in WAL
        MUSTER_TRY(auto const version, database_->number("PRAGMA user_version"));
        if (version == 0) {
            MUSTER_TRY(
                database_->run("CREATE TABLE IF NOT EXISTS entry (member INTEGER NOT NULL, life INTEGER NOT NULL, sequence "
                               "INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (member, life, sequence)) "
                               "WITHOUT ROWID"));
            MUSTER_TRY(database_->run("PRAGMA user_version = 1"));
        } else if (version != 1) {
            return error{cache::errc::damaged,
                         text(path_, " is of version ", version, "; this program reads version 1")};
        }
        MUSTER_TRY(auto rows,
                   database_->prepare("SELECT member, life, sequence, content FROM entry ORDER BY member, life, "
                                      "sequence"));
        for (;;) {
            MUSTER_TRY(auto const more, rows.step());
            if (!more) return ok();
            sync::entry e;
            e.at.by = {static_cast<std::uint16_t>(rows.number(0)), static_cast<std::uint64_t>(rows.number(1))};
            e.at.sequence = static_cast<std::uint64_t>(rows.number(2));
            e.content = to_bytes(rows.octets(3));
            f(std::move(e));
        }
    }
    /// @see sync::entry_store. Expects that it was loaded. An entry that is there already is an error.
    [[nodiscard]] result<void> add(std::span<sync::entry const> all) {
        if (!database_) return error{store::errc::wrong_state, text(path_, " has to be loaded first")};
        MUSTER_TRY(database_->run("BEGIN IMMEDIATE"));
        auto const added = [&]() -> result<void> {
            for (auto const& e : all) {
                MUSTER_TRY(database_->run("INSERT INTO entry VALUES (?, ?, ?, ?)",
                                          static_cast<std::int64_t>(e.at.by.member),
                                          static_cast<std::int64_t>(e.at.by.life),
                                          static_cast<std::int64_t>(e.at.sequence), byte_view{e.content}));
            }
            return database_->run("COMMIT");
        }();
        if (!added) (void)database_->run("ROLLBACK");
        return added;
    }

private:
    std::string path_;
    std::optional<database> database_;
};
static_assert(sync::entry_store<entries>);

}  // namespace muster::sqlite
