// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Tells many subscribers the same events, each once, at their own pace, in bounded memory.
///
/// The last events stand in one ring, under consecutive numbers, and a subscriber is the number that it reads next. Who
/// is slower than the ring is long has missed what was overwritten, and is told how many those were: the policy is to
/// drop the oldest, and to say so.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include <muster/core/result.hpp>
#include <muster/feed/errc.hpp>

namespace muster::feed {

/// A bounded log with readers. Not thread-safe.
template <class Event>
class event_ring {
public:
    /// Names a reader. Never reused.
    using subscription = std::uint64_t;
    /// An event, and how many were missed before it.
    struct delivery {
        Event event;
        std::uint64_t missed = 0;
    };

    /// @param size_max         events that are kept; at least 1.
    /// @param subscribers_max  at once. Ours.
    explicit event_ring(std::size_t size_max, std::size_t subscribers_max = 64) noexcept
        : size_max_{size_max}, subscribers_max_{subscribers_max} {}

    /// A reader of what is pushed from now on. @return `backpressure` when there are too many.
    [[nodiscard]] result<subscription> subscribe() {
        if (readers_.size() >= subscribers_max_) {
            return error{errc::backpressure, text("all ", subscribers_max_, " subscriptions are taken; end one")};
        }
        readers_.emplace(++last_, end());
        return last_;
    }
    /// Harmless when repeated.
    void unsubscribe(subscription s) {
        readers_.erase(s);
        trim();
    }
    /// Without readers nothing is kept. O(log readers) amortised.
    void push(Event e) {
        if (readers_.empty()) return;
        events_.push_back(std::move(e));
        if (events_.size() > size_max_) {
            events_.pop_front();
            ++begin_;
        }
    }
    /// The next event for @p s; none when it has had all, or does not exist.
    [[nodiscard]] std::optional<delivery> next(subscription s) {
        auto const at = readers_.find(s);
        if (at == readers_.end() || at->second == end()) return std::nullopt;
        auto const missed = at->second < begin_ ? begin_ - at->second : 0;
        auto const here = at->second + missed;
        at->second = here + 1;
        delivery out{events_[static_cast<std::size_t>(here - begin_)], missed};
        if (here == begin_) trim();
        return out;
    }
    [[nodiscard]] bool has_next(subscription s) const {
        auto const at = readers_.find(s);
        return at != readers_.end() && at->second != end();
    }
    [[nodiscard]] std::size_t size() const noexcept { return events_.size(); }
    [[nodiscard]] std::size_t subscribers() const noexcept { return readers_.size(); }

private:
    [[nodiscard]] std::uint64_t end() const noexcept { return begin_ + events_.size(); }
    /// What all have read goes.
    void trim() {
        auto keep = end();
        for (auto const& [s, at] : readers_) keep = at < keep ? at : keep;
        for (; begin_ < keep; ++begin_) events_.pop_front();
    }

    std::size_t size_max_;
    std::size_t subscribers_max_;
    std::deque<Event> events_;
    std::uint64_t begin_ = 0;  ///< The number of the first that is kept.
    std::map<subscription, std::uint64_t> readers_;
    subscription last_ = 0;
};

}  // namespace muster::feed
