// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Which stream ids are new, and which were used before.
///
/// Each side counts its own ids up by two. Peers that open streams from several threads may send them slightly out
/// of order, so an id below the highest is still new when it was skipped. Only the latest skipped ids are
/// remembered; older ones count as used.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>

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
    /// Most skipped ids remembered: as many as streams may be on their way (yamux/README.md, "ACK backlog").
    static constexpr std::size_t skipped_max = 256;

    /// @param first  1 or 2.
    explicit their_ids(stream_id first) noexcept : first_{first} {}

    /// Marks @p id as used; false when it is not of the other side's kind, or was used before.
    [[nodiscard]] bool use(stream_id id) {
        if (id == 0 || id % 2 != first_ % 2) return false;
        if (id <= highest_) return skipped_.erase(id) != 0;
        skip_up_to(id);
        highest_ = id;
        return true;
    }
    /// Whether @p id is of the other side's kind and was used, or is too old to tell.
    [[nodiscard]] bool was_used(stream_id id) const {
        return id != 0 && id % 2 == first_ % 2 && id <= highest_ && skipped_.count(id) == 0;
    }

private:
    void skip_up_to(stream_id id) {
        auto const from = highest_ == 0 ? first_ : highest_ + 2;
        auto const count = std::min<std::size_t>((id - from) / 2, skipped_max);
        for (auto skipped = id - static_cast<stream_id>(2 * count); skipped < id; skipped += 2)
            skipped_.insert(skipped);
        while (skipped_.size() > skipped_max) skipped_.erase(skipped_.begin());
    }

    stream_id first_;
    stream_id highest_ = 0;
    std::set<stream_id> skipped_;
};

}  // namespace muster::libp2p::yamux
