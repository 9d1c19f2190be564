// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keeps a cache in a log of its changes: a save costs what has changed, not what is there.
///
/// The log is rewritten before it grows beyond twice its size after the last rewriting, so a save costs about as much
/// as what has changed, on average; also when a save failed half-way, and when more changes wait than a rewriting would
/// take. What a power failure left unfinished at its end is cut off when it is loaded: those changes were never
/// reported as saved. An end that has all its bytes, but others than were written, is kept aside first. From loading
/// on the path is locked, @see owned_file; a log that was exchanged nevertheless is written anew, whole.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <muster/cache/persistence/format.hpp>
#include <muster/cache/persistence/reading.hpp>
#include <muster/cache/persistence/store.hpp>
#include <muster/core/files.hpp>
#include <muster/core/owned_file.hpp>
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
        std::uint64_t file_size_max = std::uint64_t{256} << 20;  ///< Bytes; a larger file is not read. Ours.
        std::size_t change_size_max = std::size_t{1} << 20;  ///< Bytes of one entry; larger ones are left out. Ours.
        [[no_unique_address]] Codec codec = {};
        Files files = {};
    };

    explicit append_log(options o)
        : codec_{std::move(o.codec)},
          bounds_{o.file_size_max, o.change_size_max},
          file_{std::move(o.path), std::move(o.files)} {}

    /// @see persistent_store
    template <class Apply>
    [[nodiscard]] result<load_notes> load(timestamp now, Apply apply) {
        pending_.clear();  // what was noted before is undone by loading
        left_out_.clear();
        detail::read_outcome found;
        auto const note = [&](detail::read_outcome const& f) -> result<void> {
            found = f;
            if (f.good != detail::file_header_size) return ok();
            // The first batch was put in place whole, by a rename: no crash has torn it, or kept it out.
            return error{errc::damaged, text("nothing of the ", f.torn, " bytes after the header is whole")};
        };
        is_loading_ = true;
        auto const notes = detail::load_file(codec_, file_, bounds_, now, note, apply);
        is_loading_ = false;
        if (!notes) return notes.error();
        if (notes.value().damage || found.good == 0) return notes;  // there is no file now
        file_.remember({found.identity, found.good, found.last_checksum()});
        if (found.torn == 0) return notes;
        if (auto const cut = file_.cut(); !cut || !cut.value()) must_rewrite_ = true;
        return notes;
    }

    /// What is noted is saved with the next @ref save. @{
    void put(key_type const& key, value_type const& value, timestamp deadline) {
        if (!is_noting()) return;
        if (auto const noted = pending_.put(codec_, key, value, deadline); noted) {
            left_out_.remove(codec_, key);
        } else {
            (void)pending_.note(codec_, change_kind::erase, key);  // what was saved of it before is not its value now
            left_out_.add(codec_, key, noted.error());
        }
        bound_pending();
    }
    void use(key_type const& key) { note(change_kind::use, key); }
    void erase(key_type const& key) {
        if (is_noting()) left_out_.remove(codec_, key);
        note(change_kind::erase, key);
    }
    /// @}
    /// Not all was noted: the next save writes everything.
    void rewrite_next() noexcept { must_rewrite_ = true; }

    /// @see persistent_store
    template <class Entries>
    [[nodiscard]] result<save_report> save(Entries const& entries, timestamp now) {
        MUSTER_TRY(file_.claim());
        auto const grown = size() + pending_.size() + detail::batch_head_size + detail::checksum_size;
        bool const is_small = grown <= 2 * size_rewritten_ + slack && grown <= bounds_.file_size_max;
        if (must_rewrite_ || size() == 0 || !is_small) return rewrite(entries, now);
        MUSTER_TRY(auto const is_appended, append(now));
        if (!is_appended) return rewrite(entries, now);
        return left_out_.report();
    }

    /// Bytes of the log; 0 when it has to be written anew.
    [[nodiscard]] std::uint64_t size() const noexcept { return file_.size(); }

private:
    static constexpr std::uint64_t slack = 4096;  // bytes that are not worth a rewriting: a block of a disk

    // What loading gives up is not worth memory: a log of some size is rewritten with the first save anyway.
    [[nodiscard]] bool is_noting() noexcept {
        must_rewrite_ = must_rewrite_ || is_loading_;
        return !must_rewrite_;
    }
    // A key that is too large for a change of its own was never saved.
    void note(change_kind kind, key_type const& key) {
        if (!is_noting()) return;
        (void)pending_.note(codec_, kind, key);
        bound_pending();
    }
    // More than a rewriting would take is not kept.
    void bound_pending() {
        if (pending_.size() <= 2 * size_rewritten_ + slack) return;
        must_rewrite_ = true;
        pending_.clear();
    }

    // False when the file is not what it was.
    [[nodiscard]] result<bool> append(timestamp now) {
        if (pending_.count() == 0) return true;
        wire::writer w;
        pending_.write_to(w, now);
        MUSTER_TRY(auto const is_appended, file_.append(w.view()));
        if (is_appended) pending_.clear();
        return is_appended;
    }
    template <class Entries>
    [[nodiscard]] result<save_report> rewrite(Entries const& entries, timestamp now) {
        must_rewrite_ = true;
        MUSTER_TRY(auto const octets, detail::whole_file(codec_, entries, now, bounds_, left_out_));
        MUSTER_TRY(file_.replace(octets));
        size_rewritten_ = octets.size();
        pending_.clear();
        must_rewrite_ = left_out_.has_thrown();  // what it threw for may be over
        return left_out_.report();
    }

    [[no_unique_address]] Codec codec_;
    detail::file_bounds bounds_;
    owned_file<Files> file_;
    detail::batch<Codec> pending_{bounds_.one_change_max()};
    detail::left_out<Codec> left_out_;
    std::uint64_t size_rewritten_ = 0;  // when it was last rewritten, in this life
    bool must_rewrite_ = false;
    bool is_loading_ = false;
};

}  // namespace muster::cache
