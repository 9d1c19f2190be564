// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Performs the effects of a machine whose performing leads to more of them.
///
/// Idea: whoever performs an effect may call the machine again, and what that wants is done after what was wanted
/// before, by the first caller. Nothing is lost to an exception: what is left undone waits, and the owner is told, so
/// that it can have itself woken.

#include <deque>
#include <utility>

#include <muster/core/effect_sink.hpp>

namespace muster {

/// Effects that wait to be performed, in order. Not thread-safe.
template <class Effect>
class effect_queue {
public:
    /// What is in @p more waits behind all others.
    void add(effect_list<Effect>& more) {
        for (auto& e : more.take()) waiting_.push_back(std::move(e));
    }
    /// Adds @p more, and calls @p perform_one for each that waits, then @p at_the_end: also when an effect throws,
    /// which comes out of here. @p at_the_end must not throw.
    template <class One, class End>
    void perform(effect_list<Effect>& more, One perform_one, End at_the_end) {
        add(more);
        struct ending {
            End& f;
            ~ending() { f(); }
        } const ends_so{at_the_end};
        while (!waiting_.empty()) {
            auto e = std::move(waiting_.front());
            waiting_.pop_front();
            perform_one(e);
        }
    }
    [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
    void clear() noexcept { waiting_.clear(); }

private:
    std::deque<Effect> waiting_;
};

}  // namespace muster
