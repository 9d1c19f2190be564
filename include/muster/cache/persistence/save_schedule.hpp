// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// When to save: soon after things calm down, never too late, and again when it failed.
///
/// A debounce alone starves: a change every 400 ms puts off a save by 500 ms for ever. So there are two deadlines, one
/// after the last change and one after the first that is not saved. A new order of the entries is worth a save too, but
/// no hurry. A pure machine; whoever owns it keeps the time.

#include <algorithm>

#include <muster/core/time.hpp>

namespace muster::cache {

/// When a save is due. Regular, O(1), not thread-safe.
class save_schedule {
public:
    struct options {
        duration quiet = std::chrono::milliseconds{500};  ///< After the last change.
        duration delay_max = std::chrono::seconds{5};     ///< After the first change that is not saved. Ours.
        duration retry_min = std::chrono::seconds{1};     ///< After a failure; doubles with each further one. Ours.
        duration retry_max = std::chrono::minutes{1};     ///< At most between two attempts. Ours.
    };

    explicit save_schedule(options const& o) noexcept : options_{o} {}

    /// An entry came, left, or has another value.
    void changed(instant now) noexcept {
        begin(now);
        if (failures_ == 0)
            due_ = std::min(saturating_add(*first_, options_.delay_max), saturating_add(now, options_.quiet));
    }
    /// Entries were used, so their order is another one.
    void reordered(instant now) noexcept { begin(now); }
    /// Everything up to now is saved.
    void saved() noexcept { *this = save_schedule{options_}; }
    /// An attempt failed.
    void failed(instant now) noexcept {
        begin(now);
        auto pause = options_.retry_min;
        for (unsigned i = 0; i < failures_ && pause < options_.retry_max; ++i) {
            pause = pause > options_.retry_max / 2 ? options_.retry_max : pause * 2;
        }
        ++failures_;
        due_ = saturating_add(now, std::min(pause, options_.retry_max));
    }

    /// Whether there is something to save.
    [[nodiscard]] bool is_dirty() const noexcept { return first_.has_value(); }

    /// When to save; none while there is nothing to be saved.
    [[nodiscard]] deadline next_deadline() const noexcept { return due_; }

private:
    void begin(instant now) noexcept {
        if (first_) return;
        first_ = now;
        due_ = saturating_add(now, options_.delay_max);
    }

    options options_;
    deadline first_;  // the time of the first change that is not saved
    deadline due_;
    unsigned failures_ = 0;
};

}  // namespace muster::cache
