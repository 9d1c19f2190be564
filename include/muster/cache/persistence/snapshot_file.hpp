// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keeps a cache in one file that is written whole with every save.
///
/// The right store up to some ten thousand entries, which take a few milliseconds. The old file stays until the new one
/// is durable. What is read is bounded by the size of the file before anything is allocated, and nothing is used unless
/// every checksum fits.

#include <cstdint>
#include <string>
#include <utility>

#include <muster/cache/persistence/format.hpp>
#include <muster/cache/persistence/store.hpp>
#include <muster/core/files.hpp>
#include <muster/core/posix_files.hpp>

namespace muster::cache {

namespace detail {

/// The changes in the file at @p path. A file that cannot be used is put aside. @p accept judges what was found and may
/// refuse it.
template <class Codec, file_system Files, class Accept, class Apply>
[[nodiscard]] result<load_notes> load_file(Codec const& codec, Files& files, std::string const& path,
                                           std::uint64_t size_max, timestamp now, Accept accept, Apply apply) {
    load_notes notes;
    auto read = read_file(files, path, size_max);
    if (!read && !(read.error() == file_errc::too_large)) return read.error();
    if (read && !read.value()) return notes;
    auto const judged = [&]() -> result<read_outcome> {
        if (!read) return read.error();
        MUSTER_TRY(check_file_header(*read.value(), codec.id));
        MUSTER_TRY(auto const found, read_batches(codec, *read.value(), now, [](auto&&) {}));
        MUSTER_TRY(accept(found));
        return found;
    }();
    if (!judged) {
        MUSTER_TRY(notes.aside, keep_aside(files, path));
        notes.damage = judged.error();
        return notes;
    }
    notes.torn = judged.value().torn;
    MUSTER_TRY(read_batches(codec, *read.value(), now, apply));
    return notes;
}

}  // namespace detail

/// A file that is replaced with every save.
template <codec Codec, file_system Files = posix_files>
class snapshot_file {
public:
    using codec = Codec;
    static constexpr bool keeps_changes = false;

    struct options {
        std::string path;
        std::uint64_t file_size_max = std::uint64_t{64} << 20;  ///< Octets; a larger file is not read. Ours.
        [[no_unique_address]] Codec codec = {};
        Files files = {};
    };

    explicit snapshot_file(options o) : options_{std::move(o)} {}

    /// @see persistent_store
    template <class Apply>
    [[nodiscard]] result<load_notes> load(timestamp now, Apply apply) {
        auto const whole = [](detail::read_outcome const& found) -> result<void> {
            if (found.torn == 0 && found.good > detail::file_header_size) return ok();
            return error{errc::damaged, text("the file is whole up to octet ", found.good, " and ends early")};
        };
        return detail::load_file(options_.codec, options_.files, options_.path, options_.file_size_max, now, whole,
                                 apply);
    }
    /// @see persistent_store
    template <class Entries>
    [[nodiscard]] result<void> save(Entries const& entries, timestamp now) {
        MUSTER_TRY(auto const octets, detail::whole_file(options_.codec, entries, now, options_.file_size_max));
        return replace_file(options_.files, options_.path, octets);
    }

private:
    options options_;
};

}  // namespace muster::cache
