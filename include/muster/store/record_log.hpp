// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A file of records: some are added at its end, all or none of them; and now and then it is written anew.
///
/// Layout: a line that names what it is, then frames. A frame is its length and the complement of it (4 bytes each,
/// big-endian), records (each behind its length, as a varint), and a CRC-32C over all of it. A crash can leave a torn
/// frame at the end, which nobody was promised, and which is cut off. A frame that is damaged with others behind it is
/// no crash: the file is put aside for somebody to look at, and what could be read before it goes on.
///
/// The file has one owner, who holds its lock, and notices when somebody else has changed it: core/owned_file.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/crc.hpp>

#include <muster/core/enumeration.hpp>
#include <muster/core/owned_file.hpp>
#include <muster/core/result.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::store {

/// Why records could not be kept, where the file system is not to blame.
MUSTER_ENUMERATION(errc, 1,
                   wrong_state,  ///< Loaded twice, or not at all.
                   changed       ///< Somebody else has changed the file: it has to be written anew.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "store"; }

namespace detail {
/// CRC-32C (Castagnoli) of @p content: finds every error of one bit and every burst of up to 32.
[[nodiscard]] inline std::uint32_t crc32c(byte_view content) {
    boost::crc_optimal<32, 0x1edc6f41, 0xffff'ffff, 0xffff'ffff, true, true> sum;
    sum.process_bytes(content.data(), content.size());
    return sum.checksum();
}
}  // namespace detail

/// What loading has found.
struct load_report {
    std::size_t records = 0;
    std::uint64_t unreadable = 0;          ///< Bytes that were cut off or put aside.
    std::optional<std::string> put_aside;  ///< Where the file is that was damaged.
};

/// Move-only; not thread-safe. Keeps nothing in memory.
template <file_system Files = posix_files>
class record_log {
public:
    struct options {
        std::string path;                            ///< Its folder must exist.
        std::string kind;                            ///< What the records are; a file of another kind is not read.
        std::uint64_t file_size_max = 256ull << 20;  ///< Bytes; a larger file is not read, nor written. Ours.
        Files files = {};
    };
    explicit record_log(options o)
        : file_{std::move(o.path), std::move(o.files)},
          header_{text("muster ", o.kind, " 1\n")},
          size_max_{o.file_size_max} {}

    /// Takes the lock and calls `f(record)` for each record, in order. From here on the file is as this process writes
    /// it. @return the file system's errors, `in_use` when somebody else has it; `wrong_state` for a second time.
    template <class F>
    [[nodiscard]] result<load_report> load(F f) {
        if (is_loaded_) return error{errc::wrong_state, text(file_.path(), " was loaded before")};
        MUSTER_TRY(file_.claim());
        MUSTER_TRY(auto const content, read_file(file_.files(), file_.path(), size_max_));
        load_report out;
        bytes kept = to_bytes(as_bytes(header_));
        if (content) {
            auto const readable = parse(*content, f, out);
            out.unreadable = content->size() - readable;
            if (out.unreadable != 0 && !is_torn(byte_view{*content}.subspan(readable))) {
                MUSTER_TRY(out.put_aside, keep_aside(file_.files(), file_.path()));
            }
            if (readable != 0) kept.assign(content->begin(), content->begin() + static_cast<std::ptrdiff_t>(readable));
        }
        MUSTER_TRY(file_.replace(kept));
        is_loaded_ = true;
        return out;
    }
    /// Adds @p records, all or none, and makes them durable.
    /// @return `changed` when the file is not as it was left, `too_large`, or the file system's errors: then it is to
    ///         be written anew by @ref replace.
    [[nodiscard]] result<void> append(std::span<bytes const> records) {
        if (!is_loaded_) return not_loaded();
        auto const added = frame(records);
        if (file_.size() + added.size() > size_max_) return too_large(file_.size() + added.size());
        MUSTER_TRY(auto const is_added, file_.append(added));
        if (is_added) return ok();
        return error{errc::changed, text(file_.path(), " is not as it was left; does another program use it?")};
    }
    /// Makes @p records the content.
    [[nodiscard]] result<void> replace(std::span<bytes const> records) {
        if (!is_loaded_) return not_loaded();
        auto content = to_bytes(as_bytes(header_));
        if (!records.empty()) muster::append(content, frame(records));
        if (content.size() > size_max_) return too_large(content.size());
        return file_.replace(content);
    }
    /// Bytes of the file; 0 after a failure.
    [[nodiscard]] std::uint64_t size() const noexcept { return file_.size(); }
    [[nodiscard]] std::string const& path() const noexcept { return file_.path(); }

private:
    static constexpr std::size_t prefix_size = 8, checksum_size = 4;

    [[nodiscard]] error not_loaded() const {
        return error{errc::wrong_state, text(file_.path(), " has to be loaded first; it would be overwritten")};
    }
    [[nodiscard]] error too_large(std::uint64_t size) const {
        return error{file_errc::too_large, text(file_.path(), " would have ", size, " bytes, and at most ", size_max_,
                                                " would be read again")};
    }
    [[nodiscard]] static bytes frame(std::span<bytes const> records) {
        std::size_t size = prefix_size + checksum_size;
        for (auto const& r : records) size += wire::varint_size(r.size()) + r.size();
        wire::writer out;
        out.u32(static_cast<std::uint32_t>(size)).u32(~static_cast<std::uint32_t>(size));
        for (auto const& r : records) out.sized(r);
        return out.u32(detail::crc32c(out.view())).take();
    }
    /// The length that @p rest begins with, when it is one.
    [[nodiscard]] static std::optional<std::size_t> length_at(byte_view rest) {
        if (rest.size() < prefix_size) return std::nullopt;
        wire::reader in{rest};
        auto const length = in.u32();
        if (in.u32() != static_cast<std::uint32_t>(~length) || length < prefix_size + checksum_size)
            return std::nullopt;
        return length;
    }
    /// The size of the frame that @p rest begins with, when it is whole.
    [[nodiscard]] static std::optional<std::size_t> frame_at(byte_view rest) {
        auto const size = length_at(rest);
        if (!size || *size > rest.size()) return std::nullopt;
        wire::reader sum{rest.subspan(*size - checksum_size)};
        return sum.u32() == detail::crc32c(rest.first(*size - checksum_size)) ? size : std::nullopt;
    }
    template <class F>
    [[nodiscard]] std::size_t parse(byte_view all, F& f, load_report& out) const {
        if (all.size() < header_.size() || !equal(all.first(header_.size()), as_bytes(header_))) return 0;
        auto at = header_.size();
        while (auto const size = frame_at(all.subspan(at))) {
            wire::reader in{all.subspan(at + prefix_size, *size - prefix_size - checksum_size)};
            while (in.ok() && in.remaining() != 0) {
                auto const record = in.sized(in.remaining());
                if (!in.ok()) break;
                f(record);
                ++out.records;
            }
            at += *size;
        }
        return at;
    }
    /// What a crash leaves: one frame that ends too early, or whose bytes did not get to the disk.
    [[nodiscard]] static bool is_torn(byte_view rest) {
        bool const is_empty = std::all_of(rest.begin(), rest.end(), [](byte b) { return b == 0; });
        auto const size = length_at(rest);
        return rest.size() < prefix_size || is_empty || (size && *size >= rest.size());
    }

    owned_file<Files> file_;
    std::string header_;
    std::uint64_t size_max_;
    bool is_loaded_ = false;
};

}  // namespace muster::store
