// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What guardians and owners write down: a @ref store::record_log in which the last record of a name counts.
///
/// A record is a kind (1 byte), a name (32 bytes, zero where there is one only) and a content; an empty content takes
/// the name away. Everything is held in memory as well, so that the file is written anew when most of it is old.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/random.hpp>
#include <muster/identity/guardian_watch.hpp>
#include <muster/store/record_log.hpp>

namespace muster::node {

/// The file. Move-only; not thread-safe.
template <file_system Files = posix_files>
class guardian_store {
public:
    /// What is kept. The numbers are those in files.
    enum class kind : std::uint8_t {
        ward = 1,          ///< Of each owner.
        own_backup = 2,    ///< One.
        own_recovery = 3,  ///< One.
        own_veto = 4,      ///< Of each request.
        expected = 5       ///< One.
    };
    using key = std::pair<kind, identity::user_id>;

    explicit guardian_store(std::string path, Files files = {})
        : log_{{.path = std::move(path), .kind = "guardians", .file_size_max = size_max, .files = std::move(files)}} {}

    /// @return what store::record_log::load returns.
    [[nodiscard]] result<store::load_report> load() {
        return log_.load([this](byte_view record) {
            if (record.size() < 33) return;  // what is of a later version is kept as it is
            key const k{static_cast<kind>(record[0]), identity::user_id::from(record.subspan(1, 32))};
            set(k, record.subspan(33));
            ++written_;
        });
    }
    /// Makes @p content durable, in place of what has that name. Nothing is changed when that fails.
    /// @return the errors of store::record_log.
    [[nodiscard]] result<void> put(kind what, identity::user_id const& name, byte_view content) {
        auto const before = find(what, name);
        set({what, name}, content);
        auto done = write({what, name}, !before);
        if (!done) set({what, name}, before.value_or(bytes{}));
        return done;
    }
    /// The same for what has happened already: when it cannot be written now, @ref write_again does it.
    [[nodiscard]] result<void> note(kind what, identity::user_id const& name, byte_view content) {
        bool const is_new = !find(what, name);
        set({what, name}, content);
        auto done = write({what, name}, is_new);
        set_behind(done);
        return done;
    }
    /// Why something that was noted is not in the file; none when all of it is.
    [[nodiscard]] std::optional<error> const& behind() const noexcept { return behind_; }
    /// @copydoc note
    void write_again() { set_behind(write_all()); }
    /// What the file holds, or will.
    [[nodiscard]] std::map<key, bytes> const& all() const noexcept { return kept_; }
    /// The content of that name, or nothing.
    [[nodiscard]] std::optional<bytes> find(kind what, identity::user_id const& name = {}) const {
        auto const at = kept_.find({what, name});
        return at == kept_.end() ? std::nullopt : std::optional{at->second};
    }

private:
    static constexpr std::uint64_t size_max = 64ull << 20;  ///< Bytes; wards are bounded far below. Ours.

    // An old share must not be found by a thief of the disk: what is replaced or removed goes from the file, too.
    [[nodiscard]] result<void> write(key const& k, bool is_new) {
        if (!is_new || behind_ || written_ + 1 != kept_.size()) return write_all();
        auto const record = encode(k, kept_.at(k));
        if (!log_.append({&record, 1})) return write_all();
        ++written_;
        return ok();
    }
    [[nodiscard]] result<void> write_all() {
        std::vector<bytes> all;
        for (auto const& [each, c] : kept_) all.push_back(encode(each, c));
        MUSTER_TRY(log_.replace(all));
        written_ = kept_.size();
        behind_.reset();
        return ok();
    }
    void set_behind(result<void> const& done) { behind_ = done ? std::nullopt : std::optional{done.error()}; }
    void set(key const& k, byte_view content) {
        if (content.empty()) {
            kept_.erase(k);
        } else {
            kept_.insert_or_assign(k, to_bytes(content));
        }
    }
    [[nodiscard]] static bytes encode(key const& k, byte_view content) {
        bytes out{static_cast<byte>(k.first)};
        append(out, k.second.view());
        append(out, content);
        return out;
    }

    store::record_log<Files> log_;
    std::map<key, bytes> kept_;
    std::size_t written_ = 0;  // records in the file
    std::optional<error> behind_;
};

/// What an owner has handed out, and how it stands with each guardian.
///
/// Layout: version (1), manifest, wrapped file; of each guardian the sealed share, each behind its length, whether they
/// have it (1), and what they have left to answer in (8, milliseconds).
struct handed_out {
    using standing = identity::guardian_watch<splitmix64>::standing;
    identity::backup what;
    std::vector<standing> standings;  ///< Those that are missing were offered just now.

    [[nodiscard]] bytes encoded() const {
        wire::writer out;
        out.u8(1).sized(what.manifest.encoded()).sized(what.blob);
        for (std::size_t i = 0; i < what.sealed.size(); ++i) {
            auto const at = i < standings.size() ? standings[i] : standing{false, std::chrono::hours{24 * 8}};
            out.sized(what.sealed[i]).u8(at.has_it ? 1 : 0);
            out.i64(std::chrono::duration_cast<std::chrono::milliseconds>(at.left).count());
        }
        return out.take();
    }
    /// @return `malformed`, or why the manifest is none.
    [[nodiscard]] static result<handed_out> decode(byte_view kept) {
        wire::reader in{kept};
        if (in.u8() != 1) in.fail(wire::errc::bad_value, "another version");
        handed_out out;
        auto& m = out.what.manifest;
        MUSTER_TRY(m, identity::backup_manifest::decode(in.sized(identity::backup_manifest::size_max)));
        out.what.blob = to_bytes(in.sized(identity::offer::blob_size_max));
        for (std::size_t i = 0; i < m.guardians.size() && in.ok(); ++i) {
            out.what.sealed.push_back(to_bytes(in.sized(32 + identity::sealed_box_overhead)));
            bool const has_it = in.u8() == 1;
            auto const left = std::clamp(in.i64(), std::int64_t{0}, std::int64_t{24 * 8 * 3'600'000});
            out.standings.push_back({has_it, std::chrono::milliseconds{left}});
        }
        if (auto const done = in.finish(); !done) {
            return error{identity::errc::malformed, text("our backup: ", done.error().message())};
        }
        return out;
    }
};

}  // namespace muster::node
