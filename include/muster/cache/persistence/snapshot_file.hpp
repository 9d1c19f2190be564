// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keeps a cache in one file that is written whole with every save.
///
/// The right store up to some ten thousand entries, which take a few milliseconds. The old file stays until the new one
/// is durable. Reading holds a buffer and one change at a time, whatever the size of the file, and nothing is used
/// unless every checksum fits. From loading on the path is locked, @see owned_file; an entry above its bound is left
/// out.

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

/// A file that is replaced with every save.
template <codec Codec, file_system Files = posix_files>
class snapshot_file {
public:
    using codec = Codec;
    static constexpr bool keeps_changes = false;

    struct options {
        std::string path;
        std::uint64_t file_size_max = std::uint64_t{64} << 20;  ///< Bytes; a larger file is not read. Ours.
        std::size_t change_size_max = std::size_t{1} << 20;     ///< Bytes of one entry; larger ones are left out. Ours.
        [[no_unique_address]] Codec codec = {};
        Files files = {};
    };

    explicit snapshot_file(options o)
        : codec_{std::move(o.codec)},
          bounds_{o.file_size_max, o.change_size_max},
          file_{std::move(o.path), std::move(o.files)} {}

    /// @see persistent_store
    template <class Apply>
    [[nodiscard]] result<load_notes> load(timestamp now, Apply apply) {
        auto const whole = [](detail::read_outcome const& found) -> result<void> {
            if (found.torn == 0 && found.good > detail::file_header_size) return ok();
            return error{errc::damaged, text("the file is whole up to byte ", found.good, " and ends early")};
        };
        return detail::load_file(codec_, file_, bounds_, now, whole, apply);
    }
    /// @see persistent_store
    template <class Entries>
    [[nodiscard]] result<save_report> save(Entries const& entries, timestamp now) {
        MUSTER_TRY(file_.claim());
        MUSTER_TRY(auto const octets, detail::whole_file(codec_, entries, now, bounds_, left_out_));
        MUSTER_TRY(file_.replace(octets));
        return left_out_.report();
    }

private:
    [[no_unique_address]] Codec codec_;
    detail::file_bounds bounds_;
    owned_file<Files> file_;
    detail::left_out<Codec> left_out_;
};

}  // namespace muster::cache
