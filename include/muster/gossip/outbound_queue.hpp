// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What waits for one peer to read, bounded in bytes.
///
/// Idea: a peer that reads nothing may cost its bound and no more, and what it misses must matter least. So frames wait
/// in one line per kind of traffic; when a new one does not fit, waiting ones of lesser kinds leave, the oldest of the
/// least kind first, and only if that is not enough is the new one refused. Lines are emptied in the order of kinds.
///
/// A frame that the network handed back goes before all others: it was under way already.
///
/// Most peers read as fast as is sent, so most frames wait until the end of a call: a line is an array whose front
/// moves, which keeps a little room and needs no memory for each frame.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <muster/gossip/event.hpp>

namespace muster::gossip {

/// A queue of frames with a bound and an order of importance. Not thread-safe.
class outbound_queue {
public:
    /// A frame that waits.
    struct entry {
        gossip::traffic traffic = traffic::control;
        shared_frame frame = {};
        std::uint64_t message = 0;  ///< Hash of the id of the message that it carries, or 0.
    };

    /// @param size_max  bytes of all frames that wait.
    explicit outbound_queue(std::size_t size_max) noexcept : size_max_{size_max} {}

    /// Appends @p e, at the cost of less important ones where there is no room; false, and nothing has changed, when
    /// even that makes none. O(frames that leave).
    [[nodiscard]] bool push(entry e) {
        auto const size = e.frame->size();
        auto const kind = static_cast<std::size_t>(e.traffic);
        if (!make_room(size, kind)) return false;
        lines_[kind].push_back(std::move(e));
        sizes_[kind] += size;
        size_ += size;
        return true;
    }
    /// Takes back what the network did not take. Those that come back keep their order. One that does not fit, although
    /// it came from here, is dropped.
    void put_back(entry e) {
        if (!make_room(e.frame->size(), static_cast<std::size_t>(traffic::control))) {
            ++dropped_;
            return;
        }
        size_ += e.frame->size();
        returned_.push_back(std::move(e));
    }

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    /// Bytes that wait.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// Frames that were dropped since the beginning.
    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

    /// The most important frame that has waited longest; none when nothing waits. O(1).
    [[nodiscard]] std::optional<entry> pop() {
        if (!returned_.empty()) return take(returned_);
        for (std::size_t k = 0; k < lines_.size(); ++k) {
            if (lines_[k].empty()) continue;
            sizes_[k] -= lines_[k].front().frame->size();
            return take(lines_[k]);
        }
        return std::nullopt;
    }
    /// Takes out copies of a message that the peer does not want any more. O(frames).
    void cancel(std::uint64_t message) {
        for (auto const kind : {traffic::forwarded, traffic::gossip}) {
            auto& size_of_kind = sizes_[static_cast<std::size_t>(kind)];
            lines_[static_cast<std::size_t>(kind)].erase_if([&](entry const& e) {
                if (e.message != message) return false;
                size_of_kind -= e.frame->size();
                size_ -= e.frame->size();
                return true;
            });
        }
    }
    void clear() noexcept {
        for (auto& l : lines_) l.clear();
        returned_.clear();
        sizes_ = {};
        size_ = 0;
    }

private:
    /// Entries in the order in which they came.
    class line {
    public:
        [[nodiscard]] bool empty() const noexcept { return begin_ == entries_.size(); }
        [[nodiscard]] entry const& front() const noexcept { return entries_[begin_]; }
        void push_back(entry e) { entries_.push_back(std::move(e)); }
        [[nodiscard]] entry take_front() {
            auto out = std::move(entries_[begin_++]);
            if (empty()) {
                clear();
            } else if (begin_ > spare && begin_ > entries_.size() / 2) {  // O(1), spread over those that have left
                entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(begin_));
                begin_ = 0;
            }
            return out;
        }
        /// Takes out those for which @p f says so.
        template <class F>
        void erase_if(F f) {
            auto const begin = entries_.begin() + static_cast<std::ptrdiff_t>(begin_);
            entries_.erase(std::remove_if(begin, entries_.end(), f), entries_.end());
            if (empty()) clear();
        }
        void clear() noexcept {
            entries_.clear();
            begin_ = 0;
            if (entries_.capacity() > spare) entries_ = std::vector<entry>{};
        }

    private:
        static constexpr std::size_t spare = 8;  // entries whose room is kept; ours

        std::vector<entry> entries_;
        std::size_t begin_ = 0;
    };

    [[nodiscard]] std::size_t room() const noexcept { return size_max_ - size_; }
    // Drops frames of lesser kinds than @p kind until @p size bytes fit; false, and none is dropped, where they cannot.
    [[nodiscard]] bool make_room(std::size_t size, std::size_t kind) {
        std::size_t spare = room();
        for (std::size_t k = kind + 1; k < lines_.size(); ++k) spare += sizes_[k];
        if (size > spare) return false;
        for (std::size_t k = lines_.size() - 1; k > kind; --k) {
            while (!lines_[k].empty() && size > room()) drop_front(k);
        }
        return true;
    }
    [[nodiscard]] entry take(line& from) {
        auto e = from.take_front();
        size_ -= e.frame->size();
        return e;
    }
    void drop_front(std::size_t kind) {
        sizes_[kind] -= lines_[kind].front().frame->size();
        (void)take(lines_[kind]);
        ++dropped_;
    }

    std::size_t size_max_;
    std::array<line, 4> lines_;
    std::array<std::size_t, 4> sizes_{};
    line returned_;
    std::size_t size_ = 0;
    std::uint64_t dropped_ = 0;
};

}  // namespace muster::gossip
