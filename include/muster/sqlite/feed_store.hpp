// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keeps a feed's records and blobs in an SQLite database: models feed::store.
///
/// One row a record and one a blob; the chain is a column of records, which says of each whether it belongs. Heights
/// are ordered as numbers: they are stored as signed ones, shifted, so that all 64 bits keep their order. What belongs
/// together is one transaction, so that a crash leaves either all of it or nothing. The feed's messages and what waits
/// are not kept: after a restart they come again.
///
/// Source: durability is SQLite's own, with a write-ahead log and `synchronous = NORMAL`: what was accepted last may be
/// lost with the power, and is then fetched from peers.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/owned_file.hpp>
#include <muster/feed/errc.hpp>
#include <muster/feed/store.hpp>
#include <muster/sqlite/database.hpp>

namespace muster::sqlite {

/// A store on disk. Move-only; not thread-safe. Functions that only read use the database's statements, too.
class feed_store {
public:
    using record = feed::record;
    using digest = feed::digest;
    using height = feed::height;

    /// Opens the database at @p path, or makes one. One process has it at a time.
    /// @return `storage` where that cannot be, or where the file is of another kind.
    [[nodiscard]] static result<feed_store> open(std::string const& path, feed::store_limits limits = {}) {
        auto lock = std::make_unique<owned_file<posix_files>>(path);
        if (auto const claimed = lock->claim(); !claimed) return failure(claimed.error());
        auto db = database::open(path);
        if (!db) return failure(db.error());
        feed_store out{std::move(lock), std::make_unique<database>(std::move(db.value())), limits};
        if (auto const made = out.prepare(); !made) return failure(made.error());
        return out;
    }

