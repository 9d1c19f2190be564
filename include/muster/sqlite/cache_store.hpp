// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keeps a cache in an SQLite database: one row an entry, one transaction a save.
///
/// For those who want to look into their cache with the tools they have, or have many entries and few changes. Changes
/// are made in an open transaction as they are noted, and committed by a save; what fails is rolled back, and the next
/// save writes all rows anew. The order of use is a number in each row.
///
/// Source: durability is SQLite's own, with its rollback journal and `synchronous = FULL`, its defaults.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sqlite3.h>

#include <muster/cache/persistence/format.hpp>
#include <muster/cache/persistence/store.hpp>
#include <muster/core/files.hpp>
#include <muster/core/posix_files.hpp>
#include <muster/sqlite/database.hpp>

namespace muster::sqlite {

/// Models @ref cache::persistent_store. Not thread-safe; the file belongs to one cache at a time.
template <cache::codec Codec>
class cache_store {
public:
    using codec = Codec;
    using key_type = typename Codec::key_type;
    using value_type = typename Codec::value_type;
    static constexpr bool keeps_changes = true;

    struct options {
        std::string path;
        std::uint64_t file_size_max = std::uint64_t{1} << 30;  ///< Octets; a larger file is not read. Ours.
        [[no_unique_address]] Codec codec = {};
    };

    explicit cache_store(options o) : options_{std::move(o)} {}

    /// @see cache::persistent_store
    template <class Apply>
    [[nodiscard]] result<cache::load_notes> load(timestamp now, Apply apply) {
        cache::load_notes notes;
        MUSTER_TRY(auto const size, file_size());
        auto opened = size > options_.file_size_max ? result<void>{too_large(size)} : open(now);
        if (!opened) {
            if (opened.error() == file_errc::io_failed) return opened.error();
            notes.damage = opened.error();
            database_.reset();
            MUSTER_TRY(notes.aside, put_aside());
            MUSTER_TRY(open(now));
        }
        MUSTER_TRY(read_rows(now, apply));
        return notes;
    }

    /// What is noted is saved with the next @ref save. @{
    void put(key_type const& key, value_type const& value, timestamp deadline) {
        note([&]() -> result<void> { return write_row(key, value, deadline); });
    }
    void use(key_type const& key) {
        note([&]() -> result<void> {
            auto const octets = encoded_key(key);
            return database_->run("UPDATE entry SET used = ?2 WHERE key = ?1", octets.view(), ++last_used_);
        });
    }
    void erase(key_type const& key) {
        note([&]() -> result<void> {
            auto const octets = encoded_key(key);
            return database_->run("DELETE FROM entry WHERE key = ?1", octets.view());
        });
    }
    /// @}

    /// Not all was noted: the next save writes everything.
    void rewrite_next() noexcept { must_rewrite_ = true; }

    /// @see cache::persistent_store
    template <class Entries>
    [[nodiscard]] result<void> save(Entries const& entries, timestamp now) {
        auto const done = [&]() -> result<void> {
            MUSTER_TRY(begin());
            if (must_rewrite_) {
                MUSTER_TRY(rewrite(entries));
            }
            MUSTER_TRY(database_->run("UPDATE about SET written_at = ?1", to_unix_millis(now)));
            return database_->run("COMMIT");
        }();
        if (!done) {
            give_up();
        } else {
            in_transaction_ = must_rewrite_ = false;
        }
        return done;
    }

private:
    static constexpr std::int64_t format_version = 1;
    static constexpr std::int64_t last_used_max = std::int64_t{1} << 62;  // so many uses do not happen

    [[nodiscard]] result<std::uint64_t> file_size() {
        posix_files files;
        MUSTER_TRY(auto file, files.open(options_.path, open_mode::read));
        if (!file) return std::uint64_t{0};
        return files.size(*file);
    }
    [[nodiscard]] error too_large(std::uint64_t size) const {
        return {file_errc::too_large,
                text(options_.path, " has ", size, " octets, and at most ", options_.file_size_max, " are read")};
    }
    [[nodiscard]] result<std::string> put_aside() {
        posix_files files;
        auto const journal = options_.path + "-journal";
        MUSTER_TRY(auto aside, keep_aside(files, options_.path));
        MUSTER_TRY(auto const has_journal, files.exists(journal));
        if (has_journal) {
            MUSTER_TRY(files.rename(journal, aside + "-journal"));
        }
        return aside;
    }

