// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where entries are durable: what `persist` asks for.

#include <concepts>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/store/record_log.hpp>
#include <muster/sync/entry_log.hpp>
#include <muster/sync/message.hpp>

namespace muster::sync {

/// Keeps entries.
///
/// Semantics: `load(f)` calls `f(entry)` for each entry that was kept, those of a chain in their order or in that in
/// which they were added; once, before anything else. `add(entries)` keeps all of them or none, and they survive a
/// power failure when it has succeeded. It is in one transaction with nothing else, because nothing else is written:
/// the entry is the write. An entry may be in a place that has one: what was not taken when it was loaded, since it was
/// damaged or cut off, comes again. The last one counts; `load` gives it last, or alone.
template <class S>
concept entry_store = requires(S& s, std::function<void(entry)> const& f, std::span<entry const> entries) {
    { s.load(f) } -> std::same_as<result<void>>;
    { s.add(entries) } -> std::same_as<result<void>>;
};

/// An entry as a record: member (varint), life (8 bytes), sequence (varint), content.
[[nodiscard]] inline bytes record_of(entry const& e) {
    wire::writer out;
    detail::write_dot(out, e.at.by, e.at.sequence);
    return out.raw(e.content).take();
}
/// The entry of a record. @return `malformed`.
[[nodiscard]] inline result<entry> entry_of(byte_view record) {
    wire::reader in{record};
    entry out;
    out.at.by = detail::read_actor(in);
    out.at.sequence = detail::read_varint(in);
    out.content = to_bytes(in.raw(in.remaining()));
    if (auto const done = in.finish(); !done) return error{errc::malformed, text("an entry: ", done.error().message())};
    return out;
}

/// A model in a file of records. Move-only; not thread-safe.
template <file_system Files = posix_files>
class file_entries {
public:
    explicit file_entries(std::string path, Files files = {})
        : log_{{std::move(path), "entries", 256ull << 20, std::move(files)}} {}

    /// What loading has found, when it has.
    [[nodiscard]] store::load_report const& report() const noexcept { return report_; }

    /// @see entry_store. Records that are no entries count as unreadable.
    [[nodiscard]] result<void> load(std::function<void(entry)> const& f) {
        MUSTER_TRY(report_, log_.load([&](byte_view record) {
            auto e = entry_of(record);
            if (e) f(std::move(e).value());
        }));
        return ok();
    }
    [[nodiscard]] result<void> add(std::span<entry const> entries) {
        std::vector<bytes> records;
        for (auto const& e : entries) records.push_back(record_of(e));
        return log_.append(records);
    }

private:
    store::record_log<Files> log_;
    store::load_report report_;
};
static_assert(entry_store<file_entries<>>);

}  // namespace muster::sync
