// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What two replicas say to each other: what each has, and what the other lacks.
///
/// A summary acknowledges: all entries up to a sequence of each chain, and runs of entries beyond a gap that are kept
/// until the gap is filled. A batch holds runs of entries. Both have one encoding.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/sync/entry_log.hpp>

namespace muster::sync {

/// Entries @p first to @p last of a chain.
struct run {
    actor by;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    MUSTER_FIELDS(run, by, first, last);
};

/// What somebody has.
struct summary {
    static constexpr std::size_t runs_max = 64;  ///< Ours; what is not told is sent again.

    version_vector ends;    ///< Cumulative.
    std::vector<run> more;  ///< Selective: beyond the ends; ascending.
    bool asks = false;      ///< Whether the other's is asked for.
    MUSTER_FIELDS(summary, ends, more, asks);
};

/// What somebody lacks.
struct batch {
    static constexpr std::size_t entries_max = 200;     ///< Ours.
    static constexpr std::size_t size_max = 48u << 10;  ///< Bytes of all contents. Ours: with what is around them they fit a frame.

    std::vector<entry> entries;
    MUSTER_FIELDS(batch, entries);
};

using message = std::variant<summary, batch>;

/// Bytes of the largest message.
inline constexpr std::size_t message_size_max = batch::size_max + entry::content_size_max + 16 * batch::entries_max;

namespace detail {
inline void write_dot(wire::writer& out, actor const& by, std::uint64_t sequence) {
    out.size(by.member).u64(by.life).size(sequence);
}
}  // namespace detail

/// The bytes to send.
[[nodiscard]] inline bytes encode(summary const& s) {
    wire::writer out;
    out.u8(1).u8(s.asks ? 1 : 0);
    s.ends.write(out);
    out.size(s.more.size());
    for (auto const& r : s.more) {
        detail::write_dot(out, r.by, r.first);
        out.size(r.last - r.first);
    }
    return out.take();
}
/// @copydoc encode(summary const&) Consecutive entries of a chain share its name.
[[nodiscard]] inline bytes encode(batch const& b) {
    wire::writer out;
    out.u8(2);
    std::size_t runs = 0;
    auto const begins = [&](std::size_t i) {
        return i == 0 || b.entries[i].at.by != b.entries[i - 1].at.by ||
               b.entries[i].at.sequence != b.entries[i - 1].at.sequence + 1;
    };
    for (std::size_t i = 0; i < b.entries.size(); ++i) runs += begins(i) ? 1u : 0u;
    out.size(runs);
    for (std::size_t i = 0; i < b.entries.size();) {
        auto end = i + 1;
        while (end < b.entries.size() && !begins(end)) ++end;
        detail::write_dot(out, b.entries[i].at.by, b.entries[i].at.sequence);
        out.size(end - i);
        for (; i < end; ++i) out.sized(b.entries[i].content);
    }
    return out.take();
}

namespace detail {
[[nodiscard]] inline summary read_summary(wire::reader& in) {
    summary out;
    out.asks = in.enumerator(std::uint8_t{0}, std::uint8_t{1}) == 1;
    out.ends = version_vector::read(in);
    auto const n = in.count(summary::runs_max, 1 + 8 + 1 + 1);
    for (std::size_t i = 0; i < n && in.ok(); ++i) {
        run r;
        r.by = read_actor(in);
        r.first = read_varint(in);
        auto const length = read_varint(in);
        r.last = r.first + length;
        bool const is_beyond = r.first > out.ends.of(r.by) + 1;
        bool const is_ordered = out.more.empty() || out.more.back().by < r.by ||
                                (out.more.back().by == r.by && out.more.back().last + 1 < r.first);
        if (!is_beyond || !is_ordered)
            in.fail(wire::errc::not_canonical, "runs in another order, or none of their own");
        out.more.push_back(r);
    }
    return out;
}
[[nodiscard]] inline batch read_batch(wire::reader& in) {
    batch out;
    std::size_t size = 0;
    auto const runs = in.count(batch::entries_max, 1 + 8 + 1 + 1 + 1);
    for (std::size_t i = 0; i < runs && in.ok(); ++i) {
        dot at;
        at.by = read_actor(in);
        at.sequence = read_varint(in);
        auto const n = in.count(batch::entries_max - out.entries.size(), 1);
        bool const goes_on = !out.entries.empty() && out.entries.back().at.by == at.by &&
                             out.entries.back().at.sequence + 1 == at.sequence;
        if (n == 0 || at.sequence == 0 || goes_on) in.fail(wire::errc::not_canonical, "a run that is none");
        for (std::size_t k = 0; k < n && in.ok(); ++k, ++at.sequence) {
            auto const content = in.sized(entry::content_size_max);
            size += content.size();
            if (size > batch::size_max + entry::content_size_max)
                in.fail(wire::errc::too_large, "a batch that is too large");
            out.entries.push_back({at, to_bytes(content)});
        }
    }
    return out;
}
}  // namespace detail

/// Reads a message. @return `malformed` or `too_large`.
[[nodiscard]] inline result<message> decode(byte_view all) {
    if (all.size() > message_size_max) {
        return error{errc::too_large, text("a message of ", all.size(), " bytes; at most ", message_size_max)};
    }
    wire::reader in{all};
    auto const kind = in.enumerator(std::uint8_t{1}, std::uint8_t{2});
    auto out = kind == 1 ? message{detail::read_summary(in)} : message{detail::read_batch(in)};
    if (auto const done = in.finish(); !done)
        return error{errc::malformed, text("a message: ", done.error().message())};
    return out;
}

}  // namespace muster::sync
