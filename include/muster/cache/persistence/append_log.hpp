// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keeps a cache in a log of its changes: a save costs what has changed, not what is there.
///
/// The log is rewritten before it grows beyond twice its size after the last rewriting, so a save costs about as much
/// as what has changed, on average; also when a save failed half-way, and when more changes wait than a rewriting would
/// take. What a power failure left unfinished at its end is cut off when it is loaded: those changes were never
/// reported as saved. An end that has all its octets, but others than were written, is kept aside first.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <muster/cache/persistence/format.hpp>
#include <muster/cache/persistence/reading.hpp>
#include <muster/cache/persistence/store.hpp>
#include <muster/core/files.hpp>
#include <muster/core/posix_files.hpp>

namespace muster::cache {

/// A file that grows with every save, and is rewritten now and then.
template <codec Codec, file_system Files = posix_files>
class append_log {
public:
    using codec = Codec;
    using key_type = typename Codec::key_type;
    using value_type = typename Codec::value_type;
    static constexpr bool keeps_changes = true;

    struct options {
        std::string path;
        std::uint64_t file_size_max = std::uint64_t{256} << 20;  ///< Octets; a larger file is not read. Ours.
        std::size_t change_size_max = std::size_t{1} << 20;      ///< Octets of one entry; larger ones are damage. Ours.
        [[no_unique_address]] Codec codec = {};
        Files files = {};
    };

    explicit append_log(options o) : options_{std::move(o)} {}

    /// @see persistent_store
    template <class Apply>
    [[nodiscard]] result<load_notes> load(timestamp now, Apply apply) {
        pending_.clear();  // what was noted before is undone by loading
        detail::read_outcome found;
        auto const note = [&](detail::read_outcome const& f) -> result<void> {
            found = f;
            if (f.good != detail::file_header_size) return ok();
            // The first batch was put in place whole, by a rename: no crash has torn it, or kept it out.
            return error{errc::damaged, text("nothing of the ", f.torn, " octets after the header is whole")};
        };
        is_loading_ = true;
        auto const notes = detail::load_file(options_.codec, options_.files, options_.path, bounds(), now, note, apply);
        is_loading_ = false;
        if (!notes) return notes.error();
        if (notes.value().damage) return notes;  // there is no file now
        size_ = found.good;
        if (found.torn != 0 && !cut(found.good)) must_rewrite_ = true;
        return notes;
    }

    /// What is noted is saved with the next @ref save. @{
    void put(key_type const& key, value_type const& value, timestamp deadline) {
        if (!is_noting()) return;
        pending_.put(options_.codec, key, value, deadline);
        bound_pending();
    }
    void use(key_type const& key) { note(change_kind::use, key); }
    void erase(key_type const& key) { note(change_kind::erase, key); }
    /// @}
    /// Not all was noted: the next save writes everything.
    void rewrite_next() noexcept { must_rewrite_ = true; }

    /// @see persistent_store
    template <class Entries>
    [[nodiscard]] result<void> save(Entries const& entries, timestamp now) {
        auto const grown = size_ + pending_.size() + detail::batch_head_size + detail::checksum_size;
        if (must_rewrite_ || size_ == 0 || grown > 2 * size_rewritten_ + slack || grown > options_.file_size_max) {
            return rewrite(entries, now);
        }
        auto const done = append(now);
        if (!done) must_rewrite_ = true;  // nobody knows how much of it was written
        return done;
    }

    /// Octets of the log.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

private:
    [[nodiscard]] detail::file_bounds bounds() const noexcept {
        return {options_.file_size_max, options_.change_size_max};
    }
    static constexpr std::uint64_t slack = 4096;  // octets that are not worth a rewriting: a block of a disk

    // What loading gives up is not worth memory: a log of some size is rewritten with the first save anyway.
    [[nodiscard]] bool is_noting() noexcept {
        must_rewrite_ = must_rewrite_ || is_loading_;
        return !must_rewrite_;
    }
    void note(change_kind kind, key_type const& key) {
        if (!is_noting()) return;
        pending_.note(options_.codec, kind, key);
        bound_pending();
    }
    // More than a rewriting would take is not kept, and what could not be read again is for the rewriting to refuse.
    void bound_pending() {
        if (pending_.size() <= 2 * size_rewritten_ + slack && pending_.largest() <= options_.change_size_max) return;
        must_rewrite_ = true;
        pending_.clear();
    }

    [[nodiscard]] bool cut(std::uint64_t size) {
        auto const done = [&]() -> result<void> {
            MUSTER_TRY(auto file, options_.files.open(options_.path, open_mode::append));
            if (!file) return error{file_errc::io_failed, text(options_.path, " is gone")};
            MUSTER_TRY(options_.files.truncate(*file, size));
            return options_.files.sync(*file);
        }();
        return done.has_value();
    }
    [[nodiscard]] result<void> append(timestamp now) {
        if (pending_.count() == 0) return ok();
        wire::writer w;
        pending_.write_to(w, now);
        MUSTER_TRY(auto file, options_.files.open(options_.path, open_mode::append));
        if (!file) return error{file_errc::io_failed, text(options_.path, " is gone; the next save writes it anew")};
        MUSTER_TRY(auto const there, options_.files.size(*file));
        if (there != size_) {
            return error{errc::damaged,
                         text(options_.path, " was changed by somebody else; the next save writes it anew")};
        }
        MUSTER_TRY(write_all(options_.files, *file, w.view()));
        MUSTER_TRY(options_.files.sync(*file));
        size_ += w.view().size();
        pending_.clear();
        return ok();
    }
    template <class Entries>
    [[nodiscard]] result<void> rewrite(Entries const& entries, timestamp now) {
        must_rewrite_ = true;
        MUSTER_TRY(auto const octets, detail::whole_file(options_.codec, entries, now, bounds()));
        MUSTER_TRY(replace_file(options_.files, options_.path, octets));
        size_ = size_rewritten_ = octets.size();
        pending_.clear();
        must_rewrite_ = false;
        return ok();
    }

    options options_;
    detail::batch<Codec> pending_;
    std::uint64_t size_ = 0;            // of the log
    std::uint64_t size_rewritten_ = 0;  // when it was last rewritten, in this life
    bool must_rewrite_ = false;
    bool is_loading_ = false;
};

}  // namespace muster::cache
