// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where a machine puts what it wants done.

#include <cstddef>
#include <utility>
#include <vector>

#include <muster/core/version.hpp>

namespace muster {

/// Accepts effects of type @p Effect.
///
/// Semantics: effects are accepted in the order of the calls. Accepting one must not call back into the
/// machine that emitted it.
template <class S, class Effect>
concept effect_sink = requires(S& sink, Effect effect) {
    sink.push(std::move(effect));
};

/// The plain sink: keeps effects, in order, until its owner takes them. Not thread-safe.
template <class Effect>
class effect_list {
public:
    void push(Effect effect) { effects_.push_back(std::move(effect)); }

    [[nodiscard]] bool empty() const noexcept { return effects_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return effects_.size(); }
    [[nodiscard]] auto begin() const noexcept { return effects_.begin(); }
    [[nodiscard]] auto end() const noexcept { return effects_.end(); }

    /// All effects so far; the list is empty afterwards.
    [[nodiscard]] std::vector<Effect> take() noexcept { return std::exchange(effects_, {}); }
    /// Hands all effects so far to @p out, in order; the list is empty afterwards, but keeps room for a few more.
    template <effect_sink<Effect> Sink>
    void move_to(Sink& out) {
        auto all = take();
        for (auto& e : all) out.push(std::move(e));
        all.clear();
        if (all.capacity() <= spare && effects_.empty()) effects_ = std::move(all);
    }

private:
    static constexpr std::size_t spare = 64;  // ours

    std::vector<Effect> effects_;
};
static_assert(effect_sink<effect_list<int>, int>);

}  // namespace muster
