// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A journal in a file: records are added at its end, and from time to time it is written anew.
///
/// A record is its length (and the complement of it), what is done (put or erase), the session, bytes, and a checksum
/// over all of it. A crash can leave a torn record at the end, which never was promised and is cut off. A record that
/// is damaged with others behind it is no crash: the file is put aside for somebody to look at, and what could be read
/// goes on.
///
/// The file is written anew, by way of another one and a rename, when it holds more than twice what is alive; so it
/// stays below `2 * alive + 64 KiB`. It is also written anew when it is not what was written last, since somebody moved
/// it away or put another one there.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <muster/core/owned_file.hpp>
#include <muster/core/posix_files.hpp>
#include <muster/signing/journal.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::signing {

/// Keeps sessions in one file, which is locked from @ref load on for as long as this lives. Move-only. Not thread-safe.
/// Memory: what is alive.
template <file_system Files = posix_files>
class file_journal {
public:
    struct options {
        std::string path;                           ///< Its folder must exist.
        std::uint64_t file_size_max = 64ull << 20;  ///< Bytes; a larger file is not read. Ours.
        Files files = {};
    };
    explicit file_journal(options o) : file_{std::move(o.path), std::move(o.files)}, file_size_max_{o.file_size_max} {}

    /// The name of the file that was put aside by @ref load, if it was damaged.
    [[nodiscard]] std::optional<std::string> const& put_aside() const noexcept { return put_aside_; }
    /// Bytes that @ref load cut off or could not read.
    [[nodiscard]] std::uint64_t unreadable_octets() const noexcept { return unreadable_; }

    /// See @ref journal. Errors: those of the file system, `in_use` when another one has the file; `wrong_state` for a
    /// second time.
    [[nodiscard]] result<void> load(std::function<void(session_id const&, byte_view)> const& f) {
        if (is_loaded_) return error{errc::wrong_state, text(file_.path(), " was loaded before")};
        MUSTER_TRY(file_.claim());
        MUSTER_TRY(auto const content, read_file(file_.files(), file_.path(), file_size_max_));
        if (content) {
            alive_.clear();  // of a load that failed
            auto const readable = parse(*content);
            unreadable_ = content->size() - readable;
            if (unreadable_ != 0 && !is_torn_tail(byte_view{*content}.subspan(readable))) {
                MUSTER_TRY(put_aside_, keep_aside(file_.files(), file_.path()));
            }
        }
        // Whatever was there: from here on the file is as this process writes it.
        MUSTER_TRY(rewrite());
        is_loaded_ = true;
        for (auto const& [id, octets] : alive_) f(id, octets);
        return ok();
    }
    /// See @ref journal. Errors: those of the file system; `too_large` when the file could not be read again;
    /// `wrong_state` before @ref load.
    [[nodiscard]] result<void> put(session_id const& id, byte_view octets) {
        if (!is_loaded_) return not_loaded();
        auto const whole = header().size() + (alive_.size() + 1) * record_size_min + alive_octets_ + octets.size();
        if (whole > file_size_max_) {
            return error{file_errc::too_large,
                         text(file_.path(), " would have ", whole, " bytes, and at most ", file_size_max_,
                              " would be read again: raise file_size_max, or keep less")};
        }
        auto& kept = alive_[id];
        alive_octets_ += octets.size();
        alive_octets_ -= kept.size();
        kept = to_bytes(octets);
        return add(id, &kept);
    }
    /// See @ref journal. Errors: as of @ref put.
    [[nodiscard]] result<void> erase(session_id const& id) {
        if (!is_loaded_) return not_loaded();
        auto const found = alive_.find(id);
        if (found == alive_.end()) return ok();
        alive_octets_ -= found->second.size();
        alive_.erase(found);
        return add(id, nullptr);
    }

private:
    enum class action : std::uint8_t { put = 1, erase };
    static constexpr std::size_t checksum_size = 8;
    static constexpr std::size_t prefix_size = 4 + 4 + 1 + 32;
    static constexpr std::size_t record_size_min = prefix_size + checksum_size;
    static constexpr std::uint64_t slack = 64u << 10;

