// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What two replicas say to each other: what each has, and what the other lacks.
///
/// A summary acknowledges: all entries up to a sequence of each chain, and runs of entries beyond a gap that are kept
/// until the gap is filled. It names the last entry of each chain, so that who has another one in its place finds out;
/// the chains that were found to part, and where; and those of which no more is taken. A batch holds runs of entries,
/// and evidence is a proof that a chain parts. All have one encoding.

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

struct entry_name_tag;
/// What tells one entry in a place from another: the first 16 bytes of a hash of what its author has signed. So many,
/// because whoever finds two that are equal, which takes 2^64 attempts, can tell two stories unseen for a while.
using entry_name = fixed_bytes<entry_name_tag, 16>;

/// What somebody has.
struct summary {
    static constexpr std::size_t runs_max = 64;  ///< Ours; what is not told is sent again.
    static constexpr std::size_t chains_max = version_vector::size_max;

    version_vector ends;            ///< Cumulative.
    std::vector<run> more;          ///< Selective: beyond the ends; ascending.
    bool asks = false;              ///< Whether the other's is asked for.
    std::vector<entry_name> names;  ///< Of the entries at the ends, in their order; all or none.
    std::vector<dot> faults;        ///< Where chains were found to part; ascending, one a chain.
    std::vector<actor> full;        ///< Chains of which no more is taken; ascending.
    MUSTER_FIELDS(summary, ends, more, asks, names, faults, full);
};

/// What somebody lacks.
struct batch {
    static constexpr std::size_t entries_max = 200;  ///< Ours.
    static constexpr std::size_t size_max =
        48u << 10;  ///< Bytes of all contents. Ours: with what is around them they fit a frame.

    std::vector<entry> entries;
    MUSTER_FIELDS(batch, entries);
};

/// That an author has signed two stories.
struct evidence {
    static constexpr std::size_t size_max = 2048;  ///< Bytes. Ours.

    bytes proof;
    MUSTER_FIELDS(evidence, proof);
};

using message = std::variant<summary, batch, evidence>;

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
    out.u8(1).u8(static_cast<std::uint8_t>((s.asks ? 1 : 0) + (s.names.empty() ? 0 : 2)));
    s.ends.write(out);
    for (auto const& name : s.names) out.raw(name.view());
    out.size(s.more.size());
    for (auto const& r : s.more) {
        detail::write_dot(out, r.by, r.first);
        out.size(r.last - r.first);
    }
    out.size(s.faults.size());
    for (auto const& at : s.faults) detail::write_dot(out, at.by, at.sequence);
    out.size(s.full.size());
    for (auto const& by : s.full) out.size(by.member).u64(by.life);
    return out.take();
}
/// @copydoc encode(summary const&)
[[nodiscard]] inline bytes encode(evidence const& e) {
    wire::writer out;
    return out.u8(3).sized(e.proof).take();
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
inline void read_faults(wire::reader& in, summary& out) {
    auto const faults = in.count(summary::chains_max, 1 + 8 + 1);
    for (std::size_t i = 0; i < faults && in.ok(); ++i) {
        dot at;
        at.by = read_actor(in);
        at.sequence = read_varint(in);
        bool const is_ordered = out.faults.empty() || out.faults.back().by < at.by;
        if (!is_ordered || at.sequence == 0) in.fail(wire::errc::not_canonical, "faults in another order, or nowhere");
        out.faults.push_back(at);
    }
    auto const full = in.count(summary::chains_max, 1 + 8);
    for (std::size_t i = 0; i < full && in.ok(); ++i) {
        auto const by = read_actor(in);
        if (!out.full.empty() && !(out.full.back() < by)) in.fail(wire::errc::not_canonical, "chains in another order");
        out.full.push_back(by);
    }
}
[[nodiscard]] inline summary read_summary(wire::reader& in) {
    summary out;
    auto const flags = in.enumerator(std::uint8_t{0}, std::uint8_t{3});
    out.asks = (flags & 1) != 0;
    out.ends = version_vector::read(in);
    if ((flags & 2) != 0) {
        if (out.ends.empty()) in.fail(wire::errc::not_canonical, "names of nothing");
        for (std::size_t i = 0; i < out.ends.size() && in.ok(); ++i) out.names.push_back(in.fixed<entry_name>());
    }
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
    read_faults(in, out);
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

/// Whether @p all is a summary that asks for ours. The rest of it is not looked at.
[[nodiscard]] inline bool is_question(byte_view all) noexcept {
    return all.size() > 1 && all[0] == 1 && (all[1] & 1) != 0;
}
/// Reads a message. @return `malformed` or `too_large`.
[[nodiscard]] inline result<message> decode(byte_view all) {
    if (all.size() > message_size_max) {
        return error{errc::too_large, text("a message of ", all.size(), " bytes; at most ", message_size_max)};
    }
    wire::reader in{all};
    auto const kind = in.enumerator(std::uint8_t{1}, std::uint8_t{3});
    message out;
    if (kind == 1) out = detail::read_summary(in);
    if (kind == 2) out = detail::read_batch(in);
    if (kind == 3) out = evidence{to_bytes(in.sized(evidence::size_max))};
    if (auto const done = in.finish(); !done)
        return error{errc::malformed, text("a message: ", done.error().message())};
    return out;
}

}  // namespace muster::sync
