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
/// From loading on the path is locked, @see owned_file, by a lock of its own beside SQLite's, which are held for
/// moments only. A database that is moved away, removed, exchanged or written to by somebody else nevertheless is
/// noticed by the next save, which writes all rows to the path anew; one that has taken its place and is none of ours
/// is put aside.
///
/// Source: durability is SQLite's own, with its rollback journal and `synchronous = FULL`, its defaults.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sqlite3.h>

#include <muster/cache/persistence/format.hpp>
#include <muster/cache/persistence/left_out.hpp>
#include <muster/cache/persistence/store.hpp>
#include <muster/core/files.hpp>
#include <muster/core/owned_file.hpp>
#include <muster/core/posix_files.hpp>
#include <muster/sqlite/database.hpp>

namespace muster::sqlite {

/// Models @ref cache::persistent_store. Not thread-safe.
template <cache::codec Codec>
class cache_store {
public:
    using codec = Codec;
    using key_type = typename Codec::key_type;
    using value_type = typename Codec::value_type;
    static constexpr bool keeps_changes = true;

    struct options {
        std::string path;
        std::uint64_t file_size_max = std::uint64_t{1} << 30;  ///< Bytes; a larger file is not read or made. Ours.
        std::string vfs = {};                                ///< Of a registered VFS of SQLite; empty for its default.
        std::size_t change_size_max = std::size_t{1} << 28;  ///< Bytes of one entry, and at most half of file_size_max;
                                                             ///< larger ones are left out. Ours.
        [[no_unique_address]] Codec codec = {};
    };

    explicit cache_store(options o) : options_{std::move(o)}, file_{options_.path} {}

    /// @see cache::persistent_store
    template <class Apply>
    [[nodiscard]] result<cache::load_notes> load(timestamp now, Apply apply) {
        cache::load_notes notes;
        MUSTER_TRY(file_.claim_to_read());
        notes.read_only = file_.read_only();
        if (notes.read_only) {
            MUSTER_TRY(auto const is_there, file_.files().exists(options_.path));
            if (!is_there) return notes;  // and none is made
        }
        MUSTER_TRY(open_or_put_aside(now, notes));
        MUSTER_TRY(read_rows(now, apply));
        is_loaded_ = true;
        return notes;
    }

    /// What is noted is saved with the next @ref save. @{
    void put(key_type const& key, value_type const& value, timestamp deadline) {
        note([&]() -> result<void> { return put_row(key, encoded_row(key, value), deadline); });
    }
    void use(key_type const& key) {
        note([&]() -> result<void> { return mark_used(key); });
    }
    void erase(key_type const& key) {
        note([&]() -> result<void> {
            left_out_.remove(options_.codec, key);
            return remove_row(encoded_key(key).view());
        });
    }
    /// @}

    /// Not all was noted: the next save writes everything.
    void rewrite_next() noexcept { must_rewrite_ = true; }

    /// @see cache::persistent_store
    template <class Entries>
    [[nodiscard]] result<cache::save_report> save(Entries const& entries, timestamp now) {
        MUSTER_TRY(file_.claim());
        if (!is_loaded_) return error{cache::errc::not_loaded, "load the cache first"};
        if (!is_in_place()) {
            MUSTER_TRY(reopen(now));
        }
        auto done = write(entries, now);
        if (!is_in_place() || (!done && done.error() == cache::errc::damaged)) {
            MUSTER_TRY(reopen(now));
            done = write(entries, now);
        }
        if (!done) return done.error();
        return left_out_.report();
    }

private:
    static constexpr std::int64_t format_version = 2;
    static constexpr std::int64_t last_used_max = std::int64_t{1} << 62;  // so many uses do not happen

    [[nodiscard]] result<void> check_size() {
        MUSTER_TRY(auto file, file_.files().open(options_.path, open_mode::read));
        if (!file) return ok();
        MUSTER_TRY(auto const status, file_.files().status(*file));
        auto const size = status.size;
        if (size > options_.file_size_max) {
            return error{file_errc::too_large, text(options_.path, " has ", size, " bytes, and at most ",
                                                    options_.file_size_max, " are read: raise file_size_max")};
        }
        // Source: unixFileSize of SQLite's os_unix.c, which has used such files itself.
        if (size == 1) return error{cache::errc::damaged, "SQLite takes a file of one byte for an empty one"};
        return ok();
    }
    // A changed header can say that only a later SQLite may write, https://www.sqlite.org/fileformat2.html 1.3.3: then
    // no save would ever succeed. A file that may not be written is another matter, and read.
    [[nodiscard]] result<void> check_writable() {
        if (!database_->is_read_only() || !file_.files().open(options_.path, open_mode::append)) return ok();
        return error{cache::errc::unsupported_version, text(options_.path, " can be written by a later SQLite only")};
    }
    [[nodiscard]] result<std::string> put_aside() {
        MUSTER_TRY(file_.claim());
        auto& files = file_.files();
        auto const journal = options_.path + "-journal";
        MUSTER_TRY(auto aside, keep_aside(files, options_.path));
        MUSTER_TRY(auto const has_journal, files.exists(journal));
        if (has_journal) {
            MUSTER_TRY(files.rename(journal, aside + "-journal"));
        }
        return aside;
    }

