// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Which stream ids are new, and which were used before.
///
/// Each side counts its own ids up by two. Peers that open streams from several threads may send them slightly out
/// of order, so an id below the highest is still new when it was skipped. Only the latest ids are remembered, one bit
/// each; older ones count as used. So an id far ahead costs no more than the next one.

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>

#include <muster/core/result.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/libp2p/yamux/frame.hpp>

namespace muster::libp2p::yamux {

/// The ids of this side.
class own_ids {
public:
    /// @param first  1 or 2; only tests start elsewhere.
    explicit own_ids(stream_id first) noexcept : first_{first}, next_{first} {}

    /// The next id; `too_many_streams` after two thousand million.
    [[nodiscard]] result<stream_id> make() {
        if (next_ > UINT32_MAX) {
            return error{errc::too_many_streams, "the connection has used up its stream ids; open another"};
        }
        auto const id = static_cast<stream_id>(next_);
        next_ += 2;
        return id;
    }
    /// Whether an id is of this side's kind.
    [[nodiscard]] bool owns(stream_id id) const noexcept { return id % 2 == first_ % 2; }
    /// Whether @ref make has returned @p id.
    [[nodiscard]] bool was_used(stream_id id) const noexcept { return owns(id) && id < next_; }

private:
    stream_id first_;
    std::uint64_t next_;  ///< Wider than an id, so that it cannot come round.
};

/// The ids of the other side.
class their_ids {
public:
    /// Ids below the highest that are remembered: as many as streams may be on their way (yamux/README.md, "ACK
    /// backlog").
    static constexpr std::size_t remembered = 256;

    /// @param first  1 or 2.
    explicit their_ids(stream_id first) noexcept : first_{first} {}

    /// Marks @p id as used; false when it is not of the other side's kind, or was used before. O(1).
    [[nodiscard]] bool use(stream_id id) noexcept {
        if (id == 0 || id % 2 != first_ % 2) return false;
        if (id > highest_) {
            skip_up_to(id);
            return true;
        }
        auto const back = steps_back(id);
        if (back > remembered || !skipped_[back]) return false;
        skipped_[back] = false;
        return true;
    }
    /// Whether @p id is of the other side's kind and was used, or is too old to tell. O(1).
    [[nodiscard]] bool was_used(stream_id id) const noexcept {
        if (id == 0 || id % 2 != first_ % 2 || id > highest_) return false;
        auto const back = steps_back(id);
        return back > remembered || !skipped_[back];
    }

private:
    using window = std::bitset<remembered + 1>;  // by steps below the highest, which is bit 0

    // By how many ids of this kind @p id is below the highest.
    [[nodiscard]] std::size_t steps_back(stream_id id) const noexcept { return (highest_ - id) / 2; }

    void skip_up_to(stream_id id) noexcept {
        // Before the first id everything counts as used.
        auto const ahead = highest_ == 0 ? (id - first_) / 2 + 1 : (id - highest_) / 2;
        auto const skipped = std::min<std::size_t>(ahead - 1, remembered);
        skipped_ <<= std::min<std::size_t>(ahead, skipped_.size());
        skipped_ |= (~window{} >> (window{}.size() - skipped)) << 1;
        highest_ = id;
    }

    stream_id first_;
    stream_id highest_ = 0;
    window skipped_;
};

}  // namespace muster::libp2p::yamux
