// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// When to save: soon after things calm down, never too late, and again when it failed.
///
/// A debounce alone starves: a change every 400 ms puts off a save by 500 ms for ever. So there are two deadlines, one
/// after the last change and one after the first that is not saved. A new order of the entries is worth a save too, but
/// no hurry. A machine, see core/machine.hpp; whoever owns it keeps the time.

#include <algorithm>
#include <chrono>
#include <variant>

#include <muster/core/effect_sink.hpp>
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

    /// An entry came, left, or has another value.
    struct changed {
        bool operator==(changed const&) const = default;
    };
    /// Entries were used, so their order is another one.
    struct reordered {
        bool operator==(reordered const&) const = default;
    };
    /// Everything up to now is saved.
    struct saved {
        bool operator==(saved const&) const = default;
    };
    /// An attempt failed.
    struct failed {
        bool operator==(failed const&) const = default;
    };
    using event = std::variant<changed, reordered, saved, failed>;
    /// Save now, and say how it went.
    struct save {
        bool operator==(save const&) const = default;
    };
    using effect = save;
    /// What is known of what is not saved.
    struct statistics {
        deadline dirty_since;   ///< The first change that is not saved; none when all is.
        unsigned failures = 0;  ///< In a row.
        bool operator==(statistics const&) const = default;
    };

    explicit save_schedule(options const& o) noexcept : options_{o} {}

    template <effect_sink<effect> Sink>
    void handle(event const& e, instant now, Sink&) noexcept {
        std::visit([&](auto const& v) { on(v, now); }, e);
    }
    /// Asks for a save when one is due; again after `retry_min` where nobody says how it went.
    template <effect_sink<effect> Sink>
    void wake(instant now, Sink& out) {
        if (!due_ || now < *due_) return;
        due_ = saturating_add(now, options_.retry_min);
        out.push(save{});
    }
    [[nodiscard]] statistics stats() const noexcept { return {first_, failures_}; }

    /// Whether there is something to save.
    [[nodiscard]] bool is_dirty() const noexcept { return first_.has_value(); }

    /// When to save; none while there is nothing to be saved.
    [[nodiscard]] deadline next_deadline() const noexcept { return due_; }

private:
    void on(changed const&, instant now) noexcept {
        begin(now);
        if (failures_ == 0)
            due_ = std::min(saturating_add(*first_, options_.delay_max), saturating_add(now, options_.quiet));
    }
    void on(reordered const&, instant now) noexcept { begin(now); }
    void on(saved const&, instant) noexcept { *this = save_schedule{options_}; }
    void on(failed const&, instant now) noexcept {
        if (!first_) return;  // late news
        auto pause = options_.retry_min;
        for (unsigned i = 0; i < failures_ && pause < options_.retry_max; ++i) {
            pause = pause > options_.retry_max / 2 ? options_.retry_max : pause * 2;
        }
        ++failures_;
        due_ = saturating_add(now, std::min(pause, options_.retry_max));
    }
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
