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
///
/// This file has the layout, and writes it; reading.hpp reads it.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include <muster/cache/persistence/checksum.hpp>
#include <muster/cache/persistence/codec.hpp>
#include <muster/cache/persistence/errc.hpp>
#include <muster/cache/persistence/left_out.hpp>
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

/// Changes that wait to be written. What cannot be added leaves the others as they are.
template <codec Codec>
class batch {
public:
    using key_type = typename Codec::key_type;
    using value_type = typename Codec::value_type;

    /// Takes changes of @p change_size_max bytes at most.
    explicit batch(std::size_t change_size_max = std::numeric_limits<std::size_t>::max())
        : change_size_max_{change_size_max} {}

    /// @return `too_large` when it could not be read back. @{
    result<void> put(Codec const& c, key_type const& key, value_type const& value, timestamp deadline) {
        return add(encoded(c, key, value, deadline));
    }
    result<void> note(Codec const& c, change_kind kind, key_type const& key) {
        wire::writer w;
        w.u8(static_cast<std::uint8_t>(kind));
        c.write_key(w, key);
        return add(w);
    }
    /// @}
    /// As @ref put, and `threw` when the codec has thrown. What the batch itself throws is thrown: then the memory is
    /// at its end, and that is not this entry's fault.
    [[nodiscard]] result<void> put_caught(Codec const& c, key_type const& key, value_type const& value,
                                          timestamp deadline) {
        MUSTER_TRY(auto const change,
                   caught([&]() -> result<wire::writer> { return encoded(c, key, value, deadline); }));
        return add(change);
    }
    /// Bytes of the changes.
    [[nodiscard]] std::size_t size() const noexcept { return changes_.size(); }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    void clear() { *this = batch{change_size_max_}; }

    void write_to(wire::writer& w, timestamp now) const {
        auto const head = w.view().size();
        w.u64(size()).u64(count_).i64(to_unix_millis(now));
        append_checksum(w, head);
        auto const body = w.view().size();
        w.raw(changes_);
        append_checksum(w, body);
    }

private:
    [[nodiscard]] static wire::writer encoded(Codec const& c, key_type const& key, value_type const& value,
                                              timestamp deadline) {
        wire::writer w;
        w.u8(static_cast<std::uint8_t>(change_kind::put)).i64(to_unix_millis(deadline));
        c.write_key(w, key);
        c.write_value(w, value);
        return w;
    }
    [[nodiscard]] result<void> add(wire::writer const& change) {
        auto const octets = change.view();
        if (octets.size() > change_size_max_) {
            return error{file_errc::too_large,
                         text("an entry takes ", octets.size(), " bytes, and at most ", change_size_max_,
                              " would be read again: raise change_size_max, or hold smaller ones")};
        }
        // A length without its change would make all that follows unreadable.
        auto const needed = changes_.size() + wire::varint_size_max + octets.size();
        if (changes_.capacity() < needed) changes_.reserve(std::max(needed, 2 * changes_.capacity()));
        wire::append_varint(changes_, octets.size());
        append(changes_, octets);
        ++count_;
        return ok();
    }

    std::size_t change_size_max_;
    bytes changes_;
    std::uint64_t count_ = 0;
};

/// What is read of a file at most, and therefore written.
struct file_bounds {
    std::uint64_t file_size_max;
    std::size_t change_size_max;

    /// Bytes of one change: no more than a file has room for that has nothing else.
    [[nodiscard]] std::size_t one_change_max() const noexcept {
        constexpr std::size_t around = file_header_size + batch_head_size + checksum_size + wire::varint_size_max;
        auto const room = file_size_max > around ? file_size_max - around : 0;
        return static_cast<std::size_t>(std::min<std::uint64_t>(change_size_max, room));
    }
};

/// A file of all entries but those that cannot be saved, which are noted in @p left. `too_large` when the others
/// together could not be read back.
template <codec Codec, class Entries>
[[nodiscard]] result<bytes> whole_file(Codec const& c, Entries const& entries, timestamp now, file_bounds bounds,
                                       left_out<Codec>& left) {
    batch<Codec> all{bounds.one_change_max()};
    left.clear();
    entries(
        [&](auto const& key, auto const& value, timestamp deadline) {
            if (auto const done = all.put_caught(c, key, value, deadline); !done) left.add(c, key, done.error());
        },
        [&](auto const& key) {
            // Without this it has lost its rank, and is there.
            (void)caught([&] { return all.note(c, change_kind::use, key); });
        });
    wire::writer w;
    write_file_header(w, c.id);
    all.write_to(w, now);
    if (w.view().size() > bounds.file_size_max) {
        return error{file_errc::too_large,
                     text("the entries take ", w.view().size(), " bytes, and a file of at most ", bounds.file_size_max,
                          " would be read again: raise file_size_max, or hold less")};
    }
    return w.take();
}

}  // namespace detail
}  // namespace muster::cache