    [[nodiscard]] result<void> put(record const& r) {
        if (contains(r.id) || is_full(r.number)) return ok();
        return all_or_nothing([&]() -> result<void> {
            static constexpr byte none = 0;
            auto const blob = r.blob_id ? r.blob_id->view() : byte_view{&none, 1};
            MUSTER_TRY(db_->run("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, 0)", r.id.view(), order_of(r.number),
                                r.parent.view(), blob, r.author.view(), byte_view{r.content}));
            for (;;) {
                MUSTER_TRY(auto const n, db_->number("SELECT count(*) FROM records"));
                if (static_cast<std::uint64_t>(n) <= limits_.records_max) return ok();
                MUSTER_TRY(auto const lowest, lowest_record());
                MUSTER_TRY(drop(lowest));
            }
        });
    }
    [[nodiscard]] result<void> put_head(record const& r) {
        return all_or_nothing([&]() -> result<void> {
            MUSTER_TRY(put(r));
            return set_chain(r.id);
        });
    }
    [[nodiscard]] result<void> erase(digest const& id) {
        MUSTER_TRY(auto const r, find(id));
        if (!r) return ok();
        return all_or_nothing([&]() -> result<void> { return drop(*r); });
    }
    [[nodiscard]] bool is_named(digest const& blob) const {
        return has("SELECT 1 FROM records WHERE blob = ? LIMIT 1", blob);
    }
    [[nodiscard]] result<void> put_blob(feed::blob const& b) {
        if (b.content.size() > limits_.blob_bytes_max || contains_blob(b.id)) return ok();
        return all_or_nothing([&]() -> result<void> {
            MUSTER_TRY(db_->run("INSERT INTO blobs (id, content) VALUES (?, ?)", b.id.view(), byte_view{b.content}));
            MUSTER_TRY(
                drop_blobs("SELECT coalesce(sum(length(content)), 0) FROM blobs WHERE id NOT IN (SELECT blob FROM "
                           "records)",
                           limits_.blob_bytes_max / 4,
                           "DELETE FROM blobs WHERE came = (SELECT min(came) FROM blobs WHERE id NOT IN (SELECT blob "
                           "FROM records))"));
            return drop_blobs(
                "SELECT coalesce(sum(length(content)), 0) FROM blobs", limits_.blob_bytes_max,
                "DELETE FROM blobs WHERE came = coalesce((SELECT min(came) FROM blobs WHERE came < (SELECT max(came) "
                "FROM blobs) AND id NOT IN (SELECT blob FROM records)), (SELECT came FROM blobs JOIN records ON "
                "records.blob = blobs.id ORDER BY records.number, records.id LIMIT 1), (SELECT min(came) FROM blobs))");
        });
    }
    [[nodiscard]] result<void> erase_blob(digest const& id) {
        return stored(db_->run("DELETE FROM blobs WHERE id = ?", id.view()));
    }
    [[nodiscard]] bool contains(digest const& id) const { return has("SELECT 1 FROM records WHERE id = ?", id); }
    [[nodiscard]] bool contains_blob(digest const& id) const { return has("SELECT 1 FROM blobs WHERE id = ?", id); }
    [[nodiscard]] result<std::optional<record>> find(digest const& id) const {
        MUSTER_TRY(auto found, rows("SELECT * FROM records WHERE id = ?", 1, id.view()));
        return found.empty() ? std::optional<record>{} : std::optional{std::move(found.front())};
    }
    [[nodiscard]] result<std::optional<bytes>> find_blob(digest const& id) const {
        auto const read = [&]() -> result<std::optional<bytes>> {
            MUSTER_TRY(auto s, db_->prepare("SELECT content FROM blobs WHERE id = ?"));
            s.bind(1, id.view());
            MUSTER_TRY(auto const found, s.step());
            return found ? std::optional{to_bytes(s.octets(0))} : std::optional<bytes>{};
        };
        auto out = read();
        if (!out) return failure(out.error());
        return out;
    }
    [[nodiscard]] result<std::vector<record>> at(height h) const {
        return rows("SELECT * FROM records WHERE number = ? ORDER BY id", all, order_of(h));
    }
    [[nodiscard]] result<std::vector<record>> children(digest const& id) const {
        return rows("SELECT * FROM records WHERE parent = ? ORDER BY id", all, id.view());
    }
    [[nodiscard]] bool is_full(height h) const {
        auto const there = at(h);
        return !there || there.value().size() >= limits_.records_per_height;
    }
    [[nodiscard]] result<void> set_chain(digest const& id) {
        MUSTER_TRY(auto r, find(id));
        if (!r) return ok();
        return all_or_nothing([&]() -> result<void> {
            MUSTER_TRY(db_->run("UPDATE records SET chain = 0 WHERE chain = 1 AND number > ?", order_of(r->number)));
            for (;;) {
                MUSTER_TRY(auto s, db_->prepare("SELECT chain FROM records WHERE id = ?"));
                s.bind(1, r->id.view());
                MUSTER_TRY(auto const is_there, s.step());
                bool const is_joined = is_there && s.number(0) == 1;
                if (is_joined) return ok();  // from here on it is the chain already
                MUSTER_TRY(db_->run("UPDATE records SET chain = (id = ?) WHERE number = ?", r->id.view(),
                                    order_of(r->number)));
                MUSTER_TRY(auto above, find(r->parent));
                if (!above) break;
                r = std::move(above);
            }
            // What is older than all ancestors belongs to another chain.
            return db_->run("UPDATE records SET chain = 0 WHERE chain = 1 AND number < ?", order_of(r->number));
        });
    }
    [[nodiscard]] std::optional<record> head() const {
        auto found = rows("SELECT * FROM records WHERE chain = 1 ORDER BY number DESC LIMIT 1", 1);
        if (!found || found.value().empty()) return std::nullopt;
        return std::move(found.value().front());
    }
    [[nodiscard]] std::optional<digest> chain_at(height h) const {
        auto const found = rows("SELECT * FROM records WHERE chain = 1 AND number = ?", 1, order_of(h));
        if (!found || found.value().empty()) return std::nullopt;
        return found.value().front().id;
    }
    [[nodiscard]] result<std::vector<record>> chain_from(height h, std::size_t count) const {
        MUSTER_TRY(auto out,
                   rows("SELECT * FROM records WHERE chain = 1 AND number >= ? ORDER BY number", count, order_of(h)));
        for (std::size_t i = 1; i < out.size(); ++i) {
            if (out[i].number != out[i - 1].number + 1) out.resize(i);
        }
        return out;
    }
    [[nodiscard]] result<void> remove_above(height h) {
        return all_or_nothing([&]() -> result<void> {
            MUSTER_TRY(
                db_->run("DELETE FROM blobs WHERE id IN (SELECT blob FROM records WHERE number > ?1) AND id NOT IN "
                         "(SELECT blob FROM records WHERE number <= ?1)",
                         order_of(h)));
            return db_->run("DELETE FROM records WHERE number > ?", order_of(h));
        });
    }
    [[nodiscard]] feed::store_sizes sizes() const {
        auto const number = [&](char const* sql) {
            auto const n = db_->number(sql);
            return n ? static_cast<std::size_t>(n.value()) : 0;
        };
        return {number("SELECT count(*) FROM records"), number("SELECT count(*) FROM blobs"),
                number("SELECT coalesce(sum(length(content)), 0) FROM blobs")};
    }

private:
    static constexpr std::size_t all = ~std::size_t{0};
    static constexpr std::int64_t application_id = 0x6d75'6665;  // "mufe"; other databases are left alone
    static constexpr std::int64_t format_version = 1;

    feed_store(std::unique_ptr<owned_file<posix_files>> lock, std::unique_ptr<database> db,
               feed::store_limits l) noexcept
        : lock_{std::move(lock)}, db_{std::move(db)}, limits_{l} {}

    /// Numbers in the order of heights, which use all of 64 bits.
    [[nodiscard]] static std::int64_t order_of(height h) noexcept {
        return static_cast<std::int64_t>(h ^ (std::uint64_t{1} << 63));
    }
    [[nodiscard]] static height height_of(std::int64_t n) noexcept {
        return static_cast<std::uint64_t>(n) ^ (std::uint64_t{1} << 63);
    }
    [[nodiscard]] static error failure(error const& e) { return {feed::errc::storage, e.message()}; }
    [[nodiscard]] static result<void> stored(result<void> done) {
        if (!done) return failure(done.error());
        return done;
    }

