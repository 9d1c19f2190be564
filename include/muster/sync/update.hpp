// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One write to one key, as it travels and as it is kept.

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/sync/version.hpp>

namespace muster::sync {

/// A write. A claim until the chain that it came in was verified; its dot and time are those of that chain's entry.
struct update {
    static constexpr std::size_t key_size_max = 128;     ///< Bytes. Ours.
    static constexpr std::size_t value_size_max = 4096;  ///< Bytes. Ours.

    dot at;
    hybrid_time time;
    std::string key;
    version_vector seen;         ///< Of this key, by its author, when they wrote it.
    std::optional<bytes> value;  ///< Nothing: the key was removed. Kept, as a tombstone, so that all learn of it.
    MUSTER_FIELDS(update, at, time, key, seen, value);

    /// Whether it replaces @p other: its author had seen it, or has written it before.
    [[nodiscard]] bool replaces(update const& other) const noexcept {
        return seen.contains(other.at) || (at.by == other.at.by && at.sequence > other.at.sequence);
    }
    /// Bytes that go with the value: what convergence costs.
    [[nodiscard]] std::size_t metadata_size() const {
        wire::writer out;
        seen.write(out);
        return out.view().size();
    }

    /// What is not in the chain's entry already: key, vector, and value behind 1, or 0.
    [[nodiscard]] bytes encoded_content() const {
        wire::writer out;
        out.sized(key);
        seen.write(out);
        out.u8(value ? 1 : 0);
        if (value) out.sized(*value);
        return out.take();
    }
    /// Reads that. @return `malformed` or `too_large`.
    [[nodiscard]] static result<update> decode_content(byte_view content, dot const& at, hybrid_time time) {
        update out;
        out.at = at;
        out.time = time;
        wire::reader in{content};
        out.key = in.sized_text(key_size_max);
        out.seen = version_vector::read(in);
        if (in.enumerator(std::uint8_t{0}, std::uint8_t{1}) == 1) out.value = to_bytes(in.sized(value_size_max));
        if (auto const done = in.finish(); !done)
            return error{errc::malformed, text("a write: ", done.error().message())};
        // Having seen itself, or what its author has not written yet, it would replace what nobody has written.
        if (out.seen.of(at.by) >= at.sequence) {
            return error{errc::malformed, text("a write of sequence ", at.sequence, " that has seen ",
                                               out.seen.of(at.by), " of its author")};
        }
        return out;
    }
    /// The hash that decides between writes that are equal in all else.
    [[nodiscard]] crypto::digest32 hash() const { return crypto::sha256(encoded_content()); }
};

/// Whether @p b wins over @p a where neither has seen the other: the greater (time, author, content). A total order,
/// the same everywhere, and one that follows cause and effect, since hybrid times do; so merging does not depend on
/// order.
/// ("The greater vector wins, else the later time" is none: by wall clocks that differ, merging depends on order.)
[[nodiscard]] inline bool loses(update const& a, update const& b) {
    if (a.time != b.time) return a.time < b.time;
    if (a.at.by != b.at.by) return a.at.by < b.at.by;
    return a.hash() < b.hash();
}

}  // namespace muster::sync
