// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keeps a cache in an SQLite database: one row an entry, one transaction a save.
///
/// For those who want to look into their cache with the tools they have, or have many entries and few changes. Changes
/// are made in an open transaction as they are noted, and committed by a save; what fails is rolled back, and the next
/// save writes all rows anew. The order of use is a number in each row; beside it is whether the entry was used at all,
/// which is what an admission by demand asks for.
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
        std::string vfs = {};  ///< Of a registered VFS of SQLite; empty for its default.
        [[no_unique_address]] Codec codec = {};
    };

    explicit cache_store(options o) : options_{std::move(o)} {}

    /// @see cache::persistent_store
    template <class Apply>
    [[nodiscard]] result<cache::load_notes> load(timestamp now, Apply apply) {
        cache::load_notes notes;
        auto opened = open(now);
        // SQLite's own check takes a read that failed for damage, so damage is looked at twice.
        if (!opened && !(opened.error() == file_errc::io_failed)) opened = open(now);
        if (!opened) {
            database_.reset();
            if (opened.error() == file_errc::io_failed) return opened.error();
            notes.damage = opened.error();
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
        note([&]() -> result<void> { return mark_used(key); });
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
            auto const at = to_unix_millis(now);
            MUSTER_TRY(database_->run("UPDATE about SET written_at = ?1, checksum = ?2", at, about_checksum(at)));
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
    static constexpr std::int64_t format_version = 2;
    static constexpr std::int64_t last_used_max = std::int64_t{1} << 62;  // so many uses do not happen

    [[nodiscard]] result<void> check_size() {
        posix_files files;
        MUSTER_TRY(auto file, files.open(options_.path, open_mode::read));
        if (!file) return ok();
        MUSTER_TRY(auto const size, files.size(*file));
        if (size > options_.file_size_max) {
            return error{file_errc::too_large, text(options_.path, " has ", size, " octets, and at most ",
                                                    options_.file_size_max, " are read: raise file_size_max")};
        }
        // Source: unixFileSize of SQLite's os_unix.c, which has used such files itself.
        if (size == 1) return error{cache::errc::damaged, "SQLite takes a file of one octet for an empty one"};
        return ok();
    }
    // A changed header can say that only a later SQLite may write, https://www.sqlite.org/fileformat2.html 1.3.3: then
    // no save would ever succeed. A file that may not be written is another matter, and read.
    [[nodiscard]] result<void> check_writable() {
        posix_files files;
        if (!database_->is_read_only() || !files.open(options_.path, open_mode::append)) return ok();
        return error{cache::errc::unsupported_version, text(options_.path, " can be written by a later SQLite only")};
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
        last_used_ = 0;
        database_.reset();
        MUSTER_TRY(check_size());
        MUSTER_TRY(auto opened, database::open(options_.path, options_.vfs));
        database_.emplace(std::move(opened));
        MUSTER_TRY(auto const checked, database_->text_of("PRAGMA quick_check(1)"));
        if (checked != "ok") return error{cache::errc::damaged, text(options_.path, ": ", checked)};
        MUSTER_TRY(check_writable());
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
        MUSTER_TRY(auto const written_at, database_->number("SELECT written_at FROM about"));
        MUSTER_TRY(auto const about, database_->number("SELECT checksum FROM about"));
        if (about != about_checksum(written_at))
            return error{cache::errc::damaged, "the time of the last save does not fit its checksum"};
        MUSTER_TRY(auto const last_used, database_->number("SELECT coalesce(max(used), 0) FROM entry"));
        if (last_used < 0 || last_used > last_used_max)
            return error{cache::errc::damaged, "an order of use that cannot be"};
        last_used_ = last_used;
        return read_rows(now, [](auto&&) {});
    }
    [[nodiscard]] result<void> create() {
        MUSTER_TRY(auto const tables, database_->number("SELECT count(*) FROM sqlite_master"));
        if (tables != 0) return error{cache::errc::damaged, text(options_.path, " is another program's database")};
        MUSTER_TRY(database_->run("BEGIN IMMEDIATE"));
        MUSTER_TRY(
            database_->run("CREATE TABLE about (codec INTEGER NOT NULL, written_at INTEGER NOT NULL, "
                           "checksum INTEGER NOT NULL)"));
        MUSTER_TRY(
            database_->run("CREATE TABLE entry (key BLOB PRIMARY KEY, value BLOB NOT NULL, "
                           "deadline INTEGER NOT NULL, checksum INTEGER NOT NULL, used INTEGER NOT NULL, "
                           "wanted INTEGER NOT NULL, order_checksum INTEGER NOT NULL) "
                           "WITHOUT ROWID"));
        MUSTER_TRY(database_->run("INSERT INTO about VALUES (?1, 0, ?2)", std::int64_t{Codec::id}, about_checksum(0)));
        MUSTER_TRY(database_->run("PRAGMA user_version = 2"));
        return database_->run("COMMIT");
    }

    template <class Apply>
    [[nodiscard]] result<void> read_rows(timestamp now, Apply apply) {
        MUSTER_TRY(auto const written, database_->number("SELECT written_at FROM about"));
        MUSTER_TRY(auto rows, database_->prepare("SELECT key, value, deadline, checksum, used, wanted, order_checksum "
                                                 "FROM entry ORDER BY used"));
        for (;;) {
            MUSTER_TRY(auto const more, rows.step());
            if (!more) return ok();
            auto const k = rows.octets(0), v = rows.octets(1);
            if (rows.number(3) != checksum(k, v, rows.number(2)) ||
                rows.number(6) != order_checksum(k, rows.number(4), rows.number(5))) {
                return error{cache::errc::damaged, "a row does not fit its checksums"};
            }
            MUSTER_TRY(apply_row(k, v, rows.number(2), written, rows.number(5) != 0, now, apply));
        }
    }
    template <class Apply>
    [[nodiscard]] result<void> apply_row(byte_view key, byte_view value, std::int64_t deadline, std::int64_t written,
                                         bool is_wanted, timestamp now, Apply& apply) {
        auto const decoded_key = [&]() -> result<key_type> {
            wire::reader r{key};
            auto k = options_.codec.read_key(r);
            if (auto const read = r.finish(); !read) return not_decoded(read.error());
            return k;
        };
        wire::reader r{value};
        auto v = options_.codec.read_value(r, now);
        if (auto const read = r.finish(); !read) return not_decoded(read.error());
        MUSTER_TRY(auto k, decoded_key());
        auto const at = from_unix_millis(written);
        apply(cache::change_of<Codec>{cache::change_kind::put, std::move(k), std::move(v), from_unix_millis(deadline),
                                      at});
        if (!is_wanted) return ok();
        MUSTER_TRY(auto again, decoded_key());
        apply(cache::change_of<Codec>{cache::change_kind::use, std::move(again), {}, cache::no_deadline, at});
        return ok();
    }

    // SQLite finds damage of its pages' structure, not of what is in them. A use changes the order and nothing else, so
    // the order has a checksum of its own.
    [[nodiscard]] static std::int64_t checksum(byte_view key, byte_view value, std::int64_t deadline) {
        wire::writer w;
        w.sized(key).sized(value).i64(deadline);
        return std::int64_t{cache::crc32c(w.view())};
    }
    [[nodiscard]] static std::int64_t order_checksum(byte_view key, std::int64_t used, std::int64_t wanted) {
        wire::writer w;
        w.sized(key).i64(used).i64(wanted);
        return std::int64_t{cache::crc32c(w.view())};
    }
    [[nodiscard]] static std::int64_t about_checksum(std::int64_t written_at) {
        wire::writer w;
        w.u32(Codec::id).i64(written_at);
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
        auto const at = to_unix_millis(deadline);
        ++last_used_;
        // A new value does not make the entry a newer one.
        return database_->run(
            "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6) ON CONFLICT (key) "
            "DO UPDATE SET value = ?2, deadline = ?3, checksum = ?4",
            k.view(), v.view(), at, checksum(k.view(), v.view(), at), last_used_,
            order_checksum(k.view(), last_used_, 0));
    }
    [[nodiscard]] result<void> mark_used(key_type const& key) {
        auto const k = encoded_key(key);
        ++last_used_;
        return database_->run("UPDATE entry SET used = ?2, wanted = 1, order_checksum = ?3 WHERE key = ?1", k.view(),
                              last_used_, order_checksum(k.view(), last_used_, 1));
    }
    template <class Entries>
    [[nodiscard]] result<void> rewrite(Entries const& entries) {
        MUSTER_TRY(database_->run("DELETE FROM entry"));
        result<void> all = ok();
        auto const put = [&](key_type const& key, value_type const& value, timestamp deadline) {
            if (all) all = write_row(key, value, deadline);
        };
        auto const use = [&](key_type const& key) {
            if (all) all = mark_used(key);
        };
        entries(put, use);
        return all;
    }

    options options_;
    std::optional<database> database_;
    std::int64_t last_used_ = 0;
    bool in_transaction_ = false;
    bool must_rewrite_ = false;
};

}  // namespace muster::sqlite
