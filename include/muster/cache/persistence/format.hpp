// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The file of a cache: a header, then batches of changes.
///
///     header   "mustrche"  version u16   codec u32   crc u32
///     batch    length u64  count u64  written_at i64  crc u32     of the three before
///              count times: a change behind its length
///              crc u32                                            of the changes
///     change   op u8  [deadline i64]  key  [value]
///
/// A snapshot is one batch of insertions, the least recently used first; a log gets a batch with every save. The head
/// of a batch has a checksum of its own, so that a changed length cannot make the rest of a log look like an unfinished
/// batch. Integers are big-endian; times are Unix milliseconds. The checksum is CRC-32C (Castagnoli), which finds
/// every error of one bit and every burst up to 32.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <muster/cache/persistence/checksum.hpp>
#include <muster/cache/persistence/codec.hpp>
#include <muster/cache/persistence/errc.hpp>
#include <muster/core/files.hpp>
#include <muster/core/result.hpp>

namespace muster::cache {

/// What happened to an entry.
enum class change_kind : std::uint8_t {
    put = 1,
    use,    ///< It became the most recently used.
    erase,  ///< It left, for whatever reason.
};

/// The deadline of entries that have none.
inline constexpr timestamp no_deadline = timestamp::max();

/// One change, as it is read back.
template <codec Codec>
struct change_of {
    change_kind kind;
    typename Codec::key_type key;
    std::optional<typename Codec::value_type> value;  ///< Of a put.
    timestamp deadline;                               ///< Of a put.
    timestamp written_at;                             ///< When it was saved.
};

namespace detail {

inline constexpr std::array<byte, 8> file_magic{'m', 'u', 's', 't', 'r', 'c', 'h', 'e'};
inline constexpr std::uint16_t file_version = 1;
inline constexpr std::size_t file_header_size = 18;
inline constexpr std::size_t batch_head_size = 28;
inline constexpr std::size_t checksum_size = 4;

inline void append_checksum(wire::writer& w, std::size_t from) { w.u32(crc32c(w.view().subspan(from))); }

inline void write_file_header(wire::writer& w, std::uint32_t codec_id) {
    auto const from = w.view().size();
    w.raw(file_magic).u16(file_version).u32(codec_id);
    append_checksum(w, from);
}

/// Changes that wait to be written.
template <codec Codec>
class batch {
public:
    using key_type = typename Codec::key_type;
    using value_type = typename Codec::value_type;

    void put(Codec const& c, key_type const& key, value_type const& value, timestamp deadline) {
        wire::writer w;
        w.u8(static_cast<std::uint8_t>(change_kind::put)).i64(to_unix_millis(deadline));
        c.write_key(w, key);
        c.write_value(w, value);
        add(w);
    }
    void note(Codec const& c, change_kind kind, key_type const& key) {
        wire::writer w;
        w.u8(static_cast<std::uint8_t>(kind));
        c.write_key(w, key);
        add(w);
    }
    /// Octets of the changes.
    [[nodiscard]] std::size_t size() const noexcept { return changes_.view().size(); }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    void clear() { *this = {}; }

    void write_to(wire::writer& w, timestamp now) const {
        auto const head = w.view().size();
        w.u64(size()).u64(count_).i64(to_unix_millis(now));
        append_checksum(w, head);
        auto const body = w.view().size();
        w.raw(changes_.view());
        append_checksum(w, body);
    }

private:
    void add(wire::writer const& w) {
        changes_.sized(w.view());
        ++count_;
    }