    [[nodiscard]] result<void> open_or_put_aside(timestamp now, cache::load_notes& notes) {
        auto opened = open(now);
        // SQLite's own check takes a read that failed for damage, so damage is looked at twice.
        if (!opened && !(opened.error() == file_errc::io_failed)) opened = open(now);
        if (opened) return ok();
        database_.reset();
        if (opened.error() == file_errc::io_failed) return opened.error();
        notes.damage = opened.error();
        MUSTER_TRY(notes.aside, put_aside());
        return open(now);
    }
    // Whether what is written gets to where it is looked for.
    [[nodiscard]] bool is_in_place() { return database_ && !database_->has_moved(); }
    // Whatever is at the path now has nothing to say: what is in memory is written over it.
    [[nodiscard]] result<void> reopen(timestamp now) {
        must_rewrite_ = true;
        cache::load_notes unheard;
        auto const opened = open_or_put_aside(now, unheard);
        if (!opened) database_.reset();
        return opened;
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
        MUSTER_TRY(database_->limit(options_.file_size_max));
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
        MUSTER_TRY(data_version_, database_->number("PRAGMA data_version"));
        return read_rows(now, [](auto&&) {});
    }
    [[nodiscard]] result<void> create() {
        MUSTER_TRY(file_.claim());
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
        MUSTER_TRY(file_.claim());
        MUSTER_TRY(database_->run("BEGIN IMMEDIATE"));
        in_transaction_ = true;
        // Another one than before when another connection has written, or the file was overwritten in place.
        MUSTER_TRY(auto const version, database_->number("PRAGMA data_version"));
        if (std::exchange(data_version_, version) != version) must_rewrite_ = true;
        return ok();
    }
    void give_up() {
        must_rewrite_ = true;
        if (std::exchange(in_transaction_, false)) (void)database_->run("ROLLBACK");
    }
    template <class Entries>
    [[nodiscard]] result<void> write(Entries const& entries, timestamp now) {
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
            in_transaction_ = false;
            must_rewrite_ = left_out_.has_thrown();  // what it threw for may be over
        }
        return done;
    }

    struct row {
        wire::writer key;
        wire::writer value;
    };
    [[nodiscard]] wire::writer encoded_key(key_type const& key) const {
        wire::writer w;
        options_.codec.write_key(w, key);
        return w;
    }
    [[nodiscard]] row encoded_row(key_type const& key, value_type const& value) const {
        row r{encoded_key(key), {}};
        options_.codec.write_value(r.value, value);
        return r;
    }
    // What is too large is left out, with what was saved of it before.
    [[nodiscard]] result<void> put_row(key_type const& key, row const& r, timestamp deadline) {
        auto const done = write_row(r.key.view(), r.value.view(), deadline);
        if (!done && done.error() == file_errc::too_large) {
            left_out_.add(options_.codec, key, done.error());
            return remove_row(r.key.view());
        }
        if (done) left_out_.remove(options_.codec, key);
        return done;
    }
    [[nodiscard]] result<void> write_row(byte_view key, byte_view value, timestamp deadline) {
        // One that is more than half of the file would keep out the others, and with them be more than it may have.
        auto const most = std::min<std::uint64_t>(options_.change_size_max, options_.file_size_max / 2);
        if (key.size() + value.size() > most) {
            return error{file_errc::too_large,
                         text("an entry takes ", key.size() + value.size(), " bytes, and at most ", most,
                              " are saved: raise change_size_max and file_size_max, or hold smaller ones")};
        }
        auto const at = to_unix_millis(deadline);
        ++last_used_;
        // A new value does not make the entry a newer one.
        return database_->run(
            "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6) ON CONFLICT (key) "
            "DO UPDATE SET value = ?2, deadline = ?3, checksum = ?4",
            key, value, at, checksum(key, value, at), last_used_, order_checksum(key, last_used_, 0));
    }
    // A key that is too large for SQLite was never written.
    [[nodiscard]] static result<void> unless_too_large(result<void> const& done) {
        if (!done && done.error() == file_errc::too_large) return ok();
        return done;
    }
    [[nodiscard]] result<void> remove_row(byte_view key) {
        return unless_too_large(database_->run("DELETE FROM entry WHERE key = ?1", key));
    }
    [[nodiscard]] result<void> mark_used(key_type const& key) {
        auto const k = encoded_key(key);
        ++last_used_;
        return unless_too_large(
            database_->run("UPDATE entry SET used = ?2, wanted = 1, order_checksum = ?3 WHERE key = ?1", k.view(),
                           last_used_, order_checksum(k.view(), last_used_, 1)));
    }
    template <class Entries>
    [[nodiscard]] result<void> rewrite(Entries const& entries) {
        MUSTER_TRY(database_->run("DELETE FROM entry"));
        left_out_.clear();
        result<void> all = ok();
        auto const put = [&](key_type const& key, value_type const& value, timestamp deadline) {
            if (!all) return;
            auto const r = cache::detail::caught([&]() -> result<row> { return encoded_row(key, value); });
            if (r) {
                all = put_row(key, r.value(), deadline);
            } else {
                left_out_.add(options_.codec, key, r.error());
            }
        };
        auto const use = [&](key_type const& key) {
            if (!all) return;
            auto const done = cache::detail::caught([&] { return mark_used(key); });
            // An entry whose codec has thrown has lost its rank, at most.
            if (!done && !(done.error() == cache::errc::threw)) all = done;
        };
        entries(put, use);
        return all;
    }

    options options_;
    owned_file<> file_;
    std::optional<database> database_;
    cache::detail::left_out<Codec> left_out_;
    std::int64_t last_used_ = 0;
    std::int64_t data_version_ = 0;
    bool is_loaded_ = false;
    bool in_transaction_ = false;
    bool must_rewrite_ = false;
};

}  // namespace muster::sqlite
