// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who wrote what after having seen what: dots and version vectors.
///
/// Idea: each write is one point of its author's line, a *dot*. What a write has seen of the key that it writes is a
/// vector: the last dot of each author on that key. One write replaces another when it has seen it; two of which
/// neither has seen the other are concurrent, and only then there is a conflict.
///
/// Only members of a group own dots, and are named by their place in the group's list, which all agree on; so a vector
/// cannot be made long by inventing authors, and an entry of it takes 10 to 15 bytes. Who restores an old copy of what
/// they have would use dots again that others have seen; so an author has *lives*, each under a random number.
/// @see Preguica, Baquero, Almeida, Fonte, Goncalves, "Dotted Version Vectors", 2010.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/core/hybrid_time.hpp>
#include <muster/core/result.hpp>
#include <muster/sync/errc.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::sync {

/// A life of a member of the group.
struct actor {
    std::uint16_t member = 0;  ///< Place in the group's list.
    std::uint64_t life = 0;    ///< Random.
    MUSTER_FIELDS(actor, member, life);
    auto operator<=>(actor const&) const = default;
};

/// One write of an actor.
struct dot {
    actor by;
    std::uint64_t sequence = 0;  ///< From 1.
    MUSTER_FIELDS(dot, by, sequence);
    auto operator<=>(dot const&) const = default;
};

/// The last sequence of each actor that was seen. A value.
class version_vector {
public:
    struct entry {
        actor by;
        std::uint64_t sequence = 0;
        MUSTER_FIELDS(entry, by, sequence);
    };
    /// Most entries that are read: 64 members who restore a backup now and then. Ours.
    static constexpr std::size_t size_max = 256;

    /// The last sequence of @p by; 0 when there is none. O(log n).
    [[nodiscard]] std::uint64_t of(actor const& by) const noexcept {
        auto const at = place_of(by);
        return at != entries_.end() && at->by == by ? at->sequence : 0;
    }
    [[nodiscard]] bool contains(dot const& d) const noexcept { return d.sequence <= of(d.by); }
    /// Takes note of @p d and all before it. O(n).
    void add(dot const& d) {
        if (d.sequence == 0) return;
        auto const at = entries_.begin() + (place_of(d.by) - entries_.cbegin());
        if (at == entries_.end() || at->by != d.by) {
            entries_.insert(at, {d.by, d.sequence});
        } else {
            at->sequence = std::max(at->sequence, d.sequence);
        }
    }
    void merge(version_vector const& other) {
        for (auto const& e : other.entries_) add({e.by, e.sequence});
    }
    /// Whether all of @p other is in it.
    [[nodiscard]] bool covers(version_vector const& other) const noexcept {
        return std::all_of(other.entries_.begin(), other.entries_.end(),
                           [&](entry const& e) { return e.sequence <= of(e.by); });
    }

    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] auto begin() const noexcept { return entries_.begin(); }
    [[nodiscard]] auto end() const noexcept { return entries_.end(); }

    /// Count, then each entry: member (varint), life (8 bytes), sequence (varint); ascending, none twice, none 0.
    void write(wire::writer& out) const {
        out.size(entries_.size());
        for (auto const& e : entries_) out.size(e.by.member).u64(e.by.life).size(e.sequence);
    }
    /// What @ref write has written. Marks @p in as wrong where it is something else.
    [[nodiscard]] static version_vector read(wire::reader& in);

    bool operator==(version_vector const&) const = default;

private:
    [[nodiscard]] std::vector<entry>::const_iterator place_of(actor const& by) const noexcept {
        return std::lower_bound(entries_.begin(), entries_.end(), by,
                                [](entry const& e, actor const& a) { return e.by < a; });
    }

    std::vector<entry> entries_;  // ascending
};

namespace detail {
/// A number behind no length, below 2^63, in its one spelling.
[[nodiscard]] inline std::uint64_t read_varint(wire::reader& in) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < wire::varint_size_max; ++i) {
        auto const b = in.u8();
        value |= static_cast<std::uint64_t>(b & 0x7f) << (7 * i);
        if ((b & 0x80) != 0) continue;
        if (i > 0 && b == 0) in.fail(wire::errc::not_canonical, "a padded number");
        return value;
    }
    in.fail(wire::errc::too_large, "a number of more than 63 bits");
    return 0;
}
[[nodiscard]] inline actor read_actor(wire::reader& in) {
    auto const member = read_varint(in);
    if (member > UINT16_MAX) in.fail(wire::errc::too_large, "a member beyond any group");
    return {static_cast<std::uint16_t>(member), in.u64()};
}
}  // namespace detail

inline version_vector version_vector::read(wire::reader& in) {
    version_vector out;
    auto const n = in.count(size_max, 1 + 8 + 1);
    out.entries_.reserve(n);
    for (std::size_t i = 0; i < n && in.ok(); ++i) {
        auto const by = detail::read_actor(in);
        auto const sequence = detail::read_varint(in);
        bool const is_ordered = out.entries_.empty() || out.entries_.back().by < by;
        if (!is_ordered || sequence == 0)
            in.fail(wire::errc::not_canonical, "a vector in another order, or with zeros");
        out.entries_.push_back({by, sequence});
    }
    return out;
}

}  // namespace muster::sync