    [[nodiscard]] result<void> prepare() {
        MUSTER_TRY(auto const kind, db_->number("PRAGMA application_id"));
        MUSTER_TRY(auto const version, db_->number("PRAGMA user_version"));
        MUSTER_TRY(auto const tables, db_->number("SELECT count(*) FROM sqlite_master"));
        if (tables != 0 && (kind != application_id || version != format_version)) {
            return error{feed::errc::storage, "the file is a database, and none of a feed, or of another version"};
        }
        MUSTER_TRY(db_->text_of("PRAGMA journal_mode = WAL"));
        MUSTER_TRY(db_->run("PRAGMA synchronous = NORMAL"));
        if (tables != 0) return ok();
        return all_or_nothing([&]() -> result<void> {
            MUSTER_TRY(
                db_->run("CREATE TABLE records (id BLOB PRIMARY KEY, number INTEGER, parent BLOB, blob BLOB, author "
                         "BLOB, content BLOB, chain INTEGER) WITHOUT ROWID"));
            MUSTER_TRY(db_->run("CREATE INDEX by_number ON records (number)"));
            MUSTER_TRY(db_->run("CREATE INDEX by_parent ON records (parent)"));
            MUSTER_TRY(db_->run("CREATE INDEX by_blob ON records (blob)"));
            MUSTER_TRY(db_->run("CREATE INDEX by_chain ON records (number) WHERE chain = 1"));
            MUSTER_TRY(db_->run("CREATE TABLE blobs (came INTEGER PRIMARY KEY, id BLOB UNIQUE, content BLOB)"));
            MUSTER_TRY(db_->run("PRAGMA application_id = 1836410469"));
            return db_->run("PRAGMA user_version = 1");
        });
    }
    template <class F>
    [[nodiscard]] result<void> all_or_nothing(F f) {
        if (is_open_) return f();
        if (auto const begun = db_->run("BEGIN IMMEDIATE"); !begun) return failure(begun.error());
        is_open_ = true;
        auto done = f();
        is_open_ = false;
        auto const ended = done ? db_->run("COMMIT") : db_->run("ROLLBACK");
        if (!done) return failure(done.error());
        if (!ended) {
            (void)db_->run("ROLLBACK");
            return failure(ended.error());
        }
        return ok();
    }
    [[nodiscard]] bool has(char const* sql, digest const& id) const {
        auto s = db_->prepare(sql);
        if (!s) return false;
        s.value().bind(1, id.view());
        auto const found = s.value().step();
        return found && found.value();
    }
    template <class... Parameters>
    [[nodiscard]] result<std::vector<record>> rows(char const* sql, std::size_t most,
                                                   Parameters const&... parameters) const {
        auto const read = [&]() -> result<std::vector<record>> {
            std::vector<record> out;
            MUSTER_TRY(auto s, db_->prepare(sql));
            int i = 0;
            (s.bind(++i, parameters), ...);
            while (out.size() < most) {
                MUSTER_TRY(auto const more, s.step());
                if (!more) break;
                record r;
                r.id = digest::from(s.octets(0));
                r.number = height_of(s.number(1));
                r.parent = digest::from(s.octets(2));
                if (s.octets(3).size() == digest::size()) r.blob_id = digest::from(s.octets(3));
                r.author = feed::author::from(s.octets(4));
                r.content = to_bytes(s.octets(5));
                out.push_back(std::move(r));
            }
            return out;
        };
        auto out = read();
        if (!out) return failure(out.error());
        return out;
    }
    [[nodiscard]] result<record> lowest_record() const {
        MUSTER_TRY(auto found, rows("SELECT * FROM records ORDER BY number, id LIMIT 1", 1));
        if (found.empty()) return error{feed::errc::storage, "no record where there must be one"};
        return std::move(found.front());
    }
    [[nodiscard]] result<void> drop(record const& r) {
        MUSTER_TRY(db_->run("DELETE FROM records WHERE id = ?", r.id.view()));
        if (!r.blob_id) return ok();
        return db_->run("DELETE FROM blobs WHERE id = ?1 AND id NOT IN (SELECT blob FROM records)", r.blob_id->view());
    }
    // Those that nobody names, the oldest first; then those of the lowest records.
    [[nodiscard]] result<void> drop_blobs(char const* sum, std::size_t most, char const* one) {
        for (;;) {
            MUSTER_TRY(auto const n, db_->number(sum));
            if (static_cast<std::uint64_t>(n) <= most) return ok();
            MUSTER_TRY(db_->run(one));
        }
    }

    std::unique_ptr<owned_file<posix_files>> lock_;
    std::unique_ptr<database> db_;  ///< Its statements are used by functions that only read.
    feed::store_limits limits_;
    bool is_open_ = false;  ///< A transaction.
};
static_assert(feed::store<feed_store>);

}  // namespace muster::sqlite