    wire::writer changes_;
    std::uint64_t count_ = 0;
};

/// A file of all entries; `too_large` when it could not be read back.
template <codec Codec, class Entries>
[[nodiscard]] result<bytes> whole_file(Codec const& c, Entries const& entries, timestamp now, std::uint64_t size_max) {
    batch<Codec> all;
    entries([&](auto const& key, auto const& value, timestamp deadline) { all.put(c, key, value, deadline); },
            [&](auto const& key) { all.note(c, change_kind::use, key); });
    wire::writer w;
    write_file_header(w, c.id);
    all.write_to(w, now);
    if (w.view().size() > size_max) {
        return error{file_errc::too_large, text("the entries take ", w.view().size(), " octets, and a file of at most ",
                                                size_max, " would be read again: raise file_size_max, or hold less")};
    }
    return w.take();
}

/// What became of reading a file.
struct read_outcome {
    std::size_t good = 0;  ///< Octets that are whole.
    std::size_t torn = 0;  ///< Octets after them, of a batch that was never finished.
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
                     text(file.size(), " octets are no file of a cache: it begins with ", file_header_size)};
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

/// Reads the changes of a batch whose checksum fits; @p apply is called with each.
template <codec Codec, class Apply>
[[nodiscard]] result<void> read_changes(Codec const& c, byte_view body, batch_head const& head, timestamp now,
                                        Apply apply) {
    wire::reader all{body};
    for (std::uint64_t i = 0; i < head.count && all.ok(); ++i) {
        wire::reader r{all.sized(all.remaining())};
        auto const kind = r.enumerator(change_kind::put, change_kind::erase);
        auto const deadline = kind == change_kind::put ? from_unix_millis(r.i64()) : no_deadline;
        auto key = c.read_key(r);
        std::optional<typename Codec::value_type> value;
        if (kind == change_kind::put) value.emplace(c.read_value(r, now));
        if (auto const read = r.finish(); !read) {
            return error{errc::damaged, text("change ", i, " cannot be read: ", read.error().message())};
        }
        apply(change_of<Codec>{kind, std::move(key), std::move(value), deadline, head.written_at});
    }
    if (auto const read = all.finish(); !read) return error{errc::damaged, text("a batch: ", read.error().message())};
    return ok();
}

/// Whether all octets are zero, as those are that a file system gave out and nobody wrote.
[[nodiscard]] inline bool is_blank(byte_view octets) noexcept {
    for (auto const b : octets) {
        if (b != 0) return false;
    }
    return true;
}

/// The head of the batch at the start of @p rest; nothing when it was never finished.
[[nodiscard]] inline result<std::optional<batch_head>> read_batch_head(byte_view rest) {
    if (rest.size() < batch_head_size || is_blank(rest)) return std::optional<batch_head>{};
    wire::reader r{rest.first(batch_head_size)};
    batch_head const head{r.u64(), r.u64(), from_unix_millis(r.i64())};
    if (r.u32() != crc32c(rest.first(batch_head_size - checksum_size))) {
        if (is_blank(rest.subspan(batch_head_size))) return std::optional<batch_head>{};  // written in part
        return error{errc::damaged, "the head of a batch does not fit its checksum"};
    }
    if (head.length > rest.size() - batch_head_size || rest.size() - batch_head_size - head.length < checksum_size) {
        return std::optional<batch_head>{};
    }
    return std::optional{head};
}

/// Reads the batches of @p file after its header; @p apply is called with each change, in order. Allocates nothing
/// that the file's own size does not pay for.
/// @return `damaged`, possibly after some changes were applied: check first with an @p apply that does nothing.
template <codec Codec, class Apply>
[[nodiscard]] result<read_outcome> read_batches(Codec const& c, byte_view file, timestamp now, Apply apply) {
    auto at = file_header_size;
    while (at < file.size()) {
        auto const rest = file.subspan(at);
        MUSTER_TRY(auto const head, read_batch_head(rest));
        if (!head) break;
        auto const length = static_cast<std::size_t>(head->length);
        auto const body = rest.subspan(batch_head_size, length);
        wire::reader checksum{rest.subspan(batch_head_size + length, checksum_size)};
        if (checksum.u32() != crc32c(body)) {
            if (at + batch_head_size + length + checksum_size == file.size()) break;  // the last one, and unfinished
            return error{errc::damaged, text("the batch at offset ", at, " does not fit its checksum")};
        }
        MUSTER_TRY(read_changes(c, body, *head, now, apply));
        at += batch_head_size + length + checksum_size;
    }
    return read_outcome{at, file.size() - at};
}

}  // namespace detail
}  // namespace muster::cache
