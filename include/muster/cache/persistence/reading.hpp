// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Reads the file of a cache, whose layout is in format.hpp.
///
/// The file is read twice, front to back: once to see that every checksum fits and every change can be read, and once
/// more to use it. So what reading holds is a buffer and the largest single change, which is bounded, however long the
/// file is and whatever it claims. The price is that the file may be another one the second time: that is noticed at
/// its end, and is an error.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <muster/cache/persistence/format.hpp>
#include <muster/cache/persistence/store.hpp>
#include <muster/core/files.hpp>
#include <muster/core/owned_file.hpp>

namespace muster::cache::detail {

/// What became of reading a file.
struct read_outcome {
    std::uint64_t good = 0;       ///< Bytes that are whole.
    std::uint64_t torn = 0;       ///< Bytes after them, of a batch that was never finished.
    std::uint32_t sum = 0;        ///< Of the batches' heads and checksums: another one, if the file is.
    bool is_complete = false;     ///< The torn batch has its full length: it was changed, or never got to the disk.
    std::uint32_t last = 0;       ///< The checksum that ends what is whole.
    file_identity identity = {};  ///< Of the file.

    /// The bytes that end what is whole.
    [[nodiscard]] bytes last_checksum() const {
        wire::writer w;
        w.u32(last);
        return w.take();
    }
};

/// The head of a batch.
struct batch_head {
    std::uint64_t length;
    std::uint64_t count;
    timestamp written_at;
};

[[nodiscard]] inline result<void> check_file_header(byte_view file, std::uint32_t codec_id) {
    if (file.size() < file_header_size) {
        return error{errc::damaged,
                     text(file.size(), " bytes are no file of a cache: it begins with ", file_header_size)};
    }
    wire::reader r{file.first(file_header_size)};
    auto const magic = r.raw(file_magic.size());
    auto const version = r.u16();
    auto const written_codec = r.u32();
    if (!equal(magic, file_magic)) return error{errc::damaged, "not a file of a cache: it begins otherwise"};
    if (r.u32() != crc32c(file.first(file_header_size - checksum_size))) {
        return error{errc::damaged, "the header does not fit its checksum"};
    }
    if (version != file_version) {
        return error{errc::unsupported_version,
                     text("version ", version, " of the format, and this is ", file_version)};
    }
    if (written_codec != codec_id) {
        return error{errc::other_codec, text("written by codec ", written_codec, ", and this is codec ", codec_id)};
    }
    return ok();
}

/// The changes of a batch as bytes: taken from the file one by one, and summed up on the way.
template <file_system Files>
class batch_body {
public:
    batch_body(file_reader<Files>& file, std::uint64_t length) : file_{file}, left_{length} {}

    /// The bytes of the next change, until the next call; `damaged` above @p size_max.
    [[nodiscard]] result<byte_view> next(std::size_t size_max) {
        MUSTER_TRY(auto const ahead, file_.peek(at_most(wire::varint_size_max)));
        auto const length = wire::parse_varint(ahead);
        if (!length) return error{errc::damaged, text("its length: ", length.error().message())};
        if (!length.value() || length.value()->value > left_ - length.value()->size) {
            return error{errc::damaged, text("it is longer than the ", left_, " bytes that are left")};
        }
        if (length.value()->value > size_max) {
            return error{errc::damaged, text("it takes ", length.value()->value, " bytes, and at most ", size_max,
                                             " are read: raise change_size_max if they were written")};
        }
        MUSTER_TRY(take(length.value()->size));
        return take(static_cast<std::size_t>(length.value()->value));
    }
    [[nodiscard]] std::uint64_t left() const noexcept { return left_; }
    /// The sum of all bytes, also of those that were not asked for.
    [[nodiscard]] result<std::uint32_t> finish() {
        while (left_ != 0) {
            MUSTER_TRY(take(at_most(file_reader<Files>::buffer_size)));
        }
        return sum_.value();
    }

private:
    [[nodiscard]] std::size_t at_most(std::size_t count) const noexcept {
        return static_cast<std::size_t>(std::min<std::uint64_t>(count, left_));
    }
    [[nodiscard]] result<byte_view> take(std::size_t count) {
        MUSTER_TRY(auto const octets, file_.take(count));
        sum_.add(octets);
        left_ -= count;
        return octets;
    }