    [[nodiscard]] error not_loaded() const {
        return error{errc::wrong_state, text(file_.path(), " has to be loaded first; it would be overwritten")};
    }
    [[nodiscard]] static byte_view header() { return as_bytes("muster-journal-1\n"); }

    // Length of all, its complement, action, session, bytes, checksum of all before it.
    static void append_record(bytes& to, session_id const& id, bytes const* octets) {
        static crypto::hash_tag const tag{"muster/journal/v1"};
        wire::writer out;
        auto const size = octets == nullptr ? 0 : octets->size();
        auto const length = static_cast<std::uint32_t>(record_size_min + size);
        out.u32(length).u32(~length);
        out.u8(static_cast<std::uint8_t>(octets == nullptr ? action::erase : action::put)).raw(id.view());
        if (octets != nullptr) out.raw(*octets);
        auto const sum = crypto::tagged_hash(tag, out.view());
        append(to, out.raw(sum.view().first(checksum_size)).view());
    }

    // Takes in records until one is not whole; says how many bytes those were.
    [[nodiscard]] std::size_t parse(byte_view all) {
        if (all.size() < header().size() || !equal(all.first(header().size()), header())) return 0;
        auto at = header().size();
        while (auto const size = record_at(all.subspan(at))) {
            auto const record = all.subspan(at, *size);
            auto const id = id_in(record);
            auto const octets = record.subspan(prefix_size, *size - record_size_min);
            if (record[8] == static_cast<byte>(action::erase)) {
                alive_.erase(id);
            } else {
                alive_[id] = to_bytes(octets);
            }
            at += *size;
        }
        return at;
    }
    [[nodiscard]] static session_id id_in(byte_view record) { return session_id::from(record.subspan(9, 32)); }
    // The length that @p rest begins with, when it is one.
    [[nodiscard]] static std::optional<std::size_t> length_at(byte_view rest) {
        if (rest.size() < 8) return std::nullopt;
        wire::reader in{rest};
        auto const length = in.u32();
        if (in.u32() != static_cast<std::uint32_t>(~length) || length < record_size_min) return std::nullopt;
        return length;
    }
    // The size of the record that @p rest begins with, when it is whole.
    [[nodiscard]] static std::optional<std::size_t> record_at(byte_view rest) {
        auto const size = length_at(rest);
        if (!size || *size > rest.size()) return std::nullopt;
        auto const octets = to_bytes(rest.subspan(prefix_size, *size - record_size_min));
        bool const erases = rest[8] == static_cast<byte>(action::erase);
        bytes expected;
        append_record(expected, id_in(rest), erases ? nullptr : &octets);
        return equal(expected, rest.first(*size)) ? size : std::nullopt;
    }
    // What a crash leaves: one record that ends too early, or whose bytes did not get to the disk.
    [[nodiscard]] static bool is_torn_tail(byte_view rest) {
        bool const is_empty = std::all_of(rest.begin(), rest.end(), [](byte b) { return b == 0; });
        auto const size = length_at(rest);
        return rest.size() < 8 || is_empty || (size && *size >= rest.size());
    }

    [[nodiscard]] result<void> add(session_id const& id, bytes const* octets) {
        bytes record;
        append_record(record, id, octets);
        if (file_.size() + record.size() <= std::min(2 * alive_octets_ + slack, file_size_max_)) {
            MUSTER_TRY(auto const is_added, file_.append(record));
            if (is_added) return ok();
        }
        return rewrite();
    }
    [[nodiscard]] result<void> rewrite() {
        auto content = to_bytes(header());
        alive_octets_ = 0;
        for (auto const& [id, octets] : alive_) {
            append_record(content, id, &octets);
            alive_octets_ += octets.size();
        }
        return file_.replace(content);
    }

    owned_file<Files> file_;
    std::uint64_t file_size_max_;
    bool is_loaded_ = false;
    std::uint64_t alive_octets_ = 0;
    std::uint64_t unreadable_ = 0;
    std::map<session_id, bytes> alive_;
    std::optional<std::string> put_aside_;
};
static_assert(journal<file_journal<>>);

}  // namespace muster::signing
