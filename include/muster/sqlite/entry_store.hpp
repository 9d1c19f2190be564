// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Entries of replicas in a database: a model of sync::entry_store.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <muster/sqlite/database.hpp>
#include <muster/sync/entry_store.hpp>

namespace muster::sqlite {

/// One file, with a write-ahead log beside it. Move-only; not thread-safe.
///
/// An entry is a row of its place: the number of its chain in this file in the upper bits, its sequence in the
/// lower 40. So a row costs as much as a row with a number can, and those of a chain follow each other. Version 1 had
/// member, life and sequence as its key, and is read; it is written anew then, in one transaction.
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
        if (version < 0 || version > 2) {
            return error{cache::errc::damaged,
                         text(path_, " is of version ", version, "; this program reads versions 1 and 2")};
        }
        if (version != 2) {
            MUSTER_TRY(in_transaction([&] { return make_tables(version == 1); }));
        }
        MUSTER_TRY(load_chains());
        MUSTER_TRY(auto rows,
                   database_->prepare("SELECT c.member, c.life, e.place, e.content FROM content e JOIN chain c "
                                      "ON c.number = e.place >> 40 ORDER BY e.place"));
        for (;;) {
            MUSTER_TRY(auto const more, rows.step());
            if (!more) return ok();
            sync::entry e;
            e.at.by = {static_cast<std::uint16_t>(rows.number(0)), static_cast<std::uint64_t>(rows.number(1))};
            e.at.sequence = static_cast<std::uint64_t>(rows.number(2)) & sequence_max;
            e.content = to_bytes(rows.octets(3));
            f(std::move(e));
        }
    }
    /// @see sync::entry_store. Expects that it was loaded. @return also `too_large` for a sequence of more than 40
    /// bits.
    [[nodiscard]] result<void> add(std::span<sync::entry const> all) {
        if (!database_) return error{store::errc::wrong_state, text(path_, " has to be loaded first")};
        auto chains = chains_;
        MUSTER_TRY(in_transaction([&]() -> result<void> {
            for (auto const& e : all) {
                MUSTER_TRY(auto const place, place_of(chains, e.at));
                MUSTER_TRY(database_->run("INSERT OR REPLACE INTO content VALUES (?, ?)", place, byte_view{e.content}));
            }
            return ok();
        }));
        chains_ = std::move(chains);
        return ok();
    }

private:
    using chain_numbers = std::map<sync::actor, std::int64_t>;
    static constexpr std::uint64_t sequence_max = (std::uint64_t{1} << 40) - 1;
    static constexpr std::int64_t chains_max = std::int64_t{1} << 23;

    template <class F>
    [[nodiscard]] result<void> in_transaction(F f) {
        MUSTER_TRY(database_->run("BEGIN IMMEDIATE"));
        auto const done = [&]() -> result<void> {
            MUSTER_TRY(f());
            return database_->run("COMMIT");
        }();
        if (!done) (void)database_->run("ROLLBACK");
        return done;
    }
    /// A life is kept as the signed number of the same bits: it is told apart, and not ordered.
    [[nodiscard]] result<void> make_tables(bool is_of_version_1) {
        MUSTER_TRY(
            database_->run("CREATE TABLE IF NOT EXISTS chain (number INTEGER PRIMARY KEY, member INTEGER NOT NULL, "
                           "life INTEGER NOT NULL, UNIQUE (member, life))"));
        MUSTER_TRY(
            database_->run("CREATE TABLE IF NOT EXISTS content (place INTEGER PRIMARY KEY, content BLOB NOT NULL)"));
        if (is_of_version_1) {
            MUSTER_TRY(database_->run("INSERT INTO chain (member, life) SELECT DISTINCT member, life FROM entry"));
            MUSTER_TRY(
                database_->run("INSERT INTO content SELECT (c.number << 40) | e.sequence, e.content FROM entry e "
                               "JOIN chain c ON c.member = e.member AND c.life = e.life"));
            MUSTER_TRY(database_->run("DROP TABLE entry"));
        }
        return database_->run("PRAGMA user_version = 2");
    }
    [[nodiscard]] result<void> load_chains() {
        MUSTER_TRY(auto rows, database_->prepare("SELECT number, member, life FROM chain"));
        for (;;) {
            MUSTER_TRY(auto const more, rows.step());
            if (!more) return ok();
            chains_[{static_cast<std::uint16_t>(rows.number(1)), static_cast<std::uint64_t>(rows.number(2))}] =
                rows.number(0);
        }
    }
    /// The row of @p at; its chain gets a number when it has none.
    [[nodiscard]] result<std::int64_t> place_of(chain_numbers& chains, sync::dot const& at) {
        auto found = chains.find(at.by);
        if (found == chains.end()) {
            auto const number = static_cast<std::int64_t>(chains.size()) + 1;  // none is ever removed
            if (number >= chains_max) return error{file_errc::too_large, text(path_, " has as many chains as it can")};
            MUSTER_TRY(database_->run("INSERT INTO chain VALUES (?, ?, ?)", number,
                                      static_cast<std::int64_t>(at.by.member), static_cast<std::int64_t>(at.by.life)));
            found = chains.emplace(at.by, number).first;
        }
        if (at.sequence > sequence_max) return error{file_errc::too_large, "an entry beyond any chain"};
        return found->second << 40 | static_cast<std::int64_t>(at.sequence);
    }

    std::string path_;
    std::optional<database> database_;
    chain_numbers chains_;
};
static_assert(sync::entry_store<entries>);

}  // namespace muster::sqlite