    file_reader<Files>& file_;
    std::uint64_t left_;
    crc32c_sum sum_;
};

/// Reads one change.
template <codec Codec>
[[nodiscard]] result<change_of<Codec>> read_change(Codec const& c, byte_view octets, timestamp written_at,
                                                   timestamp now) {
    wire::reader r{octets};
    auto const kind = r.enumerator(change_kind::put, change_kind::erase);
    auto const deadline = kind == change_kind::put ? from_unix_millis(r.i64()) : no_deadline;
    auto key = c.read_key(r);
    std::optional<typename Codec::value_type> value;
    if (kind == change_kind::put) value.emplace(c.read_value(r, now));
    if (auto const read = r.finish(); !read) return error{errc::damaged, read.error().message()};
    return change_of<Codec>{kind, std::move(key), std::move(value), deadline, written_at};
}

/// Reads the changes of a batch; @p apply is called with each.
template <codec Codec, file_system Files, class Apply>
[[nodiscard]] result<void> read_changes(Codec const& c, batch_body<Files>& body, batch_head const& head, timestamp now,
                                        std::size_t change_size_max, Apply& apply) {
    for (std::uint64_t i = 0; i < head.count; ++i) {
        auto const octets = body.next(change_size_max);
        auto change = octets ? read_change(c, octets.value(), head.written_at, now) : octets.error();
        if (!change && !(change.error() == errc::damaged)) return change.error();
        if (!change) {
            return error{errc::damaged, text("change ", i, " cannot be read: ", change.error().message())};
        }
        apply(std::move(change).value());
    }
    if (body.left() == 0) return ok();
    return error{errc::damaged, text("a batch: ", body.left(), " bytes after its changes")};
}

/// Whether all bytes up to the end are zero, as those are that a file system gave out and nobody wrote.
template <file_system Files>
[[nodiscard]] result<bool> rest_is_blank(file_reader<Files>& file) {
    bool is_blank = true;
    while (is_blank && file.left() != 0) {
        auto const count = std::min<std::uint64_t>(file.left(), file_reader<Files>::buffer_size);
        MUSTER_TRY(auto const octets, file.take(static_cast<std::size_t>(count)));
        is_blank = std::all_of(octets.begin(), octets.end(), [](byte b) { return b == 0; });
    }
    return is_blank;
}

/// The head of the next batch; nothing when that was never finished.
template <file_system Files>
[[nodiscard]] result<std::optional<batch_head>> read_batch_head(file_reader<Files>& file, crc32c_sum& sum) {
    if (file.left() < batch_head_size) return std::optional<batch_head>{};
    MUSTER_TRY(auto const octets, file.take(batch_head_size));
    wire::reader r{octets};
    batch_head const head{r.u64(), r.u64(), from_unix_millis(r.i64())};
    if (r.u32() != crc32c(octets.first(batch_head_size - checksum_size))) {
        MUSTER_TRY(auto const is_blank, rest_is_blank(file));
        if (is_blank) return std::optional<batch_head>{};  // written in part, or not at all
        return error{errc::damaged, "the head of a batch does not fit its checksum"};
    }
    sum.add(octets);
    if (head.length > file.left() || file.left() - head.length < checksum_size) return std::optional<batch_head>{};
    return std::optional{head};
}

/// Reads the batches that follow a file's header; @p apply is called with each change, in order.
/// @return `damaged`, possibly after some changes were applied: check first with an @p apply that does nothing.
template <codec Codec, file_system Files, class Apply>
[[nodiscard]] result<read_outcome> read_batches(Codec const& c, file_reader<Files>& file, timestamp now,
                                                std::size_t change_size_max, Apply apply) {
    crc32c_sum sum;
    std::uint32_t last = 0;
    for (;;) {
        auto const at = file.offset();
        read_outcome ends_here{at, file.left(), sum.value(), false, last, file.identity()};
        if (file.left() == 0) return ends_here;
        MUSTER_TRY(auto const head, read_batch_head(file, sum));
        if (!head) return ends_here;
        batch_body<Files> body{file, head->length};
        auto const read = read_changes(c, body, *head, now, change_size_max, apply);
        if (!read && !(read.error() == errc::damaged)) return read.error();
        // Which changes cannot be read is of interest only if they are those that were written.
        MUSTER_TRY(auto const body_sum, body.finish());
        MUSTER_TRY(auto const octets, file.take(checksum_size));
        if (wire::reader{octets}.u32() != body_sum) {
            ends_here.is_complete = true;
            if (file.left() == 0) return ends_here;
            return error{errc::damaged, text("the batch at offset ", at, " does not fit its checksum")};
        }
        if (!read) return read.error();
        sum.add(octets);
        last = body_sum;
    }
}

/// Reads the header of a file and its batches.
template <codec Codec, file_system Files, class Apply>
[[nodiscard]] result<read_outcome> read_whole(Codec const& c, file_reader<Files>& file, timestamp now,
                                              std::size_t change_size_max, Apply& apply) {
    auto const header_size = std::min<std::uint64_t>(file.left(), file_header_size);
    MUSTER_TRY(auto const header, file.take(static_cast<std::size_t>(header_size)));
    MUSTER_TRY(check_file_header(header, c.id));
    return read_batches<Codec, Files, Apply&>(c, file, now, change_size_max, apply);
}

/// What is in the file at @p path, of which nothing is used yet; nothing when there is no file.
template <codec Codec, file_system Files>
[[nodiscard]] result<std::optional<read_outcome>> check_file(Codec const& c, Files& files, std::string const& path,
                                                             file_bounds bounds, timestamp now) {
    MUSTER_TRY(auto file, file_reader<Files>::open(files, path));
    if (!file) return std::optional<read_outcome>{};
    if (file->size() > bounds.file_size_max) {
        return error{file_errc::too_large, text(path, " has ", file->size(), " bytes, and at most ",
                                                bounds.file_size_max, " are read: raise file_size_max")};
    }
    auto const ignore = [](change_of<Codec> const&) {};
    MUSTER_TRY(auto const found, read_whole(c, *file, now, bounds.change_size_max, ignore));
    return std::optional{found};
}

/// Uses what @ref check_file has found.
template <codec Codec, file_system Files, class Apply>
[[nodiscard]] result<void> use_file(Codec const& c, Files& files, std::string const& path, read_outcome const& found,
                                    std::size_t change_size_max, timestamp now, Apply& apply) {
    auto const changed = [&] {
        return error{file_errc::io_failed, text(path, " changed while it was read: does another process use it?")};
    };
    MUSTER_TRY(auto file, file_reader<Files>::open(files, path));
    if (!file || file->size() < found.good) return changed();
    file->limit(found.good);
    auto const again = read_whole(c, *file, now, change_size_max, apply);
    if (!again && again.error() == file_errc::io_failed) return again.error();
    if (!again || again.value().good != found.good || again.value().sum != found.sum ||
        again.value().identity != found.identity) {
        return changed();
    }
    return ok();
}

/// The changes in @p file, which is claimed first. A file that cannot be used is put aside. @p accept judges what was
/// found and may refuse it.
/// @return `in_use` when the file is somebody else's; `cannot_lock` when it would have to be put aside and that cannot
///         be; `io_failed`, possibly after some changes were applied: none of them is to be trusted.
template <codec Codec, file_system Files, class Accept, class Apply>
[[nodiscard]] result<load_notes> load_file(Codec const& c, owned_file<Files>& file, file_bounds bounds, timestamp now,
                                           Accept accept, Apply apply) {
    MUSTER_TRY(file.claim_to_read());
    load_notes notes;
    notes.read_only = file.read_only();
    auto& files = file.files();
    auto const& path = file.path();
    auto const found = check_file(c, files, path, bounds, now);
    if (!found && found.error() == file_errc::io_failed) return found.error();
    if (found && !found.value()) return notes;
    auto const judged = found ? accept(*found.value()) : result<void>{found.error()};
    if (!judged) {
        MUSTER_TRY(file.claim());
        MUSTER_TRY(notes.aside, keep_aside(files, path));
        notes.damage = judged.error();
        return notes;
    }
    notes.torn = found.value()->torn;
    if (found.value()->is_complete) {
        // A power failure may leave this behind as well, but nobody can tell.
        MUSTER_TRY(file.claim());
        MUSTER_TRY(notes.aside, copy_aside(files, path));
        notes.damaged_end = error{errc::damaged, text("the last ", notes.torn, " bytes do not fit their checksum")};
    }
    MUSTER_TRY(use_file(c, files, path, *found.value(), bounds.change_size_max, now, apply));
    return notes;
}

}  // namespace muster::cache::detail
