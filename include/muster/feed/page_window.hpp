// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The pages that are asked for on the way to a height: several at once, handed on in order.
///
/// Where a page does not link to what is here, the other chain leaves ours further below: the window begins again from
/// there, twice as far down each time. Each such step goes further down than the one before, so that they come to an
/// end whatever is answered.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <muster/feed/catch_up_effects.hpp>
#include <muster/feed/requester.hpp>
#include <muster/feed/types.hpp>

namespace muster::feed {

/// A part of catch_up. A value.
class page_window {
public:
    using errands = std::vector<errand_number>;
    /// A page that was asked for.
    struct slot {
        errand_number errand = 0;
        std::uint32_t count = 0;
        std::optional<std::pair<peer_id, bytes>> answer = {};
        bool is_handed_on = false;
    };

    explicit page_window(std::uint32_t page_size) noexcept : page_size_{page_size} {}

    [[nodiscard]] height target() const noexcept { return target_; }
    /// The first height that is not here yet.
    [[nodiscard]] height cursor() const noexcept { return cursor_; }
    /// Who alone is asked, if anyone.
    [[nodiscard]] std::optional<peer_id> const& only() const noexcept { return only_; }
    /// What is paged is another chain than ours, from further below.
    [[nodiscard]] bool is_rewound() const noexcept { return is_rewound_; }
    [[nodiscard]] bool is_done() const noexcept { return cursor_ > target_; }
    [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }
    [[nodiscard]] slot* at(height from) {
        auto const found = slots_.find(from);
        return found == slots_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] bool owns(errand_number e) const { return place_of(e) != slots_.end(); }

    /// Where there is nothing to be paged, both are @p local.
    void rest(height local) noexcept { target_ = local; }
    /// What is above @p local is wanted up to @p target, from @p only alone, and when that has brought something, up to
    /// @p reach. Expects an empty window.
    void aim(height local, height target, height reach, std::optional<peer_id> only) {
        target_ = target;
        reach_ = reach;
        only_ = std::move(only);
        cursor_ = next_ = lowest_ = local + 1;
        is_rewound_ = has_news_ = false;
        step_ = page_size_;
    }
    /// Asks for pages until @p most are under way: @p ask(page_ask) gives the errand.
    template <class Ask>
    void ask(std::size_t most, Ask ask) {
        if (rest_) add(*std::exchange(rest_, std::nullopt), ask);
        while (slots_.size() < most && next_ <= target_) {
            auto const count = static_cast<std::uint32_t>(std::min<height>(page_size_, target_ - next_ + 1));
            add({next_, count}, ask);
            next_ += count;
        }
    }
    /// The page of @p e has come from @p who.
    void answered(errand_number e, peer_id const& who, bytes data) {
        if (auto const at = place_of(e); at != slots_.end()) at->second.answer = {who, std::move(data)};
    }
    /// The page that is next in order, once.
    [[nodiscard]] std::optional<sync::ingest> take_next() {
        auto* const s = at(cursor_);
        if (s == nullptr || !s->answer || std::exchange(s->is_handed_on, true)) return std::nullopt;
        return sync::ingest{s->errand, s->answer->first, {cursor_, s->count}, s->answer->second};
    }
    /// What the page from @p from on says is here up to below @p next. @return errands that are not wanted any more.
    [[nodiscard]] errands advance(height from, height next, bool is_new) {
        auto const last = from + slots_.at(from).count;
        errands out;
        slots_.erase(from);
        cursor_ = next;
        has_news_ = has_news_ || is_new;
        if (is_done() && has_news_) target_ = std::max(target_, reach_);
        if (next < last) rest_ = page_ask{next, static_cast<std::uint32_t>(last - next)};
        if (next <= last) return out;
        // Further than was asked: what lies between is not wanted any more.
        for (auto p = slots_.begin(); p != slots_.end() && p->first < cursor_; p = slots_.erase(p)) {
            out.push_back(p->second.errand);
        }
        if (slots_.empty() || slots_.begin()->first > cursor_) {
            for (auto const e : clear()) out.push_back(e);
            next_ = cursor_;
        }
        return out;
    }
    /// The other chain leaves ours further below than @p from. @return errands that are not wanted any more; none when
    /// all above @p floor was looked at already. Expects `from > floor`.
    [[nodiscard]] std::optional<errands> rewind(height from, height floor) {
        auto const to = from - floor - 1 > step_ ? from - step_ : floor + 1;
        if (to >= lowest_) return std::nullopt;
        is_rewound_ = true;
        step_ = step_ > ~height{0} / 2 ? step_ : step_ * 2;
        return begin_at(to);
    }
    /// Begins again at @p from. @return as @ref advance.
    [[nodiscard]] errands begin_at(height from) {
        cursor_ = next_ = lowest_ = from;
        return clear();
    }
    /// The page of @p e cannot be had. @return whether it was one.
    bool drop(errand_number e) {
        auto const at = place_of(e);
        if (at == slots_.end()) return false;
        slots_.erase(at);
        return true;
    }
    /// Nothing is wanted. @return as @ref advance.
    [[nodiscard]] errands clear() {
        errands out;
        for (auto const& [from, s] : slots_) out.push_back(s.errand);
        slots_.clear();
        rest_.reset();
        return out;
    }

private:
    using slots = std::map<height, slot>;

    template <class Ask>
    void add(page_ask const& what, Ask& ask) {
        slots_.emplace(what.from, slot{ask(what), what.count, {}, false});
    }
    [[nodiscard]] slots::const_iterator place_of(errand_number e) const {
        return std::find_if(slots_.begin(), slots_.end(), [&](auto const& s) { return s.second.errand == e; });
    }
    [[nodiscard]] slots::iterator place_of(errand_number e) {
        return std::find_if(slots_.begin(), slots_.end(), [&](auto const& s) { return s.second.errand == e; });
    }

    std::uint32_t page_size_;
    height target_ = 0;
    height reach_ = 0;
    height cursor_ = 0;
    height next_ = 0;    ///< The first that no page was asked for.
    height lowest_ = 0;  ///< How far down the way to this target has been.
    height step_ = 0;    ///< How far the next rewinding goes.
    bool is_rewound_ = false;
    bool has_news_ = false;  ///< Something came that was not here.
    std::optional<peer_id> only_ = {};
    std::optional<page_ask> rest_ = {};  ///< Of a page that was shorter than was asked.
    slots slots_;
};

}  // namespace muster::feed
