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

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <utility>

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
            auto& line = lines_[static_cast<std::size_t>(kind)];
            for (auto e = line.begin(); e != line.end();) {
                if (e->message != message) {
                    ++e;
                    continue;
                }
                sizes_[static_cast<std::size_t>(kind)] -= e->frame->size();
                size_ -= e->frame->size();
                e = line.erase(e);
            }
        }
    }
    void clear() noexcept {
        for (auto& line : lines_) line.clear();
        returned_.clear();
        sizes_ = {};
        size_ = 0;
    }

private:
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
    [[nodiscard]] entry take(std::list<entry>& from) {
        auto e = std::move(from.front());
        from.pop_front();
        size_ -= e.frame->size();
        return e;
    }
    void drop_front(std::size_t kind) {
        auto& line = lines_[kind];
        sizes_[kind] -= line.front().frame->size();
        size_ -= line.front().frame->size();
        line.pop_front();
        ++dropped_;
    }

    std::size_t size_max_;
    std::array<std::list<entry>, 4> lines_;
    std::array<std::size_t, 4> sizes_{};
    std::list<entry> returned_;
    std::size_t size_ = 0;
    std::uint64_t dropped_ = 0;
};

}  // namespace muster::gossip