    // Opens the file, checks that it is one of ours and whole, and reads all rows once without using any.
    [[nodiscard]] result<void> open(timestamp now) {
        in_transaction_ = false;
        MUSTER_TRY(auto opened, database::open(options_.path));
        database_.emplace(std::move(opened));
        MUSTER_TRY(auto const checked, database_->text_of("PRAGMA quick_check(1)"));
        if (checked != "ok") return error{cache::errc::damaged, text(options_.path, ": ", checked)};
        MUSTER_TRY(auto const version, database_->number("PRAGMA user_version"));
        if (version == 0) return create();
        if (version != format_version) {
            return error{cache::errc::unsupported_version,
                         text("version ", version, " of the tables, and this is ", format_version)};
        }
        MUSTER_TRY(auto const written_codec, database_->number("SELECT codec FROM about"));
        if (written_codec != std::int64_t{Codec::id}) {
            return error{cache::errc::other_codec,
                         text("written by codec ", written_codec, ", and this is codec ", Codec::id)};
        }
        MUSTER_TRY(last_used_, database_->number("SELECT coalesce(max(used), 0) FROM entry"));
        if (last_used_ < 0 || last_used_ > last_used_max)
            return error{cache::errc::damaged, "an order of use that cannot be"};
        return read_rows(now, [](auto&&) {});
    }
    [[nodiscard]] result<void> create() {
        MUSTER_TRY(auto const tables, database_->number("SELECT count(*) FROM sqlite_master"));
        if (tables != 0) return error{cache::errc::damaged, text(options_.path, " is another program's database")};
        MUSTER_TRY(database_->run("BEGIN IMMEDIATE"));
        MUSTER_TRY(database_->run("CREATE TABLE about (codec INTEGER NOT NULL, written_at INTEGER NOT NULL)"));
        MUSTER_TRY(
            database_->run("CREATE TABLE entry (key BLOB PRIMARY KEY, value BLOB NOT NULL, "
                           "deadline INTEGER NOT NULL, checksum INTEGER NOT NULL, used INTEGER NOT NULL) "
                           "WITHOUT ROWID"));
        MUSTER_TRY(database_->run("INSERT INTO about VALUES (?1, 0)", std::int64_t{Codec::id}));
        MUSTER_TRY(database_->run("PRAGMA user_version = 1"));
        return database_->run("COMMIT");
    }

    template <class Apply>
    [[nodiscard]] result<void> read_rows(timestamp now, Apply apply) {
        MUSTER_TRY(auto const written, database_->number("SELECT written_at FROM about"));
        MUSTER_TRY(auto rows, database_->prepare("SELECT key, value, deadline, checksum FROM entry ORDER BY used"));
        for (;;) {
            MUSTER_TRY(auto const more, rows.step());
            if (!more) return ok();
            if (rows.number(3) != checksum(rows.octets(0), rows.octets(1), rows.number(2))) {
                return error{cache::errc::damaged, "a row does not fit its checksum"};
            }
            wire::reader key_octets{rows.octets(0)}, value_octets{rows.octets(1)};
            auto key = options_.codec.read_key(key_octets);
            auto value = options_.codec.read_value(value_octets, now);
            if (auto const read = key_octets.finish(); !read) return not_decoded(read.error());
            if (auto const read = value_octets.finish(); !read) return not_decoded(read.error());
            apply(cache::change_of<Codec>{cache::change_kind::put, std::move(key), std::move(value),
                                          from_unix_millis(rows.number(2)), from_unix_millis(written)});
        }
    }
    // SQLite finds damage of its pages' structure, not of what is in them.
    [[nodiscard]] static std::int64_t checksum(byte_view key, byte_view value, std::int64_t deadline) {
        wire::writer w;
        w.sized(key).sized(value).i64(deadline);
        return std::int64_t{cache::crc32c(w.view())};
    }
    [[nodiscard]] static error not_decoded(error const& why) {
        return {cache::errc::damaged, text("a row cannot be read: ", why.message())};
    }

    // What fails is made good by the next save, which writes everything.
    template <class Change>
    void note(Change change) {
        if (!database_) must_rewrite_ = true;
        if (must_rewrite_) return;
        if (!begin() || !change()) give_up();
    }
    [[nodiscard]] result<void> begin() {
        if (!database_) return error{cache::errc::not_loaded, "load the cache first"};
        if (in_transaction_) return ok();
        MUSTER_TRY(database_->run("BEGIN IMMEDIATE"));
        in_transaction_ = true;
        return ok();
    }
    void give_up() {
        must_rewrite_ = true;
        if (std::exchange(in_transaction_, false)) (void)database_->run("ROLLBACK");
    }

    [[nodiscard]] wire::writer encoded_key(key_type const& key) const {
        wire::writer w;
        options_.codec.write_key(w, key);
        return w;
    }
    [[nodiscard]] result<void> write_row(key_type const& key, value_type const& value, timestamp deadline) {
        auto const k = encoded_key(key);
        wire::writer v;
        options_.codec.write_value(v, value);
        // A new value does not make the entry a newer one.
        return database_->run(
            "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key) "
            "DO UPDATE SET value = ?2, deadline = ?3, checksum = ?4",
            k.view(), v.view(), to_unix_millis(deadline), checksum(k.view(), v.view(), to_unix_millis(deadline)),
            ++last_used_);
    }
    template <class Entries>
    [[nodiscard]] result<void> rewrite(Entries const& entries) {
        MUSTER_TRY(database_->run("DELETE FROM entry"));
        result<void> all = ok();
        auto const put = [&](key_type const& key, value_type const& value, timestamp deadline) {
            if (all) all = write_row(key, value, deadline);
        };
        entries(put, [](key_type const&) {});
        return all;
    }

    options options_;
    std::optional<database> database_;
    std::int64_t last_used_ = 0;
    bool in_transaction_ = false;
    bool must_rewrite_ = false;
};

}  // namespace muster::sqlite
